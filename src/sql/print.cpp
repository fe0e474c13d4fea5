#include "sql/print.h"

#include <string_view>

#include "sql/precedence.h"

namespace tideline::sql {
namespace {

Precedence precedence_of(Operator op) {
  switch (op) {
    case Operator::kOr:
      return kPrecedenceOr;
    case Operator::kXor:
      return kPrecedenceXor;
    case Operator::kAnd:
      return kPrecedenceAnd;
    case Operator::kAtTimeZone:
      return kPrecedenceAtTimeZone;
    default:
      return kPrecedenceOther;
  }
}

class Printer {
 public:
  std::string out;

  void any(const Node& node) {
    if (node.kind <= NodeKind::kErrorExpression) return expression(static_cast<const Expression&>(node));
    if (node.kind <= NodeKind::kErrorTable) return table(static_cast<const TableReference&>(node));
    if (node.kind == NodeKind::kQuery) return query(static_cast<const Query&>(node));
    if (node.kind < NodeKind::kQuery) return term(static_cast<const QueryTerm&>(node), false);
    statement(static_cast<const Statement&>(node));
  }

 private:
  // ---- Small parts ----

  void word(std::string_view text) {
    if (text.empty()) return;
    if (!out.empty() && out.back() != ' ' && out.back() != '(' && out.back() != '[' && out.back() != '{') out += ' ';
    out += text;
  }
  void glue(std::string_view text) { out += text; }
  void open(char c = '(') { out += c; }
  void spaced_open() { word("("); }

  template <class List, class Each>
  void commas(const List& list, Each each) {
    bool first = true;
    for (const auto& one : list) {
      if (!first) out += ',';
      first = false;
      each(one);
    }
  }

  void quoted(std::string_view text, char begin, char end) {
    if (!out.empty() && out.back() != ' ' && out.back() != '(' && out.back() != '.' && out.back() != ':' &&
        out.back() != '[' && out.back() != '{') {
      out += ' ';
    }
    out += begin;
    for (char c : text) {
      out += c;
      if (c == end) out += c;
    }
    out += end;
  }

  void name(const Identifier& id) {
    switch (id.quote) {
      case Quote::kNone:
        if (!out.empty() && (out.back() == '.' || out.back() == ':')) {
          out += id.text;
        } else {
          word(id.text);
        }
        break;
      case Quote::kDouble:
        quoted(id.text, '"', '"');
        break;
      case Quote::kBacktick:
        quoted(id.text, '`', '`');
        break;
      case Quote::kBracket:
        quoted(id.text, '[', ']');
        break;
      case Quote::kSingle:
        quoted(id.text, '\'', '\'');
        break;
    }
  }

  void dotted(List<Identifier> parts) {
    bool first = true;
    for (const auto& part : parts) {
      if (!first) out += '.';
      first = false;
      name(part);
    }
  }

  void names_in_parentheses(List<Identifier> list) {
    spaced_open();
    commas(list, [&](const Identifier& id) { name(id); });
    glue(")");
  }

  void alias(const TableAlias& a) {
    if (!a.name && a.columns.empty()) return;
    word("AS");
    if (a.name) name(a.name);
    if (!a.columns.empty()) names_in_parentheses(a.columns);
  }

  void query_in_parentheses(const Query& q) {
    spaced_open();
    query(q);
    glue(")");
  }

  // ---- Expressions ----

  /// How tightly the outermost operator of `e` binds; kPrecedencePostfix for what needs no parentheses anywhere.
  static Precedence precedence(const Expression& e) {
    switch (e.kind) {
      case NodeKind::kOperation: {
        const auto& n = *as<Operation>(&e);
        switch (n.links[0].op) {
          case Operator::kEqual:
          case Operator::kNotEqual:
          case Operator::kLess:
          case Operator::kLessEqual:
          case Operator::kGreater:
          case Operator::kGreaterEqual:
          case Operator::kNullSafeEqual:
            return kPrecedenceComparison;
          default:
            return precedence_of(n.links[0].op);
        }
      }
      case NodeKind::kIs:
      case NodeKind::kBetween:
      case NodeKind::kIn:
      case NodeKind::kLike:
      case NodeKind::kCollate:
      case NodeKind::kUnary:
      case NodeKind::kLambda:
      case NodeKind::kAliased:
        return kPrecedenceNone;
      default:
        return kPrecedencePostfix;
    }
  }

