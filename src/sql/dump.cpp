#include "sql/dump.h"

#include <string_view>

namespace tideline::sql {
namespace {

class Dumper {
 public:
  std::string out;

  void any(const Node* node) {
    if (node == nullptr) {
      word("none");
      return;
    }
    switch (node->kind) {
      case NodeKind::kColumn: {
        const auto& n = *as<Column>(node);
        open("column");
        names(n.parts);
        flag(n.outer_join_mark, "(+)");
        break;
      }
      case NodeKind::kStar:
        star(*as<Star>(node));
        break;
      case NodeKind::kColumns: {
        const auto& n = *as<Columns>(node);
        open("columns");
        name(n.qualifier);
        flag(n.unpack, "unpack");
        for (const auto* argument : n.arguments) any(argument);
        maybe("modifiers", n.modifiers);
        break;
      }
      case NodeKind::kLiteral: {
        const auto& n = *as<Literal>(node);
        static constexpr std::string_view kKinds[] = {"null",   "true",  "false", "number",
                                                      "string", "typed", "word",  "default"};
        open(kKinds[static_cast<std::size_t>(n.literal)]);
        if (n.literal == LiteralKind::kTyped) word(n.type.text);
        if (n.literal >= LiteralKind::kNumber && n.literal != LiteralKind::kDefault) word(n.text);
        break;
      }
      case NodeKind::kParameter:
        open("parameter");
        word(as<Parameter>(node)->text);
        break;
      case NodeKind::kUnary: {
        const auto& n = *as<Unary>(node);
        open("unary");
        number(static_cast<unsigned>(n.op));
        word(n.text);
        any(n.operand);
        break;
      }
      case NodeKind::kOperation: {
        const auto& n = *as<Operation>(node);
        open("operation");
        any(n.operands[0]);
        for (std::size_t i = 0; i < n.links.size(); ++i) {
          word(n.links[i].text);
          any(n.operands[i + 1]);
        }
        break;
      }
      case NodeKind::kIs: {
        const auto& n = *as<Is>(node);
        static constexpr std::string_view kWhat[] = {"null", "true", "false", "unknown", "distinct-from", "other"};
        open("is");
        flag(n.negated, "not");
        word(kWhat[static_cast<std::size_t>(n.what)]);
        text(n.text);
        any(n.operand);
        maybe("from", n.other);
        break;
      }
      case NodeKind::kBetween: {
        const auto& n = *as<Between>(node);
        open("between");
        flag(n.negated, "not");
        flag(n.symmetric, "symmetric");
        any(n.operand);
        any(n.low);
        any(n.high);
        break;
      }
      case NodeKind::kIn: {
        const auto& n = *as<In>(node);
        open("in");
        flag(n.global, "global");
        flag(n.negated, "not");
        any(n.operand);
        if (n.query == nullptr && n.source == nullptr) list("list", n.list);
        maybe("query", n.query);
        maybe("source", n.source);
        break;
      }
      case NodeKind::kLike: {
        const auto& n = *as<Like>(node);
        open("like");
        flag(n.negated, "not");
        text(n.text);
        text(n.quantifier);
        any(n.operand);
        list("patterns", n.patterns);
        maybe("escape", n.escape);
        break;
      }
      case NodeKind::kExists:
        open("exists");
        any(as<Exists>(node)->query);
        break;
      case NodeKind::kQuantified: {
        const auto& n = *as<Quantified>(node);
        open("quantified");
        word(n.quantifier);
        maybe("query", n.query);
        some("list", n.list);
        break;
      }
      case NodeKind::kCase: {
        const auto& n = *as<Case>(node);
        open("case");
        maybe("of", n.operand);
        for (const auto& when : n.whens) {
          open("when");
          any(when.condition);
          any(when.result);
          close();
        }
        maybe("else", n.otherwise);
        break;
      }
      case NodeKind::kCast: {
        const auto& n = *as<Cast>(node);
        static constexpr std::string_view kForms[] = {"cast",        "try-cast", "safe-cast",
                                                      "cast-colons", "convert",  "try-convert"};
        open(kForms[static_cast<std::size_t>(n.form)]);
        any(n.operand);
        word(n.type.text);
        maybe("format", n.format);
        break;
      }
      case NodeKind::kCall:
        call(*as<Call>(node));
        break;
      case NodeKind::kArray: {
        const auto& n = *as<Array>(node);
        open("array");
        text(n.type.text);
        flag(n.keyword, "keyword");
        maybe("query", n.query);
        for (const auto* element : n.elements) any(element);
        break;
      }
      case NodeKind::kStruct: {
        const auto& n = *as<Struct>(node);
        static constexpr std::string_view kForms[] = {"tuple", "row", "struct", "object", "map"};
        open(kForms[static_cast<std::size_t>(n.form)]);
        text(n.type.text);
        for (const auto& field : n.fields) {
          open("field");
          name(field.name);
          maybe("key", field.key);
          any(field.value);
          close();
        }
        break;
      }
      case NodeKind::kPath: {
        const auto& n = *as<Path>(node);
        open("path");
        any(n.base);
        for (const auto& step : n.steps) {
          open(step.slice ? "slice" : step.star ? "each" : step.index != nullptr ? "index" : "field");
          flag(step.colon, ":");
          name(step.name);
          maybe("at", step.index);
          maybe("to", step.high);
          maybe("by", step.stride);
          close();
        }
        break;
      }
      case NodeKind::kSubquery:
        open("subquery");
        any(as<Subquery>(node)->query);
        break;
      case NodeKind::kInterval: {
        const auto& n = *as<Interval>(node);
        open("interval");
        any(n.value);
        text(n.unit);
        break;
      }
      case NodeKind::kLambda: {
        const auto& n = *as<Lambda>(node);
        open("lambda");
        flag(n.keyword, "keyword");
        names(n.parameters);
        any(n.body);
        break;
      }
      case NodeKind::kCollate: {
        const auto& n = *as<Collate>(node);
        open("collate");
        any(n.operand);
        names(n.collation);
        break;
      }
      case NodeKind::kGroupingSet: {
        const auto& n = *as<GroupingSet>(node);
        static constexpr std::string_view kKinds[] = {"rollup", "cube", "sets"};
        open(kKinds[static_cast<std::size_t>(n.grouping)]);
        flag(n.with, "with");
        for (const auto* element : n.elements) any(element);
        break;
      }
      case NodeKind::kAliased: {
        const auto& n = *as<Aliased>(node);
        open("aliased");
        any(n.value);
        name(n.alias);
        break;
      }
      case NodeKind::kErrorExpression:
        open("error");
        text(as<ErrorExpression>(node)->text);
        break;
      case NodeKind::kTable: {
        const auto& n = *as<Table>(node);
        open("table");
        flag(n.only, "only");
        flag(n.unpivot, "unpivot");
        names(n.name);
        text(n.stage);
        text(n.version);
        alias(n.alias);
        if (n.position) named("at", {&n.position, 1});
        text(n.sample.text);
        break;
      }
      case NodeKind::kDerivedTable: {
        const auto& n = *as<DerivedTable>(node);
        open("derived");
        flag(n.lateral, "lateral");
        any(n.query);
        alias(n.alias);
        text(n.sample.text);
        break;
      }
      case NodeKind::kTableFunction: {
        const auto& n = *as<TableFunction>(node);
        open("table-function");
        flag(n.lateral, "lateral");
        flag(n.table_keyword, "table");
        flag(n.rows_from, "rows-from");
        for (const auto* one : n.calls) any(one);
        flag(n.with_ordinality, "with-ordinality");
        flag(n.with_offset, "with-offset");
        name(n.offset_alias);
        alias(n.alias);
        definitions(n.definitions);
        text(n.sample.text);
        break;
      }
      case NodeKind::kJoinChain:
        joins(*as<JoinChain>(node));
        break;
      case NodeKind::kPivot: {
        const auto& n = *as<Pivot>(node);
        open(n.statement ? "pivot-statement" : "pivot");
        flag(n.xml, "xml");
        any(n.source);
        values("aggregates", n.aggregates);
        for (const auto& column : n.columns) {
          open("for");
          any(column.value);
          values("in", column.in);
          maybe("query", column.query);
          flag(column.any, "any");
          order("order", column.any_order);
          name(column.in_enum);
          close();
        }
        some("group-by", n.group_by);
        maybe("default", n.default_on_null);
        alias(n.alias);
        break;
      }
      case NodeKind::kUnpivot: {
        const auto& n = *as<Unpivot>(node);
        open(n.statement ? "unpivot-statement" : "unpivot");
        flag(n.include_nulls, "include-nulls");
        flag(n.exclude_nulls, "exclude-nulls");
        any(n.source);
        named("values", n.values);
        named("names", n.names);
        values("columns", n.columns);
        alias(n.alias);
        break;
      }
      case NodeKind::kMatchRecognize: {
        const auto& n = *as<MatchRecognize>(node);
        open("match-recognize");
        any(n.source);
        some("partition-by", n.partition_by);
        order("order-by", n.order_by);
        values("measures", n.measures);
        flag(n.all_rows, "all-rows");
        text(n.rows);
        values("define", n.define);
        alias(n.alias);
        break;
      }
      case NodeKind::kOpaqueTable: {
        const auto& n = *as<OpaqueTable>(node);
        open("opaque");
        text(n.what);
        some("arguments", n.arguments);
        definitions(n.columns);
        text(n.text);
        alias(n.alias);
        break;
      }
      case NodeKind::kErrorTable: {
        const auto& n = *as<ErrorTable>(node);
        open("error-table");
        text(n.text);
        alias(n.alias);
        break;
      }
      case NodeKind::kSelect:
        select(*as<Select>(node));
        break;
      case NodeKind::kSetOperation: {
        const auto& n = *as<SetOperation>(node);
        static constexpr std::string_view kKinds[] = {"union", "intersect", "except"};
        open("set");
        any(n.terms[0]);
        for (std::size_t i = 0; i < n.links.size(); ++i) {
          const auto& link = n.links[i];
          open(kKinds[static_cast<std::size_t>(link.set)]);
          flag(link.all, "all");
          flag(link.distinct, "distinct");
          flag(link.by_name, "by-name");
          text(link.side);
          names(link.by);
          close();
          any(n.terms[i + 1]);
        }
        break;
      }
      case NodeKind::kValues:
        open("values");
        for (const auto& row : as<Values>(node)->rows) list("row", row.values);
        break;
      case NodeKind::kQuery:
        query(*as<Query>(node));
        break;
      case NodeKind::kQueryStatement:
        any(as<QueryStatement>(node)->query);
        return;
      case NodeKind::kCreate: {
        const auto& n = *as<Create>(node);
        static constexpr std::string_view kKinds[] = {"create-table", "create-view", "create-materialized-view",
                                                      "create-dynamic-table"};
        open(kKinds[static_cast<std::size_t>(n.create)]);
        flag(n.or_replace, "or-replace");
        flag(n.temporary, "temporary");
        flag(n.if_not_exists, "if-not-exists");
        names(n.name);
        definitions(n.columns);
        text(n.options);
        maybe("like", n.like);
        maybe("as", n.query);
        text(n.rest);
        break;
      }
      case NodeKind::kInsert: {
        const auto& n = *as<Insert>(node);
        open("insert");
        with(n.with);
        flag(n.overwrite, "overwrite");
        flag(n.by_name, "by-name");
        any(n.target);
        named("columns", n.columns);
        text(n.options);
        maybe("query", n.query);
        text(n.on_conflict);
        assignments(n.conflict_set);
        maybe("where", n.conflict_where);
        items("returning", n.returning);
        break;
      }
      case NodeKind::kMerge: {
        const auto& n = *as<Merge>(node);
        open("merge");
        with(n.with);
        any(n.target);
        any(n.source);
        maybe("on", n.on);
        for (const auto& when : n.whens) merge_when(when);
        items("returning", n.returning);
        break;
      }
      case NodeKind::kUpdate: {
        const auto& n = *as<Update>(node);
        open("update");
        with(n.with);
        any(n.target);
        assignments(n.assignments);
        some("from", n.from);
        maybe("where", n.where);
        items("returning", n.returning);
        break;
      }
      case NodeKind::kDelete: {
        const auto& n = *as<Delete>(node);
        open("delete");
        with(n.with);
        any(n.target);
        some("using", n.using_tables);
        maybe("where", n.where);
        items("returning", n.returning);
        break;
      }
      case NodeKind::kErrorStatement:
        open(as<ErrorStatement>(node)->unread ? "unread" : "error-statement");
        text(as<ErrorStatement>(node)->text);
        break;
    }
    close();
  }

