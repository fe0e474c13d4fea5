#include "sql/jinja_macros.h"

#include <array>
#include <utility>

#include "sql/jinja.h"

namespace tideline::sql {
namespace {

/// An adapter's own, then those it builds on.
std::vector<std::string_view> lineage_of(std::string_view adapter) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kParents{{{"redshift", "postgres"},
                                                                                          {"databricks", "spark"},
                                                                                          {"materialize", "postgres"},
                                                                                          {"synapse", "fabric"},
                                                                                          {"fabric", "sqlserver"},
                                                                                          {"athena", "trino"}}};
  std::vector<std::string_view> all;
  while (!adapter.empty() && all.size() < kParents.size()) {
    all.push_back(adapter);
    std::string_view parent;
    for (const auto& [child, of] : kParents)
      if (child == adapter) parent = of;
    adapter = parent;
  }
  return all;
}

std::vector<JinjaParameter> parameters_of(const JinjaTag& tag, std::string_view text) {
  std::vector<JinjaParameter> parameters;
  const auto word = [&](std::size_t i) { return text_of(tag.tokens[i].span, text); };
  int depth = 0;
  for (std::size_t i = 2; i < tag.tokens.size(); ++i) {
    const std::string_view token = word(i);
    if (tag.tokens[i].kind == JinjaToken::Kind::kText) continue;
    if (token == "(" || token == "[" || token == "{") ++depth;
    if (token == ")" || token == "]" || token == "}") --depth;
    const std::string_view before = word(i - 1);
    if (depth != 1 || tag.tokens[i].kind != JinjaToken::Kind::kName || (before != "(" && before != ",")) continue;
    JinjaParameter& parameter = parameters.emplace_back();
    parameter.name = token;
    if (i + 2 < tag.tokens.size() && word(i + 1) == "=") parameter.fallback = i + 2;
  }
  return parameters;
}

}  // namespace

JinjaMacros::JinjaMacros(std::string root) : root_(std::move(root)) { add("dbt", kDbtMacros); }

void JinjaMacros::add(const std::string& package, std::string_view text) {
  if (text.size() > kMaxJinjaBytes) return;
  std::vector<JinjaTag> tags = cut_template(text);
  Names& names = packages_[package];
  const auto& kept = files_.emplace_back(std::move(tags));
  const auto word = [&](std::size_t tag, std::size_t token) -> std::string_view {
    if (kept[tag].kind != JinjaTag::Kind::kStatement || token >= kept[tag].tokens.size()) return {};
    return text_of(kept[tag].tokens[token].span, text);
  };
  for (std::size_t i = 0; i < kept.size(); ++i) {
    if (word(i, 0) != "macro") continue;
    std::size_t end = i + 1;
    while (end < kept.size() && word(end, 0) != "endmacro") ++end;
    if (end == kept.size()) return;
    if (const std::string_view name = word(i, 1); !name.empty()) {
      JinjaMacro macro;
      macro.package = package;
      macro.name = name;
      macro.text = text;
      macro.tags = &kept;
      macro.begin = i;
      macro.end = end;
      for (std::size_t tag = i; tag <= end; ++tag) macro.tokens += 1 + kept[tag].tokens.size();
      macro.parameters = parameters_of(kept[i], text);
      if (names.emplace(std::string(name), std::move(macro)).second) ++size_;
    }
    i = end;
  }
}

void JinjaMacros::set_search_order(const std::string& name_space, std::vector<std::string> packages) {
  search_orders_[name_space] = std::move(packages);
}

const JinjaMacro* JinjaMacros::in(std::string_view package, std::string_view name) const {
  const auto names = packages_.find(package);
  if (names == packages_.end()) return nullptr;
  const auto found = names->second.find(name);
  return found == names->second.end() ? nullptr : &found->second;
}

const JinjaMacro* JinjaMacros::find(std::string_view package, std::string_view name, std::string_view caller) const {
  if (!package.empty()) return in(package, name);
  if (const JinjaMacro* own = in(caller, name)) return own;
  if (const JinjaMacro* of_project = in(root_, name)) return of_project;
  return in("dbt", name);
}

const JinjaMacro* JinjaMacros::dispatch(std::string_view name, std::string_view name_space, std::string_view adapter,
                                        std::string_view caller) const {
  // A name that says its package: adapter.dispatch('package.name').
  if (const std::size_t dot = name.find('.'); dot != std::string_view::npos) {
    name_space = name.substr(0, dot);
    name.remove_prefix(dot + 1);
  }
  std::vector<std::string_view> packages;
  const auto order = search_orders_.find(name_space);
  if (order != search_orders_.end()) {
    packages.assign(order->second.begin(), order->second.end());
  } else {
    packages.push_back(root_);
    if (!name_space.empty()) packages.push_back(name_space);
    packages.push_back(caller);
  }
  std::vector<std::string_view> prefixes = lineage_of(adapter);
  prefixes.push_back("default");
  for (const std::string_view package : packages)
    for (const std::string_view prefix : prefixes)
      if (const JinjaMacro* found = in(package, std::string(prefix) + "__" + std::string(name))) return found;
  if (!adapter.empty()) return nullptr;
  const JinjaMacro* only = nullptr;
  const std::string suffix = "__" + std::string(name);
  for (const std::string_view package : packages) {
    const auto names = packages_.find(package);
    if (names == packages_.end()) continue;
    for (const auto& [other, macro] : names->second) {
      if (!other.ends_with(suffix) || &macro == only) continue;
      if (only != nullptr) return nullptr;
      only = &macro;
    }
  }
  return only;
}

}  // namespace tideline::sql
