// Calls: arguments, the special forms of some functions, what aggregates and window functions have after them.

#include <algorithm>

#include "base/text.h"
#include "sql/date_parts.h"
#include "sql/parse_state.h"

namespace tideline::sql {
namespace {

enum class PartPlace : std::uint8_t { kFirst, kSecond, kLast };
struct DatePartArgument {
  std::string_view function;
  PartPlace place;
  std::uint8_t least;  // arguments: dateadd(day, 1, x) has a part, Spark's datediff(a, b) none
};
// Where a bare word is a part of a date and no column. Wrong here is a column lost: a column may be named day.
constexpr DatePartArgument kDateParts[] = {
    {"dateadd", PartPlace::kFirst, 3},          {"datediff", PartPlace::kFirst, 3},
    {"datediff_big", PartPlace::kFirst, 3},     {"date_add", PartPlace::kFirst, 3},
    {"date_sub", PartPlace::kFirst, 3},         {"timestampadd", PartPlace::kFirst, 3},
    {"timestampdiff", PartPlace::kFirst, 3},    {"timediff", PartPlace::kFirst, 3},
    {"timeadd", PartPlace::kFirst, 3},          {"date_bucket", PartPlace::kFirst, 3},
    {"date_part", PartPlace::kFirst, 2},        {"datepart", PartPlace::kFirst, 2},
    {"datename", PartPlace::kFirst, 2},         {"date_trunc", PartPlace::kFirst, 2},
    {"datetrunc", PartPlace::kFirst, 2},        {"date_diff", PartPlace::kFirst, 3},
    {"timestamp_trunc", PartPlace::kSecond, 2}, {"datetime_trunc", PartPlace::kSecond, 2},
    {"time_trunc", PartPlace::kSecond, 2},      {"trunc", PartPlace::kSecond, 2},
    {"last_day", PartPlace::kSecond, 2},        {"datetime_diff", PartPlace::kLast, 3},
    {"timestamp_diff", PartPlace::kLast, 3},    {"time_diff", PartPlace::kLast, 3},
    {"time_slice", PartPlace::kLast, 3},
};

bool one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

/// A bare word that is a part of a date, or week(monday).
bool Parser::is_bare_part(const Expression* value) {
  if (const auto* column = as<Column>(value)) {
    return column->parts.size() == 1 && !column->parts[0].quoted() && is_date_part(column->parts[0].text);
  }
  const auto* call = as<Call>(value);
  return call != nullptr && call->base == nullptr && call->name.size() == 1 &&
         equal_ignoring_case(call->name[0].text, "week") && call->arguments.size() == 1 &&
         is_bare_part(call->arguments[0].value);
}

// In date_trunc(month, x), month becomes a word of the syntax.
void Parser::mark_date_part(Builder<Argument>& arguments, std::string_view function) {
  if (!dialect_.date_part_words) return;
  auto count = arguments.size();
  for (const auto& [name, place, least] : kDateParts) {
    if (name != function || count < least) continue;
    std::size_t index = place == PartPlace::kFirst ? 0 : place == PartPlace::kSecond ? 1 : count - 1;
    bool either = place == PartPlace::kFirst && (name == "date_trunc" || name == "date_diff");
    if (either && dialect_.id == DialectId::kBigquery) index = count - 1;
    if (either && dialect_.id == DialectId::kGeneric && !is_bare_part(arguments[0].value)) index = count - 1;
    const auto* value = arguments[index].value;
    if (!is_bare_part(value)) return;
    auto* node = arena_.make<Literal>();
    node->kind = Literal::kKind;
    node->span = value->span;
    node->literal = LiteralKind::kWord;
    node->text = text_of(value->span, text_);
    arguments[index].value = node;
    return;
  }
}

const Expression* Parser::call(List<Identifier> name, const Expression* base, std::uint32_t from) {
  auto* node = arena_.make<Call>();
  node->kind = Call::kKind;
  node->name = name;
  node->base = base;
  auto outer_case = case_depth_;
  case_depth_ = 0;
  ++argument_depth_;
  call_arguments(*node);
  if (dialect_.id == DialectId::kClickhouse && at(Op::kLeftParen)) {  // quantile(0.9)(x)
    node->parameters = node->arguments;
    node->arguments = {};
    call_arguments(*node);
  }
  --argument_depth_;
  case_depth_ = outer_case;
  finish(node, from);
  call_suffixes(*node);
  return finish(node, from);
}

/// What begins with a word and only some functions take; false: it is an ordinary value.
bool Parser::special_argument(Argument& item, std::size_t place, std::string_view function) {
  auto from = begin();
  auto word_of = [&](std::string_view spelling) {
    auto* node = make<Literal>(from);
    node->literal = LiteralKind::kWord;
    node->text = spelling;
    item.value = node;
    return true;
  };
  if (at(K::kTable) && (op(1) == Op::kLeftParen || at_plain_name(1))) {  // a relation: TABLE(t), TABLE t
    advance();
    item.value = table_argument(from);
    return true;
  }
  if (at_word("model") && at_name(1)) {  // BigQuery: ML.PREDICT(MODEL m, …)
    auto first = position_;
    advance();
    relation_name();
    return word_of(joined(first));
  }
  if (place == 1 && function == "convert" && dialect_.id == DialectId::kMysql) {  // CONVERT(a, UNSIGNED)
    return word_of(type_name().text);
  }
  if (place == 0 && function == "xmlelement") {
    if (at(K::kName) && at_name(1)) advance();
    if (op(1) != Op::kComma && op(1) != Op::kRightParen) return false;
    item.value = word_literal();
    return true;
  }
  if (place == 0 && function == "extract" && keyword(1) == K::kFrom) {
    item.value = word_literal();
    return true;
  }
  return false;
}

void Parser::argument(Builder<Argument>& out, std::string_view function, bool unclosed) {
  auto from = begin();
  Argument item{};
  if (at_word("variadic") && op(1) != Op::kComma && op(1) != Op::kRightParen) advance();
  bool word = at_name();
  if (word && (op(1) == Op::kFatArrow || op(1) == Op::kColonEquals)) {
    item.name = identifier();
    item.arrow = text();
    advance();
    word = at_name();
  } else if (word && keyword(1) == K::kAs && function == "with") {  // WITH(x AS a + 1, x * 2)
    item.name = identifier();
    item.arrow = text();
    advance();
    word = at_name();
  }
  if (word && special_argument(item, out.size(), function)) {
    // Taken.
  } else if (at_query() && !(at(K::kValues) && op(1) != Op::kLeftParen)) {
    // f(SELECT …): a query where its own parentheses are left out.
    const auto* inner = query();
    auto* node = make<Subquery>(from);
    node->query = inner;
    item.value = node;
  } else if (out.size() == 0 && function == "trim" && (at(K::kBoth) || at(K::kLeading) || at(K::kTrailing)) &&
             op(1) != Op::kComma && op(1) != Op::kRightParen) {
    item.value = word_literal();
    out.push(item);
    item = {};
    if (at(K::kFrom)) return;
    item.lead = Lead::kNone;
    item.value = expression();
  } else if (function == "position" && out.size() == 0) {
    item.value = expression(kPrecedenceRange);
  } else {
    if (function == "json_object" || function == "json_objectagg") accept(K::kKey);
    item.value = expression();
    if (function == "extract" && out.size() == 0) {
      if (const auto* part = as<Call>(item.value); part != nullptr && at(K::kFrom)) {  // WEEK(MONDAY)
        auto* node = make<Literal>(from);
        node->literal = LiteralKind::kWord;
        node->text = text_of(node->span, text_);
        item.value = node;
      }
    }
    bool listed = function == "xmlattributes" || function == "xmlforest";
    if ((at(K::kAs) || (listed && may_be_alias(false))) && function != "extract" && !unclosed) {
      accept(K::kAs);
      auto alias = name_or_error("a name after AS");
      auto* node = make<Aliased>(from);
      node->value = item.value;
      node->alias = alias;
      item.value = node;
    }
  }
  out.push(item);
}

/// The words with which extract, substring, trim … separate their arguments.
void Parser::argument_forms(Builder<Argument>& out, std::string_view function) {
  for (;;) {
    auto lead = Lead::kComma;
    if (at(K::kFrom) && one_of(function, {"extract", "trim", "substring", "substr", "overlay", "date_part"})) {
      lead = Lead::kFrom;
    } else if (at(K::kFor) && one_of(function, {"substring", "substr", "overlay"})) {
      lead = Lead::kFor;
    } else if (at(K::kPlacing) && function == "overlay") {
      lead = Lead::kPlacing;
    } else if (at(K::kIn) && function == "position") {
      lead = Lead::kIn;
    } else if (at(K::kUsing) && one_of(function, {"convert", "translate", "char", "char_length", "chr", "position",
                                                  "substring", "parse", "try_parse"})) {
      lead = Lead::kUsing;
    } else if (at(K::kSimilar) && function == "substring") {
      lead = Lead::kSimilar;
    } else if (at(K::kEscape) && function == "substring") {
      lead = Lead::kEscape;
    } else if (at(Op::kColon) && one_of(function, {"json_object", "json_objectagg"})) {
      lead = Lead::kColon;
    } else if (at(K::kValue) && one_of(function, {"json_object", "json_objectagg"})) {
      lead = Lead::kValue;
    } else {
      break;
    }
    advance();
    Argument item{};
    item.lead = lead;
    if (lead == Lead::kUsing) {
      item.value = at_name() ? word_literal() : expression();
    } else {
      item.value = expression();
    }
    out.push(item);
  }
}

void Parser::call_arguments(Call& node) {
  auto function = lower(node.name.back().text);
  auto open = position_;
  advance();
  if (accept(K::kDistinct)) {
    node.distinct = true;
  } else if (at(K::kAll) && op(1) != Op::kRightParen && op(1) != Op::kComma) {
    advance();
  }
  Builder<Argument> arguments(*this);
  while (!at(Op::kRightParen) && !at_end()) {
    auto from = begin();
    auto first = arguments.size();
    if (at(K::kOrder) && keyword(1) == K::kBy) break;
    argument(arguments, function, partners_[open] == 0);
    argument_forms(arguments, function);
    if (at(Op::kComma)) {
      advance();
      continue;
    }
    if (at(Op::kRightParen)) break;
    bool clause = at(K::kOrder) || at(K::kLimit) || at(K::kIgnore) || at(K::kRespect) || at(K::kHaving) ||
                  at(K::kSeparator) || at(K::kOn) || at(K::kAbsent) || at(K::kNull) || at(K::kReturning) ||
                  at(K::kFormat) || at(K::kWithout) || at(K::kWith) || at(K::kTo) || at(K::kPartition) ||
                  at(K::kDefault) || at_word("wrapper") || (at(K::kUsing) && at_word("parameters", 1));
    if (clause) break;
    unexpected("a comma or a closing parenthesis");
    if (partners_[open] == 0) break;
    skip_to_follow(false);
    arguments.shrink(first + 1);  // one in error stands for all that its words made of it
    arguments.back() = {.value = error_expression(from), .name = {}, .arrow = {}, .lead = Lead::kComma};
    if (!accept(Op::kComma)) break;
  }
  mark_date_part(arguments, function);
  node.arguments = arguments.done();
  for (;;) {
    if (accept(K::kOrder, K::kBy)) {
      node.order_by = order_items(false);
    } else if (accept(K::kLimit)) {
      node.limit = expression();
    } else if (accept(K::kIgnore, K::kNulls)) {
      node.nulls = Nulls::kIgnore;
      node.nulls_inside = true;
    } else if (accept(K::kRespect, K::kNulls)) {
      node.nulls = Nulls::kRespect;
      node.nulls_inside = true;
    } else if (accept(K::kHaving)) {
      node.having_max = at(K::kMax);
      if (at(K::kMax) || at(K::kMin)) advance();
      node.having = expression();
    } else if (at(K::kPartition) && keyword(1) == K::kBy) {
      // A table function over partitions: what it partitions by is of no value.
      advance(2);
      Builder<const Expression*> dropped(*this);
      do {
        dropped.push(expression());
      } while (accept(Op::kComma));
    } else {
      break;
    }
  }
  if (!at(Op::kRightParen) && !at_end() && partners_[open] != 0 && node.rest.empty() &&
      (at(K::kSeparator) || at(K::kOn) || at(K::kAbsent) || at(K::kNull) || at(K::kReturning) || at(K::kFormat) ||
       at(K::kWithout) || at(K::kWith) || at(K::kTo) || at(K::kDefault) || at_word("wrapper") || at(K::kUsing))) {
    auto rest = position_;
    while (!at(Op::kRightParen) && !at_end()) {
      if (partners_[position_] != 0) position_ = partners_[position_];
      advance();
    }
    node.rest = joined(rest);
  }
  close(open);
}

/// After TABLE: a name, or a table in parentheses with what it is partitioned and ordered by; as SELECT * FROM it.
const Expression* Parser::table_argument(std::uint32_t from) {
  Nest nest(*this);
  if (!nest) return error_expression(from);
  auto open = position_;
  bool enclosed = accept(Op::kLeftParen);
  const TableReference* source = nullptr;
  if (enclosed && at_query()) {
    auto start = begin();
    const auto* inner = query();
    auto* derived = make<DerivedTable>(start);
    derived->query = inner;
    source = derived;
  } else {
    source = named_table();
  }
  if (enclosed) close(open);
  while (at(K::kPartition) || at(K::kOrder) || at_word("copartition") || at_word("prune")) {
    while (!at_list_end(false)) skip_one();
  }
  auto* node = make<Subquery>(from);
  node->query = wrap_term(star_of(source, from));
  return node;
}

void Parser::call_suffixes(Call& node) {
  for (;;) {
    if (at(K::kWithin) && keyword(1) == K::kGroup && op(2) == Op::kLeftParen) {
      advance(2);
      auto open = position_;
      advance();
      if (expect(K::kOrder, "ORDER BY") && expect(K::kBy, "BY")) node.within_group = order_items(false);
      close(open);
    } else if (at(K::kKeep) && op(1) == Op::kLeftParen && keyword(2) == K::kDenseRank) {
      advance();
      auto open = position_;
      advance(2);
      node.keep = lower(text());
      advance();
      if (expect(K::kOrder, "ORDER BY") && expect(K::kBy, "BY")) node.within_group = order_items(false);
      close(open);
    } else if (at(K::kFilter) && op(1) == Op::kLeftParen &&
               (keyword(2) == K::kWhere || dialect_.id == DialectId::kDuckdb)) {
      advance();
      auto open = position_;
      advance();
      accept(K::kWhere);
      node.filter = expression();
      close(open);
    } else if (accept(K::kIgnore, K::kNulls)) {
      node.nulls = Nulls::kIgnore;
    } else if (accept(K::kRespect, K::kNulls)) {
      node.nulls = Nulls::kRespect;
    } else if (at(K::kFrom) && (keyword(1) == K::kLast || keyword(1) == K::kFirst) &&
               (keyword(2) == K::kOver || keyword(2) == K::kIgnore || keyword(2) == K::kRespect)) {
      node.from_last = keyword(1) == K::kLast;
      advance(2);
    } else if (at(K::kOver) && (op(1) == Op::kLeftParen || at_plain_name(1))) {
      advance();
      if (at(Op::kLeftParen)) {
        node.over = window_in_parentheses();
      } else {
        auto from = begin();
        auto* window = arena_.make<WindowSpec>();
        window->name = identifier();
        window->named_only = true;
        window->span = since(from);
        node.over = window;
      }
    } else {
      return;
    }
  }
}

const WindowSpec* Parser::window_in_parentheses() {
  Nest nest(*this);
  auto from = begin();
  auto* window = arena_.make<WindowSpec>();
  if (!nest) return window;
  auto open = position_;
  advance();
  auto special = keyword();
  if (at_name() && special != K::kPartition && special != K::kOrder && special != K::kRows && special != K::kRange &&
      special != K::kGroups && special != K::kCluster && special != K::kDistribute && special != K::kSort) {
    window->name = identifier();
  }
  if (accept(K::kPartition, K::kBy) || accept(K::kDistribute, K::kBy) || accept(K::kCluster, K::kBy)) {
    Builder<const Expression*> list(*this);
    do {
      if (at(Op::kRightParen)) break;
      auto start = begin();
      const auto* value = expression();
      if (!at_list_end(false) && !at(K::kOrder) && !at(K::kSort) && !at(K::kRows) && !at(K::kRange) &&
          !at(K::kGroups)) {
        unexpected("a comma or ORDER BY");
        skip_to_follow(true);
        value = error_expression(start);
      }
      list.push(value);
    } while (accept(Op::kComma));
    window->partition_by = list.done();
  }
  if (accept(K::kOrder, K::kBy) || accept(K::kSort, K::kBy)) window->order_by = order_items(true);
  if (at(K::kRows) || at(K::kRange) || at(K::kGroups)) frame(*window);
  close(open);
  window->span = since(from);
  return window;
}

void Parser::frame(WindowSpec& window) {
  window.mode = at(K::kRows) ? FrameMode::kRows : at(K::kRange) ? FrameMode::kRange : FrameMode::kGroups;
  advance();
  if (accept(K::kBetween)) {
    window.start = frame_bound();
    expect(K::kAnd, "AND and the end of the frame");
    window.end = frame_bound();
  } else {
    window.start = frame_bound();
  }
  if (accept(K::kExclude)) {
    auto first = position_;
    if (at(K::kCurrent) || at(K::kNo)) advance();
    advance();
    window.exclude = lower(joined(first));
  }
}

Bound Parser::frame_bound() {
  Bound bound{};
  if (accept(K::kCurrent, K::kRow)) {
    bound.bound = BoundKind::kCurrentRow;
    return bound;
  }
  bool unbounded = accept(K::kUnbounded);
  if (!unbounded) bound.value = expression(kPrecedenceRange);
  if (accept(K::kPreceding)) {
    bound.bound = unbounded ? BoundKind::kUnboundedPreceding : BoundKind::kPreceding;
  } else if (accept(K::kFollowing)) {
    bound.bound = unbounded ? BoundKind::kUnboundedFollowing : BoundKind::kFollowing;
  } else {
    unexpected("PRECEDING or FOLLOWING");
    bound.bound = unbounded ? BoundKind::kUnboundedPreceding : BoundKind::kPreceding;
  }
  return bound;
}

}  // namespace tideline::sql