 private:
  void open(std::string_view kind) {
    if (!out.empty() && out.back() != '(') out += ' ';
    out += '(';
    out += kind;
  }
  void close() { out += ')'; }
  void word(std::string_view value) {
    out += ' ';
    out += value;
  }
  void text(std::string_view value) {
    if (!value.empty()) word("[" + std::string(value) + "]");
  }
  void number(unsigned value) { word(std::to_string(value)); }
  void flag(bool set, std::string_view value) {
    if (set) word(value);
  }
  void name(const Identifier& id) {
    if (!id) return;
    out += ' ';
    if (id.quoted()) out += '"';
    out += id.text;
    if (id.quoted()) out += '"';
  }
  void names(List<Identifier> list) {
    for (const auto& id : list) {
      if (!id) word("_");
      name(id);
    }
  }
  void named(std::string_view label, List<Identifier> list) {
    if (list.empty()) return;
    open(label);
    names(list);
    close();
  }
  void maybe(std::string_view label, const Node* node) {
    if (node == nullptr) return;
    open(label);
    any(node);
    close();
  }
  template <class T>
  void list(std::string_view label, List<T> nodes) {
    open(label);
    for (const auto* node : nodes) any(node);
    close();
  }
  template <class T>
  void some(std::string_view label, List<T> nodes) {
    if (!nodes.empty()) list(label, nodes);
  }
  void alias(const TableAlias& a) {
    if (!a.name && a.columns.empty()) return;
    open("as");
    name(a.name);
    named("columns", a.columns);
    close();
  }
  void definitions(List<ColumnDefinition> list) {
    for (const auto& one : list) {
      open("define");
      name(one.name);
      text(one.type.text);
      close();
    }
  }
  void values(std::string_view label, List<AliasedValue> list) {
    if (list.empty()) return;
    open(label);
    for (const auto& one : list) {
      open("item");
      any(one.value);
      name(one.alias);
      maybe("as", one.alias_value);
      close();
    }
    close();
  }
  void order(std::string_view label, List<OrderItem> list) {
    if (list.empty()) return;
    open(label);
    for (const auto& one : list) {
      open(one.descending ? "desc" : one.said_ascending ? "asc" : "by");
      flag(one.nulls == NullsOrder::kFirst, "nulls-first");
      flag(one.nulls == NullsOrder::kLast, "nulls-last");
      any(one.value);
      text(one.fill);
      close();
    }
    close();
  }
  void items(std::string_view label, List<SelectItem> list) {
    if (list.empty()) return;
    open(label);
    for (const auto& item : list) {
      open("item");
      any(item.value);
      name(item.alias);
      named("aliases", item.aliases);
      close();
    }
    close();
  }

