#pragma once
// What a Jinja expression is worth as far as the text tells: values are known, unknown, or one of several. Copies are
// cheap (contents are shared); lists and dicts are shared by reference, as in Python. Depth and number are bounded, so
// that building, comparing and freeing a value never recurses deeply.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tideline::sql {

/// kMaybe: depends on what only dbt or the warehouse knows.
enum class Truth : std::uint8_t { kNo, kMaybe, kYes };
constexpr Truth operator&&(Truth a, Truth b) { return a < b ? a : b; }
constexpr Truth operator||(Truth a, Truth b) { return a < b ? b : a; }
constexpr Truth operator!(Truth a) { return static_cast<Truth>(2 - static_cast<int>(a)); }

class JinjaValue {
 public:
  enum class Kind : std::uint8_t {
    kUnknown,
    kNone,
    kBoolean,
    kNumber,
    kText,
    kPartial,  // text in which placeholders stand for what is not known
    kRelation,
    kCallable,  // ref, or a macro, under another name
    kList,
    kDict,
    kOneOf
  };

  /// Lists in lists, and so on. Real templates stay below 5.
  static constexpr std::uint8_t kMaxDepth = 32;
  /// Values that one value may have at once; the rest is left out. A loop over more is rare.
  static constexpr std::size_t kMaxAlternatives = 200;

  JinjaValue() = default;  // unknown
  static JinjaValue none();
  /// `run`: when the model runs. `parse`: when dbt parses the project, which is when it looks for refs.
  static JinjaValue boolean(Truth run, Truth parse);
  static JinjaValue boolean(Truth value) { return boolean(value, value); }
  static JinjaValue number(std::string as_written);
  static JinjaValue text(std::string text);
  /// What a template gave: partial where there is a placeholder in it.
  static JinjaValue rendered(std::string text);
  /// `name`: what stands for it in the SQL.
  static JinjaValue relation(std::string name);
  /// `path`: as a call names it.
  static JinjaValue callable(std::string path);
  /// Unknown where it would be nested too deeply.
  static JinjaValue list(std::vector<JinjaValue> items);
  static JinjaValue dict(std::vector<std::pair<std::string, JinjaValue>> members);
  /// One of these: flattened, each once. No alternative: unknown; one: that one.
  static JinjaValue one_of(const std::vector<JinjaValue>& alternatives);

  Kind kind() const { return kind_; }
  bool is_known() const { return kind_ != Kind::kUnknown; }
  bool is_scalar() const { return kind_ == Kind::kNumber || kind_ == Kind::kText; }
  /// Of a number, a text, a partial text, a relation, a callable; else empty.
  std::string_view as_text() const { return text_ ? std::string_view(*text_) : std::string_view(); }
  /// Of a list or a one-of; values of a dict. Else empty.
  const std::vector<JinjaValue>& items() const;
  /// Of a dict, one for each item.
  const std::vector<std::string>& keys() const;
  const JinjaValue* find(std::string_view key) const;
  /// For a dict: the same with another value for a key, or with one more.
  JinjaValue with(std::string_view key, JinjaValue value) const;
  /// For a list: appends for all who share it. A list or a dict becomes an unknown element.
  void append(const JinjaValue& item) const;
  /// For a dict: the same.
  void put(std::string_view key, const JinjaValue& item) const;
  /// Of a list or a dict: there may be more in it than is known, or something else.
  bool is_open() const;
  void open() const;

  /// As a condition.
  Truth run() const;
  Truth parse() const;

  /// This value, or each of those it may be.
  const JinjaValue* begin() const;
  const JinjaValue* end() const;
  /// The one that is taken where one must be.
  const JinjaValue& first() const { return kind_ == Kind::kOneOf ? items().front() : *this; }

  /// Scalars, none, booleans and relations compare by content; containers by identity.
  friend bool operator==(const JinjaValue& a, const JinjaValue& b);

 private:
  Truth truth(bool run) const;

  Kind kind_ = Kind::kUnknown;
  Truth run_ = Truth::kMaybe, parse_ = Truth::kMaybe;
  std::uint8_t depth_ = 0;
  std::shared_ptr<const std::string> text_;
  struct Contents;
  std::shared_ptr<Contents> contents_;
};

}  // namespace tideline::sql
