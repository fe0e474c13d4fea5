#include "sql/jinja_evaluator.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "base/text.h"

namespace tideline::sql {
namespace {

/// Of what an operation on one alternative costs, in bytes of the budget: comparing it with the others.
constexpr std::size_t kAlternativeCost = 64;

// Sorted. What dbt gives every template and only dbt or the warehouse can answer.
constexpr auto kRuntime = std::to_array<std::string_view>({"adapter",
                                                           "api",
                                                           "builtins",
                                                           "caller",
                                                           "column",
                                                           "context",
                                                           "database_schemas",
                                                           "dbt_metadata_envs",
                                                           "dbt_version",
                                                           "debug",
                                                           "dict",
                                                           "diff_of_two_dicts",
                                                           "env",
                                                           "flags",
                                                           "fromjson",
                                                           "fromyaml",
                                                           "graph",
                                                           "invocation_args_dict",
                                                           "invocation_id",
                                                           "kwargs",
                                                           "load_agate_table",
                                                           "load_relation",
                                                           "load_result",
                                                           "local_md5",
                                                           "loop",
                                                           "model",
                                                           "modules",
                                                           "namespace",
                                                           "project_name",
                                                           "results",
                                                           "run_query",
                                                           "run_started_at",
                                                           "selected_resources",
                                                           "set",
                                                           "statement",
                                                           "store_result",
                                                           "target",
                                                           "thread_id",
                                                           "tojson",
                                                           "toyaml",
                                                           "varargs"});
static_assert(std::is_sorted(kRuntime.begin(), kRuntime.end()));

// Sorted. Called for their effect: nothing stands in their place.
constexpr auto kSilent = std::to_array<std::string_view>(
    {"config", "exceptions.raise_compiler_error", "exceptions.raise_not_implemented", "exceptions.warn", "log", "print",
     "run_hooks", "set_sql_header", "store_raw_result", "write"});
static_assert(std::is_sorted(kSilent.begin(), kSilent.end()));

template <std::size_t N>
bool is_one_of(const std::array<std::string_view, N>& sorted, std::string_view word) {
  return std::binary_search(sorted.begin(), sorted.end(), word);
}

std::string_view first_part(std::string_view path) { return path.substr(0, path.find('.')); }

bool is_reserved(std::string_view word) {
  return word == "and" || word == "or" || word == "not" || word == "in" || word == "is" || word == "if" ||
         word == "else";
}

/// The name as it may stand unquoted in any dialect.
std::string plain_name(std::string_view name) {
  std::string out;
  for (const char c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    out += plain ? c : '_';
  }
  if (out.empty() || (out[0] >= '0' && out[0] <= '9')) out.insert(out.begin(), '_');
  return out;
}

std::optional<std::int64_t> integer(const JinjaValue& value) {
  if (value.kind() != JinjaValue::Kind::kNumber) return std::nullopt;
  const std::string_view text = value.as_text();
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

// ---- State ----

JinjaState::JinjaState(std::string_view template_text, const JinjaOptions& its_options, JinjaResult& its_result)
    : text(template_text),
      options(its_options),
      result(its_result),
      budget_(kMaxJinjaGrowth * template_text.size() + kMaxJinjaGrowthBytes) {}

const JinjaValue* JinjaState::variable(std::string_view name) const {
  const auto found = variables_.find(std::string(name));
  return found == variables_.end() ? nullptr : &found->second;
}

std::optional<JinjaValue> JinjaState::assign(const std::string& name, JinjaValue value) {
  const auto [at, fresh] = variables_.try_emplace(name);
  std::optional<JinjaValue> before;
  if (!fresh) before = std::move(at->second);
  at->second = std::move(value);
  return before;
}

void JinjaState::restore(const std::string& name, std::optional<JinjaValue> value) {
  if (value)
    variables_[name] = std::move(*value);
  else
    variables_.erase(name);
}

bool JinjaState::spend(std::size_t bytes) {
  if (bytes > budget_) return false;
  budget_ -= bytes;
  return true;
}

void JinjaState::problem(Span file, std::string message) {
  if (result.problems.size() < kMaxJinjaFacts)
    result.problems.push_back({file, std::move(message)});
  else
    result.truncated = true;
}

std::string JinjaState::add(JinjaRelation relation) {
  using Kind = JinjaRelation::Kind;
  const std::string identity = std::to_string(static_cast<int>(relation.kind)) + '\n' + relation.package + '\n' +
                               relation.source + '\n' + relation.name + '\n' + relation.version;
  std::string& name = relation_names_[identity];
  if (name.empty()) {
    if (relation.kind == Kind::kThis) {
      name = kThisRelation;
    } else if (relation.kind == Kind::kSource) {
      name = "__source__." + plain_name(relation.source) + "." + plain_name(relation.name);
    } else {
      name =
          "__ref__." + (relation.package.empty() ? "" : plain_name(relation.package) + ".") + plain_name(relation.name);
      if (!relation.version.empty()) name += plain_name("_v" + relation.version);
    }
    // Two that differ only by what a plain name cannot show.
    std::string unique = name;
    for (int n = 2; !taken_names_.insert(unique).second; ++n) unique = name + "__" + std::to_string(n);
    name = std::move(unique);
  }
  relation.sql = name;
  relation.certainty = certainty;
  relation.block = block;
  if (result.relations.size() < kMaxJinjaFacts)
    result.relations.push_back(std::move(relation));
  else
    result.truncated = true;
  return name;
}

// ---- The grammar ----

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
  if (++depth_ > kMaxJinjaNesting) return fail("at most " + std::to_string(kMaxJinjaNesting) + " nested expressions");
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
    const auto is_text = [](const JinjaValue& v) { return v.first().kind() == JinjaValue::Kind::kText; };
    if (plus && is_text(value) && is_text(other)) {
      value = joined(value, other);
    } else if (plus && value.kind() == JinjaValue::Kind::kList && other.kind() == JinjaValue::Kind::kList &&
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
    unary();
    value = unknown(OpaqueReason::kExpression);
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
    std::vector<Argument> given;
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
      JinjaValue owner = value_of(std::move(result));
      JinjaValue key;
      bool slice = take(":");
      if (!is("]")) key = expression();
      while (take(":")) {
        slice = true;
        if (!is("]") && !is(":")) expression();
      }
      if (!take("]")) fail("`]`");
      result = {};
      result.value = slice ? unknown(OpaqueReason::kExpression) : subscript(owner, key);
    } else if (is("(")) {
      const std::size_t open = at_++;
      const auto given = arguments();
      Span span = result.span;
      if (span.empty()) span = tokens_[open].span;
      span.end = at_ > 0 ? tokens_[at_ - 1].span.end : span.end;
      Operand called;
      if (!result.path.empty())
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
  while (!failed_ && !take("}")) {
    const JinjaValue key = expression();
    if (!take(":")) {
      fail("`:`");
      break;
    }
    JinjaValue value = expression();
    if (key.is_scalar()) members.emplace_back(key.as_text(), std::move(value));
    if (!take(",") && !is("}")) fail("`,` or `}`");
  }
  return JinjaValue::dict(std::move(members));
}

std::vector<JinjaEvaluator::Argument> JinjaEvaluator::arguments() {
  std::vector<Argument> given;
  while (!failed_ && !take(")")) {
    Argument argument;
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

// ---- Values ----

JinjaValue JinjaEvaluator::value_of(Operand&& operand) {
  if (operand.path.empty()) return std::move(operand.value);
  const std::string& path = operand.path;
  if (path == "execute") return JinjaValue::boolean(Truth::kYes, Truth::kNo);
  if (first_part(path) == "this") {
    JinjaRelation relation;
    relation.kind = JinjaRelation::Kind::kThis;
    relation.file = operand.span;
    std::string name = state_.add(std::move(relation));
    if (path == "this") return JinjaValue::relation(std::move(name));
    return unknown(OpaqueReason::kRuntime, path);
  }
  const bool runtime = is_one_of(kRuntime, first_part(path));
  return unknown(runtime ? OpaqueReason::kRuntime : OpaqueReason::kVariable, path);
}

JinjaValue JinjaEvaluator::attribute(const JinjaValue& owner, std::string_view name) {
  return subscript(owner, JinjaValue::text(std::string(name)));
}

JinjaValue JinjaEvaluator::subscript(const JinjaValue& owner, const JinjaValue& key) {
  std::vector<JinjaValue> found;
  for (const JinjaValue& one : owner) {
    if (!state_.spend(kAlternativeCost)) return unknown(OpaqueReason::kTooMuch);
    const JinjaValue* item = nullptr;
    if (one.kind() == JinjaValue::Kind::kDict && key.is_scalar()) item = one.find(key.as_text());
    if (one.kind() == JinjaValue::Kind::kList) {
      auto index = integer(key);
      const auto size = static_cast<std::int64_t>(one.items().size());
      if (index && *index < 0) *index += size;
      if (index && *index >= 0 && *index < size) item = &one.items()[static_cast<std::size_t>(*index)];
    }
    found.push_back(item != nullptr ? *item : JinjaValue());
  }
  JinjaValue value = JinjaValue::one_of(found);
  return value.is_known() ? value : unknown(OpaqueReason::kExpression);
}

JinjaValue JinjaEvaluator::test(const JinjaValue& value) {
  const bool negated = take("not");
  const std::string name(take_name());
  if (name.empty()) return fail("the name of a test");
  if (take("(")) arguments();
  Truth truth = Truth::kMaybe;
  const auto kind = value.kind();
  using Kind = JinjaValue::Kind;
  if (kind != Kind::kUnknown && kind != Kind::kOneOf) {
    if (name == "none") truth = kind == Kind::kNone ? Truth::kYes : Truth::kNo;
    if (name == "defined") truth = Truth::kYes;
    if (name == "undefined") truth = Truth::kNo;
    if (name == "string") truth = kind == Kind::kText ? Truth::kYes : Truth::kNo;
    if (name == "number") truth = kind == Kind::kNumber ? Truth::kYes : Truth::kNo;
    if (name == "mapping") truth = kind == Kind::kDict ? Truth::kYes : Truth::kNo;
  }
  return JinjaValue::boolean(negated ? !truth : truth);
}

JinjaValue JinjaEvaluator::compare(const JinjaValue& a, std::string_view op, const JinjaValue& b) {
  using Kind = JinjaValue::Kind;
  if (a.kind() == Kind::kBoolean && b.kind() == Kind::kBoolean && (op == "==" || op == "!=")) {
    const auto same = [&](Truth x, Truth y) {
      if (x == Truth::kMaybe || y == Truth::kMaybe) return Truth::kMaybe;
      return (x == y) == (op == "==") ? Truth::kYes : Truth::kNo;
    };
    return JinjaValue::boolean(same(a.run(), b.run()), same(a.parse(), b.parse()));
  }
  // Of several values, the ones that are taken count when it runs; dbt sees them all.
  const Truth first = compare_one(a.first(), op, b.first());
  Truth all = first;
  for (const JinjaValue& left : a)
    for (const JinjaValue& right : b)
      if (all != Truth::kMaybe && (!state_.spend(1) || compare_one(left, op, right) != first)) all = Truth::kMaybe;
  return JinjaValue::boolean(first, all);
}

Truth JinjaEvaluator::compare_one(const JinjaValue& a, std::string_view op, const JinjaValue& b) {
  using Kind = JinjaValue::Kind;
  const auto is_plain = [](const JinjaValue& v) { return v.is_scalar() || v.kind() == Kind::kNone; };
  const auto truth = [](bool holds) { return holds ? Truth::kYes : Truth::kNo; };
  if (op == "in") {
    if (!is_plain(a) || !state_.spend(b.items().size())) return Truth::kMaybe;
    if (b.kind() == Kind::kDict) return truth(b.find(a.as_text()) != nullptr);
    if (b.kind() != Kind::kList) return Truth::kMaybe;
    bool found = false, sure = true;
    for (const JinjaValue& item : b.items()) {
      found |= item == a;
      sure &= is_plain(item);
    }
    return found || sure ? truth(found) : Truth::kMaybe;
  }
  if (op == "==" || op == "!=") {
    if (is_plain(a) && is_plain(b)) return truth((a == b) == (op == "=="));
    // Lists are compared where one is empty.
    if (a.kind() == Kind::kList && b.kind() == Kind::kList && (a.items().empty() || b.items().empty()))
      return truth((a.items().size() == b.items().size()) == (op == "=="));
    return Truth::kMaybe;
  }
  const auto x = integer(a), y = integer(b);
  if (!x || !y) return Truth::kMaybe;
  return truth(op == "<" ? *x < *y : op == ">" ? *x > *y : op == "<=" ? *x <= *y : *x >= *y);
}

/// Both as text, one after the other; of several values each with each.
JinjaValue JinjaEvaluator::joined(const JinjaValue& a, const JinjaValue& b) {
  using Kind = JinjaValue::Kind;
  const auto has_text = [](const JinjaValue& v) { return v.is_scalar() || v.kind() == Kind::kRelation; };
  std::vector<JinjaValue> results;
  for (const JinjaValue& left : a) {
    for (const JinjaValue& right : b) {
      if (!has_text(left) || !has_text(right)) return unknown(OpaqueReason::kExpression);
      if (results.size() == JinjaValue::kMaxAlternatives) break;
      if (!state_.spend(left.as_text().size() + right.as_text().size() + kAlternativeCost))
        return unknown(OpaqueReason::kTooMuch);
      results.push_back(JinjaValue::text(std::string(left.as_text()) += right.as_text()));
    }
  }
  return JinjaValue::one_of(results);
}

JinjaValue JinjaEvaluator::filter(const JinjaValue& value, std::string_view name, const std::vector<Argument>& given) {
  using Kind = JinjaValue::Kind;
  if (name.starts_with("as_") || name == "safe" || name == "list" || name == "string" || name == "int" ||
      name == "unique")
    return value;
  if (name == "default" || name == "d") {
    if (value.is_known()) return value;
    return given.empty() ? JinjaValue() : given.front().value;
  }
  if (name == "first" || name == "last") {
    if (value.kind() == Kind::kList && !value.items().empty())
      return name == "first" ? value.items().front() : value.items().back();
    return unknown(OpaqueReason::kExpression);
  }
  if (name == "length" || name == "count") {
    if (value.kind() == Kind::kList || value.kind() == Kind::kDict)
      return JinjaValue::number(std::to_string(value.items().size()));
    return unknown(OpaqueReason::kExpression);
  }
  if (name == "join") {
    std::string out;
    const std::string_view between = given.empty() ? std::string_view() : given.front().value.as_text();
    if (value.kind() != Kind::kList) return unknown(OpaqueReason::kExpression);
    for (std::size_t i = 0; i < value.items().size(); ++i) {
      const JinjaValue& item = value.items()[i];
      if (!item.is_scalar() && item.kind() != Kind::kRelation) return unknown(OpaqueReason::kExpression);
      if (!state_.spend(item.as_text().size() + between.size())) return unknown(OpaqueReason::kTooMuch);
      if (i > 0) out += between;
      out += item.as_text();
    }
    return JinjaValue::text(std::move(out));
  }
  return method(value, name == "trim" ? std::string_view("strip") : name, given);
}

JinjaValue JinjaEvaluator::method(const JinjaValue& owner, std::string_view name, const std::vector<Argument>& given) {
  using Kind = JinjaValue::Kind;
  if (owner.kind() == Kind::kList && (name == "append" || name == "add")) {
    if (!given.empty()) owner.append(given.front().value);
    return JinjaValue::none();
  }
  if (owner.kind() == Kind::kList && name == "extend") {
    if (!given.empty() && state_.spend(kAlternativeCost * given.front().value.items().size())) {
      const std::vector<JinjaValue> items = given.front().value.items();  // may be the list itself
      for (const JinjaValue& item : items) owner.append(item);
    }
    return JinjaValue::none();
  }
  if (owner.kind() == Kind::kDict) {
    if (name == "get" && !given.empty() && given.front().value.is_scalar()) {
      if (const JinjaValue* item = owner.find(given.front().value.as_text())) return *item;
      return given.size() > 1 ? given[1].value : JinjaValue::none();
    }
    if (!state_.spend(kAlternativeCost * owner.items().size())) return unknown(OpaqueReason::kTooMuch);
    if (name == "values") return JinjaValue::list(owner.items());
    if (name == "keys" || name == "items") {
      std::vector<JinjaValue> items;
      for (std::size_t i = 0; i < owner.keys().size(); ++i) {
        JinjaValue key = JinjaValue::text(owner.keys()[i]);
        items.push_back(name == "keys" ? std::move(key) : JinjaValue::list({std::move(key), owner.items()[i]}));
      }
      return JinjaValue::list(std::move(items));
    }
    return unknown(OpaqueReason::kExpression);
  }
  // On texts, one for each alternative.
  std::vector<JinjaValue> results;
  for (const JinjaValue& one : owner) {
    if (one.kind() != Kind::kText) return unknown(OpaqueReason::kExpression);
    const std::string_view text = one.as_text();
    if (!state_.spend(text.size() + kAlternativeCost)) return unknown(OpaqueReason::kTooMuch);
    if (name == "lower") {
      results.push_back(JinjaValue::text(ascii_lower(text)));
    } else if (name == "upper") {
      std::string upper(text);
      for (char& c : upper)
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
      results.push_back(JinjaValue::text(std::move(upper)));
    } else if (name == "strip" && given.empty()) {
      results.push_back(JinjaValue::text(std::string(trim(text))));
    } else if (name == "replace" && given.size() == 2 && given[0].value.is_scalar() && given[1].value.is_scalar() &&
               !given[0].value.as_text().empty()) {
      const std::string_view from = given[0].value.as_text(), to = given[1].value.as_text();
      std::string out;
      std::size_t at = 0;
      for (std::size_t next = 0; (next = text.find(from, at)) != std::string_view::npos; at = next + from.size()) {
        if (!state_.spend(to.size())) return unknown(OpaqueReason::kTooMuch);
        out.append(text.substr(at, next - at)).append(to);
      }
      results.push_back(JinjaValue::text(out.append(text.substr(at))));
    } else if (name == "split" && given.size() == 1 && given[0].value.as_text().size() == 1) {
      std::vector<JinjaValue> parts;
      for (const std::string_view part : tideline::split(text, given[0].value.as_text()[0])) {
        if (!state_.spend(kAlternativeCost)) return unknown(OpaqueReason::kTooMuch);
        parts.push_back(JinjaValue::text(std::string(part)));
      }
      results.push_back(JinjaValue::list(std::move(parts)));
    } else {
      return unknown(OpaqueReason::kExpression);
    }
  }
  return JinjaValue::one_of(results);
}

// ---- Calls ----

JinjaValue JinjaEvaluator::call(const std::string& path, const std::vector<Argument>& given, Span span) {
  const std::string_view name = std::string_view(path).substr(path.starts_with("builtins.") ? 9 : 0);
  if (name == "ref") return ref(given, span);
  if (name == "source") return source(given, span);
  if (name == "var") return variable(given, span, JinjaVariable::Kind::kVar);
  if (name == "env_var") return variable(given, span, JinjaVariable::Kind::kEnvironment);
  if (name == "is_incremental") {
    state_.result.uses_incremental = true;
    return JinjaValue::boolean(state_.options.incremental ? Truth::kYes : Truth::kNo, Truth::kNo);
  }
  if (name == "doc") {
    std::string document;
    for (const Argument& argument : given) {
      if (!document.empty()) document += '.';
      document += argument.value.as_text();
    }
    const std::string* text = nullptr;
    if (state_.options.documents != nullptr) {
      const auto found = state_.options.documents->find(document);
      if (found != state_.options.documents->end() && state_.spend(found->second.size())) text = &found->second;
    }
    if (state_.result.docs.size() < kMaxJinjaFacts) state_.result.docs.push_back(std::move(document));
    if (text != nullptr) return JinjaValue::text(*text);
    return unknown(OpaqueReason::kRuntime, "doc");
  }
  if (name == "return" && given.size() == 1) return given.front().value;
  if (name == "range") {
    std::vector<JinjaValue> numbers;
    const auto first = given.size() > 1 ? integer(given[0].value) : std::optional<std::int64_t>(0);
    const auto last = given.empty() ? std::nullopt : integer(given[given.size() > 1 ? 1 : 0].value);
    const auto step = given.size() > 2 ? integer(given[2].value) : std::optional<std::int64_t>(1);
    if (!first || !last || !step || *step <= 0 || *first < -1'000'000 || *last > 1'000'000 || *step > 1'000'000)
      return unknown(OpaqueReason::kExpression, path);
    for (std::int64_t n = *first; n < *last && numbers.size() < JinjaValue::kMaxAlternatives; n += *step) {
      if (!state_.spend(kAlternativeCost)) return unknown(OpaqueReason::kTooMuch);
      numbers.push_back(JinjaValue::number(std::to_string(n)));
    }
    return JinjaValue::list(std::move(numbers));
  }
  if (is_one_of(kSilent, name)) {
    if (name == "config") config(given, span);
    silent_ = true;
    return JinjaValue::text("");
  }
  if (name == "adapter.dispatch" && !given.empty() && given[0].value.kind() == JinjaValue::Kind::kText) {
    add_call(given.size() > 1 ? given[1].value.as_text() : "", given[0].value.as_text(), true, span);
    return unknown(OpaqueReason::kMacro, std::string(given[0].value.as_text()));
  }
  if (name == "should_full_refresh" || is_one_of(kRuntime, first_part(name)) || name.starts_with("exceptions.") ||
      name.starts_with("config."))
    return unknown(OpaqueReason::kRuntime, path);
  if (first_part(name) == "this") return value_of(Operand{{}, path, {}, {}, span});

  const std::size_t dot = name.find('.');
  const bool qualified = dot != std::string_view::npos;
  add_call(qualified ? name.substr(0, dot) : "", qualified ? name.substr(dot + 1) : name, false, span);
  return unknown(OpaqueReason::kMacro, path);
}

void JinjaEvaluator::add_call(std::string_view package, std::string_view name, bool dispatched, Span span) {
  JinjaCall macro;
  macro.package = package;
  macro.name = name;
  macro.dispatched = dispatched;
  macro.file = span;
  macro.certainty = state_.certainty;
  macro.block = state_.block;
  if (state_.result.macros.size() < kMaxJinjaFacts)
    state_.result.macros.push_back(std::move(macro));
  else
    state_.result.truncated = true;
}

JinjaValue JinjaEvaluator::dynamic(std::string name, Span span) {
  if (state_.result.dynamic.size() < kMaxJinjaFacts)
    state_.result.dynamic.push_back({span, state_.certainty, state_.block});
  else
    state_.result.truncated = true;
  return unknown(OpaqueReason::kExpression, std::move(name));
}

JinjaValue JinjaEvaluator::ref(const std::vector<Argument>& given, Span span) {
  std::vector<const JinjaValue*> names;
  std::string version;
  for (const Argument& argument : given) {
    if (argument.keyword.empty())
      names.push_back(&argument.value);
    else if (argument.keyword == "v" || argument.keyword == "version")
      version = argument.value.first().as_text();
  }
  if (names.empty() || names.size() > 2) return dynamic("ref", span);
  std::vector<JinjaValue> results;
  for (const JinjaValue& name : *names.back()) {
    const JinjaValue* package = names.size() == 2 ? &names[0]->first() : nullptr;
    if (name.kind() != JinjaValue::Kind::kText || (package != nullptr && package->kind() != JinjaValue::Kind::kText))
      continue;
    if (!state_.spend(kAlternativeCost)) break;
    JinjaRelation relation;
    relation.kind = JinjaRelation::Kind::kRef;
    if (package != nullptr) relation.package = package->as_text();
    relation.name = name.as_text();
    relation.version = version;
    relation.file = span;
    results.push_back(JinjaValue::relation(state_.add(std::move(relation))));
  }
  if (results.empty()) return dynamic("ref", span);
  return JinjaValue::one_of(results);
}

JinjaValue JinjaEvaluator::source(const std::vector<Argument>& given, Span span) {
  if (given.size() != 2) return dynamic("source", span);
  std::vector<JinjaValue> results;
  for (const JinjaValue& source_name : given[0].value) {
    for (const JinjaValue& table : given[1].value) {
      if (source_name.kind() != JinjaValue::Kind::kText || table.kind() != JinjaValue::Kind::kText) continue;
      if (results.size() == JinjaValue::kMaxAlternatives || !state_.spend(kAlternativeCost)) break;
      JinjaRelation relation;
      relation.kind = JinjaRelation::Kind::kSource;
      relation.source = source_name.as_text();
      relation.name = table.as_text();
      relation.file = span;
      results.push_back(JinjaValue::relation(state_.add(std::move(relation))));
    }
  }
  if (results.empty()) return dynamic("source", span);
  return JinjaValue::one_of(results);
}

void JinjaEvaluator::config(const std::vector<Argument>& given, Span span) {
  const auto add = [&](const std::string& key, const JinjaValue& value, Span where) {
    if (state_.result.config.size() < kMaxJinjaFacts)
      state_.result.config.push_back({key, value, where, state_.certainty, state_.block});
    else
      state_.result.truncated = true;
    if (key != "pre_hook" && key != "post_hook") return;
    const auto hook = [&](const JinjaValue& text) {
      if (text.kind() == JinjaValue::Kind::kText && text.as_text().find("{{") != std::string_view::npos &&
          state_.spend(text.as_text().size()))
        state_.hooks.emplace_back(std::string(text.as_text()), span);
    };
    hook(value);
    for (const JinjaValue& item : value.items()) {
      hook(item);
      for (const JinjaValue& inner : item.items()) hook(inner);  // {"sql": …, "transaction": …}
    }
  };
  for (const Argument& argument : given) {
    if (!argument.keyword.empty()) {
      add(argument.keyword, argument.value, argument.span);
    } else if (argument.value.kind() == JinjaValue::Kind::kDict) {
      for (std::size_t i = 0; i < argument.value.keys().size(); ++i)
        add(argument.value.keys()[i], argument.value.items()[i], argument.span);
    }
  }
}

/// The value of a variable, which may be a template itself: "{{ source('a', 'b') }}" is that source.
JinjaValue JinjaEvaluator::inserted(const JinjaValue& value, Span span) {
  if (value.kind() != JinjaValue::Kind::kText || value.as_text().find("{{") == std::string_view::npos) return value;
  if (!state_.spend(value.as_text().size() * 2)) return unknown(OpaqueReason::kTooMuch);
  JinjaOptions options;  // without variables: no template within a template within a template
  const JinjaResult inner = read_jinja(value.as_text(), options);
  JinjaValue relation;
  for (const JinjaRelation& found : inner.relations) {
    JinjaRelation copy = found;
    copy.file = span;
    const bool is_all = inner.sql == found.sql;
    std::string name = state_.add(std::move(copy));
    if (is_all) relation = JinjaValue::relation(std::move(name));
  }
  if (relation.is_known()) return relation;
  if (!inner.opaque.empty() || !inner.relations.empty()) return unknown(OpaqueReason::kVariable);
  return JinjaValue::text(inner.sql);
}

JinjaValue JinjaEvaluator::variable(const std::vector<Argument>& given, Span span, JinjaVariable::Kind kind) {
  const bool environment = kind == JinjaVariable::Kind::kEnvironment;
  const auto reason = environment ? OpaqueReason::kEnvironment : OpaqueReason::kVariable;
  if (given.empty() || given.front().value.kind() != JinjaValue::Kind::kText) return unknown(reason);
  JinjaVariable fact;
  fact.kind = kind;
  fact.name = given.front().value.as_text();
  if (given.size() > 1) fact.fallback = given[1].value;
  fact.file = span;
  fact.block = state_.block;
  JinjaValue value;
  if (!environment && state_.options.vars != nullptr) {
    const auto found = state_.options.vars->find(fact.name);
    if (found != state_.options.vars->end()) value = inserted(found->second, span);
  }
  // Who does not know the project's variables knows the default, and that it may be another.
  if (!value.is_known() && fact.fallback)
    value = environment || state_.options.vars == nullptr ? JinjaValue::one_of({*fact.fallback, JinjaValue()})
                                                          : *fact.fallback;
  if (!value.is_known()) unknown(reason, fact.name);
  if (state_.result.variables.size() < kMaxJinjaFacts)
    state_.result.variables.push_back(std::move(fact));
  else
    state_.result.truncated = true;
  return value;
}

}  // namespace tideline::sql
