#pragma once
// Tree → SQL, node by node, in three files by what is printed. Internal to print().

#include <string>
#include <string_view>

#include "sql/ast.h"
#include "sql/precedence.h"

namespace tideline::sql {

class Printer {
 public:
  std::string out;
  void any(const Node& node);

 private:
  // ---- Small parts (print.cpp) ----

  void word(std::string_view text);
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
  void quoted(std::string_view text, char begin, char end);
  void name(const Identifier& id);
  void dotted(List<Identifier> parts);
  void names_in_parentheses(List<Identifier> list);
  void alias(const TableAlias& a);
  void query_in_parentheses(const Query& q);

  // ---- Expressions (print_expression.cpp) ----

  /// How tightly the outermost operator of `e` binds; kPrecedencePostfix for what needs no parentheses anywhere.
  static Precedence precedence(const Expression& e);
  static bool primary(const Expression& e) { return precedence(e) == kPrecedencePostfix; }
  void parenthesized(const Expression& e);
  void operand(const Expression* e);
  /// What a postfix (::, [, .) may follow as it stands.
  void postfix_base(const Expression& e, bool cast);
  void expressions(List<const Expression*> list);
  void order(List<OrderItem> list);
  void expression(const Expression& e);
  void like(const Like& n, bool with_operand);
  void star(const Star& n);
  void star_modifiers(const Star& n);
  void cast(const Cast& n);
  void arguments(List<Argument> list);
  void call(const Call& n);
  void bound(const Bound& b);
  void window(const WindowSpec& w);
  void structure(const Struct& n);

  // ---- Tables (print_table.cpp) ----

  void operand_table(const TableReference& t);
  void definitions(List<ColumnDefinition> list);
  void aliased(List<AliasedValue> list);
  void names_or_one(List<Identifier> list);
  void pivot_column(const PivotColumn& column);
  void table(const TableReference& t);
  /// T-SQL's OPENJSON(…) WITH (…).
  static bool with_definitions(const TableFunction& n);
  void joins(const JoinChain& n);

  // ---- Queries and statements (print_query.cpp) ----

  void items(List<SelectItem> list);
  void clause(std::string_view words, const Expression* e);
  void select(const Select& n);
  void term(const QueryTerm& t, bool nested);
  void set(const SetOperation& n);
  void with(const With& w);
  void query(const Query& n);
  void assignments(List<Assignment> list);
  void returning(List<SelectItem> list);
  void statement(const Statement& s);
  void merge_when(const MergeWhen& w);

  bool view_ = false;           // the function of a LATERAL VIEW
  bool step_is_index_ = false;  // of the Path being printed: the first step is in brackets or after a colon
};

}  // namespace tideline::sql
