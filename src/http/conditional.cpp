#include "http/conditional.h"

#include "base/text.h"

namespace tideline::http {

namespace {

struct Tag {
  std::string_view quoted;  // with its quotes
  bool weak = false;
};

std::optional<Tag> parse_tag(std::string_view& rest) {
  Tag tag;
  if (rest.starts_with("W/")) {
    tag.weak = true;
    rest.remove_prefix(2);
  }
  if (!rest.starts_with('"')) return std::nullopt;
  const std::size_t close = rest.find('"', 1);
  if (close == std::string_view::npos) return std::nullopt;
  tag.quoted = rest.substr(0, close + 1);
  rest.remove_prefix(close + 1);
  return tag;
}

/// Whether `matches` holds for a member of the list; false when the list is malformed anywhere.
template <class Matches>
bool any_tag(std::string_view header, Matches matches) {
  std::string_view rest = trim(header);
  if (rest == "*") return true;
  bool found = false;
  while (!rest.empty()) {
    if (rest.front() == ',' || rest.front() == ' ' || rest.front() == '\t') {
      rest.remove_prefix(1);
      continue;
    }
    const auto tag = parse_tag(rest);
    if (!tag) return false;
    rest = trim(rest);
    if (!rest.empty() && rest.front() != ',') return false;
    found = found || matches(*tag);
  }
  return found;
}

}  // namespace

std::string entity_tag(std::string_view opaque, Encoding encoding) {
  std::string tag = "\"";
  tag += opaque;
  if (encoding != Encoding::kIdentity) (tag += '-') += to_string(encoding);
  tag += '"';
  return tag;
}

bool if_none_match(std::string_view header, std::string_view tag) {
  if (tag.starts_with("W/")) tag.remove_prefix(2);
  return any_tag(header, [&](const Tag& listed) { return listed.quoted == tag; });
}

bool if_match(std::string_view header, std::string_view tag) {
  return any_tag(header, [&](const Tag& listed) { return !listed.weak && listed.quoted == tag; });
}

std::optional<Response> not_modified(const Request& request, std::string_view tag, std::string_view cache_control,
                                     std::string_view vary) {
  if (request.method != Method::kGet && request.method != Method::kHead) return std::nullopt;
  const auto header = request.headers.joined("If-None-Match");
  if (!header || !if_none_match(*header, tag)) return std::nullopt;
  Response response;
  response.status = 304;
  response.headers.add("ETag", tag);
  response.headers.add("Cache-Control", cache_control);
  response.headers.add("Vary", vary);
  return response;
}

}  // namespace tideline::http
