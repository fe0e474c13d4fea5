#include "extract/dbt_names.h"

#include <algorithm>

#include "base/hash.h"

namespace tideline::extract {
namespace {

std::string quoted(std::string_view text) {
  const bool has_single = text.find('\'') != std::string_view::npos;
  const char quote = has_single && text.find('"') == std::string_view::npos ? '"' : '\'';
  std::string out(1, quote);
  for (const char c : text) {
    switch (c) {
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\\':
        out += "\\\\";
        break;
      default:
        if (c == quote) {
          (out += '\\') += c;
        } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
          static constexpr char kDigits[] = "0123456789abcdef";
          out += "\\x";
          out += kDigits[static_cast<unsigned char>(c) >> 4U];
          out += kDigits[c & 0xF];
        } else {
          out += c;
        }
    }
  }
  return out += quote;
}

/// The value with every leaf as its text and every dict sorted, as repr() writes it.
std::string hashable(const Json& value) {
  std::string out;
  if (const auto* list = value.if_array()) {
    for (const Json& item : *list) out += (out.empty() ? "" : ", ") + hashable(item);
    return "[" + out + "]";
  }
  if (const auto* object = value.if_object()) {
    std::vector<std::pair<std::string, const Json*>> members;
    for (const auto& [key, member] : *object) members.emplace_back(key, &member);
    std::sort(members.begin(), members.end(), [](auto& a, auto& b) { return a.first < b.first; });
    for (const auto& [key, member] : members) out += (out.empty() ? "" : ", ") + quoted(key) + ": " + hashable(*member);
    return "{" + out + "}";
  }
  return quoted(python_str(value));
}

/// Runs of anything but ASCII letters, digits and underscores become one underscore.
std::string clean(std::string_view text) {
  std::string out;
  bool in_run = false;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    if (plain || !in_run) out += plain ? c : '_';
    in_run = !plain;
  }
  return out;
}

}  // namespace

std::string python_str(const Json& value) {
  if (const auto* text = value.if_string()) return *text;
  return python_repr(value);
}

std::string python_repr(const Json& value) {
  std::string out;
  if (const auto* text = value.if_string()) return quoted(*text);
  if (const auto* truth = value.if_bool()) return *truth ? "True" : "False";
  if (value.if_double() != nullptr) {
    out = value.canonical();
    // Python writes a float with its point.
    if (out.find_first_of(".en") == std::string::npos) out += ".0";
    return out;
  }
  if (const auto* list = value.if_array()) {
    for (const Json& item : *list) out += (out.empty() ? "" : ", ") + python_repr(item);
    return "[" + out + "]";
  }
  if (const auto* object = value.if_object()) {
    for (const auto& [key, member] : *object)
      out += (out.empty() ? "" : ", ") + quoted(key) + ": " + python_repr(member);
    return "{" + out + "}";
  }
  return value.is_null() ? "None" : value.canonical();
}

TestNames test_names(const GenericTest& test, std::string_view target, bool is_source) {
  std::string identifier = test.name_space.empty() ? "" : test.name_space + "_";
  identifier += (is_source ? "source_" : "") + test.name + "_" + std::string(target);
  std::vector<std::pair<std::string, const Json*>> sorted;
  for (const auto& [key, value] : test.arguments) sorted.emplace_back(key, &value);
  std::sort(sorted.begin(), sorted.end(), [](auto& a, auto& b) { return a.first < b.first; });
  std::string words;
  bool first = true;
  for (const auto& [key, value] : sorted) {
    std::vector<const Json*> parts;
    if (const auto* list = value->if_array()) {
      for (const Json& item : *list) parts.push_back(&item);
    } else if (const auto* object = value->if_object()) {
      for (const auto& member : *object) parts.push_back(&member.second);
    } else {
      parts.push_back(value);
    }
    for (const Json* part : parts) {
      if (first)
        words = clean(python_str(*part));
      else
        (words += "__") += clean(python_str(*part));
      first = false;
    }
  }
  TestNames names;
  names.full = identifier + "_" + words;
  names.alias = names.full;
  // dbt counts characters, as does a warehouse that allows 63 of them.
  const auto characters =
      std::count_if(names.full.begin(), names.full.end(), [](char c) { return (c & 0xC0) != 0x80; });
  if (characters >= 64) names.alias = identifier.substr(0, 30) + "_" + md5_hex(names.full);
  return names;
}

std::string test_hash(const GenericTest& test, std::string_view full_name) {
  Json::Object arguments = test.arguments;
  arguments.emplace_back("model", Json(test.model));
  Json::Object metadata;
  metadata.emplace_back("namespace", test.name_space.empty() ? Json() : Json(test.name_space));
  metadata.emplace_back("name", Json(test.name));
  metadata.emplace_back("kwargs", Json(std::move(arguments)));
  const std::string hash = md5_hex(std::string(full_name) + hashable(Json(std::move(metadata))));
  return hash.substr(hash.size() - 10);
}

}  // namespace tideline::extract