  static bool primary(const Expression& e) { return precedence(e) == kPrecedencePostfix; }

  void parenthesized(const Expression& e) {
    spaced_open();
    expression(e);
    glue(")");
  }

  void operand(const Expression* e) {
    if (e == nullptr) return;
    if (primary(*e)) {
      expression(*e);
    } else {
      parenthesized(*e);
    }
  }

  /// What a postfix (::, [, .) may follow as it stands.
  void postfix_base(const Expression& e, bool cast) {
    switch (e.kind) {
      case NodeKind::kCall:
        // f(x) OVER (…) [1] would be the window's; a bare current_date.x a name.
        if (as<Call>(&e)->over == nullptr && as<Call>(&e)->within_group.empty() && as<Call>(&e)->filter == nullptr &&
            as<Call>(&e)->nulls == Nulls::kUnsaid && !as<Call>(&e)->no_parentheses) {
          return expression(e);
        }
        break;
      case NodeKind::kColumn:
        if (cast || step_is_index_) return expression(e);
        break;
      case NodeKind::kSubquery:
        return expression(e);
      case NodeKind::kCast:
        if (cast && as<Cast>(&e)->form == CastForm::kColons) return expression(e);
        break;
      case NodeKind::kPath:
      case NodeKind::kParameter:
        if (cast) return expression(e);
        break;
      case NodeKind::kLiteral:
        if (cast && as<Literal>(&e)->literal != LiteralKind::kTyped && as<Literal>(&e)->literal != LiteralKind::kWord) {
          return expression(e);
        }
        break;
      default:
        break;
    }
    parenthesized(e);
  }

  void expressions(List<const Expression*> list) {
    commas(list, [&](const Expression* e) { expression(*e); });
  }

  void order(List<OrderItem> list) {
    commas(list, [&](const OrderItem& item) {
      expression(*item.value);
      if (item.descending) word("DESC");
      if (item.said_ascending) word("ASC");
      if (item.nulls == NullsOrder::kFirst) word("NULLS FIRST");
      if (item.nulls == NullsOrder::kLast) word("NULLS LAST");
      word(item.fill);
    });
  }

