#pragma once
// Works out a Jinja expression as far as the text tells, and collects what it says on the way. In three files: the
// grammar (jinja_expression.cpp), what operators, filters and methods give (jinja_operations.cpp), what calls mean
// (jinja_calls.cpp). Internal to the reading of Jinja.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sql/jinja.h"
#include "sql/jinja_lexer.h"
#include "sql/jinja_state.h"

namespace tideline::sql {

/// Of what an operation on one alternative costs, in bytes of the budget: comparing it with the others.
inline constexpr std::size_t kAlternativeCost = 64;

/// A number without a fraction.
std::optional<std::int64_t> integer(const JinjaValue& value);

/// The variable that holds, within a macro, what caller() gives. No template has a variable of this name.
inline constexpr std::string_view kCallBody = "caller()";

/// What the macro gives for these arguments: what it returns, or its text. nullopt: it is not gone into. `called`: its
/// name as the call has it. `body`: of {% call %}, else nullptr. In jinja_walk.cpp.
std::optional<JinjaValue> run_macro(JinjaState& state, const JinjaMacro& macro, std::string_view called,
                                    const std::vector<JinjaArgument>& given, Span span, const JinjaValue* body);

/// Why a value is not known: the first cause met.
struct JinjaCause {
  OpaqueReason reason = OpaqueReason::kExpression;
  std::string name;
};

class JinjaEvaluator {
 public:
  /// `text`: what the tokens are of.
  JinjaEvaluator(JinjaState& state, std::string_view text, const std::vector<JinjaToken>& tokens, std::size_t at = 0)
      : state_(state), text_(text), tokens_(tokens), at_(at) {}

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
  /// The expression is that of {% call … %}, and this what stands in the block.
  void give_body(JinjaValue body) { body_ = std::move(body); }
  /// Reports what stands after the expression, and collects what it refers to.
  void expect_end();
  /// Collects what the rest refers to, whatever it is.
  void collect_rest();

  /// Meaningful where the value is not known.
  const JinjaCause& cause() const { return cause_; }
  /// Whether it was a call for its effect, like config(): nothing stands in its place.
  bool is_silent() const { return silent_; }
  /// What return(…) was given, in a macro.
  const std::optional<JinjaValue>& returned() const { return returned_; }

 private:
  struct Operand {
    JinjaValue value;
    std::string path;                 // dotted, of a name that is not set: ref, dbt_utils.star
    std::optional<JinjaValue> owner;  // of a method: what it is called on
    std::string method;
    std::optional<JinjaCall> dispatched;  // what adapter.dispatch gave, to be called
    const JinjaMacro* macro = nullptr;    // the macro that is, or null
    Span span;
  };

  // The grammar
  JinjaValue conditional(bool with_if);
  JinjaValue disjunction();
  JinjaValue conjunction();
  JinjaValue negation();
  JinjaValue comparison();
  JinjaValue sum();
  JinjaValue concatenation();
  JinjaValue product();
  JinjaValue unary();
  JinjaValue filtered();
  Operand operand();
  Operand primary();
  JinjaValue list_until(std::string_view closer);
  JinjaValue dict();
  std::vector<JinjaArgument> arguments();

  // Operations
  JinjaValue attribute(const JinjaValue& owner, std::string_view name);
  JinjaValue subscript(const JinjaValue& owner, const JinjaValue& key);
  JinjaValue sliced(const JinjaValue& owner, const JinjaValue& from, const JinjaValue& to, bool has_step);
  JinjaValue calculated(const JinjaValue& a, std::string_view op, const JinjaValue& b);
  JinjaValue test(const JinjaValue& value);
  JinjaValue compare(const JinjaValue& a, std::string_view op, const JinjaValue& b);
  Truth compare_one(const JinjaValue& a, std::string_view op, const JinjaValue& b);
  JinjaValue joined(const JinjaValue& a, const JinjaValue& b);
  JinjaValue filter(const JinjaValue& value, std::string_view name, const std::vector<JinjaArgument>& given);
  JinjaValue method(const JinjaValue& owner, std::string_view name, const std::vector<JinjaArgument>& given);
  JinjaValue formatted(std::string_view text, const std::vector<JinjaArgument>& given);

  // Names and calls
  JinjaValue value_of(Operand&& operand);
  JinjaValue call(const std::string& path, const std::vector<JinjaArgument>& given, Span span);
  JinjaValue call_macro(const JinjaMacro* macro, JinjaCall fact, const std::vector<JinjaArgument>& given, Span span);
  Operand dispatch(const std::vector<JinjaArgument>& given, Span span);
  JinjaValue ref(const std::vector<JinjaArgument>& given, Span span);
  JinjaValue source(const std::vector<JinjaArgument>& given, Span span);
  JinjaValue dynamic(std::string name, Span span);
  void config(const std::vector<JinjaArgument>& given, Span span);
  JinjaValue inserted(const JinjaValue& value, Span span);
  JinjaValue variable(const std::vector<JinjaArgument>& given, Span span, JinjaVariable::Kind kind);

  JinjaValue unknown(OpaqueReason reason, std::string name = {});
  JinjaValue fail(std::string expected);
  std::string_view word_at(std::size_t index) const { return text_of(tokens_[index].span, text_); }
  bool is_kind(JinjaToken::Kind kind) const { return !at_end() && tokens_[at_].kind == kind; }
  Span here() const;

  JinjaState& state_;
  std::string_view text_;
  const std::vector<JinjaToken>& tokens_;
  std::size_t at_;
  int depth_ = 0;
  bool failed_ = false;
  bool silent_ = false;
  bool has_cause_ = false;
  JinjaCause cause_;
  std::optional<JinjaValue> returned_;
  std::optional<JinjaValue> body_;
};

}  // namespace tideline::sql
