#pragma once
// The parser's inside: recursive descent for statements, queries and tables, precedence climbing for expressions. Only
// the parse_*.cpp include it.
//
// How it stays linear: nothing is parsed twice. Where two readings begin alike (a parenthesis may hold a query, a
// value, a tuple, a join or the parameters of a lambda) a bounded look ahead decides, helped by a table of the
// parentheses' partners; or the common beginning is parsed once and then goes on as what it turns out to be.
//
// How it recovers: whoever parses an element of a list or a clause checks that what follows may follow. If not, it
// reports, skips to where the list or the clause goes on (over whole parentheses), and the element becomes an error
// node.

#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "sql/lexer.h"
#include "sql/parser.h"
#include "sql/precedence.h"

namespace tideline::sql {

using K = Keyword;

class Parser {
 public:
  Parser(Parsed& out, const Dialect& dialect);
  void run();
  void run_expression();

 private:
  // ---- Tokens ----

  bool is_stray(const Token& token, std::uint32_t& open);
  void finish_run();

  const Token& peek(std::size_t ahead = 0) {
    ++steps_;
    auto index = position_ + ahead;
    return tokens_[index < last_ ? index : last_];
  }
  K keyword(std::size_t ahead = 0) { return peek(ahead).keyword; }
  Op op(std::size_t ahead = 0) { return op_of(peek(ahead)); }
  bool at(K word) { return keyword() == word; }
  bool at(K word, K second) { return keyword() == word && keyword(1) == second; }
  bool at(Op wanted) { return op() == wanted; }
  bool at_end() { return peek().kind == TokenKind::kEnd || op() == Op::kSemicolon; }
  std::string_view text(std::size_t ahead = 0) { return text_of(peek(ahead).span, text_); }
  void advance(std::size_t count = 1) {
    steps_ += count;
    position_ = position_ + count < last_ ? position_ + count : last_;
  }
  bool accept(K word) { return at(word) && (advance(), true); }
  bool accept(K word, K second) { return at(word, second) && (advance(2), true); }
  bool accept(Op wanted) { return at(wanted) && (advance(), true); }
  /// A word of these letters that is no keyword of ours, in any case.
  bool at_word(std::string_view word, std::size_t ahead = 0);
  bool accept_word(std::string_view word) { return at_word(word) && (advance(), true); }
  bool adjacent(std::size_t ahead) { return peek(ahead).span.end == peek(ahead + 1).span.begin; }

  std::uint32_t begin() { return peek().span.begin; }
  /// From `from` to the end of the last token taken.
  Span since(std::uint32_t from) const;
  std::string_view source(std::uint32_t from) const { return text_of(since(from), text_); }
  /// The tokens [first, position_) with one blank between words and none elsewhere.
  std::string_view joined(std::size_t first);
  std::string_view lower(std::string_view text);

  // ---- Diagnostics, depth, recovery ----

  void report(DiagnosticCode code, Span span, std::string message);
  void unexpected(std::string_view wanted);
  bool expect(Op wanted, std::string_view where);
  bool expect(K wanted, std::string_view where);
  void unsupported(Span span, std::string message) { report(DiagnosticCode::kUnsupported, span, std::move(message)); }

  /// One level of recursion. False (after the statement has been given up) when it is one too many.
  class Nest {
   public:
    explicit Nest(Parser& parser) : parser_(parser), outer_(parser.deepest_) {
      parser_.deepest_ = ++parser_.depth_;
      ok_ = parser_.depth_ <= kMaxDepth || parser_.give_up();
    }
    ~Nest() {
      --parser_.depth_;
      if (outer_ > parser_.deepest_) parser_.deepest_ = outer_;
    }
    Nest(const Nest&) = delete;
    Nest& operator=(const Nest&) = delete;
    explicit operator bool() const { return ok_; }

   private:
    Parser& parser_;
    std::uint32_t outer_;
    bool ok_;
  };
  friend class Nest;
  /// What was parsed last becomes a child of a new node, so the tree below gets one deeper.
  bool wrap() { return ++deepest_ <= kMaxDepth || give_up(); }
  bool give_up();

