#pragma once
// Expressions, windows, orders. Begin reading at ast.h.

#include "sql/ast_node.h"

namespace tideline::sql {

struct Query;
struct WindowSpec;
struct OrderItem;

struct Column : Expression {
  static constexpr NodeKind kKind = NodeKind::kColumn;
  List<Identifier> parts;        // a.b.c, at least one. $1 of a staged file is one, too
  bool outer_join_mark = false;  // a.b(+)
};

struct StarReplace {
  const Expression* value;
  Identifier name;
  Span span;
};
struct StarRename {
  Identifier from;
  Identifier to;
};

/// *, t.*, a.b.*, (expression).*, as a select item, or as an argument: count(*).
struct Star : Expression {
  static constexpr NodeKind kKind = NodeKind::kStar;
  List<Identifier> qualifier;  // empty for a bare *
  const Expression* base;      // of (expression).*; or null
  List<Identifier> except;     // EXCEPT, EXCLUDE; the last part of a qualified one
  List<StarReplace> replace;
  List<StarRename> rename;
  const Expression* like;         // ILIKE '…', LIKE '…', SIMILAR TO '…' on the names; or null
  List<const Expression*> apply;  // APPLY(f), APPLY(x -> …): functions, each over what the last one gave (ClickHouse)
};

/// COLUMNS('regular expression' | * … | lambda | list): DuckDB, ClickHouse.
struct Columns : Expression {
  static constexpr NodeKind kKind = NodeKind::kColumns;
  Identifier qualifier;
  List<const Expression*> arguments;  // one, but for COLUMNS(a, b)
  const Star* modifiers;              // EXCEPT, REPLACE, APPLY after it (ClickHouse); or null
  bool unpack = false;                // *COLUMNS(…)
};

enum class LiteralKind : std::uint8_t {
  kNull,
  kTrue,
  kFalse,
  kNumber,
  kString,
  kTyped,    // DATE '2024-01-01', JSON '…': `type` and the string
  kWord,     // no value but part of the syntax: YEAR in extract(YEAR from x), day in date_trunc(day, x), BOTH in trim
  kDefault,  // DEFAULT as a value
};

struct Literal : Expression {
  static constexpr NodeKind kKind = NodeKind::kLiteral;
  LiteralKind literal{};
  std::string_view text;   // as written, with quotes and prefix; adjacent strings in one
  std::string_view value;  // of a string: its content, simple escapes undone
  TypeName type;           // of kTyped
};

struct Parameter : Expression {
  static constexpr NodeKind kKind = NodeKind::kParameter;
  std::string_view text;  // with its sign: ?, $1, :name, @name
};

enum class Operator : std::uint8_t {
  kOr,
  kXor,
  kAnd,
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kNullSafeEqual,
  kConcat,
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kIntegerDivide,
  kModulo,
  kPower,
  kBitOr,
  kBitAnd,
  kBitXor,
  kShiftLeft,
  kShiftRight,
  kJson,        // ->, ->>, #>, #>>: takes something out of its left operand
  kAtTimeZone,  // AT TIME ZONE
  kOther,       // another of the dialect: @>, &&, ~, <->, OPERATOR(…), OVERLAPS … `text` says which
  kNot,
  kPlus,
  kMinus,
  kBitNot,
  kPrior,
  kConnectByRoot,
  kRoot,
  kDistinct,  // unary
};

struct Unary : Expression {
  static constexpr NodeKind kKind = NodeKind::kUnary;
  Operator op{};
  std::string_view text;  // the operator as written
  const Expression* operand;
};

struct Link {
  Operator op{};
  std::string_view text;  // as written, one blank between words
  Span span;
};

/// operands[0] links[0] operands[1] links[1] …: operators of one precedence, to be read from the left.
struct Operation : Expression {
  static constexpr NodeKind kKind = NodeKind::kOperation;
  List<const Expression*> operands;  // at least two
  List<Link> links;                  // one less
};

enum class IsWhat : std::uint8_t { kNull, kTrue, kFalse, kUnknown, kDistinctFrom, kOther };

struct Is : Expression {  // x IS [NOT] …, ISNULL, NOTNULL
  static constexpr NodeKind kKind = NodeKind::kIs;
  IsWhat what{};
  bool negated = false;
  const Expression* operand;
  const Expression* other;  // of kDistinctFrom; or null
  std::string_view text;    // of kOther: "json", "document", "of type …"
};

struct Between : Expression {
  static constexpr NodeKind kKind = NodeKind::kBetween;
  bool negated = false;
  bool symmetric = false;
  const Expression* operand;
  const Expression* low;
  const Expression* high;
};

struct In : Expression {  // x IN (list) | (query) | UNNEST(…) | array
  static constexpr NodeKind kKind = NodeKind::kIn;
  bool negated = false;
  bool global = false;  // GLOBAL IN
  const Expression* operand;
  List<const Expression*> list;
  const Query* query;        // or null
  const Expression* source;  // without parentheses: UNNEST(…), an array, a parameter; or null
};

struct Like : Expression {  // LIKE, ILIKE, RLIKE, REGEXP, SIMILAR TO, GLOB
  static constexpr NodeKind kKind = NodeKind::kLike;
  bool negated = false;
  std::string_view text;        // the operator, lower case: "like", "similar to"
  std::string_view quantifier;  // "any", "all", "some" or empty; then patterns has any number
  const Expression* operand;
  List<const Expression*> patterns;
  const Expression* escape;  // or null
};

struct Exists : Expression {
  static constexpr NodeKind kKind = NodeKind::kExists;
  const Query* query;
};

struct Quantified : Expression {  // = ANY (…): the right operand of a comparison
  static constexpr NodeKind kKind = NodeKind::kQuantified;
  std::string_view quantifier;  // "any", "all", "some"
  const Query* query;           // or null
  List<const Expression*> list;
};

struct When {
  const Expression* condition;
  const Expression* result;
};
struct Case : Expression {
  static constexpr NodeKind kKind = NodeKind::kCase;
  const Expression* operand;  // CASE x WHEN …; or null
  List<When> whens;
  const Expression* otherwise;  // ELSE; or null
};

enum class CastForm : std::uint8_t { kCast, kTryCast, kSafeCast, kColons, kConvert, kTryConvert };
struct Cast : Expression {
  static constexpr NodeKind kKind = NodeKind::kCast;
  CastForm form{};
  const Expression* operand;
  TypeName type;
  const Expression* format;  // FORMAT '…', style of CONVERT; or null
};

/// What stands before an argument: a comma, or a word of a special form: extract(year FROM x).
enum class Lead : std::uint8_t {
  kComma,
  kNone,
  kFrom,
  kFor,
  kIn,
  kPlacing,
  kAs,
  kUsing,
  kSimilar,
  kEscape,
  kColon,
  kValue
};

struct Argument {
  const Expression* value;
  Identifier name;         // name => value
  std::string_view arrow;  // "=>" or ":="
  Lead lead{};
};

enum class Nulls : std::uint8_t { kUnsaid, kIgnore, kRespect };

struct Call : Expression {
  static constexpr NodeKind kKind = NodeKind::kCall;
  List<Identifier> name;   // schema.f: two
  const Expression* base;  // x.f(…), what f is applied to; or null
  List<Argument> arguments;
  bool no_parentheses = false;  // current_date
  bool distinct = false;
  List<Argument> parameters;  // quantile(0.9)(x): the first pair (ClickHouse)
  List<OrderItem> order_by;   // in the parentheses
  const Expression* limit;    // in the parentheses; or null
  const Expression* having;   // any_value(x HAVING MAX y): the y; or null
  bool having_max = false;
  std::string_view rest;  // what else stands in the parentheses: ON OVERFLOW …, ABSENT ON NULL, as written
  Nulls nulls{};
  bool nulls_inside = false;  // IGNORE NULLS before the closing parenthesis
  std::string_view keep;      // KEEP (DENSE_RANK …): "first", "last"; the order is in within_group
  bool from_last = false;     // nth_value(x, 2) FROM LAST
  List<OrderItem> within_group;
  const Expression* filter;  // FILTER (WHERE …); or null
  const WindowSpec* over;    // or null
};

struct Array : Expression {  // [a, b], ARRAY[a, b], ARRAY<t>[a], ARRAY(query)
  static constexpr NodeKind kKind = NodeKind::kArray;
  TypeName type;         // ARRAY<…>
  bool keyword = false;  // ARRAY before the bracket
  List<const Expression*> elements;
  const Query* query;  // or null
};

enum class StructForm : std::uint8_t { kTuple, kRow, kStruct, kObject, kMap };
struct Field {
  Identifier name;        // STRUCT(a AS name); none in a tuple
  const Expression* key;  // {key: value}, MAP {key: value}; or null
  const Expression* value;
};
/// (a, b), ROW(a, b), STRUCT(a AS x), STRUCT<x t>(a), {'k': v}, MAP {k: v}
struct Struct : Expression {
  static constexpr NodeKind kKind = NodeKind::kStruct;
  StructForm form{};
  TypeName type;  // STRUCT<…>
  List<Field> fields;
};

struct Step {  // .name, :name, [index], [low:high:step]
  Identifier name;
  bool colon = false;
  bool double_colon = false;  // SingleStore: with `colon`
  bool star = false;          // [*]
  bool slice = false;
  const Expression* index;   // or null
  const Expression* high;    // of a slice; or null
  const Expression* stride;  // of a slice; or null
};
/// Into a value: a[1], v:a.b[0], (row).field, f(x).y. Names after a plain dotted name are in the Column.
struct Path : Expression {
  static constexpr NodeKind kKind = NodeKind::kPath;
  const Expression* base;
  List<Step> steps;
};

struct Subquery : Expression {  // (SELECT …) as a value
  static constexpr NodeKind kKind = NodeKind::kSubquery;
  const Query* query;
};

struct Interval : Expression {  // INTERVAL '1' DAY, INTERVAL '1 day', INTERVAL x DAY TO SECOND
  static constexpr NodeKind kKind = NodeKind::kInterval;
  const Expression* value;
  std::string_view unit;  // as written, one blank between words; may be empty
};

struct Lambda : Expression {  // x -> …, (x, y) -> …, LAMBDA x, y: …
  static constexpr NodeKind kKind = NodeKind::kLambda;
  List<Identifier> parameters;
  const Expression* body;
  bool keyword = false;
};

struct Collate : Expression {
  static constexpr NodeKind kKind = NodeKind::kCollate;
  const Expression* operand;
  List<Identifier> collation;
};

enum class GroupingKind : std::uint8_t { kRollup, kCube, kSets };
/// Only in GROUP BY. A tuple in it is a Struct; () is an empty one.
struct GroupingSet : Expression {
  static constexpr NodeKind kKind = NodeKind::kGroupingSet;
  GroupingKind grouping{};
  bool with = false;  // GROUP BY a, b WITH ROLLUP: the elements are all those before it
  List<const Expression*> elements;
};

struct Aliased : Expression {  // f(x AS y), (x AS y): ClickHouse names a value anywhere; XMLFOREST and others
  static constexpr NodeKind kKind = NodeKind::kAliased;
  const Expression* value;
  Identifier alias;
};

struct ErrorExpression : Expression {
  static constexpr NodeKind kKind = NodeKind::kErrorExpression;
  std::string_view text;     // what was skipped
  bool is_template = false;  // Jinja that nothing has replaced
};

// ---- Windows and orders ----

enum class NullsOrder : std::uint8_t { kUnsaid, kFirst, kLast };

struct OrderItem {
  const Expression* value;
  bool descending = false;
  bool said_ascending = false;
  NullsOrder nulls{};
  std::string_view fill;  // WITH FILL … (ClickHouse), as written
  Span span;
};

enum class FrameMode : std::uint8_t { kNone, kRows, kRange, kGroups };
enum class BoundKind : std::uint8_t {
  kNone,
  kUnboundedPreceding,
  kPreceding,
  kCurrentRow,
  kFollowing,
  kUnboundedFollowing
};
struct Bound {
  BoundKind bound{};
  const Expression* value;  // of kPreceding, kFollowing; else null
};
struct WindowSpec {
  Identifier name;          // OVER w, or OVER (w …)
  bool named_only = false;  // OVER w
  List<const Expression*> partition_by;
  List<OrderItem> order_by;
  FrameMode mode{};
  Bound start;
  Bound end;                 // kNone: no BETWEEN
  std::string_view exclude;  // "current row", "group", "ties", "no others" or empty
  Span span;
};

}  // namespace tideline::sql
