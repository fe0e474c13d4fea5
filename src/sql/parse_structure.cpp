// Values made of values: arrays, structs, objects, lambdas; and * with what may follow it.

#include "sql/parse_state.h"

namespace tideline::sql {

const Expression* Parser::array() {
  auto from = begin();
  TypeName type{};
  if (op(1) == Op::kLess && dialect_.generic_types) {
    type = type_name();
    if (at(Op::kLeftBracket)) return bracket_array(from, type, true);
    if (!at(Op::kLeftParen)) {
      unexpected("`[` after the type of the array");
      return error_expression(from);
    }
  } else if (op(1) == Op::kLeftBracket) {
    advance();
    return bracket_array(from, {}, true);
  } else if (op(1) == Op::kLeftParen && at_query(2)) {
    advance();
    const auto* inner = query_in_parentheses("a query");
    auto* node = make<Array>(from);
    node->keyword = true;
    node->query = inner;
    return node;
  }
  return column_or_star(from);
}

const Expression* Parser::bracket_array(std::uint32_t from, TypeName type, bool keyword) {
  auto open = position_;
  advance();
  auto outer_case = case_depth_;
  case_depth_ = 0;
  Builder<const Expression*> list(*this);
  const Expression* comprehension = nullptr;
  ++argument_depth_;
  while (!at(Op::kRightBracket) && !at_end()) {
    auto start = begin();
    const auto* value = expression();
    if (at(K::kFor) && list.size() == 0) {
      comprehension = list_comprehension(value, from);
      break;
    }
    if (!at_list_end(false)) {
      unexpected("a comma or `]`");
      if (partners_[open] != 0) skip_to_follow(false);
      value = error_expression(start);
    }
    list.push(value);
    if (partners_[open] == 0 || !accept(Op::kComma)) break;
  }
  --argument_depth_;
  case_depth_ = outer_case;
  close(open);
  if (comprehension != nullptr) return comprehension;
  auto values = list.done();
  auto* node = make<Array>(from);
  node->type = type;
  node->keyword = keyword;
  node->elements = values;
  return node;
}

// DuckDB's [f(x) FOR x IN l IF p] is list_comprehension(l, x -> f(x), x -> p).
const Expression* Parser::list_comprehension(const Expression* result, std::uint32_t from) {
  advance();
  Builder<Identifier> names(*this);
  names.push(name_or_error("a variable after FOR"));
  while (accept(Op::kComma)) names.push(name_or_error("a variable"));
  auto variables = names.done();
  auto lambda_of = [&](const Expression* body) {
    auto* node = make<Lambda>(body->span.begin);
    node->span = body->span;
    node->parameters = variables;
    node->body = body;
    return node;
  };
  Builder<Argument> arguments(*this);
  auto push = [&](const Expression* value) {
    arguments.push({.value = value, .name = {}, .arrow = {}, .lead = Lead::kComma});
  };
  if (!expect(K::kIn, "IN and a list")) return error_expression(from);
  push(expression());
  push(lambda_of(result));
  if (accept(K::kIf)) push(lambda_of(expression()));
  return call_of("list_comprehension", arguments.done(), from);
}

Field Parser::struct_field() {
  Field field{};
  auto from = begin();
  field.value = expression();
  if (accept(K::kAs)) {
    field.name = name_or_error("a name after AS");
  }
  if (!at_list_end(false)) {
    unexpected("a comma or a closing parenthesis");
    skip_to_follow(false);
    field.value = error_expression(from);
  }
  return field;
}

const Expression* Parser::struct_value() {
  auto from = begin();
  auto form = at(K::kStruct) ? StructForm::kStruct : StructForm::kRow;
  TypeName type{};
  if (form == StructForm::kStruct && op(1) == Op::kLess && dialect_.generic_types) {
    type = type_name();
    if (!at(Op::kLeftParen)) {
      unexpected("`(` after the type of the struct");
      return error_expression(from);
    }
  } else if (op(1) == Op::kLeftParen) {
    advance();
  } else {
    return column_or_star(from);
  }
  auto open = position_;
  advance();
  Builder<Field> fields(*this);
  ++argument_depth_;
  while (!at(Op::kRightParen) && !at_end()) {
    if (at_name() && (op(1) == Op::kColonEquals || op(1) == Op::kFatArrow)) {
      auto name = identifier();
      advance();
      auto field = struct_field();
      field.name = name;
      fields.push(field);
    } else {
      fields.push(struct_field());
    }
    if (!accept(Op::kComma)) break;
  }
  --argument_depth_;
  close(open);
  auto list = fields.done();
  auto* node = make<Struct>(from);
  node->form = form;
  node->type = type;
  node->fields = list;
  return node;
}

const Expression* Parser::brace_object(std::uint32_t from, StructForm form) {
  auto open = position_;
  // ClickHouse: {name:Type}
  if (dialect_.id == DialectId::kClickhouse && peek(1).kind == TokenKind::kWord && op(2) == Op::kColon &&
      peek(3).kind == TokenKind::kWord && partners_[open] != 0) {
    position_ = partners_[open];
    advance();
    auto* node = make<Parameter>(from);
    node->text = text_of(node->span, text_);
    return node;
  }
  advance();
  auto outer_case = case_depth_;
  case_depth_ = 0;
  Builder<Field> fields(*this);
  while (!at(Op::kRightBrace) && !at_end()) {
    Field field{};
    auto start = begin();
    bool spread = (at(Op::kStar) && op(1) != Op::kColon) || (at_name() && op(1) == Op::kDot && op(2) == Op::kStar);
    if (spread) {
      field.value = element();  // Snowflake: {*}
      fields.push(field);
      if (!accept(Op::kComma)) break;
      continue;
    }
    if (op(1) == Op::kColon && (at_name() || peek().kind == TokenKind::kString || peek().kind == TokenKind::kNumber)) {
      field.key = peek().kind == TokenKind::kString   ? string_literal()
                  : peek().kind == TokenKind::kNumber ? literal(LiteralKind::kNumber)
                                                      : word_literal();
    } else {
      field.key = expression();
    }
    if (accept(Op::kColon)) {
      field.value = element();
    } else {
      unexpected("`:` and a value");
      skip_to_follow(false);
      field.value = error_expression(start);
    }
    fields.push(field);
    if (!accept(Op::kComma)) break;
  }
  case_depth_ = outer_case;
  close(open);
  auto list = fields.done();
  auto* node = make<Struct>(from);
  node->form = form;
  node->fields = list;
  return node;
}

const Expression* Parser::lambda(std::uint32_t from) {
  Builder<Identifier> names(*this);
  bool keyword_form = false;
  if (at(K::kLambda) && at_name(1)) {
    keyword_form = true;
    advance();
    names.push(identifier());
    while (accept(Op::kComma)) names.push(name_or_error("a parameter"));
    expect(Op::kColon, "`:` after the parameters");
  } else {
    if (at(Op::kLeftParen)) {
      auto open = position_;
      advance();
      while ((at_name() || peek().kind == TokenKind::kParameter) && !at_end()) {
        names.push(identifier());
        if (at_name()) type_name();  // Snowflake: (x int) -> …
        if (!accept(Op::kComma)) break;
      }
      close(open);
    } else {
      names.push(identifier());
      if (at_name()) type_name();  // x int -> …
    }
    expect(Op::kArrow, "`->`");
  }
  auto parameters = names.done();
  const auto* body = expression();
  auto* node = make<Lambda>(from);
  node->parameters = parameters;
  node->body = body;
  node->keyword = keyword_form;
  return node;
}

void Parser::star_modifiers(Star& star) {
  for (;;) {
    if ((at(K::kExcept) || at(K::kExclude)) &&
        (op(1) == Op::kLeftParen ? !at_query(2)
                                 : (at(K::kExclude) || dialect_.id == DialectId::kClickhouse) && at_plain_name(1) &&
                                       keyword(1) != K::kAll)) {
      advance();
      Builder<Identifier> names(*this);
      if (at(Op::kLeftParen)) {
        star.except = names_in_parentheses();
      } else {
        auto name = dotted_name();
        names.push(name.back());
        star.except = names.done();
      }
    } else if (at(K::kReplace) && op(1) == Op::kLeftParen) {
      advance();
      auto open = position_;
      advance();
      Builder<StarReplace> items(*this);
      while (!at(Op::kRightParen) && !at_end()) {
        auto from = begin();
        StarReplace item{};
        item.value = expression();
        accept(K::kAs);
        item.name = name_or_error("the name of the column to replace");
        if (!at_list_end(false)) {
          unexpected("a comma or a closing parenthesis");
          skip_to_follow(false);
        }
        item.span = since(from);
        items.push(item);
        if (!accept(Op::kComma)) break;
      }
      close(open);
      star.replace = items.done();
    } else if (at(K::kReplace) && dialect_.id == DialectId::kDuckdb && !at_list_end(true)) {
      advance();
      Builder<StarReplace> items(*this);
      auto from = begin();
      StarReplace item{};
      item.value = expression();
      accept(K::kAs);
      item.name = name_or_error("the name of the column to replace");
      item.span = since(from);
      items.push(item);
      star.replace = items.done();
    } else if (at(K::kRename) && (op(1) == Op::kLeftParen || (at_plain_name(1) && keyword(2) == K::kAs))) {
      advance();
      Builder<StarRename> items(*this);
      auto one = [&] {
        StarRename item{};
        item.from = name_or_error("a column");
        while (accept(Op::kDot)) item.from = name_or_error("a column");
        expect(K::kAs, "AS and the new name");
        item.to = name_or_error("the new name");
        items.push(item);
      };
      if (at(Op::kLeftParen)) {
        auto open = position_;
        advance();
        while (!at(Op::kRightParen) && !at_end()) {
          auto before = position_;
          one();
          if (!accept(Op::kComma) || position_ == before) break;
        }
        close(open);
      } else {
        one();
      }
      star.rename = items.done();
    } else if (at(K::kApply) && op(1) == Op::kLeftParen && dialect_.id == DialectId::kClickhouse) {
      Builder<const Expression*> functions(*this);
      while (at(K::kApply) && op(1) == Op::kLeftParen) {
        advance();
        auto open = position_;
        advance();
        ++argument_depth_;
        functions.push(expression());
        --argument_depth_;
        close(open);
      }
      star.apply = functions.done();
    } else if ((at(K::kIlike) || at(K::kLike) || at(K::kSimilar) || (at(K::kGlob) && !may_be_alias(false)) ||
                (at(K::kNot) && (keyword(1) == K::kLike || keyword(1) == K::kIlike || keyword(1) == K::kSimilar))) &&
               star.like == nullptr) {
      auto from = begin();
      bool negated = accept(K::kNot);
      auto first = position_;
      advance();
      accept(K::kTo);
      auto operation = lower(joined(first));
      const auto* pattern = expression(kPrecedenceRange);
      Builder<const Expression*> patterns(*this);
      patterns.push(pattern);
      auto list = patterns.done();
      auto* like = make<Like>(from);
      like->text = operation;
      like->negated = negated;
      like->patterns = list;
      auto* bare = make<Star>(from);
      bare->span = {from, from};
      like->operand = bare;
      star.like = like;
    } else {
      return;
    }
  }
}

const Expression* Parser::star(std::uint32_t from, List<Identifier> qualifier, const Expression* base) {
  advance();
  auto* node = arena_.make<Star>();
  node->kind = Star::kKind;
  node->qualifier = qualifier;
  node->base = base;
  star_modifiers(*node);
  return finish(node, from);
}

const Expression* Parser::columns(std::uint32_t from, bool unpack) {
  advance();
  auto open = position_;
  advance();
  ++argument_depth_;
  Builder<const Expression*> arguments(*this);
  do {
    arguments.push(element());
  } while (accept(Op::kComma));
  --argument_depth_;
  close(open);
  auto* node = make<Columns>(from);
  node->arguments = arguments.done();
  node->unpack = unpack;
  bool modified = at(K::kApply) || at(K::kReplace) || (at(K::kExcept) && !at_query(1));
  if (dialect_.id == DialectId::kClickhouse && modified) {
    auto* bare = make<Star>(begin());
    star_modifiers(*bare);
    node->modifiers = bare;
  }
  return finish(node, from);
}

}  // namespace tideline::sql
