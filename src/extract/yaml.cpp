#include "extract/yaml.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <memory>

#include <fmt/format.h>
#include <yaml.h>

#include "base/text.h"

namespace tideline::extract {
namespace {

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

/// An integer of YAML 1.1 in decimal: 12, -0x1F, 0b11, 017, 1_000. Empty: none, or too large for 64 bits.
std::string integer_text(std::string_view text) {
  std::string digits;
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  for (const char c : text)
    if (c != '_') digits += c;
  if (digits.empty() || digits[0] < '0' || digits[0] > '9') return {};
  int base = 10;
  std::size_t from = 0;
  if (digits.starts_with("0x"))
    base = 16, from = 2;
  else if (digits.starts_with("0b"))
    base = 2, from = 2;
  else if (digits.size() > 1 && digits[0] == '0')
    base = 8, from = 1;
  std::int64_t value = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data() + from, end, value, base);
  if (error != std::errc() || stop != end) return {};
  return std::to_string(negative ? -value : value);
}

bool is_float(std::string_view text) {
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  const std::size_t point = text.find('.');
  if (point == std::string_view::npos || text.empty()) return false;
  bool digit = false;
  std::size_t at = 0;
  for (; at < text.size() && text[at] != 'e' && text[at] != 'E'; ++at) {
    if (text[at] == '.' && at != point) return false;
    if (text[at] != '.' && text[at] != '_' && (text[at] < '0' || text[at] > '9')) return false;
    digit |= text[at] >= '0' && text[at] <= '9';
  }
  if (!digit) return false;
  if (at == text.size()) return true;
  ++at;
  if (at == text.size() || (text[at] != '+' && text[at] != '-')) return false;  // PyYAML wants the sign
  ++at;
  return at < text.size() &&
         std::all_of(
             text.begin() + static_cast<std::ptrdiff_t>(at), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

void resolve_plain(Yaml& node) {
  const std::string_view text = node.text;
  if (is_one_of(text, {"", "~", "null", "Null", "NULL"})) {
    node.kind = Yaml::Kind::kNull;
    node.text.clear();
  } else if (is_one_of(text, {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"})) {
    node.kind = Yaml::Kind::kBoolean;
    node.text = "true";
  } else if (is_one_of(text, {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"})) {
    node.kind = Yaml::Kind::kBoolean;
    node.text = "false";
  } else if (auto integer = integer_text(text); !integer.empty()) {
    node.kind = Yaml::Kind::kInteger;
    node.text = std::move(integer);
  } else if (is_float(text)) {
    node.kind = Yaml::Kind::kFloat;
  }
}

class Reader {
 public:
  Reader(std::string_view text, std::string_view path) : path_(path) {
    ready_ = yaml_parser_initialize(&parser_) != 0;
    if (ready_) {
      yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
      yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()), text.size());
    }
  }
  ~Reader() {
    if (ready_) yaml_parser_delete(&parser_);
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  Result<Yaml> document() {
    if (!ready_) return fail(Code::kResourceExhausted, fmt::format("{}: no memory to read it", path_));
    for (;;) {
      TRY(auto event, next());
      switch (event->type) {
        case YAML_STREAM_START_EVENT:
        case YAML_DOCUMENT_START_EVENT:
          continue;
        case YAML_STREAM_END_EVENT:
        case YAML_DOCUMENT_END_EVENT:
        case YAML_NO_EVENT:
          return Yaml{};
        default:
          return value(*event, 0);
      }
    }
  }

 private:
  struct Delete {
    void operator()(yaml_event_t* event) const {
      yaml_event_delete(event);
      delete event;
    }
  };
  using Event = std::unique_ptr<yaml_event_t, Delete>;

  tl::unexpected<Error> error_at(const yaml_mark_t& mark, std::string_view what) {
    return fail(Code::kInvalidInput, fmt::format("{}:{}:{}: {}", path_, mark.line + 1, mark.column + 1, what));
  }

  Result<Event> next() {
    auto* raw = new yaml_event_t{};
    if (yaml_parser_parse(&parser_, raw) == 0) {
      delete raw;
      const char* problem = parser_.problem != nullptr ? parser_.problem : "is not valid YAML";
      if (parser_.error == YAML_READER_ERROR)
        return fail(Code::kInvalidInput, fmt::format("{}: byte {}: {}", path_, parser_.problem_offset, problem));
      std::string what = problem;
      if (parser_.context != nullptr) what = fmt::format("{}, {}", parser_.context, problem);
      return error_at(parser_.problem_mark, what);
    }
    return Event(raw);
  }

  Result<void> count(const Yaml& node, std::size_t nodes) {
    nodes_ += nodes;
    if (nodes_ <= kMaxYamlNodes) return {};
    return fail(Code::kTooLarge, fmt::format("{}:{}:{}: more than {} values, those that aliases repeat included", path_,
                                             node.line, node.column, kMaxYamlNodes));
  }

  static std::size_t size_of(const Yaml& node) {
    std::size_t size = 1;
    for (const Yaml& item : node.items) size += size_of(item);
    return size;
  }
  static int depth_of(const Yaml& node) {
    int depth = 0;
    for (const Yaml& item : node.items) depth = std::max(depth, depth_of(item));
    return depth + 1;
  }

  void remember(const unsigned char* anchor, const Yaml& node) {
    if (anchor != nullptr) anchors_[reinterpret_cast<const char*>(anchor)] = {node, size_of(node), depth_of(node)};
  }

  Result<Yaml> value(const yaml_event_t& event, int depth) {
    Yaml node;
    node.line = static_cast<std::uint32_t>(event.start_mark.line + 1);
    node.column = static_cast<std::uint32_t>(event.start_mark.column + 1);
    if (depth >= kMaxYamlDepth) return error_at(event.start_mark, fmt::format("nested deeper than {}", kMaxYamlDepth));
    TRY_VOID(count(node, 1));
    switch (event.type) {
      case YAML_SCALAR_EVENT: {
        const auto& scalar = event.data.scalar;
        node.kind = Yaml::Kind::kText;
        node.text.assign(reinterpret_cast<const char*>(scalar.value), scalar.length);
        std::replace(node.text.begin(), node.text.end(), '\0', ' ');
        const bool tagged = scalar.tag != nullptr &&
                            std::string_view(reinterpret_cast<const char*>(scalar.tag)) == "tag:yaml.org,2002:str";
        if (scalar.style == YAML_PLAIN_SCALAR_STYLE && !tagged) resolve_plain(node);
        remember(scalar.anchor, node);
        return node;
      }
      case YAML_ALIAS_EVENT: {
        const auto found = anchors_.find(reinterpret_cast<const char*>(event.data.alias.anchor));
        if (found == anchors_.end()) return error_at(event.start_mark, "an alias of what has no anchor before it");
        if (depth + found->second.depth > kMaxYamlDepth)
          return error_at(event.start_mark, fmt::format("nested deeper than {}", kMaxYamlDepth));
        TRY_VOID(count(node, found->second.size));
        return found->second.node;
      }
      case YAML_SEQUENCE_START_EVENT: {
        node.kind = Yaml::Kind::kList;
        for (;;) {
          TRY(auto inner, next());
          if (inner->type == YAML_SEQUENCE_END_EVENT) break;
          TRY(auto item, value(*inner, depth + 1));
          node.items.push_back(std::move(item));
        }
        remember(event.data.sequence_start.anchor, node);
        return node;
      }
      case YAML_MAPPING_START_EVENT: {
        TRY_VOID(members(node, depth));
        remember(event.data.mapping_start.anchor, node);
        return node;
      }
      default:
        return error_at(event.start_mark, "expected a value");
    }
  }

  Result<void> members(Yaml& node, int depth) {
    node.kind = Yaml::Kind::kMap;
    std::map<std::string, std::size_t, std::less<>> places;
    const auto put = [&](std::string key, Yaml item, bool overwrite) {
      const auto [at, fresh] = places.emplace(key, node.items.size());
      if (fresh) {
        node.keys.push_back(std::move(key));
        node.items.push_back(std::move(item));
      } else if (overwrite) {
        node.items[at->second] = std::move(item);
      }
    };
    std::vector<Yaml> merged;
    for (;;) {
      TRY(auto inner, next());
      if (inner->type == YAML_MAPPING_END_EVENT) break;
      const yaml_mark_t mark = inner->start_mark;
      TRY(auto key, value(*inner, depth + 1));
      if (key.is_list() || key.is_map())
        return error_at(mark, "expected a text as a key, found " + std::string(to_string(key.kind)));
      // As it is written: a folder may be called `off`, which is a boolean elsewhere.
      if (inner->type == YAML_SCALAR_EVENT)
        key.text.assign(reinterpret_cast<const char*>(inner->data.scalar.value), inner->data.scalar.length);
      TRY(auto after, next());
      TRY(auto item, value(*after, depth + 1));
      if (key.text == "<<" && (item.is_map() || item.is_list()))
        merged.push_back(std::move(item));
      else
        put(std::move(key.text), std::move(item), true);
    }
    // What is merged never overrides what stands there.
    for (Yaml& source : merged) {
      std::vector<Yaml> maps;
      if (source.is_map())
        maps.push_back(std::move(source));
      else
        maps = std::move(source.items);
      for (Yaml& map : maps)
        for (std::size_t i = 0; i < map.keys.size(); ++i) put(map.keys[i], std::move(map.items[i]), false);
    }
    return {};
  }

  struct Anchor {
    Yaml node;
    std::size_t size;
    int depth;
  };
  std::string path_;
  yaml_parser_t parser_{};
  bool ready_ = false;
  std::size_t nodes_ = 0;
  std::map<std::string, Anchor, std::less<>> anchors_;
};

}  // namespace

std::string_view to_string(Yaml::Kind kind) {
  static constexpr std::array<std::string_view, 7> kNames{"nothing", "a boolean", "a number", "a number",
                                                          "a text",  "a list",    "a map"};
  return kNames[static_cast<std::size_t>(kind)];
}

const Yaml* Yaml::find(std::string_view key) const {
  for (std::size_t i = 0; i < keys.size(); ++i)
    if (keys[i] == key) return items[i].is_null() ? nullptr : &items[i];
  return nullptr;
}

std::string_view Yaml::scalar_at(std::string_view key) const {
  const Yaml* member = find(key);
  return member != nullptr && member->is_scalar() ? std::string_view(member->text) : std::string_view();
}

Json Yaml::to_json() const {
  switch (kind) {
    case Kind::kNull:
      return {};
    case Kind::kBoolean:
      return Json(text == "true");
    case Kind::kInteger: {
      std::int64_t value = 0;
      std::from_chars(text.data(), text.data() + text.size(), value);
      return Json(value);
    }
    case Kind::kFloat: {
      std::string plain;
      for (const char c : text)
        if (c != '_' && c != '+') plain += c;
      double value = 0;
      std::from_chars(plain.data(), plain.data() + plain.size(), value);
      return Json(value);
    }
    case Kind::kText:
      return Json(text);
    case Kind::kList: {
      Json::Array array;
      for (const Yaml& item : items) array.push_back(item.to_json());
      return Json(std::move(array));
    }
    case Kind::kMap: {
      Json::Object object;
      for (std::size_t i = 0; i < keys.size(); ++i) object.emplace_back(keys[i], items[i].to_json());
      return Json(std::move(object));
    }
  }
  return {};
}

Result<Yaml> read_yaml(std::string_view text, std::string_view path) {
  if (text.size() > kMaxYamlBytes)
    return fail(Code::kTooLarge, fmt::format("{}: has {} bytes; the limit is {}", path, text.size(), kMaxYamlBytes));
  if (!is_valid_utf8(text)) return fail(Code::kInvalidInput, fmt::format("{}: is not UTF-8", path));
  return Reader(text, path).document();
}

}  // namespace tideline::extract