  /// Skips to a comma, a clause, or a closing parenthesis of this level, or the end of the statement.
  void skip_to_follow(bool stop_at_clause);
  /// Over one token, or over what stands in parentheses.
  void skip_one();
  bool at_clause();
  /// T-SQL: a word that begins a statement where no semicolon ended the one before.
  bool at_next_statement();
  /// MySQL: LOCK IN SHARE MODE.
  bool at_lock() { return dialect_.id == DialectId::kMysql && at_word("lock") && keyword(1) == K::kIn; }
  bool at_go();
  /// ClickHouse: COMMENT '…' behind the query of a view.
  bool at_comment() {
    return dialect_.id == DialectId::kClickhouse && at_word("comment") && peek(1).kind == TokenKind::kString;
  }
  /// Greenplum: CREATE TABLE … AS SELECT … DISTRIBUTED BY (a).
  bool at_distributed() { return at_word("distributed") && (keyword(1) == K::kBy || at_word("randomly", 1)); }
  /// T-SQL's OUTPUT inserted.a, …
  bool at_output() {
    return dialect_.id == DialectId::kTsql && at_word("output") &&
           (at_word("inserted", 1) || at_word("deleted", 1) || text(1) == "$action" || op(2) == Op::kDot);
  }
  bool at_model() {
    return at_word("model") && (at_word("dimension", 1) || at_word("partition", 1) || at_word("main", 1) ||
                                at_word("return", 1) || at_word("ignore", 1) || at_word("reference", 1));
  }
  bool at_list_end(bool clause) { return at(Op::kComma) || at_closing() || at_end() || (clause && at_clause()); }
  bool at_closing() { return at(Op::kRightParen) || at(Op::kRightBracket) || at(Op::kRightBrace); }
  bool at_statement_start(std::size_t ahead = 0);
  /// After "(" was taken as the token `open`: goes to its partner and takes it.
  void close(std::size_t open);
  const Expression* error_expression(std::uint32_t from);

  // ---- Lists: built on a stack shared by all of one type, copied to the arena when done ----

  template <class T>
  class Builder {
   public:
    explicit Builder(Parser& parser)
        : arena_(parser.arena_), stack_(std::get<std::vector<T>>(parser.stacks_)), from_(stack_.size()) {}
    ~Builder() { stack_.resize(from_); }
    Builder(const Builder&) = delete;
    Builder& operator=(const Builder&) = delete;
    void push(const T& item) { stack_.push_back(item); }
    std::size_t size() const { return stack_.size() - from_; }
    T& back() { return stack_.back(); }
    void shrink(std::size_t size) { stack_.resize(from_ + size); }
    T& operator[](std::size_t i) { return stack_[from_ + i]; }
    List<T> done() { return arena_.copy(std::span<const T>(stack_.data() + from_, size())); }

   private:
    Arena& arena_;
    std::vector<T>& stack_;
    std::size_t from_;
  };

  template <class T>
  T* make(std::uint32_t from) {
    auto* node = arena_.make<T>();
    node->kind = T::kKind;
    node->span = since(from);
    return node;
  }
  template <class T>
  T* finish(T* node, std::uint32_t from) {
    node->span = since(from);
    return node;
  }

  // ---- Names (parse_names.cpp) ----

  bool at_name(std::size_t ahead = 0);        // a quoted name, or any word
  bool at_plain_name(std::size_t ahead = 0);  // a quoted name, or a word that may begin an expression
  Identifier identifier();                    // takes one token
  Identifier identifier_of(const Token& token);
  std::string_view unquote(std::string_view body, char quote, bool backslashes);
  std::string_view string_value(std::string_view raw);
  List<Identifier> dotted_name();  // a.b.c
  List<Identifier> relation_name();
  List<Identifier> names_in_parentheses();  // (a, b)
  Identifier name_or_error(std::string_view where);
  bool may_be_alias(bool table);
  Identifier alias(bool table);  // [AS] name; empty if there is none
  TableAlias table_alias();
  bool at_table_constraint();
  bool column_definitions(List<ColumnDefinition>& out);  // at "(": (a int, …)
  TypeName type_name();
  void type_parts(std::uint32_t& open_angles);

  // ---- Statements (parse_statement.cpp) ----

  const Statement* statement();
  const Statement* unread_statement(std::uint32_t from);
  bool at_unread_start(std::size_t ahead);
  bool at_cte_options();
  bool at_query_as();
  void skip_row_limit();
  const Statement* insert_all(std::uint32_t from);
  const Statement* statement_after_with(const With& with, std::uint32_t from);
  const Statement* create();
  const Statement* insert(const With& with, std::uint32_t from);
  const Statement* merge(const With& with, std::uint32_t from);
  const Statement* update(const With& with, std::uint32_t from);
  const Statement* delete_from(const With& with, std::uint32_t from);
  MergeWhen merge_when();
  List<Assignment> assignments();
  List<SelectItem> returning();
  List<SelectItem> output();
  const TableReference* target_table();
  void end_statement();

