#include "extract/project_config.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace tideline::extract {

sql::JinjaValue to_jinja(const Yaml& value) {
  using sql::JinjaValue;
  switch (value.kind) {
    case Yaml::Kind::kNull:
      return JinjaValue::none();
    case Yaml::Kind::kBoolean:
      return JinjaValue::boolean(value.text == "true" ? sql::Truth::kYes : sql::Truth::kNo);
    case Yaml::Kind::kInteger:
    case Yaml::Kind::kFloat:
      return JinjaValue::number(value.text);
    case Yaml::Kind::kText:
      return JinjaValue::text(value.text);
    case Yaml::Kind::kList: {
      std::vector<JinjaValue> items;
      for (const Yaml& item : value.items) items.push_back(to_jinja(item));
      return JinjaValue::list(std::move(items));
    }
    case Yaml::Kind::kMap: {
      std::vector<std::pair<std::string, JinjaValue>> members;
      for (std::size_t i = 0; i < value.keys.size(); ++i) members.emplace_back(value.keys[i], to_jinja(value.items[i]));
      return JinjaValue::dict(std::move(members));
    }
  }
  return {};
}

Json to_json(const sql::JinjaValue& value) {
  using Kind = sql::JinjaValue::Kind;
  switch (value.kind()) {
    case Kind::kBoolean:
      if (value.run() == sql::Truth::kMaybe) return {};
      return Json(value.run() == sql::Truth::kYes);
    case Kind::kNumber: {
      const std::string_view text = value.as_text();
      std::int64_t whole = 0;
      if (const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), whole);
          error == std::errc() && end == text.data() + text.size())
        return Json(whole);
      double number = 0;
      std::from_chars(text.data(), text.data() + text.size(), number);
      return Json(number);
    }
    case Kind::kText:
      return Json(std::string(value.as_text()));
    case Kind::kList: {
      Json::Array items;
      for (const auto& item : value.items()) items.push_back(to_json(item));
      return Json(std::move(items));
    }
    case Kind::kDict: {
      Json::Object members;
      for (std::size_t i = 0; i < value.keys().size(); ++i)
        members.emplace_back(value.keys()[i], to_json(value.items()[i]));
      return Json(std::move(members));
    }
    default:
      return {};
  }
}

std::string rendered(std::string_view text, const Variables& variables, const Documents* documents) {
  if (text.find('{') == std::string_view::npos) return std::string(text);
  sql::JinjaOptions options;
  options.mode = sql::JinjaMode::kText;
  options.vars = &variables;
  options.documents = documents;
  return read_jinja(text, options).sql;
}

Json rendered(const Yaml& value, const Variables& variables) {
  if (value.is_text() && value.text.find("{{") != std::string::npos) {
    std::string text = rendered(std::string_view(value.text), variables);
    if (text == "True" || text == "true") return Json(true);
    if (text == "False" || text == "false") return Json(false);
    if (text == "None") return {};
    return Json(std::move(text));
  }
  if (value.is_list()) {
    Json::Array items;
    for (const Yaml& item : value.items) items.push_back(rendered(item, variables));
    return Json(std::move(items));
  }
  if (value.is_map()) {
    Json::Object members;
    for (std::size_t i = 0; i < value.keys.size(); ++i)
      members.emplace_back(value.keys[i], rendered(value.items[i], variables));
    return Json(std::move(members));
  }
  return value.to_json();
}

void NodeConfig::set(const std::string& key, Json value) {
  if (key == "tags") {
    Json::Array tags;
    if (const Json* before = find("tags"); before != nullptr && before->if_array() != nullptr)
      tags = *before->if_array();
    if (const auto* list = value.if_array())
      tags.insert(tags.end(), list->begin(), list->end());
    else if (value.if_string() != nullptr)
      tags.push_back(std::move(value));
    settings_["tags"] = Json(std::move(tags));
    return;
  }
  if (key == "meta" && value.if_object() != nullptr) {
    Json::Object merged = *value.if_object();
    if (const Json* before = find("meta"); before != nullptr && before->if_object() != nullptr)
      for (const auto& [name, member] : *before->if_object())
        if (value.find(name) == nullptr) merged.emplace_back(name, member);
    settings_["meta"] = Json(std::move(merged));
    return;
  }
  settings_[key] = std::move(value);
}

void NodeConfig::apply_tree(const Yaml& tree, const std::vector<std::string>& parts, const Variables& variables) {
  const Yaml* level = &tree;
  for (std::size_t i = 0; level != nullptr && level->is_map(); ++i) {
    for (std::size_t k = 0; k < level->keys.size(); ++k) {
      const std::string& key = level->keys[k];
      const Yaml& value = level->items[k];
      const bool is_part = i < parts.size() && key == parts[i] && value.is_map();
      if (key.starts_with('+'))
        set(key.substr(1), rendered(value, variables));
      else if (!value.is_map() && !is_part)
        set(key, rendered(value, variables));
    }
    if (i == parts.size()) break;
    level = level->find(parts[i]);
  }
}

void NodeConfig::apply(const Yaml& config, const Variables& variables) {
  for (std::size_t i = 0; i < config.keys.size(); ++i) set(config.keys[i], rendered(config.items[i], variables));
}

void NodeConfig::apply(const std::vector<sql::JinjaConfig>& calls, std::int32_t block) {
  for (const auto& call : calls)
    if (call.block == block && call.certainty != sql::Certainty::kNever && call.value.first().is_known())
      set(call.key, to_json(call.value.first()));
}

const Json* NodeConfig::find(std::string_view key) const {
  const auto found = settings_.find(key);
  return found == settings_.end() || found->second.is_null() ? nullptr : &found->second;
}

std::string NodeConfig::text(std::string_view key) const {
  const Json* value = find(key);
  return value != nullptr && value->if_string() != nullptr ? *value->if_string() : "";
}

bool NodeConfig::is_disabled() const {
  const Json* enabled = find("enabled");
  return enabled != nullptr && enabled->if_bool() != nullptr && !*enabled->if_bool();
}

Json::Object NodeConfig::object() const {
  Json::Object members;
  for (const auto& [key, value] : settings_)
    if (!value.is_null()) members.emplace_back(key, value);
  return members;
}

}  // namespace tideline::extract
