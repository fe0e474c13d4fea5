// What operators, tests, filters and methods give: jinja_evaluator.h.

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/text.h"
#include "sql/jinja_evaluator.h"

namespace tideline::sql {

namespace {

/// What was made of a list or a dict is known as far as that is.
JinjaValue like(const JinjaValue& from, JinjaValue made) {
  if (from.is_open()) made.open();
  return made;
}

}  // namespace

std::optional<std::int64_t> integer(const JinjaValue& value) {
  if (value.kind() != JinjaValue::Kind::kNumber) return std::nullopt;
  const std::string_view text = value.as_text();
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
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
    if (one.kind() == JinjaValue::Kind::kList && !one.is_open()) {
      auto index = integer(key);
      const auto size = static_cast<std::int64_t>(one.items().size());
      if (index && *index < 0) *index += size;
      if (index && *index >= 0 && *index < size) item = &one.items()[static_cast<std::size_t>(*index)];
    }
    found.push_back(item != nullptr && !one.is_open() ? *item : JinjaValue());
  }
  JinjaValue value = JinjaValue::one_of(found);
  return value.is_known() ? value : unknown(OpaqueReason::kExpression);
}

JinjaValue JinjaEvaluator::sliced(const JinjaValue& owner, const JinjaValue& from, const JinjaValue& to,
                                  bool has_step) {
  if (owner.kind() != JinjaValue::Kind::kList || owner.is_open() || has_step) return unknown(OpaqueReason::kExpression);
  const auto size = static_cast<std::int64_t>(owner.items().size());
  const auto bound = [&](const JinjaValue& given, std::int64_t otherwise) -> std::optional<std::int64_t> {
    if (!given.is_known()) return otherwise;
    auto index = integer(given);
    if (index && *index < 0) *index += size;
    return index ? std::optional(std::clamp<std::int64_t>(*index, 0, size)) : std::nullopt;
  };
  const auto begin = bound(from, 0), end = bound(to, size);
  if (!begin || !end || !state_.spend(kAlternativeCost * owner.items().size()))
    return unknown(OpaqueReason::kExpression);
  if (*begin >= *end) return JinjaValue::list({});
  return JinjaValue::list({owner.items().begin() + *begin, owner.items().begin() + *end});
}

JinjaValue JinjaEvaluator::calculated(const JinjaValue& a, std::string_view op, const JinjaValue& b) {
  constexpr std::int64_t kMax = 1'000'000'000;  // products of two do not overflow
  const auto x = integer(a), y = integer(b);
  if (!x || !y || *x > kMax || *x < -kMax || *y > kMax || *y < -kMax) return unknown(OpaqueReason::kExpression);
  if (op == "+") return JinjaValue::number(std::to_string(*x + *y));
  if (op == "-") return JinjaValue::number(std::to_string(*x - *y));
  if (op == "*") return JinjaValue::number(std::to_string(*x * *y));
  // As Python rounds only where nothing is negative.
  if (*y > 0 && *x >= 0 && op == "//") return JinjaValue::number(std::to_string(*x / *y));
  if (*y > 0 && *x >= 0 && op == "%") return JinjaValue::number(std::to_string(*x % *y));
  return unknown(OpaqueReason::kExpression);
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
    if (name == "iterable" || name == "sequence") {
      const bool several = kind == Kind::kList || kind == Kind::kDict || kind == Kind::kText;
      truth = several ? Truth::kYes : Truth::kNo;
    }
    if (name == "boolean") truth = kind == Kind::kBoolean ? Truth::kYes : Truth::kNo;
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
    if (b.kind() == Kind::kDict) {
      const bool has = b.find(a.as_text()) != nullptr;
      return b.is_open() ? Truth::kMaybe : truth(has);
    }
    if (a.kind() == Kind::kText && b.kind() == Kind::kText && state_.spend(b.as_text().size()))
      return truth(b.as_text().find(a.as_text()) != std::string_view::npos);
    if (b.kind() != Kind::kList) return Truth::kMaybe;
    bool found = false, sure = !b.is_open();
    for (const JinjaValue& item : b.items()) {
      found |= item == a;
      sure &= is_plain(item);
    }
    return found || sure ? truth(found) : Truth::kMaybe;
  }
  if (op == "==" || op == "!=") {
    if (is_plain(a) && is_plain(b)) return truth((a == b) == (op == "=="));
    // Lists are compared where one is empty.
    if (a.kind() == Kind::kList && b.kind() == Kind::kList && !a.is_open() && !b.is_open() &&
        (a.items().empty() || b.items().empty()))
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
  const auto has_text = [](const JinjaValue& v) {
    return v.is_scalar() || v.kind() == Kind::kRelation || v.kind() == Kind::kPartial;
  };
  std::vector<JinjaValue> results;
  for (const JinjaValue& left : a) {
    for (const JinjaValue& right : b) {
      if (!has_text(left) || !has_text(right)) return unknown(OpaqueReason::kExpression);
      if (results.size() == JinjaValue::kMaxAlternatives) break;
      if (!state_.spend(left.as_text().size() + right.as_text().size() + kAlternativeCost))
        return unknown(OpaqueReason::kTooMuch);
      std::string text = std::string(left.as_text()) += right.as_text();
      const bool partial = left.kind() == Kind::kPartial || right.kind() == Kind::kPartial;
      results.push_back(partial ? JinjaValue::rendered(std::move(text)) : JinjaValue::text(std::move(text)));
    }
  }
  return JinjaValue::one_of(results);
}