  // ---- Queries (parse_query.cpp) ----

  bool at_query(std::size_t ahead = 0);
  const Query* query();  // [WITH …] body [ORDER BY …]
  const Query* query_after_with(const With& with, std::uint32_t from);
  const Query* continue_query(const Query* first, std::uint32_t from);  // `first` stood in parentheses
  const Query* query_tail(const With& with, const QueryTerm* body, std::uint32_t from);
  bool at_query_tail();
  const QueryTerm* query_term(const QueryTerm* first, std::uint32_t from, int minimum);
  const QueryTerm* query_primary();
  const Select* star_of(const TableReference* source, std::uint32_t from);
  bool at_bare_values(std::size_t ahead);
  bool at_with(std::size_t ahead);
  const QueryTerm* aliased_values_query();
  void skip_function();
  const QueryTerm* select();
  const QueryTerm* values();
  const QueryTerm* parenthesized_query();
  const Query* query_in_parentheses(std::string_view where);  // at "("
  int set_operator_precedence();
  SetLink set_link();
  With with_clause();
  Cte cte();
  List<SelectItem> select_items(bool stop_at_clause);
  SelectItem select_item();
  void select_clauses(Select& select);
  void exclude_from_stars(Select& select);
  List<const Expression*> group_by(Select& select);
  const Expression* group_element();
  const Expression* clause_expression();  // recovers to the next clause
  List<const Expression*> clause_expressions();
  List<OrderItem> order_items(bool clause);
  OrderItem order_item();
  List<NamedWindow> named_windows();
  const QueryTerm* pipe_operators(const QueryTerm* body, std::uint32_t from);
  const QueryTerm* pipe_operator(const QueryTerm* input, std::uint32_t from);
  static bool keeps_aliases(const QueryTerm* input);
  List<SelectItem> ordered_items();
  const QueryTerm* pivot_query();
  const Query* wrap_term(const QueryTerm* term);
  Select* select_from(const QueryTerm* input);
  SelectItem star_item(const Star* star);
  std::string_view query_rest();

  // ---- Tables (parse_table.cpp) ----

  List<const TableReference*> from_list();
  const TableReference* join_chain();
  const TableReference* joins_after(const TableReference* first, std::uint32_t from);
  /// first, b, c … as one cross join, where a FROM has no list of its own.
  const TableReference* comma_joins(const TableReference* first, std::uint32_t from);
  bool at_join();
  bool join_operator(Join& join);
  const TableReference* table();
  const TableReference* table_primary();
  const TableReference* parenthesized_table(bool lateral);
  const TableReference* named_table();
  void name_options(Call& call);
  const TableReference* table_function(bool lateral, std::uint32_t from);
  const TableReference* table_suffixes(const TableReference* table, std::uint32_t from);
  const TableReference* values_table(std::uint32_t from);
  const TableReference* error_table(std::uint32_t from);
  const TableReference* lateral_view_function();
  const TableReference* match_recognize(const TableReference* source, std::uint32_t from);
  const TableReference* opaque(std::string_view what, std::uint32_t from);
  void opaque_columns(Builder<ColumnDefinition>& out);
  void function_suffixes(TableFunction& function);
  bool sample(Sample& out);
  std::string_view version();
  bool at_version();
  const TableReference* pivot(const TableReference* source, std::uint32_t from);
  const TableReference* unpivot(const TableReference* source, std::uint32_t from);
  const TableReference* pivot_statement();
  const TableReference* unpivot_statement();
  PivotColumn pivot_column(bool in_required);
  List<AliasedValue> aliased_values(bool clause);
  AliasedValue aliased_value();

  // ---- Expressions (parse_expression.cpp, parse_primary.cpp, parse_call.cpp) ----

