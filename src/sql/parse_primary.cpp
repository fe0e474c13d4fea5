// What operators stand between: literals, names, parentheses, CASE, casts, intervals.

#include "base/text.h"
#include "sql/date_parts.h"
#include "sql/parse_state.h"

namespace tideline::sql {
const Expression* Parser::primary() {
  auto from = begin();
  const auto token = peek();
  switch (token.kind) {
    case TokenKind::kNumber:
      return literal(LiteralKind::kNumber);
    case TokenKind::kString:
      return string_literal();
    case TokenKind::kParameter:
      if (op(1) == Op::kArrow && dialect_.lambdas && !dialect_.json_arrows) return lambda(from);
      return parameter();
    case TokenKind::kWord:
      return word();
    case TokenKind::kQuotedName:
      return name_or_call();
    case TokenKind::kTemplate: {
      unexpected("a value");
      advance();
      // What touches it is part of the same name: {{ prefix }}_name.
      while (tokens_[position_ - 1].span.end == begin() &&
             (peek().kind == TokenKind::kWord || peek().kind == TokenKind::kTemplate || at(Op::kDot))) {
        advance();
      }
      auto* node = const_cast<ErrorExpression*>(static_cast<const ErrorExpression*>(error_expression(from)));
      node->is_template = true;
      return node;
    }
    case TokenKind::kOperator:
      switch (op_of(token)) {
        case Op::kLeftParen:
          return parenthesized();
        case Op::kLeftBracket:
          return bracket_array(from, {}, false);
        case Op::kLeftBrace:
          return brace_object(from, StructForm::kObject);
        case Op::kStar:
          if (at_word("columns", 1) || keyword(1) == K::kColumns) {
            if (op(2) == Op::kLeftParen) {
              advance();
              return columns(from, true);
            }
          }
          return star(from, {}, nullptr);
        case Op::kColon:
          if (at_name(1) || peek(1).kind == TokenKind::kNumber) {
            advance();
            return parameter();
          }
          break;
        default:
          break;
      }
      break;
    default:
      break;
  }
  unexpected("an expression");
  if (token.kind == TokenKind::kError) advance();
  return error_expression(begin());
}

const Expression* Parser::literal(LiteralKind kind) {
  auto from = begin();
  advance();
  auto* node = make<Literal>(from);
  node->literal = kind;
  node->text = text_of(node->span, text_);
  return node;
}

const Expression* Parser::string_literal() {
  auto from = begin();
  auto value = string_value(text());
  advance();
  if (peek().kind == TokenKind::kString &&
      (!dialect_.string_alias || dialect_.id == DialectId::kMysql)) {  // adjacent strings are one
    std::string all(value);
    while (peek().kind == TokenKind::kString) {
      all += string_value(text());
      advance();
    }
    value = arena_.copy(all);
  }
  if (at_word("uescape") && peek(1).kind == TokenKind::kString) advance(2);
  auto* node = make<Literal>(from);
  node->literal = LiteralKind::kString;
  node->text = text_of(node->span, text_);
  node->value = value;
  return node;
}

const Expression* Parser::typed_literal(std::size_t type_tokens) {
  auto from = begin();
  auto first = position_;
  advance(type_tokens);
  TypeName type{.text = joined(first), .span = since(from)};
  auto string_from = begin();
  const auto* string = as<Literal>(string_literal());
  auto* node = make<Literal>(from);
  node->literal = LiteralKind::kTyped;
  node->type = type;
  node->text = source(string_from);
  node->value = string->value;
  return node;
}

const Expression* Parser::word_literal() { return literal(LiteralKind::kWord); }

const Expression* Parser::parameter() {
  auto from =
      tokens_[position_ > 0 && op_of(tokens_[position_ - 1]) == Op::kColon ? position_ - 1 : position_].span.begin;
  advance();
  auto* node = make<Parameter>(from);
  node->text = text_of(node->span, text_);
  if (dialect_.id == DialectId::kSnowflake && node->text.size() > 1 && node->text[0] == '$' && node->text[1] >= '0' &&
      node->text[1] <= '9') {  // $1 of a stage or of VALUES is a column
    auto* column = make<Column>(from);
    Builder<Identifier> parts(*this);
    parts.push({.text = node->text, .span = node->span});
    column->parts = parts.done();
    return column;
  }
  return node;
}

bool Parser::calls_without_parentheses(K which) {
  switch (which) {
    case K::kCurrentDate:
    case K::kCurrentTime:
    case K::kCurrentTimestamp:
    case K::kCurrentDatetime:
    case K::kCurrentUser:
    case K::kCurrentRole:
    case K::kCurrentCatalog:
    case K::kCurrentSchema:
    case K::kSessionUser:
    case K::kLocaltime:
    case K::kLocaltimestamp:
    case K::kUtcDate:
    case K::kUtcTime:
    case K::kUtcTimestamp:
    case K::kSystimestamp:
      return true;
    case K::kSysdate:
      return dialect_.id == DialectId::kOracle || dialect_.id == DialectId::kRedshift;
    default:
      return false;
  }
}

const Expression* Parser::no_parentheses_call() {
  auto from = begin();
  Builder<Identifier> name(*this);
  name.push(identifier());
  auto parts = name.done();
  auto* node = make<Call>(from);
  node->name = parts;
  node->no_parentheses = true;
  return node;
}

const Expression* Parser::word() {
  auto from = begin();
  auto which = keyword();
  auto next = op(1);
  if (which == K::kNone) {
    if (dialect_.id == DialectId::kSnowflake && argument_depth_ > 0 && peek(1).kind == TokenKind::kWord &&
        op(2) == Op::kArrow) {  // x int -> …
      return lambda(from);
    }
    if (next == Op::kArrow && dialect_.lambdas) {
      // Where -> also takes something out of JSON, a string or a number after it says so.
      auto after = peek(2).kind;
      if (!dialect_.json_arrows ||
          (argument_depth_ > 0 && after != TokenKind::kString && after != TokenKind::kNumber)) {
        return lambda(from);
      }
    }
    return name_or_call();
  }
  if (in_match_ && which == K::kFinal && at_name(1) && op(2) == Op::kLeftParen) {
    advance();
    return name_or_call();
  }
  auto next_kind = peek(1).kind;
  if (next == Op::kDot && (flags_of(which) & kNoName) == 0) return name_or_call();
  if (next == Op::kArrow && dialect_.lambdas && !dialect_.json_arrows && (flags_of(which) & kNoName) == 0) {
    return lambda(from);
  }
  switch (which) {
    case K::kNull:
      return literal(LiteralKind::kNull);
    case K::kTrue:
      return literal(LiteralKind::kTrue);
    case K::kFalse:
      return literal(LiteralKind::kFalse);
    case K::kDefault:
      if (next != Op::kLeftParen) return literal(LiteralKind::kDefault);
      break;
    case K::kCase:
      return case_expression();
    case K::kCast:
    case K::kTryCast:
    case K::kSafeCast:
      if (next == Op::kLeftParen) return cast();
      break;
    case K::kConvert:
    case K::kTryConvert:
      if (next == Op::kLeftParen && (dialect_.id == DialectId::kTsql || dialect_.id == DialectId::kRedshift))
        return convert();
      break;
    case K::kNext:
      if (keyword(1) == K::kValue && keyword(2) == K::kFor && at_name(3)) return next_value();
      break;
    case K::kMatch:
      if (dialect_.id == DialectId::kMysql && next == Op::kLeftParen) return match_against();
      break;
    case K::kWith:
      if (dialect_.id == DialectId::kBigquery && next == Op::kLeftParen) return call_of_word();
      break;
    case K::kRange:
      if (next == Op::kLess && dialect_.id == DialectId::kBigquery) {  // RANGE<DATE> '[…)'
        auto first = position_;
        while (!at_end() && peek().kind != TokenKind::kString && position_ < first + 8) advance();
        auto count = position_ - first;
        bool typed = peek().kind == TokenKind::kString;
        position_ = first;
        if (typed) return typed_literal(count);
      }
      break;
    case K::kExists:
      if (next == Op::kLeftParen && at_query(2)) return exists();
      break;
    case K::kInterval:
      return interval();
    case K::kArray:
      return array();
    case K::kStruct:
    case K::kRow:
      return struct_value();
    case K::kMap:
      if (next == Op::kLeftBrace) {
        advance();
        return brace_object(from, StructForm::kMap);
      }
      break;
    case K::kColumns:
      if (next == Op::kLeftParen) return columns(from, false);
      break;
    case K::kLambda:
      if (at_name(1) && (op(2) == Op::kColon || op(2) == Op::kComma)) return lambda(from);
      break;
    case K::kDate:
    case K::kTime:
    case K::kTimestamp:
    case K::kTimestamptz:
    case K::kTimestampLtz:
    case K::kTimestampNtz:
    case K::kTimestampTz:
    case K::kTimetz:
    case K::kDatetime:
    case K::kJson:
    case K::kJsonb:
    case K::kNumeric:
    case K::kDecimal:
    case K::kBignumeric:
    case K::kBigdecimal:
    case K::kUuid:
    case K::kBytea:
    case K::kInet:
      if (next_kind == TokenKind::kString && !dialect_.string_alias) return typed_literal(1);
      if (next_kind == TokenKind::kString && (which == K::kDate || which == K::kTime || which == K::kTimestamp)) {
        return typed_literal(1);
      }
      if ((which == K::kTime || which == K::kTimestamp) && (keyword(1) == K::kWith || keyword(1) == K::kWithout) &&
          keyword(2) == K::kTime && keyword(3) == K::kZone && peek(4).kind == TokenKind::kString) {
        return typed_literal(4);
      }
      break;
    case K::kDouble:
      if (keyword(1) == K::kPrecision && peek(2).kind == TokenKind::kString) return typed_literal(2);
      break;
    case K::kEnd:
      // Some dialects let it name a column; inside CASE it ends that.
      if (case_depth_ > 0) {
        unexpected("an expression");
        return error_expression(from);
      }
      break;
    case K::kDistinct:
      // SELECT DISTINCT and f(DISTINCT …) have taken theirs; struct(distinct …) has none.
      break;
    default:
      if (calls_without_parentheses(which) && next != Op::kLeftParen) return no_parentheses_call();
      break;
  }
  if ((flags_of(which) & kNoName) != 0) {
    if (which == K::kSelect || which == K::kWith) {
      unexpected("an expression (a query as a value stands in parentheses)");
    } else if (next == Op::kLeftParen &&
               (which == K::kLike || which == K::kFor ||
                (dialect_.id == DialectId::kClickhouse && (which == K::kAnd || which == K::kOr || which == K::kIn)))) {
      return name_or_call();  // like(a, b) is a function of some
    } else {
      unexpected("an expression");
    }
    return error_expression(from);
  }
  if (at_clause() && !(next == Op::kLeftParen && which != K::kQualify && which != K::kWindow && which != K::kLimit) &&
      (which == K::kQualify || which == K::kLimit || which == K::kGroup || which == K::kOrder || which == K::kFetch)) {
    unexpected("an expression");
    return error_expression(from);
  }
  return name_or_call();
}

/// A call whose name is a keyword that begins no expression.
const Expression* Parser::call_of_word() {
  auto from = begin();
  Builder<Identifier> name(*this);
  name.push(identifier());
  return call(name.done(), nullptr, from);
}

/// NEXT VALUE FOR sequence, read as a call of that name.
const Expression* Parser::next_value() {
  auto from = begin();
  auto first = position_;
  advance(3);
  dotted_name();
  Builder<Identifier> name(*this);
  name.push({.text = joined(first), .span = since(from)});
  auto parts = name.done();
  auto* node = make<Call>(from);
  node->name = parts;
  node->no_parentheses = true;
  if (at(K::kOver) && op(1) == Op::kLeftParen) {  // in which order numbers are given out
    advance();
    skip_one();
  }
  return finish(node, from);
}

/// MySQL: MATCH (a, b) AGAINST ('x' IN BOOLEAN MODE), read as a call with the text among its arguments.
const Expression* Parser::match_against() {
  auto from = begin();
  auto* node = const_cast<Call*>(as<Call>(call_of_word()));
  if (at_word("against") && op(1) == Op::kLeftParen) {
    advance();
    auto first = position_;
    skip_one();
    node->rest = joined(first);
  }
  return finish(node, from);
}

const Expression* Parser::name_or_call() {
  auto from = begin();
  if (dialect_.id == DialectId::kMysql && at_word("binary") && (at_plain_name(1) || op(1) == Op::kLeftParen) &&
      !(at_name(1) && keyword(1) != K::kNone)) {
    return unary(Operator::kOther, 1, kPrecedenceSign);
  }
  if (in_match_ && at_word("running") && at_name(1) && op(2) == Op::kLeftParen) advance();
  if (dialect_.id == DialectId::kRedshift && at_word("approximate") && at_name(1) && op(2) == Op::kLeftParen) advance();
  // Type 'string', for types that are no keyword: float8 '1.5', geography '…'.
  if (peek().kind == TokenKind::kWord && peek(1).kind == TokenKind::kString && keyword() == K::kNone &&
      dialect_.id == DialectId::kPostgres) {
    return typed_literal(1);
  }
  return column_or_star(from);
}

const Expression* Parser::column_or_star(std::uint32_t from) {
  Builder<Identifier> parts(*this);
  parts.push(identifier());
  for (;;) {
    if (!at(Op::kDot)) break;
    if (op(1) == Op::kStar) {
      advance();
      return star(from, parts.done(), nullptr);
    }
    if (keyword(1) == K::kColumns && op(2) == Op::kLeftParen && dialect_.id != DialectId::kSnowflake) {
      auto qualifier = parts.back();
      advance();
      const auto* node = columns(from, false);
      const_cast<Columns*>(static_cast<const Columns*>(node))->qualifier = qualifier;
      return node;
    }
    if (op(1) == Op::kDot && at_name(2)) {
      advance();
      parts.push({.text = {}, .span = {begin(), begin()}});
      continue;
    }
    if (peek(1).kind == TokenKind::kParameter && text(1)[0] == '$') {  // t.$1
      advance();
      parts.push(identifier());
      continue;
    }
    if (!at_name(1)) break;
    bool method = dialect_.method_calls && op(2) == Op::kLeftParen && !equal_ignoring_case(parts.back().text, "main") &&
                  !equal_ignoring_case(parts.back().text, "pg_catalog") &&
                  !equal_ignoring_case(parts.back().text, "information_schema") &&
                  !equal_ignoring_case(parts.back().text, "system");
    if (method) break;
    advance();
    parts.push(identifier());
  }
  auto name = parts.done();
  if (at(Op::kLeftParen) && !(op(1) == Op::kPlus && op(2) == Op::kRightParen)) return call(name, nullptr, from);
  auto* node = make<Column>(from);
  node->parts = name;
  return node;
}

const Expression* Parser::element() {
  auto from = begin();
  const auto* value = expression();
  if (accept(K::kAs)) {
    if (at_name()) {
      auto alias = identifier();
      auto* node = make<Aliased>(from);
      node->value = value;
      node->alias = alias;
      value = node;
    } else {
      unexpected("a name after AS");
    }
  }
  if (!at_list_end(false) && !at(Op::kColon)) {
    unexpected("a comma or a closing parenthesis");
    skip_to_follow(false);
    return error_expression(from);
  }
  return value;
}

List<const Expression*> Parser::elements(Op closing) {
  Builder<const Expression*> list(*this);
  while (!at(closing) && !at_end()) {
    list.push(element());
    if (!accept(Op::kComma)) break;
  }
  return list.done();
}

// A query, a value, a tuple, or the parameters of a lambda.
const Expression* Parser::parenthesized() {
  auto from = begin();
  auto open = position_;
  if (dialect_.lambdas && partners_[open] != 0) {
    ++steps_;
    bool names = (at_name(1) && (op(2) == Op::kComma || op(2) == Op::kRightParen)) || op(1) == Op::kRightParen;
    if (op_of(tokens_[partners_[open] + 1]) == Op::kArrow &&
        (!dialect_.json_arrows || (names && argument_depth_ > 0))) {
      return lambda(from);
    }
  }
  if (at_query(1)) {
    const auto* inner = query_in_parentheses("a query");
    auto* node = make<Subquery>(from);
    node->query = inner;
    return node;
  }
  advance();
  auto outer_case = case_depth_;
  case_depth_ = 0;
  auto inner_from = begin();
  Builder<Field> fields(*this);
  bool comma = false;
  bool unclosed = partners_[open] == 0;  // then it ends with the first value, not with the statement
  while (!at(Op::kRightParen) && !at_end()) {
    const Expression* value = nullptr;
    if (fields.size() == 0) {
      value = expression();
      if (const auto* subquery = as<Subquery>(value); subquery != nullptr && at_query_tail()) {
        // ((SELECT …) UNION …)
        const auto* whole = continue_query(subquery->query, inner_from);
        close(open);
        case_depth_ = outer_case;
        auto* node = make<Subquery>(from);
        node->query = whole;
        return node;
      }
      if (!unclosed && accept(K::kAs)) {
        auto alias = name_or_error("a name after AS");
        auto* node = make<Aliased>(inner_from);
        node->value = value;
        node->alias = alias;
        value = node;
      }
      if (!at_list_end(false)) {
        unexpected("a closing parenthesis");
        if (!unclosed) skip_to_follow(false);
        value = error_expression(inner_from);
      }
    } else {
      value = element();
    }
    fields.push({.name = {}, .key = nullptr, .value = value});
    if (unclosed || !accept(Op::kComma)) break;
    comma = true;
  }
  case_depth_ = outer_case;
  close(open);
  if (fields.size() == 1 && !comma) return fields[0].value;
  auto list = fields.done();
  auto* node = make<Struct>(from);
  node->form = StructForm::kTuple;
  node->fields = list;
  return node;
}

const Expression* Parser::case_expression() {
  auto from = begin();
  advance();
  ++case_depth_;
  auto* node = arena_.make<Case>();
  node->kind = Case::kKind;
  if (!at(K::kWhen)) node->operand = expression();
  Builder<When> whens(*this);
  while (accept(K::kWhen)) {
    When when{};
    auto part = begin();
    when.condition = expression();
    // WHEN 1, 2 THEN
    if (!at(K::kThen)) {
      unexpected("THEN");
      while (!at_list_end(false) && !at(K::kThen) && !at(K::kWhen) && !at(K::kElse) && !at(K::kEnd) && !at(K::kFrom)) {
        skip_one();
      }
      when.condition = error_expression(part);
    }
    part = begin();
    if (accept(K::kThen)) {
      when.result = expression();
      if (!at(K::kWhen) && !at(K::kElse) && !at(K::kEnd)) {
        unexpected("WHEN, ELSE or END");
        while (!at_list_end(false) && !at(K::kWhen) && !at(K::kElse) && !at(K::kEnd) && !at(K::kFrom)) skip_one();
        when.result = error_expression(part);
      }
    } else {
      when.result = error_expression(part);
    }
    whens.push(when);
  }
  if (whens.size() == 0) unexpected("WHEN");
  if (accept(K::kElse)) node->otherwise = expression();
  --case_depth_;
  expect(K::kEnd, "END of the CASE");
  node->whens = whens.done();
  return finish(node, from);
}

const Expression* Parser::cast() {
  auto from = begin();
  auto* node = arena_.make<Cast>();
  node->kind = Cast::kKind;
  node->form = at(K::kCast) ? CastForm::kCast : at(K::kTryCast) ? CastForm::kTryCast : CastForm::kSafeCast;
  advance();
  auto open = position_;
  advance();
  auto outer_case = case_depth_;
  case_depth_ = 0;
  node->operand = expression();
  case_depth_ = outer_case;
  if (at(Op::kComma) && dialect_.id == DialectId::kClickhouse && peek(1).kind == TokenKind::kString) {
    advance();  // cast(x, 'String')
    node->type = {.text = text(), .span = peek().span};
    advance();
  } else if (expect(K::kAs, "AS and a type")) {
    node->type = type_name();
    accept(K::kNot) && accept(K::kNull);
    if (accept(K::kFormat)) {
      node->format = expression();
    } else if (at(K::kDefault)) {  // Oracle: DEFAULT x ON CONVERSION ERROR
      while (!at(Op::kRightParen) && !at_end()) advance();
    }
  }
  close(open);
  return finish(node, from);
}

// T-SQL: CONVERT(type, value, style)
const Expression* Parser::convert() {
  auto from = begin();
  auto* node = arena_.make<Cast>();
  node->kind = Cast::kKind;
  node->form = at(K::kConvert) ? CastForm::kConvert : CastForm::kTryConvert;
  advance();
  auto open = position_;
  advance();
  node->type = type_name();
  if (expect(Op::kComma, "a comma after the type")) {
    node->operand = element();
    if (accept(Op::kComma)) node->format = element();
  } else {
    node->operand = error_expression(begin());
  }
  close(open);
  return finish(node, from);
}

bool Parser::at_interval_unit(std::size_t ahead) {
  return peek(ahead).kind == TokenKind::kWord && is_interval_unit(text(ahead));
}

const Expression* Parser::interval() {
  auto from = begin();
  auto next = peek(1);
  bool word_value = next.kind == TokenKind::kWord && (flags_of(next.keyword) & (kNoName | kNoColumnAlias)) == 0 &&
                    (at_interval_unit(2) || op(2) == Op::kDot || op(2) == Op::kLeftParen ||
                     (dialect_.id == DialectId::kMysql &&
                      (op(2) == Op::kPlus || op(2) == Op::kMinus || op(2) == Op::kStar || op(2) == Op::kSlash)));
  bool value = next.kind == TokenKind::kString || next.kind == TokenKind::kNumber ||
               next.kind == TokenKind::kParameter || next.kind == TokenKind::kTemplate ||
               next.kind == TokenKind::kQuotedName || op(1) == Op::kLeftParen ||
               (op(1) == Op::kMinus && (peek(2).kind == TokenKind::kNumber || peek(2).kind == TokenKind::kString)) ||
               op(1) == Op::kColon || word_value || next.keyword == K::kCase || next.keyword == K::kCast;
  // `interval` may name a column; `interval(…)` is the function where no unit follows.
  if (value && op(1) == Op::kLeftParen && partners_[position_ + 1] != 0) {
    ++steps_;
    auto after = partners_[position_ + 1] + 1;
    bool unit = tokens_[after].kind == TokenKind::kWord && is_interval_unit(text_of(tokens_[after].span, text_));
    if (!unit && tokens_[after].kind == TokenKind::kString) {  // INTERVAL(3) '1 day'
      advance();
      auto open = position_;
      position_ = partners_[open];
      advance();
      auto precision = text_of({tokens_[open].span.begin, tokens_[position_ - 1].span.end}, text_);
      const auto* inner = string_literal();
      auto* node = make<Interval>(from);
      node->value = inner;
      node->unit = precision;
      return node;
    }
    if (!unit) value = false;
  }
  if (!value) return column_or_star(from);
  advance();
  const Expression* amount = nullptr;
  if (next.kind == TokenKind::kString) {
    amount = string_literal();
  } else if (next.kind == TokenKind::kNumber && (at_interval_unit(1) || !dialect_.date_part_words)) {
    amount = literal(LiteralKind::kNumber);
  } else {
    amount = expression(kPrecedenceBits);
  }
  auto first = position_;
  auto unit = [&] {
    advance();
    if (at(Op::kLeftParen) && peek(1).kind == TokenKind::kNumber) {
      while (!at(Op::kRightParen) && !at_end()) advance();
      advance();
    }
  };
  if (at_interval_unit()) {
    unit();
    if (at(K::kTo) && at_interval_unit(1)) {
      advance();
      unit();
    }
    while ((peek().kind == TokenKind::kNumber || peek().kind == TokenKind::kString) && at_interval_unit(1)) {
      advance();  // Spark: INTERVAL 1 DAY 2 HOURS
      unit();
    }
  }
  auto words = joined(first);
  auto* node = make<Interval>(from);
  node->value = amount;
  node->unit = words;
  return node;
}

const Expression* Parser::exists() {
  auto from = begin();
  advance();
  const auto* inner = query_in_parentheses("a query");
  auto* node = make<Exists>(from);
  node->query = inner;
  return node;
}

}  // namespace tideline::sql
