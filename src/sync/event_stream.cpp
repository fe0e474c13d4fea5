#include "sync/event_stream.h"

#include <algorithm>

namespace tideline::sync {

Result<void> EventStreamParser::feed(std::string_view bytes, const std::function<void(const ServerEvent&)>& on_event) {
  const auto too_large = [this] {
    failed_ = true;
    return fail(Code::kTooLarge, "an event of the server is larger than " + std::to_string(kMaxEventBytes) + " bytes");
  };
  if (failed_) return too_large();
  while (!bytes.empty()) {
    if (after_cr_) {
      after_cr_ = false;
      if (bytes.front() == '\n') {  // CR LF, perhaps in two pieces, is one end of line
        bytes.remove_prefix(1);
        continue;
      }
    }
    const std::size_t end = bytes.find_first_of("\r\n");
    const std::string_view part = bytes.substr(0, end);
    if (line_.size() + part.size() > kMaxEventBytes) return too_large();
    line_ += part;
    if (end == std::string_view::npos) break;
    after_cr_ = bytes[end] == '\r';
    bytes.remove_prefix(end + 1);
    std::string_view text = line_;
    if (at_start_ && text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    at_start_ = false;
    if (event_.data.size() + text.size() > kMaxEventBytes) return too_large();
    line(text, on_event);
    line_.clear();
  }
  return {};
}

void EventStreamParser::line(std::string_view text, const std::function<void(const ServerEvent&)>& on_event) {
  if (text.empty()) {
    if (has_data_) on_event(event_);
    event_.type = "message";
    event_.data.clear();
    has_data_ = false;
    return;
  }
  const std::size_t colon = text.find(':');
  if (colon == 0) return;  // a comment: what keeps the connection alive
  const std::string_view field = text.substr(0, colon);
  std::string_view value = colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (field == "data") {
    if (has_data_) event_.data += '\n';
    event_.data += value;
    has_data_ = true;
  } else if (field == "event") {
    event_.type = value.empty() ? "message" : std::string(value);
  } else if (field == "id") {
    if (value.find('\0') == std::string_view::npos) event_.id = value;
  } else if (field == "retry") {
    const bool is_number = !value.empty() && value.size() <= 9 &&
                           std::all_of(value.begin(), value.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (is_number) retry_ = std::chrono::milliseconds(std::stoll(std::string(value)));
  }
}

}  // namespace tideline::sync
