#include "server/fields.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "server/decode.h"

namespace tideline::server {
namespace {

constexpr std::string_view kNotId = "must be a UUID (8-4-4-4-12 hex digits)";
constexpr std::string_view kNotIds = "must be a list of UUIDs";
constexpr std::string_view kNotTimestamp = "must be a time by ISO 8601, such as 2026-01-31T12:00:00Z";

bool has_control_character(std::string_view text) {
  return std::ranges::any_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7F; });
}

std::string range_message(std::int64_t least, std::int64_t most) {
  return "must be an integer from " + std::to_string(least) + " to " + std::to_string(most);
}

void sort_unique(std::vector<Uuid>& ids) {
  std::ranges::sort(ids);
  ids.erase(std::ranges::unique(ids).begin(), ids.end());
}

// "…T12:00:00+02:00" put into a query without escaping arrives with a space: the '+' of a form. No time has a space
// there, so it can be put back.
std::optional<Timestamp> parse_query_timestamp(std::string_view text) {
  if (auto time = Timestamp::parse(text)) return time;
  constexpr std::size_t kZoneBytes = 6;  // " hh:mm"
  if (text.size() > kZoneBytes && text[text.size() - kZoneBytes] == ' ') {
    std::string repaired(text);
    repaired[text.size() - kZoneBytes] = '+';
    return Timestamp::parse(repaired);
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> check_text(std::string_view text, const TextRule& rule) {
  if (text.empty() && !rule.may_be_empty) return "must not be empty";
  if (text.size() > rule.max_bytes) return "must be at most " + std::to_string(rule.max_bytes) + " bytes";
  if (text.find('\0') != std::string_view::npos) return "must not contain the character U+0000";
  if (!rule.may_have_control_characters && has_control_character(text)) return "must not contain control characters";
  if (!rule.may_have_control_characters && !text.empty() && trim(text).empty()) return "must not be blank";
  if (!is_valid_utf8(text)) return "must be valid UTF-8";
  return std::nullopt;
}

std::optional<std::string> normalize_subdir(std::string_view text) {
  if (text.size() > kMaxSubdirBytes || has_control_character(text) || !is_valid_utf8(text)) return std::nullopt;
  if (text.starts_with('/') || text.find('\\') != std::string_view::npos) return std::nullopt;
  std::string normal;
  for (std::string_view part : split(text, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..") return std::nullopt;
    if (!normal.empty()) normal += '/';
    normal += part;
  }
  return normal;
}

std::optional<std::string> check_url(std::string_view text) {
  if (auto wrong = check_text(text, {.max_bytes = kMaxUrlBytes})) return wrong;
  if (text.find(' ') != std::string_view::npos) return "must not contain spaces";
  const std::size_t scheme = text.find("://");
  if (scheme == std::string_view::npos) return std::nullopt;
  std::string_view authority = text.substr(scheme + 3);
  authority = authority.substr(0, authority.find_first_of("/?#"));
  const std::size_t at = authority.rfind('@');
  if (at == std::string_view::npos) return std::nullopt;
  // ssh://git@host is how such a URL is written; over http a name alone is a token as well.
  const bool is_http = text.starts_with("http");
  if (is_http || authority.substr(0, at).find(':') != std::string_view::npos)
    return "must not contain a user name, password or token";
  return std::nullopt;
}

std::optional<std::string> check_connection_type(std::string_view text) {
  constexpr std::size_t kMaxTypeBytes = 32;
  const bool fits = !text.empty() && text.size() <= kMaxTypeBytes && text[0] >= 'a' && text[0] <= 'z' &&
                    std::ranges::all_of(text, [](char c) {
                      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
                    });
  if (fits) return std::nullopt;
  return "must be a word of at most 32 lower-case letters, digits, '-' and '_', such as github, gitlab, git or local";
}

std::optional<bool> parse_flag(std::string_view text) {
  if (text == "true" || text == "1") return true;
  if (text == "false" || text == "0") return false;
  return std::nullopt;
}

std::optional<std::int64_t> parse_integer(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<std::string_view> QueryFields::single(std::string_view name) {
  if (query_.count(name) > 1) {
    wrong(name, "must be given once");
    return std::nullopt;
  }
  return query_.find(name);
}

bool QueryFields::flag(std::string_view name, bool otherwise) {
  const auto text = single(name);
  if (!text) return otherwise;
  const auto value = parse_flag(*text);
  if (!value) wrong(name, "must be true or false");
  return value.value_or(otherwise);
}

std::int64_t QueryFields::integer(std::string_view name, std::int64_t otherwise, std::int64_t least,
                                  std::int64_t most) {
  const auto text = single(name);
  if (!text) return otherwise;
  const auto value = parse_integer(*text);
  if (value && *value >= least && *value <= most) return *value;
  wrong(name, range_message(least, most));
  return otherwise;
}

std::optional<Timestamp> QueryFields::timestamp(std::string_view name) {
  const auto text = single(name);
  if (!text) return std::nullopt;
  const auto value = parse_query_timestamp(*text);
  if (!value) wrong(name, std::string(kNotTimestamp));
  return value;
}

std::optional<std::vector<Uuid>> QueryFields::ids(std::string_view name) {
  auto values = query_.all(name);
  const auto bracketed = query_.all(std::string(name) + "[]");
  values.insert(values.end(), bracketed.begin(), bracketed.end());
  std::vector<Uuid> ids;
  bool given = false;
  for (std::string_view value : values) {
    if (trim(value).empty()) continue;
    given = true;
    for (std::string_view piece : split(value, ',')) {
      const auto id = Uuid::parse(trim(piece));
      if (!id) {
        wrong(name, std::string(kNotIds) + ", repeated or separated by commas");
        return std::nullopt;
      }
      ids.push_back(*id);
    }
  }
  if (!given) return std::nullopt;
  sort_unique(ids);
  return ids;
}

std::optional<std::string> QueryFields::text(std::string_view name, const TextRule& rule) {
  const auto text = single(name);
  if (!text) return std::nullopt;
  if (auto message = check_text(*text, rule)) {
    wrong(name, std::move(*message));
    return std::nullopt;
  }
  return std::string(*text);
}

const Json* JsonFields::find(std::string_view name) const {
  const Json* member = object_.find(name);
  return member != nullptr && !member->is_null() ? member : nullptr;
}

std::optional<std::string> JsonFields::text(std::string_view name, const TextRule& rule) {
  const Json* member = find(name);
  if (member == nullptr) return std::nullopt;
  const std::string* value = member->if_string();
  if (value == nullptr) {
    wrong(name, "must be a string");
    return std::nullopt;
  }
  if (auto message = check_text(*value, rule)) {
    wrong(name, std::move(*message));
    return std::nullopt;
  }
  return *value;
}

std::string JsonFields::required_text(std::string_view name, const TextRule& rule) {
  if (find(name) == nullptr) wrong(name, "is required");
  return text(name, rule).value_or(std::string());
}

std::optional<std::optional<std::string>> JsonFields::nullable_text(std::string_view name, const TextRule& rule) {
  const Json* member = object_.find(name);
  if (member == nullptr) return std::nullopt;
  const bool is_empty = member->is_null() || (member->if_string() != nullptr && member->if_string()->empty());
  if (is_empty) return std::optional<std::string>();
  auto value = text(name, rule);
  if (!value) return std::nullopt;
  return value;
}

std::optional<std::string> JsonFields::one_of(std::string_view name, std::initializer_list<std::string_view> values) {
  const Json* member = find(name);
  if (member == nullptr) return std::nullopt;
  const std::string* value = member->if_string();
  if (value != nullptr && std::ranges::find(values, *value) != values.end()) return *value;
  std::string message = "must be one of ";
  for (const auto* each = values.begin(); each != values.end(); ++each) {
    if (each != values.begin()) message += ", ";
    message += *each;
  }
  wrong(name, std::move(message));
  return std::nullopt;
}

std::optional<std::int64_t> JsonFields::integer(std::string_view name, std::int64_t least, std::int64_t most) {
  const Json* member = find(name);
  if (member == nullptr) return std::nullopt;
  const std::int64_t* value = member->if_int();
  if (value != nullptr && *value >= least && *value <= most) return *value;
  wrong(name, range_message(least, most));
  return std::nullopt;
}

std::optional<Timestamp> JsonFields::timestamp(std::string_view name) {
  const Json* member = find(name);
  if (member == nullptr) return std::nullopt;
  const std::string* text = member->if_string();
  const auto value = text != nullptr ? Timestamp::parse(*text) : std::nullopt;
  if (!value) wrong(name, std::string(kNotTimestamp));
  return value;
}

std::optional<Uuid> JsonFields::id(std::string_view name) {
  const Json* member = find(name);
  if (member == nullptr) return std::nullopt;
  const std::string* text = member->if_string();
  const auto value = text != nullptr ? Uuid::parse(*text) : std::nullopt;
  if (!value) wrong(name, std::string(kNotId));
  return value;
}

std::optional<std::vector<std::pair<Uuid, std::int64_t>>> JsonFields::numbers_by_id(std::string_view name,
                                                                                    std::int64_t most) {
  const Json* member = find(name);
  if (member == nullptr) return std::nullopt;
  const Json::Object* object = member->if_object();
  if (object != nullptr && object->size() > kMaxIds) {
    wrong(name, "must have at most " + std::to_string(kMaxIds) + " entries");
    return std::nullopt;
  }
  std::vector<std::pair<Uuid, std::int64_t>> numbers;
  for (const auto& [key, value] : object != nullptr ? *object : Json::Object{}) {
    const auto id = Uuid::parse(key);
    const std::int64_t* number = value.if_int();
    if (id && number != nullptr && *number >= 0 && *number <= most) numbers.emplace_back(*id, *number);
  }
  if (object == nullptr || numbers.size() != object->size()) {
    wrong(name, "must be an object of integers from 0 to " + std::to_string(most) + " by UUIDs");
    return std::nullopt;
  }
  return numbers;
}

std::optional<std::vector<Uuid>> JsonFields::ids(std::string_view name) {
  const Json* member = find(name);
  if (member == nullptr) return std::nullopt;
  const Json::Array* array = member->if_array();
  if (array == nullptr) {
    wrong(name, std::string(kNotIds));
    return std::nullopt;
  }
  if (array->size() > kMaxIds) {
    wrong(name, "must have at most " + std::to_string(kMaxIds) + " entries");
    return std::nullopt;
  }
  std::vector<Uuid> ids;
  ids.reserve(array->size());
  for (const Json& entry : *array) {
    const std::string* text = entry.if_string();
    const auto id = text != nullptr ? Uuid::parse(*text) : std::nullopt;
    if (!id) {
      wrong(name, std::string(kNotIds));
      return std::nullopt;
    }
    ids.push_back(*id);
  }
  sort_unique(ids);
  return ids;
}

std::optional<JsonText> JsonFields::json(std::string_view name) const {
  const Json* member = find(name);
  if (member == nullptr) return std::nullopt;
  return JsonText{member->canonical()};
}

}  // namespace tideline::server
