#include "http/multipart.h"

#include <algorithm>

#include "base/text.h"

namespace tideline::http {

namespace {

/// One parameter of a header value such as `form-data; name="a"; filename="b\"c"`. Moves `rest` behind it.
struct Parameter {
  std::string name;  // lower case
  std::string value;
};

/// nullopt when malformed; an empty name at the end.
std::optional<Parameter> next_parameter(std::string_view& rest) {
  rest = trim(rest);
  if (rest.empty()) return Parameter{};
  if (rest.front() != ';') return std::nullopt;
  rest = trim(rest.substr(1));
  if (rest.empty()) return Parameter{};
  const std::size_t equals = rest.find_first_of("=;");
  if (equals == std::string_view::npos || rest[equals] == ';') return std::nullopt;
  Parameter parameter;
  parameter.name = ascii_lower(trim(rest.substr(0, equals)));
  rest = trim(rest.substr(equals + 1));
  if (!rest.starts_with('"')) {
    const std::size_t end = std::min(rest.find(';'), rest.size());
    parameter.value = trim(rest.substr(0, end));
    rest.remove_prefix(end);
    return parameter;
  }
  for (std::size_t i = 1; i < rest.size(); ++i) {
    if (rest[i] == '"') {
      rest.remove_prefix(i + 1);
      return parameter;
    }
    // Browsers escape a quote (or write %22); a lone backslash is part of a Windows file name.
    if (rest[i] == '\\' && i + 1 < rest.size() && (rest[i + 1] == '"' || rest[i + 1] == '\\')) ++i;
    parameter.value += rest[i];
  }
  return std::nullopt;
}

bool is_boundary_text(std::string_view text) {
  return !text.empty() && text.size() <= kMaxBoundaryBytes && text.back() != ' ' &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  std::string_view("'()+_,-./:=? ").find(c) != std::string_view::npos;
         });
}

}  // namespace

Result<std::string> multipart_boundary(std::string_view content_type) {
  const std::size_t semicolon = std::min(content_type.find(';'), content_type.size());
  if (!equal_ignoring_case(trim(content_type.substr(0, semicolon)), "multipart/form-data"))
    return fail(Code::kUnsupported, "the body is not multipart/form-data");
  std::string_view rest = content_type.substr(semicolon);
  std::optional<std::string> boundary;
  for (;;) {
    auto parameter = next_parameter(rest);
    if (!parameter) return fail(Code::kInvalidInput, "the Content-Type of the form is malformed");
    if (parameter->name.empty()) break;
    if (parameter->name != "boundary") continue;
    if (boundary) return fail(Code::kInvalidInput, "the Content-Type of the form has two boundaries");
    boundary = std::move(parameter->value);
  }
  if (!boundary || !is_boundary_text(*boundary))
    return fail(Code::kInvalidInput, "the Content-Type of the form has no valid boundary of 1 to " +
                                         std::to_string(kMaxBoundaryBytes) + " characters");
  return std::move(*boundary);
}

// The content of a part ends at CRLF "--" boundary. The bytes that may be the begin of that are held back in `held`
// (never more than a delimiter's length) and given out as content once they turn out not to be.
struct MultipartParser::Impl {
  enum class State { kPreamble, kAfterDelimiter, kHeader, kContent, kEpilogue };

  explicit Impl(std::string_view boundary) : delimiter("\r\n--" + std::string(boundary)) {
    // The first delimiter may stand at the very begin of the body, where no CRLF is ahead of it.
    matched = 2;
  }

  tl::unexpected<Error> malformed(std::string_view why) const {
    return fail(Code::kInvalidInput,
                "the form is malformed at byte " + std::to_string(position) + ": " + std::string(why));
  }

  void take(std::size_t bytes) {
    input.remove_prefix(bytes);
    position += bytes;
  }

  /// Scans content (or preamble) for the delimiter. Sets `data` to what is content for certain; true when the whole
  /// delimiter was seen.
  bool find_delimiter() {
    data = {};
    while (!input.empty()) {
      if (matched == 0) {
        const std::size_t cr = std::min(input.find('\r'), input.size());
        if (cr > 0) {
          data = input.substr(0, cr);
          take(cr);
          return false;
        }
      }
      if (input.front() == delimiter[matched]) {
        take(1);
        if (++matched == delimiter.size()) {
          matched = 0;
          at_begin = false;
          return true;
        }
        continue;
      }
      // Not the delimiter after all. What matched was content; CR stands only at its begin, so no later byte of it can
      // begin another match, and this byte is looked at afresh.
      const std::size_t skipped = at_begin ? 2 : 0;
      data = std::string_view(delimiter).substr(skipped, matched - skipped);
      matched = 0;
      at_begin = false;
      if (!data.empty()) return false;
    }
    return false;
  }