JinjaValue JinjaEvaluator::filter(const JinjaValue& value, std::string_view name,
                                  const std::vector<JinjaArgument>& given) {
  using Kind = JinjaValue::Kind;
  if (name.starts_with("as_") || name == "safe" || name == "list" || name == "string" || name == "int" ||
      name == "unique")
    return value;
  if (name == "default" || name == "d") {
    if (value.is_known()) return value;
    return given.empty() ? JinjaValue() : given.front().value;
  }
  if (name == "first" || name == "last") {
    if (value.kind() == Kind::kList && !value.is_open() && !value.items().empty())
      return name == "first" ? value.items().front() : value.items().back();
    return unknown(OpaqueReason::kExpression);
  }
  if (name == "length" || name == "count") {
    if ((value.kind() == Kind::kList || value.kind() == Kind::kDict) && !value.is_open())
      return JinjaValue::number(std::to_string(value.items().size()));
    return unknown(OpaqueReason::kExpression);
  }
  if (name == "join") {
    std::string out;
    const std::string_view between = given.empty() ? std::string_view() : given.front().value.as_text();
    if (value.kind() != Kind::kList || value.is_open()) return unknown(OpaqueReason::kExpression);
    for (std::size_t i = 0; i < value.items().size(); ++i) {
      const JinjaValue& item = value.items()[i];
      if (!item.is_scalar() && item.kind() != Kind::kRelation && item.kind() != Kind::kPartial)
        return unknown(OpaqueReason::kExpression);
      if (!state_.spend(item.as_text().size() + between.size())) return unknown(OpaqueReason::kTooMuch);
      if (i > 0) out += between;
      out += item.as_text();
    }
    return JinjaValue::rendered(std::move(out));
  }
  if (name == "map" && value.kind() == Kind::kList) {
    std::vector<JinjaValue> items;
    for (const JinjaValue& item : value.items()) {
      if (!state_.spend(kAlternativeCost)) return unknown(OpaqueReason::kTooMuch);
      if (!given.empty() && given.front().keyword == "attribute" && given.front().value.kind() == Kind::kText)
        items.push_back(attribute(item, given.front().value.as_text()));
      else if (given.size() == 1 && given.front().value.kind() == Kind::kText && given.front().value.as_text() != "map")
        items.push_back(filter(item, given.front().value.as_text(), {}));
      else
        return unknown(OpaqueReason::kExpression);
    }
    return like(value, JinjaValue::list(std::move(items)));
  }
  if ((name == "indent" || name == "e" || name == "escape" || name == "forceescape") && value.is_known()) return value;
  if (value.kind() == Kind::kList || value.kind() == Kind::kDict) return unknown(OpaqueReason::kExpression);
  return method(value, name == "trim" ? std::string_view("strip") : name, given);
}