  void expression(const Expression& e) {
    switch (e.kind) {
      case NodeKind::kColumn: {
        const auto& n = *as<Column>(&e);
        dotted(n.parts);
        if (n.outer_join_mark) glue("(+)");
        break;
      }
      case NodeKind::kStar:
        star(*as<Star>(&e));
        break;
      case NodeKind::kColumns: {
        const auto& n = *as<Columns>(&e);
        if (n.unpack) {
          word("*COLUMNS(");
        } else if (n.qualifier) {
          name(n.qualifier);
          glue(".COLUMNS(");
        } else {
          word("COLUMNS(");
        }
        expressions(n.arguments);
        glue(")");
        if (n.modifiers != nullptr) star_modifiers(*n.modifiers);
        break;
      }
      case NodeKind::kLiteral: {
        const auto& n = *as<Literal>(&e);
        if (n.literal == LiteralKind::kTyped) word(n.type.text);
        word(n.text);
        break;
      }
      case NodeKind::kParameter:
        word(as<Parameter>(&e)->text);
        break;
      case NodeKind::kUnary: {
        const auto& n = *as<Unary>(&e);
        word(n.text);
        out += ' ';
        operand(n.operand);
        break;
      }
      case NodeKind::kOperation: {
        const auto& n = *as<Operation>(&e);
        auto mine = precedence(e);
        auto side = [&](const Expression& x) {
          if (precedence(x) > mine && (primary(x) || mine <= kPrecedenceComparison)) {
            expression(x);
          } else {
            parenthesized(x);
          }
        };
        side(*n.operands[0]);
        for (std::size_t i = 0; i < n.links.size(); ++i) {
          word(n.links[i].text);
          out += ' ';
          side(*n.operands[i + 1]);
        }
        break;
      }
      case NodeKind::kIs: {
        const auto& n = *as<Is>(&e);
        static constexpr std::string_view kWhat[] = {"NULL", "TRUE", "FALSE", "UNKNOWN", "DISTINCT FROM", ""};
        operand(n.operand);
        word(n.negated ? "IS NOT" : "IS");
        word(n.what == IsWhat::kOther ? n.text : kWhat[static_cast<std::size_t>(n.what)]);
        operand(n.other);
        break;
      }
      case NodeKind::kBetween: {
        const auto& n = *as<Between>(&e);
        operand(n.operand);
        word(n.negated ? "NOT BETWEEN" : "BETWEEN");
        if (n.symmetric) word("SYMMETRIC");
        operand(n.low);
        word("AND");
        operand(n.high);
        break;
      }
      case NodeKind::kIn: {
        const auto& n = *as<In>(&e);
        operand(n.operand);
        if (n.global) word("GLOBAL");
        word(n.negated ? "NOT IN" : "IN");
        if (n.query != nullptr) {
          query_in_parentheses(*n.query);
        } else if (n.source != nullptr) {
          expression(*n.source);  // in parentheses it would be a list of one
        } else {
          spaced_open();
          expressions(n.list);
          glue(")");
        }
        break;
      }
      case NodeKind::kLike:
        like(*as<Like>(&e), true);
        break;
      case NodeKind::kExists:
        word("EXISTS");
        query_in_parentheses(*as<Exists>(&e)->query);
        break;
      case NodeKind::kQuantified: {
        const auto& n = *as<Quantified>(&e);
        word(n.quantifier);
        if (n.query != nullptr) {
          query_in_parentheses(*n.query);
        } else {
          spaced_open();
          expressions(n.list);
          glue(")");
        }
        break;
      }
      case NodeKind::kCase: {
        const auto& n = *as<Case>(&e);
        word("CASE");
        if (n.operand != nullptr) expression(*n.operand);
        for (const auto& when : n.whens) {
          word("WHEN");
          expression(*when.condition);
          word("THEN");
          expression(*when.result);
        }
        if (n.otherwise != nullptr) {
          word("ELSE");
          expression(*n.otherwise);
        }
        word("END");
        break;
      }
      case NodeKind::kCast:
        cast(*as<Cast>(&e));
        break;
      case NodeKind::kCall:
        call(*as<Call>(&e));
        break;
      case NodeKind::kArray: {
        const auto& n = *as<Array>(&e);
        if (!n.type.text.empty()) {
          word(n.type.text);
        } else if (n.keyword) {
          word("ARRAY");
        } else if (!out.empty()) {
          out += ' ';
        }
        if (n.query != nullptr) {
          query_in_parentheses(*n.query);
        } else {
          open('[');
          expressions(n.elements);
          glue("]");
        }
        break;
      }
      case NodeKind::kStruct:
        structure(*as<Struct>(&e));
        break;
      case NodeKind::kPath: {
        const auto& n = *as<Path>(&e);
        auto outer = step_is_index_;
        step_is_index_ = n.steps[0].index != nullptr || n.steps[0].colon || n.steps[0].slice || n.steps[0].star;
        postfix_base(*n.base, false);
        step_is_index_ = outer;
        for (const auto& step : n.steps) {
          if (step.colon) out += step.double_colon ? "::" : ":";
          if (step.slice || step.star || step.index != nullptr) {
            out += '[';
            if (step.star) out += '*';
            if (step.index != nullptr) expression(*step.index);
            if (step.slice) {
              out += " :";
              if (step.high != nullptr) expression(*step.high);
              if (step.stride != nullptr) {
                out += " :";
                if (step.high == nullptr) out.insert(out.size() - 1, "-");
                expression(*step.stride);
              }
            }
            out += ']';
          } else {
            if (!step.colon) out += '.';
            name(step.name);
          }
        }
        break;
      }
      case NodeKind::kSubquery:
        query_in_parentheses(*as<Subquery>(&e)->query);
        break;
      case NodeKind::kInterval: {
        const auto& n = *as<Interval>(&e);
        word("INTERVAL");
        if (!n.unit.empty() && n.unit[0] == '(') {
          glue(n.unit);
          expression(*n.value);
          break;
        }
        bool plain = n.value->kind == NodeKind::kLiteral || n.value->kind == NodeKind::kParameter || n.unit.empty();
        if (plain) {
          expression(*n.value);
        } else {
          parenthesized(*n.value);
        }
        word(n.unit);
        break;
      }
      case NodeKind::kLambda: {
        const auto& n = *as<Lambda>(&e);
        if (n.keyword) {
          word("LAMBDA");
          commas(n.parameters, [&](const Identifier& id) { name(id); });
          glue(":");
          out += ' ';
        } else {
          if (n.parameters.size() == 1 && !n.parameters[0].text.empty() && n.parameters[0].text[0] == '@') {
            name(n.parameters[0]);
          } else {
            names_in_parentheses(n.parameters);
          }
          word("->");
        }
        expression(*n.body);
        break;
      }
      case NodeKind::kCollate: {
        const auto& n = *as<Collate>(&e);
        operand(n.operand);
        word("COLLATE");
        dotted(n.collation);
        break;
      }
      case NodeKind::kGroupingSet: {
        const auto& n = *as<GroupingSet>(&e);
        static constexpr std::string_view kKinds[] = {"ROLLUP", "CUBE", "GROUPING SETS"};
        auto kind = kKinds[static_cast<std::size_t>(n.grouping)];
        if (n.with) {
          expressions(n.elements);
          word("WITH");
          word(kind);
        } else {
          word(kind);
          spaced_open();
          expressions(n.elements);
          glue(")");
        }
        break;
      }
      case NodeKind::kAliased: {
        const auto& n = *as<Aliased>(&e);
        expression(*n.value);
        word("AS");
        name(n.alias);
        break;
      }
      default:
        word(as<ErrorExpression>(&e)->text);
        break;
    }
  }

