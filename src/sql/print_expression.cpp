// Expressions: printer.h.

#include "sql/printer.h"

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

}  // namespace

Precedence Printer::precedence(const Expression& e) {
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

void Printer::parenthesized(const Expression& e) {
  spaced_open();
  expression(e);
  glue(")");
}

void Printer::operand(const Expression* e) {
  if (e == nullptr) return;
  if (primary(*e)) {
    expression(*e);
  } else {
    parenthesized(*e);
  }
}

void Printer::postfix_base(const Expression& e, bool cast) {
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

void Printer::expressions(List<const Expression*> list) {
  commas(list, [&](const Expression* e) { expression(*e); });
}

void Printer::order(List<OrderItem> list) {
  commas(list, [&](const OrderItem& item) {
    expression(*item.value);
    if (item.descending) word("DESC");
    if (item.said_ascending) word("ASC");
    if (item.nulls == NullsOrder::kFirst) word("NULLS FIRST");
    if (item.nulls == NullsOrder::kLast) word("NULLS LAST");
    word(item.fill);
  });
}

void Printer::expression(const Expression& e) {
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

void Printer::like(const Like& n, bool with_operand) {
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

void Printer::star(const Star& n) {
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

void Printer::star_modifiers(const Star& n) {
  if (n.like != nullptr) like(*as<Like>(n.like), false);
  if (!n.except.empty()) {
    word("EXCEPT");
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

void Printer::cast(const Cast& n) {
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

void Printer::arguments(List<Argument> list) {
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

void Printer::call(const Call& n) {
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

void Printer::bound(const Bound& b) {
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

void Printer::window(const WindowSpec& w) {
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

void Printer::structure(const Struct& n) {
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

}  // namespace tideline::sql