  void star(const Star& n) {
    open("star");
    names(n.qualifier);
    maybe("of", n.base);
    named("except", n.except);
    for (const auto& one : n.replace) {
      open("replace");
      any(one.value);
      name(one.name);
      close();
    }
    for (const auto& one : n.rename) {
      open("rename");
      name(one.from);
      name(one.to);
      close();
    }
    maybe("like", n.like);
    some("apply", n.apply);
  }

  void arguments(List<Argument> list) {
    static constexpr std::string_view kLeads[] = {"",   "-",     "from",    "for",    "in", "placing",
                                                  "as", "using", "similar", "escape", ":",  "value"};
    for (const auto& one : list) {
      bool marked = one.name || one.lead != Lead::kComma;
      if (marked) {
        open("argument");
        text(kLeads[static_cast<std::size_t>(one.lead)]);
        name(one.name);
        text(one.arrow);
      }
      any(one.value);
      if (marked) close();
    }
  }

  void call(const Call& n) {
    open("call");
    if (n.base != nullptr) maybe("on", n.base);
    names(n.name);
    flag(n.no_parentheses, "bare");
    flag(n.distinct, "distinct");
    if (!n.parameters.empty()) {
      open("parameters");
      arguments(n.parameters);
      close();
    }
    arguments(n.arguments);
    order("order-by", n.order_by);
    maybe("limit", n.limit);
    maybe(n.having_max ? "having-max" : "having-min", n.having);
    text(n.rest);
    flag(n.nulls == Nulls::kIgnore, "ignore-nulls");
    flag(n.nulls == Nulls::kRespect, "respect-nulls");
    flag(n.nulls_inside, "inside");
    flag(n.from_last, "from-last");
    text(n.keep);
    order("within-group", n.within_group);
    maybe("filter", n.filter);
    if (n.over != nullptr) window("over", *n.over);
  }