  void like(const Like& n, bool with_operand) {
    if (with_operand) operand(n.operand);
    if (n.negated) word("NOT");
    word(n.text);
    if (!n.quantifier.empty()) {
      word(n.quantifier);
      spaced_open();
      expressions(n.patterns);
      glue(")");
    } else {
      operand(n.patterns[0]);
    }
    if (n.escape != nullptr) {
      word("ESCAPE");
      operand(n.escape);
    }
  }

  void star(const Star& n) {
    if (n.base != nullptr) {
      parenthesized(*n.base);
      glue(".*");
    } else if (!n.qualifier.empty()) {
      dotted(n.qualifier);
      glue(".*");
    } else {
      word("*");
    }
    star_modifiers(n);
  }

  void star_modifiers(const Star& n) {
    if (n.like != nullptr) like(*as<Like>(n.like), false);
    if (!n.except.empty()) {
      word(except_word_);
      names_in_parentheses(n.except);
    }
    if (!n.replace.empty()) {
      word("REPLACE (");
      commas(n.replace, [&](const StarReplace& one) {
        expression(*one.value);
        word("AS");
        name(one.name);
      });
      glue(")");
    }
    if (!n.rename.empty()) {
      word("RENAME (");
      commas(n.rename, [&](const StarRename& one) {
        name(one.from);
        word("AS");
        name(one.to);
      });
      glue(")");
    }
    for (const auto* function : n.apply) {
      word("APPLY(");
      expression(*function);
      glue(")");
    }
  }

  void cast(const Cast& n) {
    switch (n.form) {
      case CastForm::kColons:
        postfix_base(*n.operand, true);
        glue("::");
        glue(n.type.text);
        return;
      case CastForm::kConvert:
      case CastForm::kTryConvert:
        word(n.form == CastForm::kConvert ? "CONVERT(" : "TRY_CONVERT(");
        glue(n.type.text);
        glue(",");
        expression(*n.operand);
        if (n.format != nullptr) {
          glue(",");
          expression(*n.format);
        }
        glue(")");
        return;
      default:
        break;
    }
    word(n.form == CastForm::kCast ? "CAST(" : n.form == CastForm::kTryCast ? "TRY_CAST(" : "SAFE_CAST(");
    expression(*n.operand);
    word("AS");
    word(n.type.text);
    if (n.format != nullptr) {
      word("FORMAT");
      expression(*n.format);
    }
    glue(")");
  }

