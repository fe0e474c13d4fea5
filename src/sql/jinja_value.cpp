#include "sql/jinja_value.h"

#include <algorithm>

namespace tideline::sql {
namespace {

const std::vector<JinjaValue> kNoItems;
const std::vector<std::string> kNoKeys;

}  // namespace

struct JinjaValue::Contents {
  std::vector<JinjaValue> items;
  std::vector<std::string> keys;  // of a dict
  bool open = false;
};

JinjaValue JinjaValue::none() {
  JinjaValue value;
  value.kind_ = Kind::kNone;
  return value;
}

JinjaValue JinjaValue::boolean(Truth run, Truth parse) {
  JinjaValue value;
  value.kind_ = Kind::kBoolean;
  value.run_ = run;
  value.parse_ = parse;
  return value;
}

JinjaValue JinjaValue::number(std::string as_written) {
  JinjaValue value = text(std::move(as_written));
  value.kind_ = Kind::kNumber;
  return value;
}

JinjaValue JinjaValue::text(std::string text) {
  JinjaValue value;
  value.kind_ = Kind::kText;
  value.text_ = std::make_shared<const std::string>(std::move(text));
  return value;
}

JinjaValue JinjaValue::rendered(std::string rendered_text) {
  const bool partial = rendered_text.find("__jinja_") != std::string::npos;
  JinjaValue value = text(std::move(rendered_text));
  if (partial) value.kind_ = Kind::kPartial;
  return value;
}

JinjaValue JinjaValue::relation(std::string name) {
  JinjaValue value = text(std::move(name));
  value.kind_ = Kind::kRelation;
  return value;
}

JinjaValue JinjaValue::callable(std::string path) {
  JinjaValue value = text(std::move(path));
  value.kind_ = Kind::kCallable;
  return value;
}

JinjaValue JinjaValue::list(std::vector<JinjaValue> items) {
  JinjaValue value;
  for (const JinjaValue& item : items) value.depth_ = std::max(value.depth_, item.depth_);
  if (value.depth_ >= kMaxDepth) return {};
  ++value.depth_;
  value.kind_ = Kind::kList;
  value.contents_ = std::make_shared<Contents>();
  value.contents_->items = std::move(items);
  return value;
}

JinjaValue JinjaValue::dict(std::vector<std::pair<std::string, JinjaValue>> members) {
  std::vector<JinjaValue> items;
  std::vector<std::string> keys;
  items.reserve(members.size());
  keys.reserve(members.size());
  for (auto& [key, item] : members) {
    keys.push_back(std::move(key));
    items.push_back(std::move(item));
  }
  JinjaValue value = list(std::move(items));
  if (!value.is_known()) return value;
  value.kind_ = Kind::kDict;
  value.contents_->keys = std::move(keys);
  return value;
}

JinjaValue JinjaValue::one_of(const std::vector<JinjaValue>& alternatives) {
  std::vector<JinjaValue> flat;
  for (const JinjaValue& alternative : alternatives)
    for (const JinjaValue& value : alternative)
      if (flat.size() < kMaxAlternatives && std::find(flat.begin(), flat.end(), value) == flat.end())
        flat.push_back(value);
  if (flat.empty()) return {};
  if (flat.size() == 1) return flat.front();
  JinjaValue value = list(std::move(flat));
  if (value.is_known()) value.kind_ = Kind::kOneOf;
  return value;
}

const std::vector<JinjaValue>& JinjaValue::items() const { return contents_ ? contents_->items : kNoItems; }
const std::vector<std::string>& JinjaValue::keys() const { return contents_ ? contents_->keys : kNoKeys; }

bool JinjaValue::is_open() const { return contents_ && contents_->open; }
void JinjaValue::open() const {
  if (contents_) contents_->open = true;
}

const JinjaValue* JinjaValue::find(std::string_view key) const {
  // Of a key that stands twice the last value counts.
  for (std::size_t i = keys().size(); i-- > 0;)
    if (keys()[i] == key) return &items()[i];
  return nullptr;
}

JinjaValue JinjaValue::with(std::string_view key, JinjaValue value) const {
  std::vector<std::pair<std::string, JinjaValue>> members;
  bool found = false;
  for (std::size_t i = 0; i < keys().size(); ++i) {
    const bool is_it = keys()[i] == key;
    found |= is_it;
    members.emplace_back(keys()[i], is_it ? value : items()[i]);
  }
  if (!found) members.emplace_back(key, std::move(value));
  return dict(std::move(members));
}

void JinjaValue::append(const JinjaValue& item) const {
  // A container could contain this list: a circle.
  if (kind_ == Kind::kList) contents_->items.push_back(item.contents_ ? JinjaValue() : item);
}

void JinjaValue::put(std::string_view key, const JinjaValue& item) const {
  if (kind_ != Kind::kDict) return;
  const JinjaValue put = item.contents_ ? JinjaValue() : item;
  for (std::size_t i = 0; i < keys().size(); ++i)
    if (contents_->keys[i] == key) {
      contents_->items[i] = put;
      return;
    }
  contents_->keys.emplace_back(key);
  contents_->items.push_back(put);
}

Truth JinjaValue::truth(bool run) const {
  switch (kind_) {
    case Kind::kUnknown:
    case Kind::kPartial:
      return Truth::kMaybe;
    case Kind::kNone:
      return Truth::kNo;
    case Kind::kBoolean:
      return run ? run_ : parse_;
    case Kind::kNumber:
      return as_text().find_first_of("123456789") == std::string_view::npos ? Truth::kNo : Truth::kYes;
    case Kind::kText:
      return as_text().empty() ? Truth::kNo : Truth::kYes;
    case Kind::kRelation:
    case Kind::kCallable:
      return Truth::kYes;
    case Kind::kList:
    case Kind::kDict:
      return !items().empty() ? Truth::kYes : is_open() ? Truth::kMaybe : Truth::kNo;
    case Kind::kOneOf: {
      // When it runs, the one that is taken; dbt sees them all.
      const Truth first = items().front().truth(run);
      for (const JinjaValue& item : items())
        if (!run && item.truth(false) != first) return Truth::kMaybe;
      return first;
    }
  }
  return Truth::kMaybe;
}

Truth JinjaValue::run() const { return truth(true); }
Truth JinjaValue::parse() const { return truth(false); }

const JinjaValue* JinjaValue::begin() const { return kind_ == Kind::kOneOf ? items().data() : this; }
const JinjaValue* JinjaValue::end() const { return kind_ == Kind::kOneOf ? items().data() + items().size() : this + 1; }

bool operator==(const JinjaValue& a, const JinjaValue& b) {
  if (a.kind_ != b.kind_) return false;
  if (a.contents_ || b.contents_) return a.contents_ == b.contents_;
  return a.as_text() == b.as_text() && a.run_ == b.run_ && a.parse_ == b.parse_;
}

}  // namespace tideline::sql
