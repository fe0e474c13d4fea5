#pragma once
// What all expressions of one template share, and of the macros it calls: variables, budgets, and the facts found so
// far. Internal to the reading of Jinja.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "sql/jinja.h"
#include "sql/jinja_macros.h"

namespace tideline::sql {

struct JinjaArgument {
  std::string keyword;
  JinjaValue value;
  Span span;
};

class JinjaState {
 public:
  JinjaState(std::size_t text_size, const JinjaOptions& options, JinjaResult& result);

  const JinjaOptions& options;
  JinjaResult& result;
  Truth run = Truth::kYes, parse = Truth::kYes;  // whether what is read now is, when the model runs and when dbt parses
  std::int32_t block = kNoBlock;
  bool in_definition = false;  // of a macro: its body is looked through and not run
  int expressions = 0;         // that are being worked out within each other
  /// Texts of config(pre_hook=…) and the like, templates of their own, and the calls they stand in.
  std::vector<std::pair<std::string, Span>> hooks;

  Certainty certainty() const;

  const JinjaValue* variable(std::string_view name) const;
  /// Returns the value there was, for `restore`.
  std::optional<JinjaValue> assign(const std::string& name, JinjaValue value);
  void restore(const std::string& name, std::optional<JinjaValue> value);

  /// Whether so many bytes of text may still be made; takes them.
  bool spend(std::size_t bytes);
  /// Whether so many tags and tokens may still be worked out; takes them, or all that are left.
  bool step(std::size_t count);

  /// Within a macro: variables of its own. Whatever is found there is found at the place of the outermost call.
  struct Caller {
    std::unordered_map<std::string, JinjaValue> variables;
    std::string package;
    bool is_outermost = false;
  };
  /// nullopt: as deep as is gone.
  std::optional<Caller> enter(const JinjaMacro& macro, std::string_view called, Span place);
  /// Whether what was found within it counts.
  bool leave(Caller caller);
  bool is_in_macro() const { return calls_ > 0; }
  /// The package whose text is read.
  const std::string& package() const { return package_; }
  /// Macros went too deep, or take too long: the outermost call is not gone into after all.
  void give_up() { gave_up_ = is_in_macro(); }
  bool gave_up() const { return gave_up_; }
  /// The macro that the file itself calls, while it is run.
  const std::string& outermost() const { return outermost_; }
  /// Where in the file something stands that was found at `span`.
  Span place(Span span) const { return calls_ > 0 ? place_ : span; }

  // Facts, at spans of the text that is read.
  void problem(Span span, std::string message);
  /// The name of a relation in the SQL.
  std::string add(JinjaRelation relation);
  void add_dynamic(Span span);
  void add_call(JinjaCall call);
  void add_config(std::string key, JinjaValue value, Span span);
  void add_variable(JinjaVariable variable);

 private:
  template <class Fact>
  bool put(std::vector<Fact>& facts, Fact fact);

  std::unordered_map<std::string, JinjaValue> variables_;
  std::unordered_map<std::string, std::string> relation_names_;  // identity → SQL
  std::unordered_set<std::string> taken_names_;
  std::size_t budget_;
  std::size_t steps_;
  std::unordered_set<std::string> nested_calls_;  // of those noted so far
  int calls_ = 0;
  std::string package_;
  std::string outermost_;
  bool gave_up_ = false;
  Span place_;
};

}  // namespace tideline::sql
