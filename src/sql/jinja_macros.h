#pragma once
// The macros of a project and its packages, as text: what a call of them means. Filled by one thread, then read by any
// number at once.

#include <cstddef>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sql/jinja_lexer.h"

namespace tideline::sql {

/// The texts of dbt's own macros that give SQL, in a form that has their columns: not what a warehouse would get.
extern const std::string_view kDbtMacros;

struct JinjaParameter {
  std::string name;
  std::size_t fallback = 0;  // token of the macro's tag at which its default begins; 0: it has none
};

struct JinjaMacro {
  std::string package;
  std::string name;
  std::string_view text;  // of its file
  const std::vector<JinjaTag>* tags = nullptr;
  std::size_t begin = 0, end = 0;  // its tags: {% macro … %} and {% endmacro %}
  std::size_t tokens = 0;          // in all of them, and one for each tag
  std::vector<JinjaParameter> parameters;
};

class JinjaMacros {
 public:
  /// `root`: the project's own package, whose macros every package may call by name alone.
  /// What dbt itself brings is there already, in package "dbt" (jinja_builtins.cpp).
  explicit JinjaMacros(std::string root);
  JinjaMacros(const JinjaMacros&) = delete;
  JinjaMacros& operator=(const JinjaMacros&) = delete;

  /// The macros in a file. `text` must outlive this and is at most kMaxJinjaBytes long; a longer one has none. Of two
  /// of a name in one package the first counts.
  void add(const std::string& package, std::string_view text);
  /// dispatch: in dbt_project.yml: where the implementations of a name space are looked for.
  void set_search_order(const std::string& name_space, std::vector<std::string> packages);

  std::size_t size() const { return size_; }

  /// What a call means, made by `caller`, a package: `package.name(…)`, or without a package that of the caller, then
  /// that of the project, then dbt's own. nullptr: none is known.
  const JinjaMacro* find(std::string_view package, std::string_view name, std::string_view caller) const;
  /// What adapter.dispatch(name, name_space) gives: <adapter>__name, or default__name. Without an adapter the default;
  /// without that the only one there is.
  const JinjaMacro* dispatch(std::string_view name, std::string_view name_space, std::string_view adapter,
                             std::string_view caller) const;

 private:
  using Names = std::map<std::string, JinjaMacro, std::less<>>;
  const JinjaMacro* in(std::string_view package, std::string_view name) const;

  std::string root_;
  std::map<std::string, Names, std::less<>> packages_;
  std::map<std::string, std::vector<std::string>, std::less<>> search_orders_;
  std::deque<std::vector<JinjaTag>> files_;
  std::size_t size_ = 0;
};

}  // namespace tideline::sql
