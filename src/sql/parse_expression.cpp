// Operators: precedence climbing. Chains of one precedence become one flat Operation.

#include "base/text.h"
#include "sql/parse_state.h"

namespace tideline::sql {

const Expression* Parser::expression(Precedence minimum) {
  Nest nest(*this);
  auto from = begin();
  if (!nest) return error_expression(from);
  return infix(prefix(minimum), from, minimum);
}

Parser::Infix Parser::infix_operator() {
  const auto& token = peek();
  auto flat = [](Precedence precedence, Operator op, std::uint8_t count = 1) {
    return Infix{precedence, op, count, true};
  };
  auto special = [](Precedence precedence) { return Infix{precedence, Operator::kOther, 0, false}; };
  if (token.kind == TokenKind::kOperator) {
    switch (op_of(token)) {
      case Op::kEquals:
      case Op::kDoubleEquals:
        return flat(kPrecedenceComparison, Operator::kEqual);
      case Op::kNotEquals:
        return flat(kPrecedenceComparison, Operator::kNotEqual);
      case Op::kLess:
        if (op(1) == Op::kEquals) return flat(kPrecedenceComparison, Operator::kLessEqual, 2);  // a < = b
        return flat(kPrecedenceComparison, Operator::kLess);
      case Op::kLessEquals:
        return flat(kPrecedenceComparison, Operator::kLessEqual);
      case Op::kGreater:
        if (adjacent(0) && op(1) == Op::kGreater) return flat(kPrecedenceOther, Operator::kShiftRight, 2);
        if (op(1) == Op::kEquals) return flat(kPrecedenceComparison, Operator::kGreaterEqual, 2);
        return flat(kPrecedenceComparison, Operator::kGreater);
      case Op::kGreaterEquals:
        return flat(kPrecedenceComparison, Operator::kGreaterEqual);
      case Op::kNullSafeEquals:
        return flat(kPrecedenceComparison, Operator::kNullSafeEqual);
      case Op::kColonEquals:  // MySQL: @n := @n + 1
        return dialect_.id == DialectId::kMysql ? flat(kPrecedenceAssign, Operator::kOther) : Infix{};
      case Op::kDoubleBar:
        return dialect_.pipes_are_or ? flat(kPrecedenceOr, Operator::kOr) : flat(kPrecedenceOther, Operator::kConcat);
      case Op::kPlus:
        return flat(kPrecedenceAdditive, Operator::kAdd);
      case Op::kMinus:
        return flat(kPrecedenceAdditive, Operator::kSubtract);
      case Op::kStar:
        return flat(kPrecedenceMultiplicative, Operator::kMultiply);
      case Op::kSlash:
        return flat(kPrecedenceMultiplicative, Operator::kDivide);
      case Op::kDoubleSlash:
        return flat(kPrecedenceMultiplicative, Operator::kIntegerDivide);
      case Op::kPercent:
        return flat(kPrecedenceMultiplicative, Operator::kModulo);
      case Op::kDoubleStar:
        return flat(kPrecedencePower, Operator::kPower);
      case Op::kCaret:
        return dialect_.caret_is_power ? flat(kPrecedencePower, Operator::kPower)
                                       : flat(kPrecedenceBits, Operator::kBitXor);
      case Op::kAmpersand:
        return flat(kPrecedenceBits, Operator::kBitAnd);
      case Op::kBar:
        return flat(kPrecedenceBits, Operator::kBitOr);
      case Op::kShiftLeft:
        return flat(kPrecedenceOther, Operator::kShiftLeft);
      case Op::kArrow:
      case Op::kDoubleArrow:
      case Op::kHashArrow:
      case Op::kHashDoubleArrow:
        return flat(kPrecedenceOther, Operator::kJson);
      case Op::kTilde:
      case Op::kOther: {
        auto spelling = text();
        if (dialect_.id == DialectId::kOracle && spelling == "^=")
          return flat(kPrecedenceComparison, Operator::kNotEqual);
        if (spelling == "&&" && dialect_.id == DialectId::kMysql) return flat(kPrecedenceAnd, Operator::kAnd);
        // Those that assign (+=) belong to UPDATE.
        if (spelling.size() == 2 && spelling[1] == '=' && spelling != "~=" && spelling != "^=") return {};
        return flat(kPrecedenceOther, Operator::kOther);
      }
      default:
        return {};
    }
  }
  if (token.kind == TokenKind::kParameter) {  // PostgreSQL: document ? 'key'
    if (dialect_.json_arrows && text() == "?") return flat(kPrecedenceOther, Operator::kOther);
    if (dialect_.id == DialectId::kClickhouse && text() == "?") return special(kPrecedenceAssign);  // a ? b : c
    return {};
  }
  if (token.kind != TokenKind::kWord) return {};
  switch (token.keyword) {
    case K::kNone:
      if (dialect_.id != DialectId::kMysql) return {};
      if (keyword(1) == K::kOf && at_word("member")) return flat(kPrecedenceRange, Operator::kOther, 2);
      if (keyword(1) == K::kLike && at_word("sounds")) return flat(kPrecedenceRange, Operator::kOther, 2);
      return {};
    case K::kOr:
      return flat(kPrecedenceOr, Operator::kOr);
    case K::kXor:
      return may_be_alias(false) ? Infix{} : flat(kPrecedenceXor, Operator::kXor);
    case K::kAnd:
      return flat(kPrecedenceAnd, Operator::kAnd);
    case K::kIs:
    case K::kIsnull:
    case K::kNotnull:
      return special(kPrecedenceIs);
    case K::kNot:
      switch (keyword(1)) {
        case K::kIn:
        case K::kBetween:
        case K::kLike:
        case K::kIlike:
        case K::kRlike:
        case K::kRegexp:
        case K::kGlob:
        case K::kSimilar:
          return special(kPrecedenceRange);
        case K::kNull:
          return dialect_.id == DialectId::kDuckdb || dialect_.id == DialectId::kSqlite ? special(kPrecedenceIs)
                                                                                        : Infix{};
        default:
          return {};
      }
    case K::kIn:
    case K::kBetween:
    case K::kLike:
    case K::kIlike:
    case K::kRlike:
    case K::kRegexp:
      return special(kPrecedenceRange);
    case K::kSimilar:  // substring(a SIMILAR b ESCAPE c) has it as well
      return keyword(1) == K::kTo ? special(kPrecedenceRange) : Infix{};
    case K::kMatch:
      return dialect_.id == DialectId::kSqlite ? flat(kPrecedenceRange, Operator::kOther) : Infix{};
    case K::kGlob:
      return may_be_alias(false) ? Infix{} : special(kPrecedenceRange);
    case K::kGlobal:
      return keyword(1) == K::kIn || (keyword(1) == K::kNot && keyword(2) == K::kIn) ? special(kPrecedenceRange)
                                                                                     : Infix{};
    case K::kOverlaps:
      return flat(kPrecedenceRange, Operator::kOther);
    case K::kDiv:
      return may_be_alias(false) ? Infix{} : flat(kPrecedenceMultiplicative, Operator::kIntegerDivide);
    case K::kMod:
      return may_be_alias(false) ? Infix{} : flat(kPrecedenceMultiplicative, Operator::kModulo);
    case K::kAt:
      if (keyword(1) == K::kTime && keyword(2) == K::kZone)
        return flat(kPrecedenceAtTimeZone, Operator::kAtTimeZone, 3);
      return {};
    case K::kCollate:
      return special(kPrecedenceCollate);
    case K::kOperator: {  // OPERATOR(schema.+)
      auto open = position_ + 1;
      if (op(1) != Op::kLeftParen || partners_[open] == 0 || partners_[open] - position_ > 20) return {};
      return flat(kPrecedenceOther, Operator::kOther, static_cast<std::uint8_t>(partners_[open] + 1 - position_));
    }
    default:
      return {};
  }
}

const Expression* Parser::infix(const Expression* left, std::uint32_t from, Precedence minimum) {
  for (;;) {
    auto next = infix_operator();
    if (next.precedence == kPrecedenceNone || next.precedence <= minimum) return left;
    if (!next.flat) {
      if (!wrap()) return left;
      left = special_infix(left, from);
      continue;
    }
    if (!wrap()) return left;
    Builder<const Expression*> operands(*this);
    Builder<Link> links(*this);
    operands.push(left);
    for (auto chain = next; chain.precedence == next.precedence && chain.flat; chain = infix_operator()) {
      auto first = position_;
      auto begins = begin();
      advance(chain.tokens);
      links.push({.op = chain.op, .text = joined(first), .span = since(begins)});
      bool comparison = next.precedence == kPrecedenceComparison;
      // A form (IS, BETWEEN) that binds as tightly as the chain can only follow the chain, so `precedence` is enough.
      if (comparison && (at(K::kAny) || at(K::kAll) || at(K::kSome)) && op(1) == Op::kLeftParen) {
        operands.push(comparison_operand());
      } else {
        operands.push(expression(next.precedence));
      }
    }
    auto* node = make<Operation>(from);
    node->operands = operands.done();
    node->links = links.done();
    left = node;
  }
}

const Expression* Parser::comparison_operand() {
  Nest nest(*this);
  auto from = begin();
  if (!nest) return error_expression(from);
  auto quantifier = lower(text());
  advance();
  if (at_query(1)) {
    const auto* inner = query_in_parentheses("a query");
    auto* node = make<Quantified>(from);
    node->quantifier = quantifier;
    node->query = inner;
    return node;
  }
  auto open = position_;
  advance();
  auto list = elements(Op::kRightParen);
  close(open);
  auto* node = make<Quantified>(from);
  node->quantifier = quantifier;
  node->list = list;
  return node;
}

/// ClickHouse: a ? b : c is if(a, b, c).
const Expression* Parser::ternary(const Expression* condition, std::uint32_t from) {
  advance();
  Builder<Argument> arguments(*this);
  auto push = [&](const Expression* value) {
    arguments.push({.value = value, .name = {}, .arrow = {}, .lead = Lead::kComma});
  };
  push(condition);
  push(expression());
  push(expect(Op::kColon, "`:` and the other value") ? expression() : error_expression(begin()));
  return call_of("if", arguments.done(), from);
}

const Expression* Parser::call_of(std::string_view function, List<Argument> arguments, std::uint32_t from) {
  Builder<Identifier> name(*this);
  name.push({.text = function, .span = {from, from}});
  auto parts = name.done();
  auto* node = make<Call>(from);
  node->name = parts;
  node->arguments = arguments;
  return node;
}

const Expression* Parser::special_infix(const Expression* left, std::uint32_t from) {
  if (peek().kind == TokenKind::kParameter) return ternary(left, from);
  if (at(K::kNot) && keyword(1) == K::kNull) {
    advance(2);
    auto* node = make<Is>(from);
    node->what = IsWhat::kNull;
    node->negated = true;
    node->operand = left;
    return node;
  }
  if (at(K::kIs) || at(K::kIsnull) || at(K::kNotnull)) return is_test(left, from);
  if (accept(K::kCollate)) {
    List<Identifier> collation;
    if (at_name() || peek().kind == TokenKind::kString) {
      collation = dotted_name();
    } else {
      unexpected("a collation");
    }
    auto* node = make<Collate>(from);
    node->operand = left;
    node->collation = collation;
    return node;
  }
  bool global = accept(K::kGlobal);
  bool negated = accept(K::kNot);
  if (at(K::kIn)) {
    const auto* node = in(left, from, negated);
    if (global) const_cast<In*>(static_cast<const In*>(node))->global = true;
    return node;
  }
  if (at(K::kBetween)) return between(left, from, negated);
  return like(left, from, negated);
}

const Expression* Parser::is_test(const Expression* left, std::uint32_t from) {
  auto* node = arena_.make<Is>();
  node->kind = Is::kKind;
  node->operand = left;
  if (at(K::kIsnull) || at(K::kNotnull)) {
    node->negated = at(K::kNotnull);
    advance();
    return finish(node, from);
  }
  advance();
  node->negated = accept(K::kNot);
  if (accept(K::kNull)) {
    node->what = IsWhat::kNull;
  } else if (accept(K::kTrue)) {
    node->what = IsWhat::kTrue;
  } else if (accept(K::kFalse)) {
    node->what = IsWhat::kFalse;
  } else if (accept(K::kUnknown)) {
    node->what = IsWhat::kUnknown;
  } else if (accept(K::kDistinct, K::kFrom)) {
    node->what = IsWhat::kDistinctFrom;
    node->other = expression(kPrecedenceComparison);
  } else if (peek(1).kind == TokenKind::kWord && at_word("normalized", 1)) {  // NFC NORMALIZED
    node->what = IsWhat::kOther;
    auto first = position_;
    advance(2);
    node->text = joined(first);
  } else if (at(K::kJson) || at_word("document") || at_word("normalized") || at_word("nan") || at(K::kOf)) {
    node->what = IsWhat::kOther;
    auto first = position_;
    bool json = at(K::kJson);
    bool of = at(K::kOf);
    advance();
    if (json) at(K::kValue) || at(K::kArray) || at_word("object") || at_word("scalar") ? advance() : void();
    if (json && (at(K::kWith) || at(K::kWithout)) && at_word("unique", 1)) {
      advance(2);
      accept_word("keys");
    }
    if (of) {
      accept_word("type");
      if (at(Op::kLeftParen)) {
        auto open = position_;
        if (partners_[open] != 0) position_ = partners_[open];
        advance();
      }
    }
    node->text = joined(first);
  } else if (peek().kind == TokenKind::kTemplate || at_list_end(true) || peek().kind == TokenKind::kError) {
    unexpected("NULL, TRUE, FALSE, UNKNOWN or DISTINCT FROM after IS");
  } else {
    // SQLite, DuckDB, MySQL: IS compares any two values.
    node->what = IsWhat::kDistinctFrom;
    node->negated = !node->negated;
    node->other = expression(kPrecedenceComparison);
  }
  return finish(node, from);
}

const Expression* Parser::between(const Expression* left, std::uint32_t from, bool negated) {
  advance();
  auto* node = arena_.make<Between>();
  node->kind = Between::kKind;
  node->negated = negated;
  node->operand = left;
  node->symmetric = accept(K::kSymmetric);
  if (!node->symmetric) accept(K::kAsymmetric);
  node->low = expression(kPrecedenceRange);
  if (expect(K::kAnd, "AND between the two bounds")) {
    node->high = expression(kPrecedenceRange);
  } else {
    node->high = error_expression(begin());
  }
  return finish(node, from);
}

const Expression* Parser::in(const Expression* left, std::uint32_t from, bool negated) {
  advance();
  auto* node = arena_.make<In>();
  node->kind = In::kKind;
  node->negated = negated;
  node->operand = left;
  if (!at(Op::kLeftParen)) {
    // One operand: what it were in parentheses is a list of one.
    node->source = expression(kPrecedencePostfix);
    return finish(node, from);
  }
  if (at_query(1)) {
    node->query = query_in_parentheses("a query");
    return finish(node, from);
  }
  auto open = position_;
  advance();
  node->list = elements(Op::kRightParen);
  close(open);
  if (node->list.size() == 1) {
    if (const auto* only = as<Subquery>(node->list[0])) {  // IN ((SELECT …))
      node->query = only->query;
      node->list = {};
    }
  }
  return finish(node, from);
}

const Expression* Parser::like(const Expression* left, std::uint32_t from, bool negated) {
  auto* node = arena_.make<Like>();
  node->kind = Like::kKind;
  node->negated = negated;
  node->operand = left;
  auto first = position_;
  advance();
  if (tokens_[first].keyword == K::kSimilar) expect(K::kTo, "TO after SIMILAR");
  node->text = lower(joined(first));
  Builder<const Expression*> patterns(*this);
  if ((at(K::kAny) || at(K::kAll) || at(K::kSome)) && op(1) == Op::kLeftParen) {
    node->quantifier = lower(text());
    advance();
    auto open = position_;
    advance();
    node->patterns = elements(Op::kRightParen);
    close(open);
  } else {
    patterns.push(expression(kPrecedenceRange));
    node->patterns = patterns.done();
  }
  if (accept(K::kEscape)) node->escape = expression(kPrecedenceRange);
  return finish(node, from);
}

const Expression* Parser::unary(Operator op, std::size_t count, Precedence precedence) {
  auto from = begin();
  auto first = position_;
  advance(count);
  auto spelling = joined(first);
  const auto* operand = expression(precedence);
  auto* node = make<Unary>(from);
  node->op = op;
  node->text = spelling;
  node->operand = operand;
  return node;
}

const Expression* Parser::prefix(Precedence minimum) {
  switch (op()) {
    case Op::kMinus:
      return unary(Operator::kMinus, 1, kPrecedenceSign);
    case Op::kPlus:
      return unary(Operator::kPlus, 1, kPrecedenceSign);
    case Op::kTilde:
      return unary(Operator::kBitNot, 1, kPrecedenceSign);
    case Op::kExclamation:
      return unary(Operator::kNot, 1, kPrecedenceSign);
    case Op::kOther:
      if (auto spelling = text(); spelling == "|/" || spelling == "||/" || spelling == "@" || spelling == "@-@" ||
                                  spelling == "@@" || spelling == "##" || spelling == "#") {
        return unary(Operator::kOther, 1, kPrecedenceOther);
      }
      break;
    default:
      break;
  }
  if (at(K::kNot)) {
    // NOT binds loosely, wherever it stands: a = NOT b is read as a = (NOT b).
    return unary(Operator::kNot, 1, minimum > kPrecedenceNot ? minimum : kPrecedenceNot);
  }
  if (at(K::kPrior) && !at_list_end(true) && op(1) != Op::kDot && (at_plain_name(1) || op(1) == Op::kLeftParen)) {
    return unary(Operator::kPrior, 1, kPrecedenceSign);
  }
  if (at(K::kConnectByRoot)) return unary(Operator::kConnectByRoot, 1, kPrecedenceSign);
  auto from = begin();
  return postfix(primary(), from);
}

Step Parser::index_step() {
  Step step{};
  auto open = position_;
  advance();
  if (at(Op::kStar) && op(1) == Op::kRightBracket) {
    advance();
    step.star = true;
  } else {
    if (!at(Op::kColon) && !at(Op::kRightBracket)) step.index = element();
    if (at(Op::kRightBracket) && step.index == nullptr) step.star = true;  // [] in ClickHouse: all of them
    if (!dialect_.colon_path && accept(Op::kColon)) {
      step.slice = true;
      if (!at(Op::kRightBracket) && !at(Op::kColon)) {
        if (at(Op::kMinus) && (op(1) == Op::kColon || op(1) == Op::kRightBracket)) {  // a[1:-:2], to the end
          advance();
        } else {
          step.high = element();
        }
      }
      if (accept(Op::kColon) && !at(Op::kRightBracket)) step.stride = element();
    }
  }
  close(open);
  return step;
}

const Expression* Parser::path(const Expression* base, std::uint32_t from) {
  Builder<Step> steps(*this);
  for (;;) {
    if (at(Op::kLeftBracket)) {
      steps.push(index_step());
    } else if (dialect_.id == DialectId::kClickhouse && at(Op::kDot) && (op(1) == Op::kColon || op(1) == Op::kCaret) &&
               at_name(2)) {  // json.a.:Int64, json.^a
      advance(2);
      steps.push({.name = identifier(), .index = nullptr, .high = nullptr, .stride = nullptr});
    } else if (at(Op::kDot) && ((at_name(1) && op(2) != Op::kLeftParen) || peek(1).kind == TokenKind::kNumber)) {
      advance();
      steps.push({.name = identifier(), .index = nullptr, .high = nullptr, .stride = nullptr});
    } else if (dialect_.colon_path && at(Op::kColon) && (at_name(1) || op(1) == Op::kLeftBracket) &&
               !(at_name(1) && op(2) == Op::kLeftParen)) {
      advance();
      if (at(Op::kLeftBracket)) {
        auto step = index_step();
        step.colon = true;
        steps.push(step);
      } else {
        steps.push({.name = identifier(), .colon = true, .index = nullptr, .high = nullptr, .stride = nullptr});
      }
    } else {
      break;
    }
  }
  auto list = steps.done();
  auto* node = make<Path>(from);
  node->base = base;
  node->steps = list;
  return node;
}

const Expression* Parser::postfix(const Expression* base, std::uint32_t from) {
  for (;;) {
    switch (op()) {
      case Op::kDoubleColon: {
        if (!wrap()) return base;
        if (dialect_.id == DialectId::kMysql && at_json_step()) {
          base = json_path(base, from);
          continue;
        }
        advance();
        accept(Op::kExclamation);  // Vertica: ::! gives null where it cannot be cast
        base = colons_cast(base, from);
        continue;
      }
      case Op::kLeftBracket:
        break;
      case Op::kDot:
        if (op(1) == Op::kStar) {
          if (!wrap()) return base;
          advance();
          return star(from, {}, base);
        }
        if (at_name(1) && op(2) == Op::kLeftParen) {  // x.f(y)
          if (!wrap()) return base;
          advance();
          Builder<Identifier> name(*this);
          name.push(identifier());
          base = call(name.done(), base, from);
          continue;
        }
        if (dialect_.id == DialectId::kClickhouse && (op(1) == Op::kColon || op(1) == Op::kCaret) && at_name(2)) break;
        if (!at_name(1) && peek(1).kind != TokenKind::kNumber) return base;
        break;
      case Op::kColon:
        if (dialect_.id == DialectId::kMysql && op(1) == Op::kGreater && adjacent(0)) {  // SingleStore: x :> type
          if (!wrap()) return base;
          advance(2);
          base = colons_cast(base, from);
          continue;
        }
        if (!dialect_.colon_path || !(at_name(1) || op(1) == Op::kLeftBracket)) return base;
        if (at_name(1) && op(2) == Op::kLeftParen) return base;
        break;
      case Op::kExclamation:
        if (dialect_.id == DialectId::kMysql && op(1) == Op::kColon && op(2) == Op::kGreater) {
          if (!wrap()) return base;
          advance(3);  // x !:> type
          base = colons_cast(base, from);
          continue;
        }
        if (dialect_.id == DialectId::kSnowflake && at_name(1) && op(2) == Op::kLeftParen) {  // model!PREDICT(…)
          if (!wrap()) return base;
          advance();
          Builder<Identifier> name(*this);
          name.push(identifier());
          base = call(name.done(), nullptr, from);
          continue;
        }
        return base;
      case Op::kLeftParen:
        if (dialect_.id == DialectId::kSnowflake && is_identifier_call(base)) {  // IDENTIFIER('f')(1, 2)
          if (!wrap()) return base;
          base = call(static_cast<const Call*>(base)->name, nullptr, from);
          continue;
        }
        // a.b(+)
        if (op(1) == Op::kPlus && op(2) == Op::kRightParen && base->kind == NodeKind::kColumn) {
          advance(3);
          auto* marked = arena_.make<Column>();
          *marked = *static_cast<const Column*>(base);
          marked->outer_join_mark = true;
          base = finish(marked, from);
          continue;
        }
        return base;
      default:
        if (dialect_.id == DialectId::kDatabricks && peek().kind == TokenKind::kParameter && text() == "?" &&
            op(1) == Op::kDoubleColon) {  // x ?:: type: null where it cannot be cast
          if (!wrap()) return base;
          advance(2);
          base = colons_cast(base, from);
          continue;
        }
        return base;
    }
    if (!wrap()) return base;
    base = path(base, from);
  }
}

bool Parser::is_identifier_call(const Expression* base) {
  const auto* node = as<Call>(base);
  return node != nullptr && node->name.size() == 1 && equal_ignoring_case(node->name[0].text, "identifier") &&
         node->arguments.size() == 1;
}

const Expression* Parser::colons_cast(const Expression* base, std::uint32_t from) {
  auto type = type_name();
  auto* node = make<Cast>(from);
  node->form = CastForm::kColons;
  node->operand = base;
  node->type = type;
  return node;
}

/// SingleStore: document::$a (as text), ::%a (as a number). Of ::a nobody can tell whether it is a field or a type.
bool Parser::at_json_step() {
  return (peek(1).kind == TokenKind::kParameter && text(1)[0] == '$') || (op(1) == Op::kPercent && at_name(2));
}

const Expression* Parser::json_path(const Expression* base, std::uint32_t from) {
  Builder<Step> steps(*this);
  while (at(Op::kDoubleColon) && at_json_step()) {
    advance();
    auto begins = begin();
    accept(Op::kPercent);
    advance();
    steps.push({.name = {.text = source(begins), .span = since(begins)},
                .colon = true,
                .double_colon = true,
                .index = nullptr,
                .high = nullptr,
                .stride = nullptr});
  }
  auto list = steps.done();
  auto* node = make<Path>(from);
  node->base = base;
  node->steps = list;
  return node;
}

}  // namespace tideline::sql