  void bound(std::string_view label, const Bound& b) {
    static constexpr std::string_view kBounds[] = {"none",        "unbounded-preceding", "preceding",
                                                   "current-row", "following",           "unbounded-following"};
    if (b.bound == BoundKind::kNone) return;
    open(label);
    word(kBounds[static_cast<std::size_t>(b.bound)]);
    if (b.value != nullptr) any(b.value);
    close();
  }

  void window(std::string_view label, const WindowSpec& w) {
    static constexpr std::string_view kModes[] = {"", "rows", "range", "groups"};
    open(label);
    flag(w.named_only, "named");
    name(w.name);
    some("partition-by", w.partition_by);
    order("order-by", w.order_by);
    if (w.mode != FrameMode::kNone) word(kModes[static_cast<std::size_t>(w.mode)]);
    bound("start", w.start);
    bound("end", w.end);
    text(w.exclude);
    close();
  }

  void joins(const JoinChain& n) {
    static constexpr std::string_view kKinds[] = {"comma",
                                                  "inner",
                                                  "left",
                                                  "right",
                                                  "full",
                                                  "cross",
                                                  "semi",
                                                  "anti",
                                                  "right-semi",
                                                  "right-anti",
                                                  "asof",
                                                  "asof-left",
                                                  "positional",
                                                  "cross-apply",
                                                  "outer-apply",
                                                  "array",
                                                  "left-array",
                                                  "lateral-view",
                                                  "lateral-view-outer"};
    open("joins");
    any(n.first);
    for (const auto& join : n.joins) {
      open(kKinds[static_cast<std::size_t>(join.join)]);
      flag(join.natural, "natural");
      text(join.strictness);
      any(join.right);
      maybe("match", join.match_condition);
      maybe("on", join.on);
      named("using", join.using_columns);
      alias(join.using_alias);
      close();
    }
    alias(n.alias);
  }