  Result<Event> next() {
    for (;;) {
      switch (state) {
        case State::kPreamble: {
          if (find_delimiter()) {
            enter_after_delimiter();
            break;
          }
          if (data.empty()) return Event::kNeedInput;
          break;  // preamble is thrown away
        }
        case State::kAfterDelimiter: {
          if (input.empty()) return Event::kNeedInput;
          TRY(const bool moved_on, after_delimiter());
          if (!moved_on) break;
          if (state == State::kEpilogue) return Event::kEnd;
          break;
        }
        case State::kHeader: {
          if (input.empty()) return Event::kNeedInput;
          TRY(const bool complete, header_byte());
          if (complete) return Event::kPart;
          break;
        }
        case State::kContent: {
          const bool ended = find_delimiter();
          if (ended) {
            enter_after_delimiter();
            return Event::kPartEnd;
          }
          return data.empty() ? Event::kNeedInput : Event::kData;
        }
        case State::kEpilogue:
          take(input.size());
          return Event::kNeedInput;
      }
    }
  }

  void enter_after_delimiter() {
    state = State::kAfterDelimiter;
    line.clear();
  }

  /// Behind a delimiter: "--" ends the form; spaces and CRLF begin a part. True when that is decided.
  Result<bool> after_delimiter() {
    const char c = input.front();
    take(1);
    if (line.empty() && (c == ' ' || c == '\t')) return false;  // transport padding (RFC 2046 §5.1.1)
    line += c;
    if (line == "--") {
      state = State::kEpilogue;
      return true;
    }
    if (line == "\r\n") {
      if (++parts > kMaxParts)
        return fail(Code::kTooLarge, "the form has more than " + std::to_string(kMaxParts) + " parts");
      state = State::kHeader;
      line.clear();
      header_bytes = 0;
      part = {};
      has_disposition = false;
      return true;
    }
    if (line != "-" && line != "\r") return malformed("a boundary is not followed by a line end");
    return false;
  }

  /// One byte of a part's header. True when the header is complete.
  Result<bool> header_byte() {
    const char c = input.front();
    take(1);
    if (++header_bytes > kMaxPartHeaderBytes)
      return fail(Code::kTooLarge,
                  "the header of a part is longer than " + std::to_string(kMaxPartHeaderBytes) + " bytes");
    line += c;
    if (!line.ends_with("\r\n")) {
      if (c == '\n') return malformed("a line of a part's header ends in LF alone");
      return false;
    }
    line.resize(line.size() - 2);
    if (line.empty()) {
      if (!has_disposition) return malformed("a part has no Content-Disposition");
      state = State::kContent;
      // An empty part is closed by the CRLF that ended its header.
      matched = 2;
      at_begin = true;
      return true;
    }
    TRY_VOID(header_line());
    line.clear();
    return false;
  }

