// PIVOT and UNPIVOT, as clauses of a table and as DuckDB's statements; BigQuery's pipe operators.

#include "base/text.h"
#include "sql/parse_state.h"

namespace tideline::sql {

AliasedValue Parser::aliased_value() {
  AliasedValue out{};
  auto from = begin();
  out.value = expression();
  if (accept(K::kAs)) {
    if (peek().kind == TokenKind::kString || peek().kind == TokenKind::kNumber || at(Op::kMinus) ||
        at(Op::kLeftParen)) {
      out.alias_value = expression();
    } else {
      out.alias = name_or_error("a name after AS");
    }
  } else if (at_name() && may_be_alias(false) && !at(K::kFor)) {
    out.alias = identifier();
  }
  if (!at_list_end(true) && !at(K::kFor) && !at(K::kOn) && !at(K::kUsing) && !at(K::kGroup)) {
    unexpected("a comma or a closing parenthesis");
    while (!at_list_end(true) && !at(K::kFor)) {
      if (partners_[position_] != 0) position_ = partners_[position_];
      advance();
    }
    out.value = error_expression(from);
  }
  out.span = since(from);
  return out;
}

List<AliasedValue> Parser::aliased_values(bool) {
  Builder<AliasedValue> list(*this);
  do {
    if (at_closing() || at_end() || (list.size() > 0 && (at(K::kFor) || at_clause()))) break;
    list.push(aliased_value());
  } while (accept(Op::kComma));
  return list.done();
}

PivotColumn Parser::pivot_column(bool in_required) {
  PivotColumn out{};
  out.value = expression(kPrecedenceRange);
  if (!at(K::kIn)) {
    if (in_required) unexpected("IN and the values");
    return out;
  }
  advance();
  if (!at(Op::kLeftParen)) {
    out.in_enum = name_or_error("a list or an enumeration");
    return out;
  }
  if (at_query(1)) {
    out.query = query_in_parentheses("a query");
    return out;
  }
  auto open = position_;
  advance();
  if (at(K::kAny) && (op(1) == Op::kRightParen || keyword(1) == K::kOrder)) {
    advance();
    out.any = true;
    if (accept(K::kOrder, K::kBy)) out.any_order = order_items(false);
  } else {
    out.in = aliased_values(false);
  }
  close(open);
  return out;
}

const TableReference* Parser::pivot(const TableReference* source_table, std::uint32_t from) {
  Nest nest(*this);
  if (!nest) return source_table;
  auto* node = arena_.make<Pivot>();
  node->kind = Pivot::kKind;
  node->source = source_table;
  advance();
  node->xml = accept_word("xml");
  auto open = position_;
  advance();
  node->aggregates = aliased_values(false);
  if (expect(K::kFor, "FOR and a column")) {
    Builder<PivotColumn> columns_list(*this);
    do {
      columns_list.push(pivot_column(true));
      accept(Op::kComma);
    } while ((at_plain_name() || at(Op::kLeftParen)) && !at(K::kGroup) && !at(K::kDefault) && !given_up_ &&
             (keyword(1) == K::kIn || op(1) == Op::kDot || at(Op::kLeftParen) || op(1) == Op::kLeftParen));
    node->columns = columns_list.done();
  }
  if (at(K::kDefault) && keyword(1) == K::kOn && keyword(2) == K::kNull) {
    advance(3);
    node->default_on_null = expression();
  }
  if (accept(K::kGroup, K::kBy)) node->group_by = clause_expressions();
  close(open);
  node->alias = table_alias();
  return finish(node, from);
}

const TableReference* Parser::unpivot(const TableReference* source_table, std::uint32_t from) {
  Nest nest(*this);
  if (!nest) return source_table;
  auto* node = arena_.make<Unpivot>();
  node->kind = Unpivot::kKind;
  node->source = source_table;
  advance();
  node->include_nulls = accept(K::kInclude, K::kNulls);
  node->exclude_nulls = !node->include_nulls && accept(K::kExclude, K::kNulls);
  auto open = position_;
  if (!expect(Op::kLeftParen, "`(` after UNPIVOT")) return finish(node, from);
  auto names = [&]() -> List<Identifier> {
    if (at(Op::kLeftParen)) return names_in_parentheses();
    Builder<Identifier> one(*this);
    one.push(name_or_error("a column"));
    return one.done();
  };
  node->values = names();
  if (expect(K::kFor, "FOR and the column of the names")) {
    node->names = names();
    if (expect(K::kIn, "IN and the columns")) {
      auto list = position_;
      if (expect(Op::kLeftParen, "the columns in parentheses")) {
        node->columns = aliased_values(false);
        close(list);
      }
    }
  }
  close(open);
  node->alias = table_alias();
  return finish(node, from);
}

const TableReference* Parser::pivot_statement() {
  auto from = begin();
  advance();
  auto* node = arena_.make<Pivot>();
  node->kind = Pivot::kKind;
  node->statement = true;
  node->source = join_chain();
  if (accept(K::kOn)) {
    Builder<PivotColumn> list(*this);
    do {
      list.push(pivot_column(false));
    } while (accept(Op::kComma));
    node->columns = list.done();
  }
  if (accept(K::kUsing)) node->aggregates = aliased_values(true);
  if (accept(K::kGroup, K::kBy)) node->group_by = clause_expressions();
  return finish(node, from);
}

const TableReference* Parser::unpivot_statement() {
  auto from = begin();
  advance();
  auto* node = arena_.make<Unpivot>();
  node->kind = Unpivot::kKind;
  node->statement = true;
  node->source = join_chain();
  if (at(K::kInclude) && keyword(1) == K::kNulls) {
    advance(2);
    node->include_nulls = true;
  }
  if (expect(K::kOn, "ON and the columns")) node->columns = aliased_values(true);
  if (accept(K::kInto)) {
    Builder<Identifier> one(*this);
    if (accept(K::kName)) one.push(name_or_error("the column of the names"));
    node->names = one.done();
    if (accept(K::kValue)) {
      Builder<Identifier> list(*this);
      do {
        list.push(name_or_error("the column of the values"));
      } while (accept(Op::kComma));
      node->values = list.done();
    }
  }
  return finish(node, from);
}

/// SELECT * FROM the pivoted table.
const QueryTerm* Parser::pivot_query() {
  Nest nest(*this);
  auto from = begin();
  if (!nest) return make<Select>(from);
  return star_of(at(K::kPivot) ? pivot_statement() : unpivot_statement(), from);
}

// ---- Pipes: each operator is a SELECT around what it stands behind, so whoever reads the tree knows nothing new ----

const Query* Parser::wrap_term(const QueryTerm* term) {
  if (term->kind == NodeKind::kQuery) return static_cast<const Query*>(term);
  auto* query = arena_.make<Query>();
  query->kind = Query::kKind;
  query->span = term->span;
  query->body = term;
  return query;
}

/// Whether the aliases of what stands in its FROM can still be used behind a pipe: until a SELECT or an aggregate.
bool Parser::keeps_aliases(const QueryTerm* input) {
  if (const auto* query = as<Query>(input)) input = query->body;
  const auto* select = as<Select>(input);
  if (select == nullptr || select->items.empty() || select->distinct) return false;
  const auto* star = as<Star>(select->items[0].value);
  return star != nullptr && star->span.empty() && star->qualifier.empty();
}

Select* Parser::select_from(const QueryTerm* input) {
  auto* derived = arena_.make<DerivedTable>();
  derived->kind = DerivedTable::kKind;
  derived->span = input->span;
  derived->query = wrap_term(input);
  derived->transparent = keeps_aliases(input);
  auto* select = arena_.make<Select>();
  select->kind = Select::kKind;
  Builder<const TableReference*> tables(*this);
  tables.push(derived);
  select->from = tables.done();
  return select;
}

const QueryTerm* Parser::pipe_operators(const QueryTerm* body, std::uint32_t from) {
  while (at(Op::kPipe)) {
    // A pipe is two levels of the tree.
    if (!wrap() || !wrap()) return body;
    body = pipe_operator(body, from);
  }
  return body;
}

/// Select items that may have an order behind them: |> AGGREGATE sum(a) AS s DESC GROUP BY b ASC.
List<SelectItem> Parser::ordered_items() {
  Builder<SelectItem> items(*this);
  do {
    if (items.size() > 0 && (at_end() || at_closing() || at_clause())) break;
    SelectItem item{};
    auto from = begin();
    item.value = expression();
    if (!at(K::kDesc) && !at(K::kAsc)) item.alias = alias(false);
    accept(K::kDesc) || accept(K::kAsc);
    accept(K::kNulls, K::kFirst) || accept(K::kNulls, K::kLast);
    if (!at_list_end(true)) {
      unexpected("a comma, GROUP BY or the next pipe");
      skip_to_follow(true);
      item.value = error_expression(from);
    }
    item.span = since(from);
    items.push(item);
  } while (accept(Op::kComma));
  return items.done();
}

const QueryTerm* Parser::pipe_operator(const QueryTerm* input, std::uint32_t from) {
  advance();
  auto* select = select_from(input);
  auto* all = make<Star>(begin());
  all->span = {begin(), begin()};
  auto only_star = [&] {
    Builder<SelectItem> items(*this);
    items.push(star_item(all));
    select->items = items.done();
  };
  auto with_star = [&](List<SelectItem> more) {
    Builder<SelectItem> items(*this);
    items.push(star_item(all));
    for (const auto& item : more) items.push(item);
    select->items = items.done();
  };
  auto wrapped_tail = [&]() -> const QueryTerm* {  // ORDER BY, LIMIT
    only_star();
    finish(select, from);
    auto* query = arena_.make<Query>();
    query->kind = Query::kKind;
    query->body = select;
    if (accept(K::kOrder, K::kBy)) {
      query->order_by = order_items(true);
    } else {
      advance();
      query->limit = expression(kPrecedenceComparison);
      if (accept(K::kOffset)) query->offset = expression(kPrecedenceComparison);
    }
    return finish(query, from);
  };
  if (at(K::kSelect)) {
    advance();
    select->distinct = accept(K::kDistinct);
    select->items = select_items(true);
    if (at(K::kWindow) || at(K::kQualify)) select_clauses(*select);
  } else if (at_word("extend") || at(K::kWindow)) {
    advance();
    with_star(select_items(true));
    if (at(K::kWindow)) select_clauses(*select);
  } else if (accept(K::kDistinct)) {
    only_star();
    select->distinct = true;
  } else if (accept(K::kCall)) {  // CALL f(…) AS t: rows made of these rows
    auto call_from = begin();
    const auto* value = at_name() ? column_or_star(call_from) : error_expression(call_from);
    auto* function = arena_.make<TableFunction>();
    function->kind = TableFunction::kKind;
    auto* call = const_cast<Call*>(as<Call>(value));
    if (call == nullptr) {
      unexpected("a table function");
      only_star();
    } else {
      auto* rows = arena_.make<Subquery>();
      rows->kind = Subquery::kKind;
      rows->span = input->span;
      rows->query = wrap_term(input);
      Builder<Argument> arguments(*this);
      arguments.push({.value = rows, .name = {}, .arrow = {}, .lead = Lead::kComma});
      for (const auto& argument : call->arguments) arguments.push(argument);
      call->arguments = arguments.done();
      Builder<const Call*> calls(*this);
      calls.push(call);
      function->calls = calls.done();
      function->alias = table_alias();
      return star_of(finish(function, call_from), from);
    }
  } else if (at(K::kSet)) {
    advance();
    Builder<StarReplace> items(*this);
    do {
      auto start = begin();
      StarReplace item{};
      item.name = name_or_error("a column");
      if (expect(Op::kEquals, "`=`")) {
        item.value = expression();
      } else {
        item.value = error_expression(start);
      }
      item.span = since(start);
      items.push(item);
    } while (accept(Op::kComma));
    all->replace = items.done();
    only_star();
  } else if (at(K::kDrop)) {
    advance();
    Builder<Identifier> names(*this);
    do {
      names.push(name_or_error("a column"));
    } while (accept(Op::kComma));
    all->except = names.done();
    only_star();
  } else if (at(K::kRename)) {
    advance();
    Builder<StarRename> names(*this);
    do {
      StarRename item{};
      item.from = name_or_error("a column");
      accept(K::kAs);
      item.to = name_or_error("the new name");
      names.push(item);
    } while (accept(Op::kComma));
    all->rename = names.done();
    only_star();
  } else if (at(K::kWhere)) {
    advance();
    only_star();
    select->where = clause_expression();
  } else if (at_word("aggregate")) {
    advance();
    List<SelectItem> values;
    if (!at(K::kGroup)) values = ordered_items();
    Builder<SelectItem> items(*this);
    Builder<const Expression*> keys(*this);
    if (accept(K::kGroup)) {
      accept(K::kAnd, K::kOrder);
      accept(K::kBy);
      for (const auto& key : ordered_items()) {
        items.push(key);
        keys.push(key.value);
      }
    }
    for (const auto& item : values) items.push(item);
    select->group_by = keys.done();
    select->items = items.done();
  } else if (at(K::kOrder, K::kBy) || at(K::kLimit)) {
    return wrapped_tail();
  } else if (at_join()) {
    only_star();
    Builder<const TableReference*> tables(*this);
    tables.push(joins_after(select->from[0], from));
    select->from = tables.done();
  } else if (at(K::kAs)) {
    advance();
    only_star();
    auto* derived = const_cast<DerivedTable*>(static_cast<const DerivedTable*>(select->from[0]));
    derived->alias.name = name_or_error("a name after AS");
    derived->transparent = false;
  } else if (at(K::kTablesample)) {
    only_star();
    auto* derived = const_cast<DerivedTable*>(static_cast<const DerivedTable*>(select->from[0]));
    sample(derived->sample);
  } else if ((at(K::kPivot) || at(K::kUnpivot)) && op(1) == Op::kLeftParen) {
    only_star();
    Builder<const TableReference*> tables(*this);
    tables.push(table_suffixes(select->from[0], from));
    select->from = tables.done();
  } else if (set_operator_precedence() > 0) {
    Builder<const QueryTerm*> terms(*this);
    Builder<SetLink> links(*this);
    terms.push(input);
    links.push(set_link());
    do {
      auto link = links.back();
      if (terms.size() > 1) links.push(link);
      terms.push(query_primary());
    } while (accept(Op::kComma));
    auto term_list = terms.done();
    auto link_list = links.done();
    auto* node = make<SetOperation>(from);
    node->terms = term_list;
    node->links = link_list;
    return node;
  } else {
    unexpected("a pipe operator");
    while (!at_end() && !at_closing() && !at(Op::kPipe)) {
      if (partners_[position_] != 0) position_ = partners_[position_];
      advance();
    }
    only_star();
  }
  return finish(select, from);
}

}  // namespace tideline::sql
