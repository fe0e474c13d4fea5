#include "sql/jinja_state.h"

#include <algorithm>

namespace tideline::sql {
namespace {

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

}  // namespace

JinjaState::JinjaState(std::size_t text_size, const JinjaOptions& its_options, JinjaResult& its_result)
    : options(its_options),
      result(its_result),
      budget_(kMaxJinjaGrowth * text_size + kMaxJinjaGrowthBytes),
      steps_(text_size + kMaxJinjaSteps),
      package_(its_options.package) {}

Certainty JinjaState::certainty() const {
  return parse == Truth::kYes ? Certainty::kAlways : parse == Truth::kMaybe ? Certainty::kMaybe : Certainty::kNever;
}

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

bool JinjaState::step(std::size_t count) {
  const bool fits = count <= steps_;
  steps_ -= std::min(count, steps_);
  return fits;
}

std::optional<JinjaState::Caller> JinjaState::enter(const JinjaMacro& macro, std::string_view called, Span place) {
  if (calls_ >= kMaxJinjaCalls) return std::nullopt;
  Caller caller;
  caller.variables = std::exchange(variables_, {});
  caller.package = std::exchange(package_, macro.package);
  caller.is_outermost = calls_ == 0;
  if (caller.is_outermost) {
    place_ = place;
    outermost_ = called;
  }
  ++calls_;
  return caller;
}

bool JinjaState::leave(Caller caller) {
  const bool counts = !gave_up_;
  --calls_;
  variables_ = std::move(caller.variables);
  package_ = std::move(caller.package);
  if (caller.is_outermost) {
    outermost_.clear();
    gave_up_ = false;
  }
  return counts;
}

template <class Fact>
bool JinjaState::put(std::vector<Fact>& facts, Fact fact) {
  const bool fits = facts.size() < kMaxJinjaFacts;
  if (fits)
    facts.push_back(std::move(fact));
  else
    result.truncated = true;
  return fits;
}

void JinjaState::problem(Span span, std::string message) {
  if (!is_in_macro()) put(result.problems, JinjaProblem{span, std::move(message)});  // else it is told of its own file
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
  relation.file = place(relation.file);
  relation.certainty = certainty();
  relation.block = block;
  put(result.relations, std::move(relation));
  return name;
}

void JinjaState::add_dynamic(Span span) { put(result.dynamic, JinjaDynamic{place(span), certainty(), block}); }

void JinjaState::add_call(JinjaCall call) {
  call.file = place(call.file);
  call.certainty = certainty();
  call.block = block;
  call.from = package_;
  call.nested = is_in_macro();
  // Macros that call each other could do so many thousand times.
  if (call.nested && !nested_calls_.insert(call.package + "." + call.name + "." + call.from).second) return;
  put(result.macros, std::move(call));
}

void JinjaState::add_config(std::string key, JinjaValue value, Span span) {
  put(result.config, JinjaConfig{std::move(key), std::move(value), place(span), certainty(), block});
}

void JinjaState::add_variable(JinjaVariable variable) {
  variable.file = place(variable.file);
  variable.block = block;
  put(result.variables, std::move(variable));
}

}  // namespace tideline::sql
