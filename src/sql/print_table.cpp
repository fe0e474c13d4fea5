// Table references: printer.h.

#include "sql/printer.h"

namespace tideline::sql {

void Printer::operand_table(const TableReference& t) {
  const auto* chain = as<JoinChain>(&t);
  if (chain != nullptr && !chain->alias.name) {
    spaced_open();
    table(t);
    glue(")");
  } else {
    table(t);
  }
}

void Printer::definitions(List<ColumnDefinition> list) {
  spaced_open();
  commas(list, [&](const ColumnDefinition& one) {
    name(one.name);
    word(one.type.text);
  });
  glue(")");
}

void Printer::aliased(List<AliasedValue> list) {
  commas(list, [&](const AliasedValue& one) {
    expression(*one.value);
    if (one.alias_value != nullptr) {
      word("AS");
      expression(*one.alias_value);
    } else if (one.alias) {
      word("AS");
      name(one.alias);
    }
  });
}

void Printer::names_or_one(List<Identifier> list) {
  if (list.size() == 1) {
    name(list[0]);
  } else {
    names_in_parentheses(list);
  }
}

void Printer::pivot_column(const PivotColumn& column) {
  operand(column.value);
  if (column.in_enum) {
    word("IN");
    name(column.in_enum);
    return;
  }
  if (column.query != nullptr) {
    word("IN");
    query_in_parentheses(*column.query);
    return;
  }
  if (column.in.empty() && !column.any) return;
  word("IN (");
  if (column.any) {
    word("ANY");
    if (!column.any_order.empty()) {
      word("ORDER BY");
      order(column.any_order);
    }
  } else {
    aliased(column.in);
  }
  glue(")");
}

void Printer::table(const TableReference& t) {
  switch (t.kind) {
    case NodeKind::kTable: {
      const auto& n = *as<Table>(&t);
      if (n.only) word("ONLY");
      if (n.unpivot) word("UNPIVOT");
      if (!n.stage.empty()) {
        word(n.stage);
      } else {
        dotted(n.name);
      }
      word(n.version);
      alias(n.alias);
      if (n.position) {
        word("AT");
        name(n.position);
      }
      word(n.sample.text);
      break;
    }
    case NodeKind::kDerivedTable: {
      const auto& n = *as<DerivedTable>(&t);
      if (n.lateral) word("LATERAL");
      query_in_parentheses(*n.query);
      alias(n.alias);
      word(n.sample.text);
      break;
    }
    case NodeKind::kTableFunction: {
      const auto& n = *as<TableFunction>(&t);
      if (n.lateral) word("LATERAL");
      if (n.rows_from) {
        word("ROWS FROM (");
      } else if (n.table_keyword) {
        word("TABLE(");
      }
      commas(n.calls, [&](const Call* one) { call(*one); });
      if (n.rows_from || n.table_keyword) glue(")");
      if (n.with_ordinality) word("WITH ORDINALITY");
      if (view_) {
        if (n.alias.name) name(n.alias.name);
        if (!n.alias.columns.empty()) {
          word("AS");
          commas(n.alias.columns, [&](const Identifier& id) { name(id); });
        }
        break;
      }
      if (!n.definitions.empty() && with_definitions(n)) {
        word("WITH");
        definitions(n.definitions);
        alias(n.alias);
      } else if (!n.definitions.empty()) {
        word("AS");
        if (n.alias.name) name(n.alias.name);
        definitions(n.definitions);
      } else {
        alias(n.alias);
      }
      if (n.with_offset) {
        word("WITH OFFSET");
        if (n.offset_alias) {
          word("AS");
          name(n.offset_alias);
        }
      }
      word(n.sample.text);
      break;
    }
    case NodeKind::kJoinChain:
      joins(*as<JoinChain>(&t));
      break;
    case NodeKind::kPivot: {
      const auto& n = *as<Pivot>(&t);
      if (n.statement) {
        word("PIVOT");
        operand_table(*n.source);
        if (!n.columns.empty()) word("ON");
        commas(n.columns, [&](const PivotColumn& column) { pivot_column(column); });
        if (!n.aggregates.empty()) word("USING");
        aliased(n.aggregates);
      } else {
        operand_table(*n.source);
        word(n.xml ? "PIVOT XML (" : "PIVOT (");
        aliased(n.aggregates);
        word("FOR");
        for (const auto& column : n.columns) pivot_column(column);
        if (n.default_on_null != nullptr) {
          word("DEFAULT ON NULL");
          parenthesized(*n.default_on_null);
        }
      }
      if (!n.group_by.empty()) {
        word("GROUP BY");
        expressions(n.group_by);
      }
      if (!n.statement) glue(")");
      alias(n.alias);
      break;
    }
    case NodeKind::kUnpivot: {
      const auto& n = *as<Unpivot>(&t);
      if (n.statement) {
        word("UNPIVOT");
        operand_table(*n.source);
        if (n.include_nulls) word("INCLUDE NULLS");
        word("ON");
        aliased(n.columns);
        if (!n.names.empty() || !n.values.empty()) word("INTO");
        if (!n.names.empty()) {
          word("NAME");
          name(n.names[0]);
        }
        if (!n.values.empty()) word("VALUE");
        commas(n.values, [&](const Identifier& id) { name(id); });
        break;
      }
      operand_table(*n.source);
      word("UNPIVOT");
      if (n.include_nulls) word("INCLUDE NULLS");
      if (n.exclude_nulls) word("EXCLUDE NULLS");
      spaced_open();
      names_or_one(n.values);
      word("FOR");
      names_or_one(n.names);
      word("IN (");
      aliased(n.columns);
      glue("))");
      alias(n.alias);
      break;
    }
    case NodeKind::kMatchRecognize: {
      const auto& n = *as<MatchRecognize>(&t);
      operand_table(*n.source);
      word("MATCH_RECOGNIZE (");
      if (!n.partition_by.empty()) {
        word("PARTITION BY");
        expressions(n.partition_by);
      }
      if (!n.order_by.empty()) {
        word("ORDER BY");
        order(n.order_by);
      }
      if (!n.measures.empty()) word("MEASURES");
      aliased(n.measures);
      word(n.rows);
      if (!n.define.empty()) word("DEFINE");
      commas(n.define, [&](const AliasedValue& one) {
        name(one.alias);
        word("AS");
        expression(*one.value);
      });
      glue(")");
      alias(n.alias);
      break;
    }
    case NodeKind::kOpaqueTable: {
      const auto& n = *as<OpaqueTable>(&t);
      word(n.what);
      word(n.text);
      alias(n.alias);
      break;
    }
    default: {
      const auto& n = *as<ErrorTable>(&t);
      word(n.text);
      break;
    }
  }
}

bool Printer::with_definitions(const TableFunction& n) {
  if (n.calls.empty()) return false;
  for (const auto& part : n.calls[0]->name) {
    if (part.text.size() >= 4 && (part.text[0] | 0x20) == 'o' && (part.text[1] | 0x20) == 'p' &&
        (part.text[2] | 0x20) == 'e' && (part.text[3] | 0x20) == 'n') {
      return true;
    }
  }
  return false;
}

void Printer::joins(const JoinChain& n) {
  static constexpr std::string_view kWords[] = {",",
                                                "JOIN",
                                                "LEFT JOIN",
                                                "RIGHT JOIN",
                                                "FULL JOIN",
                                                "CROSS JOIN",
                                                "SEMI JOIN",
                                                "ANTI JOIN",
                                                "RIGHT SEMI JOIN",
                                                "RIGHT ANTI JOIN",
                                                "ASOF JOIN",
                                                "ASOF LEFT JOIN",
                                                "POSITIONAL JOIN",
                                                "CROSS APPLY",
                                                "OUTER APPLY",
                                                "ARRAY JOIN",
                                                "LEFT ARRAY JOIN",
                                                "LATERAL VIEW",
                                                "LATERAL VIEW OUTER"};
  bool enclosed = static_cast<bool>(n.alias.name);
  if (enclosed) spaced_open();
  operand_table(*n.first);
  for (const auto& join : n.joins) {
    word(join.strictness);
    if (join.natural) word("NATURAL");
    word(kWords[static_cast<std::size_t>(join.join)]);
    view_ = join.join == JoinKind::kLateralView || join.join == JoinKind::kLateralViewOuter;
    operand_table(*join.right);
    view_ = false;
    if (join.match_condition != nullptr) {
      word("MATCH_CONDITION");
      parenthesized(*join.match_condition);
    }
    if (join.on != nullptr) {
      word("ON");
      expression(*join.on);
    }
    if (!join.using_columns.empty()) {
      word("USING");
      names_in_parentheses(join.using_columns);
      alias(join.using_alias);
    }
  }
  if (enclosed) {
    glue(")");
    alias(n.alias);
  }
}

}  // namespace tideline::sql
