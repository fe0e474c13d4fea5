// SELECT: its items and clauses.

#include "sql/parse_state.h"

namespace tideline::sql {

SelectItem Parser::star_item(const Star* star) {
  return {.value = star, .alias = {}, .aliases = {}, .span = star->span};
}

const QueryTerm* Parser::select() {
  Nest nest(*this);
  auto from = begin();
  auto* node = arena_.make<Select>();
  node->kind = Select::kKind;
  if (!nest) return finish(node, from);
  auto outer_case = case_depth_;
  case_depth_ = 0;
  if (accept(K::kFrom)) {  // FROM t SELECT a, or without SELECT
    node->from = from_list();
    if (!at(K::kSelect)) {
      auto* all = make<Star>(from);
      all->span = {from, from};
      Builder<SelectItem> items(*this);
      items.push(star_item(all));
      node->items = items.done();
    }
  }
  if (accept(K::kSelect)) {
    if (dialect_.id == DialectId::kMysql) {
      while (at_word("sql_no_cache") || at_word("sql_calc_found_rows") || at_word("high_priority") ||
             at_word("straight_join") || at_word("sql_small_result") || at_word("sql_big_result") ||
             at_word("sql_buffer_result") || at_word("sql_cache")) {
        if (op(1) == Op::kComma || at_end() || keyword(1) == K::kFrom) break;
        advance();
      }
    }
    if (at(K::kWith) && at_name(1) && at_word("options", 2)) {  // BigQuery: WITH DIFFERENTIAL_PRIVACY OPTIONS (…)
      advance(3);
      if (at(Op::kLeftParen)) skip_one();
    }
    if (accept(K::kDistinct) || (dialect_.id == DialectId::kMysql && accept_word("distinctrow"))) {
      node->distinct = true;
      if (accept(K::kOn)) {
        auto open = position_;
        if (expect(Op::kLeftParen, "`(` after DISTINCT ON")) {
          node->distinct_on = elements(Op::kRightParen);
          close(open);
        }
      }
    } else if (at(K::kAll) && op(1) != Op::kComma && op(1) != Op::kLeftParen) {
      advance();
    }
    if (at(K::kAs) && (keyword(1) == K::kStruct || keyword(1) == K::kValue)) {
      advance();
      node->as_what = lower(text());
      advance();
    }
    if (dialect_.top && at(K::kTop) &&
        (peek(1).kind == TokenKind::kNumber || op(1) == Op::kLeftParen || peek(1).kind == TokenKind::kParameter)) {
      advance();
      auto top_from = begin();
      node->top = infix(primary(), top_from, kPrecedencePostfix);
      auto first = position_;
      accept(K::kPercent);
      accept(K::kWith, K::kTies);
      node->top_rest = lower(joined(first));
    }
    if (accept(K::kDistinct)) node->distinct = true;  // Teradata's TOP n DISTINCT
    node->items = select_items(true);
    // Redshift: SELECT *, a AS b EXCLUDE (c, d) FROM …: out of the whole list.
    if (at(K::kExclude) && dialect_.id == DialectId::kRedshift) exclude_from_stars(*node);
  }
  select_clauses(*node);
  case_depth_ = outer_case;
  return finish(node, from);
}

void Parser::exclude_from_stars(Select& select) {
  advance();
  List<Identifier> names;
  Builder<Identifier> one(*this);
  if (at(Op::kLeftParen)) {
    names = names_in_parentheses();
  } else {
    do {
      one.push(name_or_error("a column"));
    } while (accept(Op::kComma));
    names = one.done();
  }
  for (const auto& item : select.items)
    if (const auto* star = as<Star>(item.value); star != nullptr && star->except.empty())
      const_cast<Star*>(star)->except = names;
}

List<SelectItem> Parser::select_items(bool stop_at_clause) {
  Builder<SelectItem> items(*this);
  for (;;) {
    if (at_end() || at_closing() || (stop_at_clause && at_clause() && !at(K::kOffset))) {
      if (items.size() == 0) unexpected("what to select");
      break;  // a trailing comma
    }
    items.push(select_item());
    if (!accept(Op::kComma)) break;
  }
  return items.done();
}

SelectItem Parser::select_item() {
  SelectItem item{};
  auto from = begin();
  auto first = position_;
  // alias: value (DuckDB), alias = value (T-SQL)
  bool named =
      at_plain_name() && ((op(1) == Op::kColon && dialect_.id == DialectId::kDuckdb) ||
                          (dialect_.equals_alias && op(1) == Op::kEquals && peek().kind != TokenKind::kParameter));
  bool string_named = dialect_.equals_alias && peek().kind == TokenKind::kString && op(1) == Op::kEquals;
  if (named || string_named) {
    item.alias = identifier();
    advance();
    item.value = expression();
  } else {
    item.value = expression();
    if (at(K::kUsing) && peek(1).kind == TokenKind::kString && dialect_.id == DialectId::kDatabricks) {
      advance(2);  // TRANSFORM(a, b) USING 'script' AS (x, y string)
      if (at(K::kAs) && op(1) == Op::kLeftParen) {
        advance();
        List<ColumnDefinition> columns;
        column_definitions(columns);
        Builder<Identifier> names(*this);
        for (const auto& column : columns) names.push(column.name);
        item.aliases = names.done();
      }
    }
    if (at(K::kAs) && op(1) == Op::kLeftParen) {
      advance();
      item.aliases = names_in_parentheses();
    } else if (item.aliases.empty()) {
      item.alias = alias(false);
    }
  }
  bool follows = at(Op::kComma) || at_end() || at_closing() || at_clause() ||
                 (at(K::kExclude) && dialect_.id == DialectId::kRedshift);
  if (!follows || (position_ == first && at(Op::kComma))) {
    if (!follows) unexpected("a comma or FROM");
    auto reported = from;
    skip_to_follow(true);
    // The name at the end is kept: the column is there, only its value is not known.
    if (position_ >= first + 2 && tokens_[position_ - 2].keyword == K::kAs &&
        (tokens_[position_ - 1].kind == TokenKind::kWord || tokens_[position_ - 1].kind == TokenKind::kQuotedName)) {
      item.alias = identifier_of(tokens_[position_ - 1]);
    } else {
      item.alias = {};
    }
    item.value = error_expression(reported);
  }
  item.span = since(from);
  return item;
}

const Expression* Parser::clause_expression() {
  auto from = begin();
  const auto* value = expression();
  if (!at_end() && !at_closing() && !at_clause()) {
    unexpected("the next clause or the end");
    while (!at_end() && !at_closing() && !at_clause()) {
      if (partners_[position_] != 0) position_ = partners_[position_];
      advance();
    }
    value = error_expression(from);
  }
  return value;
}

List<const Expression*> Parser::clause_expressions() {
  Builder<const Expression*> list(*this);
  do {
    if (at_end() || at_closing() || (at_clause() && list.size() > 0)) break;
    auto from = begin();
    const auto* value = group_element();
    if (dialect_.id == DialectId::kMysql) accept(K::kAsc) || accept(K::kDesc);
    if (!at_list_end(true) &&
        !(at(K::kWith) && (keyword(1) == K::kRollup || keyword(1) == K::kCube || at_word("totals", 1))) &&
        !(at(K::kGrouping) && keyword(1) == K::kSets)) {
      unexpected("a comma or the next clause");
      skip_to_follow(true);
      value = error_expression(from);
    }
    list.push(value);
  } while (accept(Op::kComma));
  return list.done();
}

const Expression* Parser::group_element() {
  auto from = begin();
  bool sets = at(K::kGrouping) && keyword(1) == K::kSets && op(2) == Op::kLeftParen;
  bool rollup = at(K::kRollup) && op(1) == Op::kLeftParen;
  bool cube = at(K::kCube) && op(1) == Op::kLeftParen;
  if (!sets && !rollup && !cube) return expression();
  Nest nest(*this);
  if (!nest) return error_expression(from);
  advance(sets ? 2 : 1);
  auto open = position_;
  advance();
  Builder<const Expression*> list(*this);
  while (!at(Op::kRightParen) && !at_end()) {
    auto start = begin();
    const auto* value = group_element();
    if (!at_list_end(false)) {
      unexpected("a comma or a closing parenthesis");
      skip_to_follow(false);
      value = error_expression(start);
    }
    list.push(value);
    if (!accept(Op::kComma)) break;
  }
  close(open);
  auto elements_list = list.done();
  auto* node = make<GroupingSet>(from);
  node->grouping = sets ? GroupingKind::kSets : rollup ? GroupingKind::kRollup : GroupingKind::kCube;
  node->elements = elements_list;
  return node;
}

List<const Expression*> Parser::group_by(Select& select) {
  if (at(K::kAll) && !(op(1) == Op::kLeftParen) && op(1) != Op::kDot) {
    advance();
    if (!(at(K::kGrouping) || at_plain_name()) || at_clause()) {
      select.group_by_all = true;
      return {};
    }
  } else if (at(K::kDistinct) && !at_list_end(true)) {
    advance();
  }
  auto from = begin();
  auto list = clause_expressions();
  while (at(K::kWith) && (keyword(1) == K::kRollup || keyword(1) == K::kCube)) {
    auto* node = make<GroupingSet>(from);
    node->grouping = keyword(1) == K::kRollup ? GroupingKind::kRollup : GroupingKind::kCube;
    node->with = true;
    node->elements = list;
    advance(2);
    finish(node, from);
    Builder<const Expression*> one(*this);
    one.push(node);
    list = one.done();
    if (!wrap()) break;
  }
  if (at(K::kWith) && at_word("totals", 1)) {
    advance(2);
    select.with_totals = true;
  }
  if (at(K::kGrouping) && keyword(1) == K::kSets) {  // Hive: GROUP BY a, b GROUPING SETS (…)
    Builder<const Expression*> all(*this);
    for (const auto* value : list) all.push(value);
    all.push(group_element());
    list = all.done();
  }
  return list;
}

void Parser::select_clauses(Select& node) {
  int last = 0;
  bool from_first = !node.from.empty();
  auto clause = [&](int rank, const char* name, bool again) {
    if (again) {
      unexpected(std::string("no second ") + name);
    } else if (rank < last && !(from_first && rank <= 1)) {
      unexpected(std::string("no ") + name + " here: it stands earlier");
    }
    last = rank > last ? rank : last;
  };
  for (;;) {
    switch (keyword()) {
      case K::kInto:
        if (peek(1).kind == TokenKind::kParameter || op(1) == Op::kColon || at_word("outfile", 1) ||
            at_word("dumpfile", 1)) {  // into variables, into a file: no table
          advance();
          while (!at_end() && !at_closing() && !at(K::kFrom)) skip_one();
          continue;
        }
        if (!node.into.empty() || !(dialect_.select_into || dialect_.id == DialectId::kGeneric)) return;
        advance();
        accept(K::kTemp) || accept(K::kTemporary) || accept(K::kUnlogged);
        accept(K::kTable);
        if (at_name()) {
          node.into = relation_name();
        } else {
          unexpected("a table after INTO");
        }
        continue;
      case K::kFrom:
        if (!node.from.empty()) return;
        clause(1, "FROM", false);
        advance();
        node.from = from_list();
        continue;
      case K::kPrewhere:
        clause(2, "PREWHERE", node.prewhere != nullptr);
        advance();
        node.prewhere = clause_expression();
        continue;
      case K::kWhere:
        clause(3, "WHERE", node.where != nullptr);
        advance();
        node.where = clause_expression();
        continue;
      case K::kStart:
        if (keyword(1) != K::kWith) return;
        advance(2);
        node.start_with = clause_expression();
        continue;
      case K::kConnect:
        if (keyword(1) != K::kBy) return;
        advance(2);
        node.no_cycle = accept(K::kNocycle);
        node.connect_by = clause_expression();
        continue;
      case K::kGroup:
        if (keyword(1) != K::kBy) return;
        clause(4, "GROUP BY", !node.group_by.empty() || node.group_by_all);
        advance(2);
        node.group_by = group_by(node);
        if (node.group_by.empty() && !node.group_by_all) unexpected("what to group by");
        continue;
      case K::kHaving:
        clause(5, "HAVING", node.having != nullptr);
        advance();
        node.having = clause_expression();
        continue;
      case K::kQualify:
        clause(6, "QUALIFY", node.qualify != nullptr);
        advance();
        node.qualify = clause_expression();
        continue;
      case K::kWindow:
        if (!at_name(1) || keyword(2) != K::kAs) return;
        clause(6, "WINDOW", !node.windows.empty());
        advance();
        node.windows = named_windows();
        continue;
      case K::kUsing:
        if (keyword(1) == K::kSample) {
          auto first = position_;
          while (!at_end() && !at_closing() && !at(K::kOrder) && !at(K::kLimit) && set_operator_precedence() == 0) {
            if (partners_[position_] != 0) position_ = partners_[position_];
            advance();
          }
          node.sample = joined(first);
          continue;
        }
        return;
      case K::kNone:
        if (dialect_.id == DialectId::kOracle && at_model()) {
          auto first = position_;
          while (!at_end() && !at_closing() && !at(K::kOrder) && set_operator_precedence() == 0) skip_one();
          node.model = joined(first);
          continue;
        }
        return;
      default:
        return;
    }
  }
}

List<NamedWindow> Parser::named_windows() {
  Builder<NamedWindow> windows(*this);
  do {
    NamedWindow window{};
    auto from = begin();
    window.name = name_or_error("the name of a window");
    if (!expect(K::kAs, "AS and a window")) break;
    if (at(Op::kLeftParen)) {
      window.window = window_in_parentheses();
    } else if (at_name()) {
      auto* alias_of = arena_.make<WindowSpec>();
      auto start = begin();
      alias_of->name = identifier();
      alias_of->named_only = true;
      alias_of->span = since(start);
      window.window = alias_of;
    } else {
      unexpected("a window in parentheses");
      break;
    }
    window.span = since(from);
    windows.push(window);
  } while (accept(Op::kComma));
  return windows.done();
}

}  // namespace tideline::sql