  const Expression* expression(Precedence minimum = kPrecedenceNone);
  const Expression* infix(const Expression* left, std::uint32_t from, Precedence minimum);
  struct Infix {
    Precedence precedence = kPrecedenceNone;
    Operator op{};
    std::uint8_t tokens = 0;  // how many the operator takes
    bool flat = true;         // a link of an Operation; else a form of its own
  };
  Infix infix_operator();
  const Expression* special_infix(const Expression* left, std::uint32_t from);
  const Expression* ternary(const Expression* condition, std::uint32_t from);
  static bool is_identifier_call(const Expression* base);
  const Expression* colons_cast(const Expression* base, std::uint32_t from);
  bool at_json_step();
  const Expression* json_path(const Expression* base, std::uint32_t from);
  const Expression* is_test(const Expression* left, std::uint32_t from);
  const Expression* between(const Expression* left, std::uint32_t from, bool negated);
  const Expression* in(const Expression* left, std::uint32_t from, bool negated);
  const Expression* like(const Expression* left, std::uint32_t from, bool negated);
  const Expression* comparison_operand();
  const Expression* prefix(Precedence minimum);
  const Expression* unary(Operator op, std::size_t tokens, Precedence precedence);
  const Expression* postfix(const Expression* base, std::uint32_t from);
  const Expression* path(const Expression* base, std::uint32_t from);
  Step index_step();
  const Expression* primary();
  const Expression* word();
  const Expression* name_or_call();
  const Expression* column_or_star(std::uint32_t from);
  const Expression* parenthesized();
  const Expression* literal(LiteralKind kind);
  const Expression* string_literal();
  const Expression* typed_literal(std::size_t type_tokens);
  const Expression* word_literal();
  const Expression* parameter();
  const Expression* case_expression();
  const Expression* call_of_word();
  const Expression* match_against();
  const Expression* next_value();
  const Expression* cast();
  const Expression* convert();
  const Expression* interval();
  bool at_interval_unit(std::size_t ahead = 0);
  const Expression* array();
  const Expression* bracket_array(std::uint32_t from, TypeName type, bool keyword);
  const Expression* struct_value();
  const Expression* brace_object(std::uint32_t from, StructForm form);
  const Expression* list_comprehension(const Expression* result, std::uint32_t from);
  Field struct_field();
  const Expression* lambda(std::uint32_t from);
  const Expression* star(std::uint32_t from, List<Identifier> qualifier, const Expression* base);
  void star_modifiers(Star& star);
  const Expression* columns(std::uint32_t from, bool unpack);
  const Expression* exists();
  const Expression* no_parentheses_call();
  bool calls_without_parentheses(K word);
  const Expression* element();  // of a list in parentheses: recovers to the comma
  List<const Expression*> elements(Op closing);
  const Expression* call(List<Identifier> name, const Expression* base, std::uint32_t from);
  /// Syntax of its own that is read as a call of `function`.
  const Expression* call_of(std::string_view function, List<Argument> arguments, std::uint32_t from);
  void call_arguments(Call& call);
  const Expression* table_argument(std::uint32_t from);
  void call_suffixes(Call& call);
  bool special_argument(Argument& item, std::size_t place, std::string_view function);
  void argument(Builder<Argument>& out, std::string_view function, bool unclosed);
  void argument_forms(Builder<Argument>& out, std::string_view function);
  static bool is_bare_part(const Expression* value);
  void mark_date_part(Builder<Argument>& arguments, std::string_view function);
  const WindowSpec* window_in_parentheses();
  Bound frame_bound();
  void frame(WindowSpec& window);

  // ---- State ----

  Parsed& out_;
  Arena& arena_;
  const Dialect& dialect_;
  std::string_view text_;
  std::vector<Token> tokens_;            // without space and comments
  std::vector<std::uint32_t> partners_;  // of an opening parenthesis: its closing one; else 0
  std::size_t position_ = 0;
  std::size_t last_ = 0;  // of kEnd
  std::size_t steps_ = 0;
  std::uint32_t depth_ = 0;
  std::uint32_t deepest_ = 0;  // of what was parsed since the enclosing Nest began
  std::uint32_t case_depth_ = 0;
  std::uint32_t argument_depth_ = 0;    // inside a call: x -> … may be a lambda
  bool given_up_ = false;               // this statement: no further diagnostic
  bool in_match_ = false;               // in MATCH_RECOGNIZE: FINAL last(x)
  std::size_t reported_at_ = SIZE_MAX;  // token of the last diagnostic: one each
  std::tuple<std::vector<Identifier>, std::vector<const Expression*>, std::vector<Link>, std::vector<When>,
             std::vector<Argument>, std::vector<OrderItem>, std::vector<Field>, std::vector<Step>,
             std::vector<StarReplace>, std::vector<StarRename>, std::vector<Join>, std::vector<AliasedValue>,
             std::vector<PivotColumn>, std::vector<SelectItem>, std::vector<NamedWindow>, std::vector<SetLink>,
             std::vector<const QueryTerm*>, std::vector<const TableReference*>, std::vector<ValuesRow>,
             std::vector<Cte>, std::vector<SortClause>, std::vector<ColumnDefinition>, std::vector<const Call*>,
             std::vector<Assignment>, std::vector<MergeWhen>, std::vector<List<Identifier>>>
      stacks_;
};

}  // namespace tideline::sql
