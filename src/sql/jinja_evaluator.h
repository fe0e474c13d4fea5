#pragma once
// Works out a Jinja expression as far as the text tells, and collects what it says on the way. Internal to the reading
// of Jinja.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "sql/jinja.h"
#include "sql/jinja_lexer.h"

namespace tideline::sql {

/// What all expressions of one template share.
struct JinjaState {
  JinjaState(std::string_view text, const JinjaOptions& options, JinjaResult& result);

  std::string_view text;
  const JinjaOptions& options;
  JinjaResult& result;
  Certainty certainty = Certainty::kAlways;  // of what is read now
  std::int32_t block = kNoBlock;
  /// Texts of config(pre_hook=…) and the like, templates of their own, and the calls they stand in.
  std::vector<std::pair<std::string, Span>> hooks;

  const JinjaValue* variable(std::string_view name) const;
  /// Returns the value there was, for `restore`.
  std::optional<JinjaValue> assign(const std::string& name, JinjaValue value);
  void restore(const std::string& name, std::optional<JinjaValue> value);

  /// Whether so many bytes of text may still be made; takes them.
  bool spend(std::size_t bytes);
  void problem(Span file, std::string message);
  /// The name of a relation in the SQL; adds the fact.
  std::string add(JinjaRelation relation);

 private:
  std::unordered_map<std::string, JinjaValue> variables_;
  std::unordered_map<std::string, std::string> relation_names_;  // identity → SQL
  std::unordered_set<std::string> taken_names_;
  std::size_t budget_;
};

/// Why a value is not known: the first cause met.
struct JinjaCause {
  OpaqueReason reason = OpaqueReason::kExpression;
  std::string name;
};

class JinjaEvaluator {
 public:
  JinjaEvaluator(JinjaState& state, const std::vector<JinjaToken>& tokens, std::size_t at = 0)
      : state_(state), tokens_(tokens), at_(at) {}

  /// A whole expression from here on, up to what does not belong to it. An expression that is none is unknown and
  /// leaves a problem; what it refers to is collected nevertheless.
  JinjaValue expression();
  /// The same, where a comma makes a list of several.
  JinjaValue expressions();
  /// One alternative without an inline if, as `for x in here if …` has it.
  JinjaValue iterable();

  std::size_t at() const { return at_; }
  bool at_end() const { return at_ >= tokens_.size(); }
  bool is(std::string_view word) const { return !at_end() && word_at(at_) == word; }
  bool take(std::string_view word);
  /// The name here, or empty.
  std::string_view take_name();
  bool failed() const { return failed_; }
  /// Over one pair of parentheses and what is in it.
  void skip_parentheses();
  /// Reports what stands after the expression, and collects what it refers to.
  void expect_end();
  /// Collects what the rest refers to, whatever it is.
  void collect_rest();

  /// Meaningful where the value is not known.
  const JinjaCause& cause() const { return cause_; }
  /// Whether it was a call for its effect, like config(): nothing stands in its place.
  bool is_silent() const { return silent_; }

 private:
  struct Argument {
    std::string keyword;
    JinjaValue value;
    Span span;
  };
  struct Operand {
    JinjaValue value;
    std::string path;                 // dotted, of a name that is not set: ref, dbt_utils.star
    std::optional<JinjaValue> owner;  // of a method: what it is called on
    std::string method;
    Span span;
  };

  JinjaValue conditional(bool with_if);
  JinjaValue disjunction();
  JinjaValue conjunction();
  JinjaValue negation();
  JinjaValue comparison();
  JinjaValue concatenation();
  JinjaValue sum();
  JinjaValue product();
  JinjaValue unary();
  JinjaValue filtered();
  Operand operand();
  Operand primary();
  JinjaValue list_until(std::string_view closer);
  JinjaValue dict();
  std::vector<Argument> arguments();
  JinjaValue value_of(Operand&& operand);
  JinjaValue attribute(const JinjaValue& owner, std::string_view name);
  JinjaValue subscript(const JinjaValue& owner, const JinjaValue& key);
  JinjaValue test(const JinjaValue& value);
  JinjaValue compare(const JinjaValue& a, std::string_view op, const JinjaValue& b);
  Truth compare_one(const JinjaValue& a, std::string_view op, const JinjaValue& b);
  JinjaValue joined(const JinjaValue& a, const JinjaValue& b);
  JinjaValue filter(const JinjaValue& value, std::string_view name, const std::vector<Argument>& arguments);
  JinjaValue method(const JinjaValue& owner, std::string_view name, const std::vector<Argument>& arguments);
  JinjaValue call(const std::string& path, const std::vector<Argument>& arguments, Span span);
  JinjaValue ref(const std::vector<Argument>& arguments, Span span);
  JinjaValue source(const std::vector<Argument>& arguments, Span span);
  JinjaValue dynamic(std::string name, Span span);
  void add_call(std::string_view package, std::string_view name, bool dispatched, Span span);
  void config(const std::vector<Argument>& arguments, Span span);
  JinjaValue inserted(const JinjaValue& value, Span span);
  JinjaValue variable(const std::vector<Argument>& arguments, Span span, JinjaVariable::Kind kind);

  JinjaValue unknown(OpaqueReason reason, std::string name = {});
  JinjaValue fail(std::string expected);
  std::string_view word_at(std::size_t index) const { return text_of(tokens_[index].span, state_.text); }
  bool is_kind(JinjaToken::Kind kind) const { return !at_end() && tokens_[at_].kind == kind; }
  Span here() const;

  JinjaState& state_;
  const std::vector<JinjaToken>& tokens_;
  std::size_t at_;
  int depth_ = 0;
  bool failed_ = false;
  bool silent_ = false;
  bool has_cause_ = false;
  JinjaCause cause_;
};

}  // namespace tideline::sql