  void arguments(List<Argument> list) {
    static constexpr std::string_view kLeads[] = {",",  "",      "FROM",    "FOR",    "IN", "PLACING",
                                                  "AS", "USING", "SIMILAR", "ESCAPE", ":",  "VALUE"};
    bool first = true;
    for (const auto& one : list) {
      if (one.lead == Lead::kComma) {
        if (!first) out += ',';
      } else {
        word(kLeads[static_cast<std::size_t>(one.lead)]);
      }
      first = false;
      if (one.name) {
        name(one.name);
        word(one.arrow);
        out += ' ';
      }
      expression(*one.value);
    }
  }

  void call(const Call& n) {
    if (n.base != nullptr) {
      bool bare = n.base->kind == NodeKind::kCall && as<Call>(n.base)->over == nullptr &&
                  as<Call>(n.base)->within_group.empty() && as<Call>(n.base)->filter == nullptr &&
                  !as<Call>(n.base)->no_parentheses && as<Call>(n.base)->nulls == Nulls::kUnsaid;
      if (bare) {
        expression(*n.base);
      } else {
        parenthesized(*n.base);
      }
      out += '.';
    }
    if (n.name.empty()) {  // ARRAY JOIN's list
      arguments(n.arguments);
      return;
    }
    dotted(n.name);
    if (n.no_parentheses) return;
    if (!n.parameters.empty()) {
      open();
      arguments(n.parameters);
      glue(")");
    }
    open();
    if (n.distinct) word("DISTINCT");
    arguments(n.arguments);
    if (n.having != nullptr) {
      word(n.having_max ? "HAVING MAX" : "HAVING MIN");
      expression(*n.having);
    }
    if (n.nulls_inside) word(n.nulls == Nulls::kIgnore ? "IGNORE NULLS" : "RESPECT NULLS");
    if (!n.order_by.empty()) {
      word("ORDER BY");
      order(n.order_by);
    }
    if (n.limit != nullptr) {
      word("LIMIT");
      expression(*n.limit);
    }
    if (!n.rest.empty() && n.rest[0] == '(') {  // MATCH (…) AGAINST (…)
      glue(")");
      word("AGAINST");
      word(n.rest);
    } else {
      word(n.rest);
      glue(")");
    }
    if (!n.keep.empty()) {
      word("KEEP (DENSE_RANK");
      word(n.keep);
      word("ORDER BY");
      order(n.within_group);
      glue(")");
    } else if (!n.within_group.empty()) {
      word("WITHIN GROUP (ORDER BY");
      order(n.within_group);
      glue(")");
    }
    if (n.filter != nullptr) {
      word("FILTER (WHERE");
      expression(*n.filter);
      glue(")");
    }
    if (n.from_last) word("FROM LAST");
    if (!n.nulls_inside && n.nulls != Nulls::kUnsaid) {
      word(n.nulls == Nulls::kIgnore ? "IGNORE NULLS" : "RESPECT NULLS");
    }
    if (n.over != nullptr) {
      word("OVER");
      window(*n.over);
    }
  }

  void bound(const Bound& b) {
    if (b.value != nullptr) operand(b.value);
    switch (b.bound) {
      case BoundKind::kUnboundedPreceding:
        word("UNBOUNDED PRECEDING");
        break;
      case BoundKind::kPreceding:
        word("PRECEDING");
        break;
      case BoundKind::kCurrentRow:
        word("CURRENT ROW");
        break;
      case BoundKind::kFollowing:
        word("FOLLOWING");
        break;
      case BoundKind::kUnboundedFollowing:
        word("UNBOUNDED FOLLOWING");
        break;
      case BoundKind::kNone:
        break;
    }
  }

  void window(const WindowSpec& w) {
    if (w.named_only) return name(w.name);
    spaced_open();
    if (w.name) name(w.name);
    if (!w.partition_by.empty()) {
      word("PARTITION BY");
      expressions(w.partition_by);
    }
    if (!w.order_by.empty()) {
      word("ORDER BY");
      order(w.order_by);
    }
    if (w.mode != FrameMode::kNone) {
      word(w.mode == FrameMode::kRows ? "ROWS" : w.mode == FrameMode::kRange ? "RANGE" : "GROUPS");
      if (w.end.bound != BoundKind::kNone) {
        word("BETWEEN");
        bound(w.start);
        word("AND");
        bound(w.end);
      } else {
        bound(w.start);
      }
      if (!w.exclude.empty()) {
        word("EXCLUDE");
        word(w.exclude);
      }
    }
    glue(")");
  }