  void select(const Select& n) {
    open("select");
    flag(n.distinct, "distinct");
    some("distinct-on", n.distinct_on);
    text(n.as_what);
    maybe("top", n.top);
    text(n.top_rest);
    for (const auto& item : n.items) {
      open("item");
      any(item.value);
      name(item.alias);
      named("aliases", item.aliases);
      close();
    }
    named("into", n.into);
    some("from", n.from);
    maybe("prewhere", n.prewhere);
    maybe("where", n.where);
    maybe("start-with", n.start_with);
    flag(n.no_cycle, "no-cycle");
    maybe("connect-by", n.connect_by);
    flag(n.group_by_all, "group-by-all");
    some("group-by", n.group_by);
    flag(n.with_totals, "with-totals");
    maybe("having", n.having);
    maybe("qualify", n.qualify);
    for (const auto& one : n.windows) {
      open("window");
      name(one.name);
      if (one.window != nullptr) window("is", *one.window);
      close();
    }
    text(n.model);
    text(n.sample);
  }

  void with(const With& w) {
    if (w.ctes.empty()) return;
    open(w.recursive ? "with-recursive" : "with");
    for (const auto& one : w.ctes) {
      open("cte");
      name(one.name);
      named("columns", one.columns);
      flag(one.materialized == Materialized::kYes, "materialized");
      flag(one.materialized == Materialized::kNo, "not-materialized");
      if (one.query != nullptr) any(one.query);
      if (one.statement != nullptr) any(one.statement);
      maybe("value", one.value);
      text(one.rest);
      named("adds", one.added);
      close();
    }
    close();
  }

  // A query that is nothing but its body is written as the body.
  void query(const Query& n) {
    static constexpr std::string_view kSorts[] = {"order-by", "sort-by", "cluster-by", "distribute-by"};
    open("query");
    with(n.with);
    any(n.body);
    flag(n.order_by_all, "order-by-all");
    flag(n.order_all_descending, "desc");
    flag(n.order_all_nulls == NullsOrder::kFirst, "nulls-first");
    flag(n.order_all_nulls == NullsOrder::kLast, "nulls-last");
    order("order-by", n.order_by);
    for (const auto& sort : n.sorts) order(kSorts[static_cast<std::size_t>(sort.sort)], sort.items);
    maybe("limit-by-count", n.limit_by_count);
    some("limit-by", n.limit_by);
    flag(n.limit_all, "limit-all");
    maybe("limit", n.limit);
    flag(n.limit_percent, "percent");
    flag(n.with_ties, "with-ties");
    maybe("offset", n.offset);
    text(n.rest);
  }

  void assignments(List<Assignment> list) {
    for (const auto& one : list) {
      open("set");
      names(one.column);
      some("columns", one.columns);
      word(one.op);
      any(one.value);
      close();
    }
  }

  void merge_when(const MergeWhen& w) {
    static constexpr std::string_view kMatches[] = {"matched", "not-matched", "not-matched-by-source"};
    static constexpr std::string_view kActions[] = {"update", "insert", "delete", "nothing"};
    open(kMatches[static_cast<std::size_t>(w.match)]);
    maybe("and", w.condition);
    maybe("delete-where", w.delete_where);
    word(kActions[static_cast<std::size_t>(w.action)]);
    flag(w.star, "*");
    flag(w.row, "row");
    assignments(w.assignments);
    for (const auto& column : w.columns) named("column", column);
    some("values", w.values);
    close();
  }
};

}  // namespace

std::string dump(const Node& node) {
  Dumper dumper;
  dumper.any(&node);
  return std::move(dumper.out);
}

}  // namespace tideline::sql
