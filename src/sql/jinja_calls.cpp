// What names and calls mean: those of dbt, and macros. jinja_evaluator.h.

#include <algorithm>
#include <array>
#include <utility>

#include "sql/jinja_evaluator.h"

namespace tideline::sql {
namespace {

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

}  // namespace

JinjaValue JinjaEvaluator::value_of(Operand&& operand) {
  if (operand.dispatched) {
    std::string name = operand.dispatched->name;
    state_.add_call(std::move(*operand.dispatched));
    return unknown(OpaqueReason::kMacro, std::move(name));
  }
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
  if (path == "caller" && state_.is_in_macro())
    return JinjaValue::boolean(state_.variable(kCallBody) != nullptr ? Truth::kYes : Truth::kNo);
  if (path == "target.type" && !state_.options.adapter.empty()) return JinjaValue::text(state_.options.adapter);
  // A function under another name: {% set get = ref %}.
  const std::size_t dot = path.find('.');
  const bool is_macro =
      state_.options.macros != nullptr &&
      state_.options.macros->find(dot == std::string::npos ? "" : path.substr(0, dot),
                                  dot == std::string::npos ? path : path.substr(dot + 1), state_.package()) != nullptr;
  if (path == "ref" || path == "source" || path == "var" || is_macro) return JinjaValue::callable(path);
  const bool runtime = is_one_of(kRuntime, first_part(path));
  return unknown(runtime ? OpaqueReason::kRuntime : OpaqueReason::kVariable, path);
}

JinjaValue JinjaEvaluator::call(const std::string& path, const std::vector<JinjaArgument>& given, Span span) {
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
    for (const JinjaArgument& argument : given) {
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
  if (name == "return" && given.size() == 1) {
    if (!state_.is_in_macro()) return given.front().value;
    returned_ = given.front().value;
    silent_ = true;
    return JinjaValue::text("");
  }
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
  if (name == "namespace") {
    std::vector<std::pair<std::string, JinjaValue>> members;
    for (const JinjaArgument& argument : given)
      if (!argument.keyword.empty()) members.emplace_back(argument.keyword, argument.value);
    return JinjaValue::dict(std::move(members));
  }
  if (name == "caller")
    if (const JinjaValue* body = state_.variable(kCallBody); body != nullptr && body->is_known()) return *body;
  if (name == "statement" && body_ && at_end()) {  // sends the body to the warehouse
    silent_ = true;
    return JinjaValue::text("");
  }
  if (name == "should_full_refresh" || is_one_of(kRuntime, first_part(name)) || name.starts_with("exceptions.") ||
      name.starts_with("config."))
    return unknown(OpaqueReason::kRuntime, path);
  if (first_part(name) == "this") {
    Operand relation;
    relation.path = path;
    relation.span = span;
    return value_of(std::move(relation));
  }

  const std::size_t dot = name.find('.');
  const bool qualified = dot != std::string_view::npos;
  JinjaCall fact;
  if (qualified) fact.package = name.substr(0, dot);
  fact.name = qualified ? name.substr(dot + 1) : name;
  const JinjaMacro* macro = nullptr;
  if (state_.options.macros != nullptr) macro = state_.options.macros->find(fact.package, fact.name, state_.package());
  return call_macro(macro, std::move(fact), given, span);
}

JinjaValue JinjaEvaluator::call_macro(const JinjaMacro* macro, JinjaCall fact, const std::vector<JinjaArgument>& given,
                                      Span span) {
  const std::string path = (fact.package.empty() || fact.dispatched ? "" : fact.package + ".") + fact.name;
  fact.file = span;
  std::optional<JinjaValue> value;
  // The arguments of {% call %} may be calls too: the body is for the last one, the block's own.
  if (macro != nullptr && !state_.in_definition)
    value = run_macro(state_, *macro, path, given, span, body_ && at_end() ? &*body_ : nullptr);
  fact.expanded = value.has_value();
  if (!fact.expanded || !state_.is_in_macro()) state_.add_call(std::move(fact));
  if (!value || !value->is_known()) return unknown(OpaqueReason::kMacro, path);
  return std::move(*value);
}

JinjaEvaluator::Operand JinjaEvaluator::dispatch(const std::vector<JinjaArgument>& given, Span span) {
  Operand result;
  if (given.empty() || given[0].value.kind() != JinjaValue::Kind::kText) {
    result.value = unknown(OpaqueReason::kRuntime, "adapter.dispatch");
    return result;
  }
  JinjaCall fact;
  fact.name = given[0].value.as_text();
  fact.dispatched = true;
  for (std::size_t i = 1; i < given.size(); ++i)
    if (given[i].keyword.empty() || given[i].keyword == "macro_namespace") {
      const JinjaValue& where = given[i].value.kind() == JinjaValue::Kind::kList && !given[i].value.items().empty()
                                    ? given[i].value.items().front()
                                    : given[i].value;
      if (where.kind() == JinjaValue::Kind::kText) fact.package = where.as_text();
    }
  fact.file = span;
  if (state_.options.macros != nullptr)
    result.macro = state_.options.macros->dispatch(fact.name, fact.package, state_.options.adapter, state_.package());
  result.dispatched = std::move(fact);
  return result;
}

JinjaValue JinjaEvaluator::dynamic(std::string name, Span span) {
  state_.add_dynamic(span);
  return unknown(OpaqueReason::kExpression, std::move(name));
}

JinjaValue JinjaEvaluator::ref(const std::vector<JinjaArgument>& given, Span span) {
  std::vector<const JinjaValue*> names;
  std::string version;
  for (const JinjaArgument& argument : given) {
    if (argument.keyword.empty())
      names.push_back(&argument.value);
    else if (argument.keyword == "v" || argument.keyword == "version")
      version = argument.value.first().as_text();
  }
  if (names.empty() || names.size() > 2) return dynamic("ref", span);
  std::vector<JinjaValue> results;
  // Of several names dbt sees one.
  const Truth before = state_.parse;
  if (names.back()->kind() == JinjaValue::Kind::kOneOf) state_.parse = before && Truth::kMaybe;
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
  state_.parse = before;
  if (results.empty()) return dynamic("ref", span);
  return JinjaValue::one_of(results);
}

JinjaValue JinjaEvaluator::source(const std::vector<JinjaArgument>& given, Span span) {
  if (given.size() != 2) return dynamic("source", span);
  std::vector<JinjaValue> results;
  const Truth before = state_.parse;
  if (given[0].value.kind() == JinjaValue::Kind::kOneOf || given[1].value.kind() == JinjaValue::Kind::kOneOf)
    state_.parse = before && Truth::kMaybe;
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
  state_.parse = before;
  if (results.empty()) return dynamic("source", span);
  return JinjaValue::one_of(results);
}

void JinjaEvaluator::config(const std::vector<JinjaArgument>& given, Span span) {
  const auto add = [&](const std::string& key, const JinjaValue& value, Span where) {
    state_.add_config(key, value, where);
    if (key != "pre_hook" && key != "post_hook") return;
    const auto hook = [&](const JinjaValue& text) {
      if (text.kind() == JinjaValue::Kind::kText && text.as_text().find("{{") != std::string_view::npos &&
          state_.spend(text.as_text().size()))
        state_.hooks.emplace_back(std::string(text.as_text()), state_.place(span));
    };
    hook(value);
    for (const JinjaValue& item : value.items()) {
      hook(item);
      for (const JinjaValue& inner : item.items()) hook(inner);  // {"sql": …, "transaction": …}
    }
  };
  for (const JinjaArgument& argument : given) {
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

JinjaValue JinjaEvaluator::variable(const std::vector<JinjaArgument>& given, Span span, JinjaVariable::Kind kind) {
  const bool environment = kind == JinjaVariable::Kind::kEnvironment;
  const auto reason = environment ? OpaqueReason::kEnvironment : OpaqueReason::kVariable;
  if (given.empty() || given.front().value.kind() != JinjaValue::Kind::kText) return unknown(reason);
  JinjaVariable fact;
  fact.kind = kind;
  fact.name = given.front().value.as_text();
  if (given.size() > 1) fact.fallback = given[1].value;
  fact.file = span;
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
  state_.add_variable(std::move(fact));
  return value;
}

}  // namespace tideline::sql
