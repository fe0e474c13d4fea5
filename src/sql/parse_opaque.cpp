// Tables made of documents and patterns: JSON_TABLE, XMLTABLE, MATCH_RECOGNIZE.

#include "sql/parse_state.h"

namespace tideline::sql {

/// At COLUMNS, or what follows it: in parentheses, or (Oracle, XMLTABLE) to the end of the outer ones.
void Parser::opaque_columns(Builder<ColumnDefinition>& out) {
  Nest nest(*this);
  if (!nest) return;
  accept(K::kColumns);
  auto open = position_;
  bool enclosed = accept(Op::kLeftParen);
  while (!at_closing() && !at_end()) {
    if (at_word("nested") && (at_word("path", 1) || peek(1).kind == TokenKind::kString)) {
      while (!at(K::kColumns) && !at_list_end(false)) advance();
      if (at(K::kColumns)) opaque_columns(out);
    } else if (at_name()) {
      ColumnDefinition one{.name = identifier(), .type = {}};
      auto from = begin();
      auto first = position_;
      if (accept(K::kFor)) {
        accept(K::kOrdinality);
        one.type = {.text = lower(joined(first)), .span = since(from)};
      } else if (at_name() && !at_word("path") && !at(K::kExists) && !at(K::kFormat)) {
        one.type = type_name();
      }
      while (!at_list_end(false)) skip_one();  // PATH '…', DEFAULT … ON EMPTY, …
      out.push(one);
    } else {
      unexpected("a column");
      while (!at_list_end(false)) skip_one();
    }
    if (!accept(Op::kComma)) break;
  }
  if (enclosed) close(open);
}

const TableReference* Parser::opaque(std::string_view what, std::uint32_t from) {
  auto text_from = begin();
  auto open = position_;
  auto* node = arena_.make<OpaqueTable>();
  node->kind = OpaqueTable::kKind;
  node->what = what;
  advance();
  Builder<const Expression*> arguments(*this);
  Builder<ColumnDefinition> columns(*this);
  auto inside = [&] { return !at_closing() && !at_end() && !at(K::kColumns); };
  if (at_word("xmlnamespaces") && op(1) == Op::kLeftParen) {
    advance();
    skip_one();
    accept(Op::kComma);
  }
  while (inside()) {
    if (at_word("passing")) {
      advance();
      while (at(K::kBy) || at_word("ref") || at(K::kValue)) advance();
    }
    arguments.push(expression());
    while (inside() && !at(Op::kComma) && !at_word("passing")) skip_one();  // AS name, FORMAT JSON, BY REF, ON ERROR
    accept(Op::kComma);
  }
  if (at(K::kColumns)) opaque_columns(columns);
  node->arguments = arguments.done();
  node->columns = columns.done();
  while (!at_closing() && !at_end()) skip_one();  // ERROR ON ERROR, PLAN (…)
  close(open);
  node->text = text_of(since(text_from), text_);
  node->alias = table_alias();
  return finish(node, from);
}

const TableReference* Parser::match_recognize(const TableReference* source_table, std::uint32_t from) {
  Nest nest(*this);
  if (!nest) return source_table;
  advance();
  auto open = position_;
  advance();
  auto* node = arena_.make<MatchRecognize>();
  node->kind = MatchRecognize::kKind;
  node->source = source_table;
  auto outer = in_match_;
  in_match_ = true;
  if (accept(K::kPartition, K::kBy)) {
    Builder<const Expression*> list(*this);
    do {
      list.push(expression());
    } while (accept(Op::kComma));
    node->partition_by = list.done();
  }
  if (accept(K::kOrder, K::kBy)) {
    Builder<OrderItem> items(*this);
    do {
      items.push(order_item());
    } while (accept(Op::kComma));
    node->order_by = items.done();
  }
  if (accept_word("measures")) {
    Builder<AliasedValue> list(*this);
    do {
      AliasedValue one{};
      auto begins = begin();
      one.value = expression();
      if (expect(K::kAs, "AS and a name")) one.alias = name_or_error("a name after AS");
      one.span = since(begins);
      list.push(one);
    } while (accept(Op::kComma));
    node->measures = list.done();
  }
  auto first = position_;
  node->all_rows = at(K::kAll);
  while (!at_closing() && !at_end() && !at_word("define")) skip_one();
  node->rows = joined(first);
  if (accept_word("define")) {
    Builder<AliasedValue> list(*this);
    do {
      AliasedValue one{};
      auto begins = begin();
      one.alias = name_or_error("a variable of the pattern");
      if (expect(K::kAs, "AS and a condition")) {
        one.value = expression();
      } else {
        one.value = error_expression(begins);
        while (!at_list_end(false)) skip_one();
      }
      one.span = since(begins);
      list.push(one);
    } while (accept(Op::kComma));
    node->define = list.done();
  }
  in_match_ = outer;
  close(open);
  node->alias = table_alias();
  return finish(node, from);
}

}  // namespace tideline::sql