JinjaValue JinjaEvaluator::method(const JinjaValue& owner, std::string_view name,
                                  const std::vector<JinjaArgument>& given) {
  using Kind = JinjaValue::Kind;
  if (owner.kind() == Kind::kList && (name == "append" || name == "add" || name == "extend")) {
    if (given.empty() || state_.run == Truth::kNo) return JinjaValue::none();  // what is not run adds nothing
    if (state_.run == Truth::kMaybe) owner.open();
    const JinjaValue& added = given.front().value;
    if (name != "extend") {
      if (state_.spend(kAlternativeCost))
        owner.append(added);
      else
        owner.open();
      return JinjaValue::none();
    }
    if (added.kind() != Kind::kList || added.is_open() || !state_.spend(kAlternativeCost * added.items().size()))
      owner.open();
    if (added.kind() == Kind::kList && state_.spend(kAlternativeCost * added.items().size())) {
      const std::vector<JinjaValue> items = added.items();  // may be the list itself
      for (const JinjaValue& item : items) owner.append(item);
    }
    return JinjaValue::none();
  }
  if (owner.kind() == Kind::kDict && name == "update") {
    if (given.empty() || state_.run == Truth::kNo) return JinjaValue::none();
    const JinjaValue& added = given.front().value;
    if (state_.run == Truth::kMaybe || added.kind() != Kind::kDict || added.is_open()) owner.open();
    const std::size_t size = added.keys().size() * (owner.keys().size() + added.keys().size() + 1);
    if (added.kind() != Kind::kDict || !state_.spend(kAlternativeCost * size)) {
      owner.open();
      return JinjaValue::none();
    }
    const std::vector<std::string> keys = added.keys();
    const std::vector<JinjaValue> items = added.items();  // may be the dict itself
    for (std::size_t i = 0; i < keys.size(); ++i) owner.put(keys[i], items[i]);
    return JinjaValue::none();
  }
  if (owner.kind() == Kind::kDict) {
    if (name == "get" && !given.empty() && given.front().value.is_scalar()) {
      if (owner.is_open()) return unknown(OpaqueReason::kExpression);
      if (const JinjaValue* item = owner.find(given.front().value.as_text())) return *item;
      return given.size() > 1 ? given[1].value : JinjaValue::none();
    }
    if (!state_.spend(kAlternativeCost * owner.items().size())) return unknown(OpaqueReason::kTooMuch);
    if (name == "values") return like(owner, JinjaValue::list(owner.items()));
    if (name == "keys" || name == "items") {
      std::vector<JinjaValue> items;
      for (std::size_t i = 0; i < owner.keys().size(); ++i) {
        JinjaValue key = JinjaValue::text(owner.keys()[i]);
        items.push_back(name == "keys" ? std::move(key) : JinjaValue::list({std::move(key), owner.items()[i]}));
      }
      return like(owner, JinjaValue::list(std::move(items)));
    }
    owner.open();  // pop, setdefault …
    return unknown(OpaqueReason::kExpression);
  }
  if (owner.kind() == Kind::kList) {
    if (name != "index" && name != "count" && name != "copy") owner.open();  // insert, remove, sort …
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
    } else if ((name == "startswith" || name == "endswith") && given.size() == 1 &&
               given[0].value.kind() == Kind::kText) {
      const std::string_view part = given[0].value.as_text();
      const bool holds = name == "startswith" ? text.starts_with(part) : text.ends_with(part);
      results.push_back(JinjaValue::boolean(holds ? Truth::kYes : Truth::kNo));
    } else if (name == "format") {
      JinjaValue formatted = this->formatted(text, given);
      if (!formatted.is_known()) return formatted;
      results.push_back(std::move(formatted));
    } else {
      return unknown(OpaqueReason::kExpression);
    }
  }
  return JinjaValue::one_of(results);
}

/// "{} of {}".format(a, b); also {0} and {name}, without a specification.
JinjaValue JinjaEvaluator::formatted(std::string_view text, const std::vector<JinjaArgument>& given) {
  std::string out;
  std::size_t next = 0;
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    if ((c == '{' || c == '}') && at + 1 < text.size() && text[at + 1] == c) {
      out += c;
      at += 2;
      continue;
    }
    if (c != '{') {
      out += c;
      ++at;
      continue;
    }
    const std::size_t end = text.find('}', at);
    if (end == std::string_view::npos) return unknown(OpaqueReason::kExpression);
    const std::string_view name = text.substr(at + 1, end - at - 1);
    const JinjaArgument* argument = nullptr;
    std::size_t position = 0;
    const auto index =
        name.empty() ? std::optional<std::int64_t>(next++) : integer(JinjaValue::number(std::string(name)));
    for (const JinjaArgument& one : given) {
      const bool is_it =
          index ? one.keyword.empty() && position == static_cast<std::size_t>(*index) : one.keyword == name;
      if (one.keyword.empty()) ++position;
      if (is_it) argument = &one;
    }
    if (argument == nullptr) return unknown(OpaqueReason::kExpression);
    const JinjaValue& value = argument->value.first();
    if (!value.is_scalar() && value.kind() != JinjaValue::Kind::kRelation && value.kind() != JinjaValue::Kind::kPartial)
      return unknown(OpaqueReason::kExpression);
    if (!state_.spend(value.as_text().size())) return unknown(OpaqueReason::kTooMuch);
    out += value.as_text();
    at = end + 1;
  }
  return JinjaValue::rendered(std::move(out));
}

}  // namespace tideline::sql