  void structure(const Struct& n) {
    if (n.form == StructForm::kObject || n.form == StructForm::kMap) {
      if (n.form == StructForm::kMap) word("MAP");
      word("{");
      commas(n.fields, [&](const Field& field) {
        if (field.key != nullptr) {
          expression(*field.key);
          glue(": ");
        }
        expression(*field.value);
      });
      glue("}");
      return;
    }
    if (!n.type.text.empty()) {
      word(n.type.text);
      open();
    } else if (n.form == StructForm::kTuple) {
      spaced_open();
    } else {
      word(n.form == StructForm::kRow ? "ROW(" : "STRUCT(");
    }
    commas(n.fields, [&](const Field& field) {
      expression(*field.value);
      if (field.name) {
        word("AS");
        name(field.name);
      }
    });
    if (n.form == StructForm::kTuple && n.fields.size() == 1) out += ',';
    glue(")");
  }

  // ---- Tables ----

  void operand_table(const TableReference& t) {
    const auto* chain = as<JoinChain>(&t);
    if (chain != nullptr && !chain->alias.name) {
      spaced_open();
      table(t);
      glue(")");
    } else {
      table(t);
    }
  }

  void definitions(List<ColumnDefinition> list) {
    spaced_open();
    commas(list, [&](const ColumnDefinition& one) {
      name(one.name);
      word(one.type.text);
    });
    glue(")");
  }

  void aliased(List<AliasedValue> list) {
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

  void names_or_one(List<Identifier> list) {
    if (list.size() == 1) {
      name(list[0]);
    } else {
      names_in_parentheses(list);
    }
  }

  void pivot_column(const PivotColumn& column) {
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

  void table(const TableReference& t) {
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

  /// T-SQL's OPENJSON(…) WITH (…).
  static bool with_definitions(const TableFunction& n) {
    if (n.calls.empty()) return false;
    for (const auto& part : n.calls[0]->name) {
      if (part.text.size() >= 4 && (part.text[0] | 0x20) == 'o' && (part.text[1] | 0x20) == 'p' &&
          (part.text[2] | 0x20) == 'e' && (part.text[3] | 0x20) == 'n') {
        return true;
      }
    }
    return false;
  }

  void joins(const JoinChain& n) {
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

  // ---- Queries ----

  void items(List<SelectItem> list) {
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

  void clause(std::string_view words, const Expression* e) {
    if (e == nullptr) return;
    word(words);
    expression(*e);
  }

  void select(const Select& n) {
    // DuckDB's statements stand for themselves.
    if (n.from.size() == 1 && n.items.size() == 1 && n.where == nullptr) {
      const auto* pivot = as<Pivot>(n.from[0]);
      const auto* unpivot = as<Unpivot>(n.from[0]);
      if ((pivot != nullptr && pivot->statement) || (unpivot != nullptr && unpivot->statement))
        return table(*n.from[0]);
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

  void term(const QueryTerm& t, bool nested) {
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

  void set(const SetOperation& n) {
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

  void with(const With& w) {
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

  void query(const Query& n) {
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

  // ---- Statements ----

  void assignments(List<Assignment> list) {
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

  void returning(List<SelectItem> list) {
    if (list.empty()) return;
    word("RETURNING");
    items(list);
  }

  void statement(const Statement& s) {
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

  void merge_when(const MergeWhen& w) {
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

  static constexpr std::string_view except_word_ = "EXCEPT";
  bool view_ = false;           // the function of a LATERAL VIEW
  bool step_is_index_ = false;  // of the Path being printed: the first step is in brackets or after a colon
};

}  // namespace

std::string print(const Node& node) {
  Printer printer;
  printer.any(node);
  return std::move(printer.out);
}

}  // namespace tideline::sql
