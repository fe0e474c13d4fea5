// The grammar of expressions: jinja_evaluator.h.

#include <algorithm>
#include <utility>

#include "sql/jinja_evaluator.h"

namespace tideline::sql {
namespace {

bool is_reserved(std::string_view word) {
  return word == "and" || word == "or" || word == "not" || word == "in" || word == "is" || word == "if" ||
         word == "else";
}

}  // namespace

Span JinjaEvaluator::here() const {
  if (!at_end()) return tokens_[at_].span;
  return tokens_.empty() ? Span{} : Span{tokens_.back().span.end, tokens_.back().span.end};
}

bool JinjaEvaluator::take(std::string_view word) {
  if (failed_ || !is(word) || is_kind(JinjaToken::Kind::kText)) return false;
  ++at_;
  return true;
}

std::string_view JinjaEvaluator::take_name() {
  if (failed_ || !is_kind(JinjaToken::Kind::kName)) return {};
  return word_at(at_++);
}

JinjaValue JinjaEvaluator::unknown(OpaqueReason reason, std::string name) {
  if (!has_cause_) cause_ = {reason, std::move(name)};
  has_cause_ = true;
  return {};
}

JinjaValue JinjaEvaluator::fail(std::string expected) {
  if (!failed_) {
    const std::string found = at_end() ? "the end of the tag" : "`" + std::string(word_at(at_).substr(0, 40)) + "`";
    state_.problem(here(), "expected " + expected + ", found " + found);
  }
  failed_ = true;
  return unknown(OpaqueReason::kExpression);
}

JinjaValue JinjaEvaluator::expression() { return conditional(true); }
JinjaValue JinjaEvaluator::iterable() {
  JinjaValue value = conditional(false);
  if (!is(",")) return value;
  std::vector<JinjaValue> items{std::move(value)};
  while (take(",")) {
    if (at_end()) break;
    items.push_back(conditional(false));
  }
  return JinjaValue::list(std::move(items));
}

JinjaValue JinjaEvaluator::expressions() {
  JinjaValue first = expression();
  if (!is(",") || failed_) return first;
  std::vector<JinjaValue> items{std::move(first)};
  while (take(",")) {
    if (at_end()) break;
    items.push_back(expression());
  }
  return JinjaValue::list(std::move(items));
}

void JinjaEvaluator::skip_parentheses() {
  int depth = 0;
  for (; !at_end(); ++at_) {
    if (is_kind(JinjaToken::Kind::kText)) continue;
    if (is("(")) ++depth;
    if (is(")") && --depth <= 0) {
      ++at_;
      return;
    }
  }
}

void JinjaEvaluator::expect_end() {
  if (!at_end() && !failed_) fail("the end of the tag");
  collect_rest();
}

void JinjaEvaluator::collect_rest() {
  // What refers to something is worth knowing, however the rest is written.
  for (; at_ + 2 < tokens_.size(); ++at_) {
    const std::string_view name = word_at(at_);
    if ((name != "ref" && name != "source") || word_at(at_ + 1) != "(") continue;
    if (at_ > 0 && word_at(at_ - 1) == ".") continue;
    std::vector<std::string> texts;
    for (std::size_t i = at_ + 2; i < tokens_.size() && tokens_[i].kind == JinjaToken::Kind::kText && texts.size() < 2;
         i += 2)
      texts.push_back(unquoted(word_at(i)));
    if (texts.empty() || (name == "source" && texts.size() < 2)) continue;
    JinjaRelation relation;
    relation.kind = name == "ref" ? JinjaRelation::Kind::kRef : JinjaRelation::Kind::kSource;
    if (texts.size() == 2) (name == "ref" ? relation.package : relation.source) = texts[0];
    relation.name = texts.back();
    relation.file = tokens_[at_].span;
    state_.add(std::move(relation));
  }
  at_ = tokens_.size();
}

JinjaValue JinjaEvaluator::conditional(bool with_if) {
  if (failed_) return {};
  if (++depth_ > kMaxJinjaNesting || state_.expressions >= kMaxJinjaNestingOfAll)
    return fail("at most " + std::to_string(kMaxJinjaNesting) + " nested expressions");
  ++state_.expressions;
  JinjaValue value = disjunction();
  while (with_if && !failed_ && take("if")) {
    const JinjaValue condition = disjunction();
    JinjaValue other = JinjaValue::text("");  // undefined: prints as nothing
    if (take("else")) other = conditional(true);
    switch (condition.run()) {
      case Truth::kYes:
        break;
      case Truth::kNo:
        value = std::move(other);
        break;
      case Truth::kMaybe:
        if (!state_.spend(kAlternativeCost *
                          static_cast<std::size_t>((value.end() - value.begin()) + (other.end() - other.begin()))))
          value = unknown(OpaqueReason::kTooMuch);
        else
          value = JinjaValue::one_of({value, other});
    }
  }
  --depth_;
  --state_.expressions;
  return value;
}

JinjaValue JinjaEvaluator::disjunction() {
  JinjaValue value = conjunction();
  while (!failed_ && take("or")) {
    JinjaValue other = conjunction();
    // As Python: the first that holds, which need not be a boolean.
    if (value.run() != Truth::kMaybe && value.run() == value.parse())
      value = value.run() == Truth::kYes ? std::move(value) : std::move(other);
    else
      value = JinjaValue::boolean(value.run() || other.run(), value.parse() || other.parse());
  }
  return value;
}

JinjaValue JinjaEvaluator::conjunction() {
  JinjaValue value = negation();
  while (!failed_ && take("and")) {
    const JinjaValue other = negation();
    value = JinjaValue::boolean(value.run() && other.run(), value.parse() && other.parse());
  }
  return value;
}

JinjaValue JinjaEvaluator::negation() {
  bool negated = false, any = false;
  while (!failed_ && take("not")) negated = !negated, any = true;
  const JinjaValue value = comparison();
  if (!any) return value;
  return negated ? JinjaValue::boolean(!value.run(), !value.parse()) : JinjaValue::boolean(value.run(), value.parse());
}

JinjaValue JinjaEvaluator::comparison() {
  JinjaValue value = sum();
  while (!failed_ && !at_end() && !is_kind(JinjaToken::Kind::kText)) {
    const std::string_view op = word_at(at_);
    if (op == "==" || op == "!=" || op == "<" || op == ">" || op == "<=" || op == ">=") {
      ++at_;
      value = compare(value, op, sum());
    } else if (op == "in") {
      ++at_;
      value = compare(value, "in", sum());
    } else if (op == "not" && at_ + 1 < tokens_.size() && word_at(at_ + 1) == "in") {
      at_ += 2;
      const JinjaValue found = compare(value, "in", sum());
      value = JinjaValue::boolean(!found.run(), !found.parse());
    } else if (op == "is") {
      ++at_;
      value = test(value);
    } else {
      break;
    }
  }
  return value;
}

JinjaValue JinjaEvaluator::sum() {
  JinjaValue value = concatenation();
  while (!failed_ && !at_end() && (is("+") || is("-")) && !is_kind(JinjaToken::Kind::kText)) {
    const bool plus = is("+");
    ++at_;
    const JinjaValue other = concatenation();
    const auto is_text = [](const JinjaValue& v) {
      const auto kind = v.first().kind();
      return kind == JinjaValue::Kind::kText || kind == JinjaValue::Kind::kPartial;
    };
    if (plus && is_text(value) && is_text(other)) {
      value = joined(value, other);
    } else if (value.kind() == JinjaValue::Kind::kNumber && other.kind() == JinjaValue::Kind::kNumber) {
      value = calculated(value, plus ? "+" : "-", other);
    } else if (plus && value.kind() == JinjaValue::Kind::kList && other.kind() == JinjaValue::Kind::kList &&
               !value.is_open() && !other.is_open() &&
               state_.spend(kAlternativeCost * (value.items().size() + other.items().size()))) {
      std::vector<JinjaValue> items = value.items();
      items.insert(items.end(), other.items().begin(), other.items().end());
      value = JinjaValue::list(std::move(items));
    } else {
      value = unknown(OpaqueReason::kExpression);
    }
  }
  return value;
}

JinjaValue JinjaEvaluator::concatenation() {
  JinjaValue value = product();
  while (!failed_ && take("~")) value = joined(value, product());
  return value;
}

JinjaValue JinjaEvaluator::product() {
  JinjaValue value = unary();
  while (!failed_ && !at_end() && !is_kind(JinjaToken::Kind::kText)) {
    const std::string_view op = word_at(at_);
    if (op != "*" && op != "/" && op != "//" && op != "%" && op != "**") break;
    ++at_;
    value = calculated(value, op, unary());
  }
  return value;
}

JinjaValue JinjaEvaluator::unary() {
  bool minus = false, any = false;
  while (!failed_ && !is_kind(JinjaToken::Kind::kText) && (is("-") || is("+"))) {
    if (is("-")) minus = !minus;
    any = true;
    ++at_;
  }
  JinjaValue value = filtered();
  if (!any || (!minus && value.kind() == JinjaValue::Kind::kNumber)) return value;
  if (value.kind() == JinjaValue::Kind::kNumber && state_.spend(value.as_text().size() + 1))
    return JinjaValue::number("-" + std::string(value.as_text()));
  return unknown(OpaqueReason::kExpression);
}

JinjaValue JinjaEvaluator::filtered() {
  JinjaValue value = value_of(operand());
  while (!failed_ && take("|")) {
    const std::string name(take_name());
    if (name.empty()) return fail("the name of a filter");
    std::vector<JinjaArgument> given;
    if (take("(")) given = arguments();
    value = filter(value, name, given);
  }
  return value;
}

JinjaEvaluator::Operand JinjaEvaluator::operand() {
  Operand result = primary();
  while (!failed_ && !at_end() && !is_kind(JinjaToken::Kind::kText)) {
    if (take(".")) {
      std::string name;
      if (is_kind(JinjaToken::Kind::kNumber))
        name = word_at(at_++);
      else
        name = take_name();
      if (name.empty()) {
        fail("a name after the dot");
        break;
      }
      if (!result.path.empty()) {
        result.path += '.';
        result.path += name;
      } else {
        result.owner = std::move(result.value);
        result.value = attribute(*result.owner, name);
        result.method = std::move(name);
      }
    } else if (take("[")) {
      const JinjaValue owner = value_of(std::move(result));
      JinjaValue keys[3];  // from, to, step
      std::size_t colons = 0;
      while (!failed_ && !is("]") && !at_end()) {
        if (take(":"))
          ++colons;
        else
          keys[std::min<std::size_t>(colons, 2)] = expression();
        if (colons > 2) break;
      }
      if (!take("]")) fail("`]`");
      result = {};
      result.value = colons > 0 ? sliced(owner, keys[0], keys[1], colons > 1) : subscript(owner, keys[0]);
    } else if (is("(")) {
      const std::size_t open = at_++;
      const auto given = arguments();
      Span span = result.span;
      if (span.empty()) span = tokens_[open].span;
      span.end = at_ > 0 ? tokens_[at_ - 1].span.end : span.end;
      Operand called;
      if (result.path.empty() && result.value.kind() == JinjaValue::Kind::kCallable)
        called.value = call(std::string(result.value.as_text()), given, span);
      else if (result.dispatched)
        called.value = call_macro(result.macro, std::move(*result.dispatched), given, span);
      else if (result.path == "adapter.dispatch" || result.path == "dispatch")
        called = dispatch(given, span);
      else if (!result.path.empty())
        called.value = call(result.path, given, span);
      else if (result.owner)
        called.value = method(*result.owner, result.method, given);
      else
        called.value = unknown(OpaqueReason::kExpression);
      called.span = span;
      result = std::move(called);
    } else {
      break;
    }
  }
  return result;
}

JinjaEvaluator::Operand JinjaEvaluator::primary() {
  using Kind = JinjaToken::Kind;
  Operand result;
  if (failed_) return result;
  if (at_end()) {
    result.value = fail("an expression");
    return result;
  }
  const std::string_view word = word_at(at_);
  result.span = tokens_[at_].span;
  switch (tokens_[at_].kind) {
    case Kind::kText: {
      std::string text;
      while (is_kind(Kind::kText)) text += unquoted(word_at(at_++));  // "a" "b" is one
      result.value = state_.spend(text.size()) ? JinjaValue::text(std::move(text)) : unknown(OpaqueReason::kTooMuch);
      return result;
    }
    case Kind::kNumber:
      ++at_;
      result.value = JinjaValue::number(std::string(word));
      return result;
    case Kind::kName:
      if (is_reserved(word)) break;
      ++at_;
      if (word == "true" || word == "True") {
        result.value = JinjaValue::boolean(Truth::kYes);
      } else if (word == "false" || word == "False") {
        result.value = JinjaValue::boolean(Truth::kNo);
      } else if (word == "none" || word == "None") {
        result.value = JinjaValue::none();
      } else if (const JinjaValue* known = state_.variable(word)) {
        result.value = *known;
        if (!known->is_known()) unknown(OpaqueReason::kVariable, std::string(word));
      } else {
        result.path = word;
      }
      return result;
    case Kind::kOperator:
      break;
  }
  if (take("(")) {
    if (take(")")) {
      result.value = JinjaValue::list({});
      return result;
    }
    result.value = expressions();
    if (!take(")")) fail("`)`");
  } else if (take("[")) {
    result.value = list_until("]");
  } else if (take("{")) {
    result.value = dict();
  } else {
    result.value = fail("an expression");
  }
  return result;
}

JinjaValue JinjaEvaluator::list_until(std::string_view closer) {
  std::vector<JinjaValue> items;
  while (!failed_ && !take(closer)) {
    items.push_back(expression());
    if (!take(",") && !is(closer)) fail("`,` or `" + std::string(closer) + "`");
  }
  return JinjaValue::list(std::move(items));
}

JinjaValue JinjaEvaluator::dict() {
  std::vector<std::pair<std::string, JinjaValue>> members;
  bool open = false;
  while (!failed_ && !take("}")) {
    const JinjaValue key = expression();
    if (!take(":")) {
      fail("`:`");
      break;
    }
    JinjaValue value = expression();
    if (key.is_scalar())
      members.emplace_back(key.as_text(), std::move(value));
    else
      open = true;
    if (!take(",") && !is("}")) fail("`,` or `}`");
  }
  JinjaValue made = JinjaValue::dict(std::move(members));
  if (open) made.open();
  return made;
}

std::vector<JinjaArgument> JinjaEvaluator::arguments() {
  std::vector<JinjaArgument> given;
  while (!failed_ && !take(")")) {
    JinjaArgument argument;
    const Span begin = here();
    bool spread = false;
    while (take("*") || take("**")) spread = true;
    if (is_kind(JinjaToken::Kind::kName) && at_ + 1 < tokens_.size() && word_at(at_ + 1) == "=") {
      argument.keyword = word_at(at_);
      at_ += 2;
    }
    argument.value = expression();
    argument.span = {begin.begin, at_ > 0 ? tokens_[at_ - 1].span.end : begin.end};
    if (!spread) given.push_back(std::move(argument));
    if (!take(",") && !is(")")) fail("`,` or `)`");
  }
  return given;
}

}  // namespace tideline::sql
