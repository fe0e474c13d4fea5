// Queries, and the statements around them: printer.h.

#include "sql/printer.h"

namespace tideline::sql {

void Printer::items(List<SelectItem> list) {
  commas(list, [&](const SelectItem& item) {
    // In T-SQL a = b at the beginning of an item would be an alias and its value.
    const auto* operation = as<Operation>(item.value);
    if (operation != nullptr && operation->links[0].op == Operator::kEqual) {
      parenthesized(*item.value);
    } else {
      expression(*item.value);
    }
    if (!item.aliases.empty()) {
      word("AS");
      names_in_parentheses(item.aliases);
    } else if (item.alias) {
      word("AS");
      name(item.alias);
    }
  });
}

void Printer::clause(std::string_view words, const Expression* e) {
  if (e == nullptr) return;
  word(words);
  expression(*e);
}

void Printer::select(const Select& n) {
  // DuckDB's statements stand for themselves.
  if (n.from.size() == 1 && n.items.size() == 1 && n.where == nullptr) {
    const auto* pivot = as<Pivot>(n.from[0]);
    const auto* unpivot = as<Unpivot>(n.from[0]);
    if ((pivot != nullptr && pivot->statement) || (unpivot != nullptr && unpivot->statement)) return table(*n.from[0]);
  }
  word("SELECT");
  if (!n.as_what.empty() && n.distinct) {
    word("DISTINCT");
  }
  if (!n.as_what.empty()) {
    word("AS");
    word(n.as_what);
  }
  if (n.distinct && n.as_what.empty()) word("DISTINCT");
  if (!n.distinct_on.empty()) {
    word("ON (");
    expressions(n.distinct_on);
    glue(")");
  }
  if (n.top != nullptr) {
    word("TOP");
    parenthesized(*n.top);
    word(n.top_rest);
  }
  items(n.items);
  if (!n.into.empty()) {
    word("INTO");
    dotted(n.into);
  }
  if (!n.from.empty()) {
    word("FROM");
    commas(n.from, [&](const TableReference* one) { table(*one); });
  }
  clause("PREWHERE", n.prewhere);
  clause("WHERE", n.where);
  clause("START WITH", n.start_with);
  clause(n.no_cycle ? "CONNECT BY NOCYCLE" : "CONNECT BY", n.connect_by);
  if (n.group_by_all) word("GROUP BY ALL");
  if (!n.group_by.empty()) {
    word("GROUP BY");
    expressions(n.group_by);
  }
  if (n.with_totals) word("WITH TOTALS");
  clause("HAVING", n.having);
  clause("QUALIFY", n.qualify);
  if (!n.windows.empty()) {
    word("WINDOW");
    commas(n.windows, [&](const NamedWindow& one) {
      name(one.name);
      word("AS");
      if (one.window != nullptr) window(*one.window);
    });
  }
  word(n.model);
  word(n.sample);
}

void Printer::term(const QueryTerm& t, bool nested) {
  switch (t.kind) {
    case NodeKind::kSelect:
      select(*as<Select>(&t));
      break;
    case NodeKind::kValues:
      word("VALUES");
      commas(as<Values>(&t)->rows, [&](const ValuesRow& row) {
        spaced_open();
        expressions(row.values);
        glue(")");
      });
      break;
    case NodeKind::kQuery:
      query_in_parentheses(*as<Query>(&t));
      break;
    default:
      if (nested) {
        spaced_open();
        set(*as<SetOperation>(&t));
        glue(")");
      } else {
        set(*as<SetOperation>(&t));
      }
  }
}

void Printer::set(const SetOperation& n) {
  static constexpr std::string_view kWords[] = {"UNION", "INTERSECT", "EXCEPT"};
  term(*n.terms[0], true);
  for (std::size_t i = 0; i < n.links.size(); ++i) {
    const auto& link = n.links[i];
    word(link.side);
    word(kWords[static_cast<std::size_t>(link.set)]);
    if (link.all) word("ALL");
    if (link.distinct) word("DISTINCT");
    if (link.by_name) word("BY NAME");
    if (!link.by.empty()) {
      word("ON");
      names_in_parentheses(link.by);
    }
    term(*n.terms[i + 1], true);
  }
}

void Printer::with(const With& w) {
  if (w.ctes.empty()) return;
  word(w.recursive ? "WITH RECURSIVE" : "WITH");
  commas(w.ctes, [&](const Cte& one) {
    if (one.value != nullptr) {
      expression(*one.value);
      word("AS");
      name(one.name);
      return;
    }
    name(one.name);
    if (!one.columns.empty()) names_in_parentheses(one.columns);
    bool before = one.rest.size() > 5 && (one.rest[0] | 0x20) == 'u';  // USING KEY (…) stands before AS
    if (before) word(one.rest);
    word("AS");
    if (one.materialized == Materialized::kYes) word("MATERIALIZED");
    if (one.materialized == Materialized::kNo) word("NOT MATERIALIZED");
    if (one.query != nullptr) query_in_parentheses(*one.query);
    if (one.statement != nullptr) {
      spaced_open();
      statement(*one.statement);
      glue(")");
    }
    if (!before) word(one.rest);
  });
}

void Printer::query(const Query& n) {
  static constexpr std::string_view kSorts[] = {"ORDER BY", "SORT BY", "CLUSTER BY", "DISTRIBUTE BY"};
  with(n.with);
  term(*n.body, false);
  if (n.order_by_all) {
    word(n.order_all_descending ? "ORDER BY ALL DESC" : "ORDER BY ALL");
    if (n.order_all_nulls != NullsOrder::kUnsaid)
      word(n.order_all_nulls == NullsOrder::kFirst ? "NULLS FIRST" : "NULLS LAST");
  }
  if (!n.order_by.empty()) {
    word("ORDER BY");
    order(n.order_by);
  }
  for (const auto& sort : n.sorts) {
    word(kSorts[static_cast<std::size_t>(sort.sort)]);
    order(sort.items);
  }
  if (n.limit_by_count != nullptr) {
    word("LIMIT");
    operand(n.limit_by_count);
    word("BY");
    expressions(n.limit_by);
  }
  if (n.limit_all) word("LIMIT ALL");
  if (n.limit != nullptr && !n.with_ties && !n.limit_percent) {
    word("LIMIT");
    operand(n.limit);
  }
  if (n.offset != nullptr) {
    word("OFFSET");
    operand(n.offset);
  }
  if (n.limit != nullptr && (n.with_ties || n.limit_percent)) {
    word("FETCH FIRST");
    operand(n.limit);
    if (n.limit_percent) word("PERCENT");
    word(n.with_ties ? "ROWS WITH TIES" : "ROWS ONLY");
  }
  word(n.rest);
}

void Printer::assignments(List<Assignment> list) {
  commas(list, [&](const Assignment& one) {
    if (!one.columns.empty()) {
      spaced_open();
      expressions(one.columns);
      glue(")");
    } else {
      dotted(one.column);
    }
    word(one.op);
    out += ' ';
    expression(*one.value);
  });
}

void Printer::returning(List<SelectItem> list) {
  if (list.empty()) return;
  word("RETURNING");
  items(list);
}

void Printer::statement(const Statement& s) {
  switch (s.kind) {
    case NodeKind::kQueryStatement:
      query(*as<QueryStatement>(&s)->query);
      break;
    case NodeKind::kCreate: {
      const auto& n = *as<Create>(&s);
      static constexpr std::string_view kWords[] = {"TABLE", "VIEW", "MATERIALIZED VIEW", "DYNAMIC TABLE"};
      word("CREATE");
      if (n.or_replace) word("OR REPLACE");
      if (n.temporary) word("TEMPORARY");
      word(kWords[static_cast<std::size_t>(n.create)]);
      if (n.if_not_exists) word("IF NOT EXISTS");
      dotted(n.name);
      if (!n.columns.empty()) definitions(n.columns);
      word(n.options);
      if (n.like != nullptr) {
        word("LIKE");
        table(*n.like);
      }
      if (n.query != nullptr) {
        word("AS");
        query(*n.query);
      }
      word(n.rest);
      break;
    }
    case NodeKind::kInsert: {
      const auto& n = *as<Insert>(&s);
      with(n.with);
      word(n.overwrite ? "INSERT OVERWRITE" : "INSERT INTO");
      table(*n.target);
      if (n.by_name) word("BY NAME");
      bool before = !n.options.empty() && (n.options[0] | 0x20) != 'o';  // PARTITION (…), not OVERRIDING, OUTPUT
      if (before) word(n.options);
      if (!n.columns.empty()) names_in_parentheses(n.columns);
      if (!before) word(n.options);
      if (n.query != nullptr) {
        query(*n.query);
      } else {
        word("DEFAULT VALUES");
      }
      word(n.on_conflict);
      assignments(n.conflict_set);
      clause("WHERE", n.conflict_where);
      returning(n.returning);
      break;
    }
    case NodeKind::kMerge: {
      const auto& n = *as<Merge>(&s);
      with(n.with);
      word("MERGE INTO");
      table(*n.target);
      word("USING");
      table(*n.source);
      clause("ON", n.on);
      for (const auto& when : n.whens) merge_when(when);
      returning(n.returning);
      break;
    }
    case NodeKind::kUpdate: {
      const auto& n = *as<Update>(&s);
      with(n.with);
      word("UPDATE");
      table(*n.target);
      word("SET");
      assignments(n.assignments);
      if (!n.from.empty()) {
        word("FROM");
        commas(n.from, [&](const TableReference* one) { table(*one); });
      }
      clause("WHERE", n.where);
      returning(n.returning);
      break;
    }
    case NodeKind::kDelete: {
      const auto& n = *as<Delete>(&s);
      with(n.with);
      word("DELETE FROM");
      table(*n.target);
      if (!n.using_tables.empty()) {
        word("USING");
        commas(n.using_tables, [&](const TableReference* one) { table(*one); });
      }
      clause("WHERE", n.where);
      returning(n.returning);
      break;
    }
    default:
      word(as<ErrorStatement>(&s)->text);
      break;
  }
}

void Printer::merge_when(const MergeWhen& w) {
  static constexpr std::string_view kMatches[] = {"WHEN MATCHED", "WHEN NOT MATCHED", "WHEN NOT MATCHED BY SOURCE"};
  word(kMatches[static_cast<std::size_t>(w.match)]);
  clause("AND", w.condition);
  word("THEN");
  switch (w.action) {
    case MergeAction::kUpdate:
      word(w.star ? "UPDATE SET *" : w.assignments.empty() ? "UPDATE" : "UPDATE SET");
      assignments(w.assignments);
      clause("DELETE WHERE", w.delete_where);
      break;
    case MergeAction::kInsert:
      word(w.star ? "INSERT *" : "INSERT");
      if (!w.columns.empty()) {
        spaced_open();
        commas(w.columns, [&](List<Identifier> column) { dotted(column); });
        glue(")");
      }
      if (w.row) word("ROW");
      if (!w.values.empty()) {
        word("VALUES (");
        expressions(w.values);
        glue(")");
      }
      break;
    case MergeAction::kDelete:
      word("DELETE");
      break;
    case MergeAction::kNothing:
      word("DO NOTHING");
      break;
  }
}

}  // namespace tideline::sql
