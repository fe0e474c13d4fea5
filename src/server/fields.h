#pragma once
// Reading named values, from a query or from a JSON object, while keeping account of all that is wrong with them. A
// getter that fails notes one error and returns nullopt or the default; whoever asked goes on. Rules of single values
// (`check_…`) are shared by both. Pure.

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/json.h"
#include "base/time.h"
#include "http/message.h"
#include "http/query.h"
#include "model/records.h"

namespace tideline::server {

/// What a text may be. Never: a NUL, or bytes that are not UTF-8.
struct TextRule {
  std::size_t max_bytes = 256;
  bool may_be_empty = false;
  bool may_have_control_characters = false;  // line breaks, tabs …
};
/// What is wrong with the text; nullopt: nothing.
std::optional<std::string> check_text(std::string_view text, const TextRule& rule);

/// A folder inside a repository in its one spelling: no "./", no "/" at either end; "" is the root. nullopt for what
/// leads out of it or is no path.
std::optional<std::string> normalize_subdir(std::string_view text);
/// The same for where a repository is: what is wrong with it. A password in it would be shown to every member.
std::optional<std::string> check_url(std::string_view text);
/// github, gitlab, git, local …: a lower-case word.
std::optional<std::string> check_connection_type(std::string_view text);

/// "true", "1", "false", "0".
std::optional<bool> parse_flag(std::string_view text);
std::optional<std::int64_t> parse_integer(std::string_view text);

class QueryFields {
 public:
  QueryFields(const http::Query& query, std::vector<http::FieldError>& errors) : query_(query), errors_(errors) {}

  bool flag(std::string_view name, bool otherwise);
  std::int64_t integer(std::string_view name, std::int64_t otherwise, std::int64_t least, std::int64_t most);
  std::optional<Timestamp> timestamp(std::string_view name);
  /// Repeated, comma-separated, or both; also as "name[]", as some clients write lists. Sorted, each once. An empty
  /// list is one that was not given.
  std::optional<std::vector<Uuid>> ids(std::string_view name);
  std::optional<std::string> text(std::string_view name, const TextRule& rule);
  /// The only value of that name; nullopt when there is none, or (noted) more than one.
  std::optional<std::string_view> single(std::string_view name);
  void wrong(std::string_view name, std::string message) { errors_.push_back({std::string(name), std::move(message)}); }

 private:
  const http::Query& query_;
  std::vector<http::FieldError>& errors_;
};

/// A member that is null is one that is not there, but where a function says otherwise.
class JsonFields {
 public:
  /// `prefix` stands before names in errors: "documentation[3].".
  JsonFields(const Json& object, std::vector<http::FieldError>& errors, std::string prefix = {})
      : object_(object), errors_(errors), prefix_(std::move(prefix)) {}

  std::optional<std::string> text(std::string_view name, const TextRule& rule);
  /// Notes an error where it is missing, and gives "".
  std::string required_text(std::string_view name, const TextRule& rule);
  /// Outer nullopt: not there. Inner nullopt: null, or an empty text.
  std::optional<std::optional<std::string>> nullable_text(std::string_view name, const TextRule& rule);
  std::optional<std::string> one_of(std::string_view name, std::initializer_list<std::string_view> values);
  std::optional<std::int64_t> integer(std::string_view name, std::int64_t least, std::int64_t most);
  std::optional<Timestamp> timestamp(std::string_view name);
  std::optional<Uuid> id(std::string_view name);
  std::optional<std::vector<Uuid>> ids(std::string_view name);
  /// {id: a number from 0 on}, in the order given.
  std::optional<std::vector<std::pair<Uuid, std::int64_t>>> numbers_by_id(std::string_view name, std::int64_t most);
  /// Any value at all, as canonical text.
  std::optional<JsonText> json(std::string_view name) const;
  /// The member unless it is missing or null.
  const Json* find(std::string_view name) const;
  void wrong(std::string_view name, std::string message) {
    errors_.push_back({prefix_ + std::string(name), std::move(message)});
  }

 private:
  const Json& object_;
  std::vector<http::FieldError>& errors_;
  std::string prefix_;
};

}  // namespace tideline::server