  Result<void> header_line() {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos || colon == 0) return malformed("a part has a header line without a name");
    const std::string name = ascii_lower(std::string_view(line).substr(0, colon));
    std::string_view value = trim(std::string_view(line).substr(colon + 1));
    if (name == "content-type") {
      part.content_type = value;
    } else if (name == "content-transfer-encoding") {
      // RFC 7578 §4.7 deprecates it; the codings that are none are harmless.
      if (!equal_ignoring_case(value, "binary") && !equal_ignoring_case(value, "8bit") &&
          !equal_ignoring_case(value, "7bit"))
        return fail(Code::kUnsupported, "Content-Transfer-Encoding \"" + std::string(value) + "\" is not known here");
    } else if (name == "content-disposition") {
      if (has_disposition) return malformed("a part has two Content-Dispositions");
      const std::size_t semicolon = std::min(value.find(';'), value.size());
      if (!equal_ignoring_case(trim(value.substr(0, semicolon)), "form-data"))
        return malformed("a part's Content-Disposition is not form-data");
      value.remove_prefix(semicolon);
      bool named = false;
      for (;;) {
        auto parameter = next_parameter(value);
        if (!parameter) return malformed("a part's Content-Disposition");
        if (parameter->name.empty()) break;
        if (parameter->name == "name") {
          if (named) return malformed("a part has two names");
          named = true;
          part.name = std::move(parameter->value);
        } else if (parameter->name == "filename") {
          part.filename = std::move(parameter->value);
        }
      }
      if (!named) return malformed("a part has no name");
      if (!is_valid_utf8(part.name) || (part.filename && !is_valid_utf8(*part.filename)))
        return malformed("a part's name is not UTF-8");
      has_disposition = true;
    }
    return {};
  }

  std::string delimiter;
  State state = State::kPreamble;
  std::string_view input;
  std::string_view data;
  std::uint64_t position = 0;
  std::size_t matched = 0;  // bytes of the delimiter seen
  bool at_begin = true;     // the CRLF that counts as matched was not content
  std::size_t parts = 0;
  std::string line;
  std::size_t header_bytes = 0;
  bool has_disposition = false;
  Part part;
};

MultipartParser::MultipartParser(std::string_view boundary) : impl_(std::make_unique<Impl>(boundary)) {}
MultipartParser::~MultipartParser() = default;
MultipartParser::MultipartParser(MultipartParser&&) noexcept = default;
MultipartParser& MultipartParser::operator=(MultipartParser&&) noexcept = default;

void MultipartParser::feed(std::string_view piece) { impl_->input = piece; }
Result<MultipartParser::Event> MultipartParser::next() { return impl_->next(); }
Result<void> MultipartParser::finish() const {
  if (impl_->state == Impl::State::kEpilogue) return {};
  return fail(Code::kInvalidInput, "the form is cut off at byte " + std::to_string(impl_->position));
}
const Part& MultipartParser::part() const { return impl_->part; }
std::string_view MultipartParser::data() const { return impl_->data; }
std::uint64_t MultipartParser::position() const { return impl_->position; }

// ---- MultipartReader

MultipartReader::MultipartReader(BodyReader& body, std::string_view boundary) : body_(body), parser_(boundary) {}

/// The parser's next event that is not kNeedInput; kEnd also at the (orderly) end of the body.
awaitable<Result<MultipartParser::Event>> MultipartReader::advance() {
  for (;;) {
    CO_TRY(const auto event, parser_.next());
    if (event == MultipartParser::Event::kEnd) {
      // The rest is read away, so that the connection can serve another request.
      for (;;) {
        CO_TRY(const auto rest, co_await body_.next());
        if (rest.empty()) break;
      }
    }
    if (event != MultipartParser::Event::kNeedInput) co_return event;
    CO_TRY(const auto piece, co_await body_.next());
    if (piece.empty()) {
      CO_TRY_VOID(parser_.finish());
      co_return MultipartParser::Event::kEnd;
    }
    parser_.feed(std::string_view(piece.data(), piece.size()));
  }
}

awaitable<Result<const Part*>> MultipartReader::next_part() {
  while (!ended_) {
    CO_TRY(const auto event, co_await advance());
    if (event == MultipartParser::Event::kEnd) {
      ended_ = true;
    } else if (event == MultipartParser::Event::kPart) {
      in_part_ = true;
      co_return &parser_.part();
    } else if (event == MultipartParser::Event::kPartEnd) {
      in_part_ = false;
    }
  }
  co_return nullptr;
}

awaitable<Result<std::span<const char>>> MultipartReader::next_data() {
  if (!in_part_) co_return std::span<const char>{};
  CO_TRY(const auto event, co_await advance());
  if (event == MultipartParser::Event::kData)
    co_return std::span<const char>(parser_.data().data(), parser_.data().size());
  in_part_ = false;
  co_return std::span<const char>{};
}

awaitable<Result<std::string>> MultipartReader::read_part(std::uint64_t limit) {
  std::string all;
  for (;;) {
    CO_TRY(const auto piece, co_await next_data());
    if (piece.empty()) co_return all;
    if (piece.size() > limit - all.size())
      co_return fail(Code::kTooLarge, "part \"" + parser_.part().name + "\" is larger than the limit of " +
                                          std::to_string(limit) + " bytes");
    all.append(piece.data(), piece.size());
  }
}

}  // namespace tideline::http
