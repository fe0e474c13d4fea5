#pragma once
// One statement: scopes, what names mean in them, what values are made of. Walks the tree once, from the inside out; a
// CTE is resolved where it is defined, so it costs the same however often it is read. Internal to this folder; the way
// in is lineage.h.
//
// A Shape is what a query, a table or a join gives: its columns by position, each a node of the graph. An open shape
// has further columns that are not known: `rest` says where a name that is not found may come from.

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "lineage/graph.h"
#include "lineage/lineage.h"
#include "lineage/names.h"
#include "lineage/relations.h"
#include "lineage/result.h"
#include "sql/ast.h"
#include "sql/parser.h"

namespace tideline::lineage {

/// Recursion at which nothing is resolved any more where it is first used: below it an expression or a statement nests
/// as deep as the parser lets it.
inline constexpr std::uint32_t kMaxLazyDepth = sql::kMaxDepth;

struct RowInfluence {
  NodeId node;
  EdgeKind kind;
};

struct Shape;

struct ShapeColumn {
  Name name;
  NodeId node = kNone;
  sql::Span place{};                     // of the item that gives it
  Shape* row = nullptr;                  // of a value that is a whole row of it: array_agg(t)[offset(0)]
  Transform row_way = Transform::kNone;  // what the row went through
};

struct Shape {
  std::vector<ShapeColumn> columns;  // empty for a relation that is read

  std::uint32_t read = kNone;                 // of a relation: index of its ReadRelation
  const RelationColumns* relation = nullptr;  // what is known of it; may be null
  std::vector<NodeId> relation_nodes;         // made when first asked for

  bool open = false;          // has columns that are not known
  std::uint32_t gap = kNone;  // why it is open
  NodeId any = kNone;         // what a column of any name is made of; or kNone
  std::vector<Shape*> rest;   // where * took its columns from
  bool rest_all = false;      // of a set operation: a further column comes from all of `rest`, not one of them
  std::vector<Name> hidden;   // names that do not come through from `rest`
  std::uint32_t depth = 0;    // of `rest` below it
  std::unordered_map<std::string, NodeId> found;  // further columns asked for so far, by name as written

  std::vector<RowInfluence> influences;  // on its rows
  std::vector<Shape*> inner;             // whose rows are its rows
  std::vector<std::uint32_t> gaps;       // of the shape as a whole

  NameIndex index;
  bool indexed = false;
  bool visited = false;
  bool read_as_cte = false;                     // of a recursive CTE: it reads itself
  bool is_value = false;                        // WITH expression AS name: a value, not rows
  const sql::Expression* expression = nullptr;  // of a value: made where it is used, of the columns that are there
  bool has_rows = false;                        // some of its columns have a `row`
};

struct FromItem {
  Name alias;                       // without text: none
  sql::List<sql::Identifier> name;  // of a relation without alias
  Shape* shape = nullptr;
  NodeId element = kNone;  // the alias names a value as well: unnest(a) as x
  bool in_star = true;
  bool visible = true;
  bool by_qualifier = false;  // its columns are meant by its alias alone: what stands before a pipe
};

/// A column of USING or NATURAL: one for both sides.
struct MergedColumn {
  Name name;
  NodeId node = kNone;
  std::uint32_t first = 0;  // the from-items it stands for
  std::uint32_t last = 0;
};

/// When the alias of a select item may be meant.
enum class AliasUse : std::uint8_t { kNever, kAfterColumns, kBeforeColumns };

struct Scope {
  Scope() = default;
  explicit Scope(Scope* around) : outer(around) {}

  Scope* outer = nullptr;
  std::vector<FromItem> items;
  std::vector<MergedColumn> merged;
  std::unordered_map<std::string, NodeId> aliases;  // of select items so far, by name in lower case
  AliasUse alias_use = AliasUse::kNever;
  const sql::Select* select = nullptr;
  std::vector<Name> ignored;   // parameters of lambdas
  bool any_qualifier = false;  // a qualifier nobody knows is a variable of MATCH_RECOGNIZE
  NodeId columns = kNone;      // what COLUMNS(…) stands for in the item that is being put down
  std::unordered_map<std::string, const sql::Expression*> pending;  // aliases of later items (ClickHouse), lower case
};

/// The COLUMNS(…) in a select item, or null. Not those of its subqueries.
const sql::Columns* columns_in(const sql::Expression* expression);

// Of SQL made of a template: another branch may have been meant, or a part of the expression is not known. Where the
// real projects have such branches, 84 to 98 % of the edges are right.
inline constexpr std::uint16_t kThroughTemplate = 800;

class Resolver {
 public:
  Resolver(const sql::Parsed& parsed, const sql::Dialect& dialect, const Relations& relations, const Reader& reader);

  QueryLineage run();

 private:
  struct Values {
    std::vector<Input> inputs;
    bool of_rows = false;
  };

  class Deeper {
   public:
    explicit Deeper(std::uint32_t& depth) : depth_(depth) { ++depth_; }
    ~Deeper() { --depth_; }
    Deeper(const Deeper&) = delete;
    Deeper& operator=(const Deeper&) = delete;

   private:
    std::uint32_t& depth_;
  };

  // resolver.cpp: the result
  /// `returning`: the rows that RETURNING gives, not those that are put into the target.
  Shape* statement(const sql::Statement& statement, std::vector<std::string>& target, bool returning = false);
  void complete_by_catalog(Shape& shape);
  void add_demanded(Shape& shape);
  QueryLineage result_of(Shape* shape, std::vector<std::string> target);
  void add_columns(Shape& shape, QueryLineage& result);
  bool add_influences(Shape& root, QueryLineage& result, std::vector<bool>& used_gaps);
  QueryLineage failure(Reason reason, std::string subject, sql::Span span);

  // resolver_statement.cpp
  Shape* insert(const sql::Insert& insert, std::vector<std::string>& target, bool returning);
  Shape* create(const sql::Create& create, std::vector<std::string>& target);
  Shape* merge(const sql::Merge& merge, std::vector<std::string>& target, bool returning);
  Shape* update(const sql::Update& update, std::vector<std::string>& target, bool returning);
  Shape* remove(const sql::Delete& statement, std::vector<std::string>& target, bool returning);
  void changed_table(const sql::TableReference* target, sql::List<const sql::TableReference*> from, Scope& scope,
                     Shape& shape, std::vector<std::string>& name);
  Shape* script_table(const std::string& name);
  void note_script(std::size_t last);
  Shape* returned(sql::List<sql::SelectItem> items, Scope& scope, Shape& shape);
  Shape* target_shape(const sql::TableReference* reference, Scope& scope, Shape& shape,
                      std::vector<std::string>& target);
  void assign(Shape& shape, Name name, NodeId node);

  // resolver_query.cpp
  Shape* query(const sql::Query& query, Scope* outer);
  Shape* term(const sql::QueryTerm& term, Scope* outer);
  Shape* select(const sql::Select& select, Scope& scope);
  void select_items(sql::List<sql::SelectItem> items, Scope& scope, Shape& shape);
  Shape* set_operation(const sql::SetOperation& operation, Scope* outer);
  Shape* combine(const sql::SetOperation& operation, std::span<Shape* const> terms);
  void combine_by_position(Shape& out, std::span<Shape* const> unions);
  void combine_by_name(Shape& out, std::span<Shape* const> unions, bool guessed);
  Shape* values(const sql::Values& values, Scope* outer);
  void order_whole(const sql::Query& query, Scope* outer, Shape& shape);
  void order_by(const sql::Query& query, Scope& scope, Shape& shape, Shape& result);
  std::size_t bind(const sql::With& with, Scope* outer, Shape& uses);
  Shape* cte(const sql::Cte& cte, bool recursive, Scope* outer);
  Shape* cte_rows(const sql::Cte& cte, bool recursive, Scope* outer);
  void unbind(const sql::With& with, std::size_t bound);
  /// Its columns become those of an ephemeral model, where its name says that it is one.
  void mark_ephemeral(Shape& shape, const sql::Identifier& name);
  bool may_recur(const sql::With& with) const;

  // resolver_star.cpp
  bool expand(const sql::Star& star, Scope& scope, Shape& shape);
  void expand_columns(const sql::SelectItem& item, const sql::Columns& columns, Scope& scope, Shape& shape);
  bool matching_columns(const sql::Columns& columns, Scope& scope, Shape& shape, std::vector<ShapeColumn>& found,
                        std::vector<std::string>* renamed, std::string_view rename);
  ShapeColumn applied(ShapeColumn column, sql::List<const sql::Expression*> functions, Scope& scope, Shape& shape);
  void put_item(const sql::SelectItem& item, NodeId node, Scope& scope, Shape& shape);
  void add_pending(const sql::Select& select, Scope& scope);
  void expand_item(FromItem& item, const sql::Star* star, const Scope& scope, std::uint32_t position, Shape& shape,
                   Scope* values_scope);
  void expand_shape(Shape& from, const sql::Star* star, Scope* values_scope, Shape& shape,
                    const std::vector<Name>& skipped);
  void put_star_column(const ShapeColumn& column, const sql::Star* star, Scope* values_scope, Shape& shape);

  // resolver_table.cpp
  void table_reference(const sql::TableReference& reference, Scope& scope, Shape& shape);
  void table(const sql::Table& table, Scope& scope, Shape& shape);
  void derived_table(const sql::DerivedTable& table, Scope& scope, Shape& shape);
  void table_function(const sql::TableFunction& function, Scope& scope, Shape& shape, bool lateral_view);
  void join_chain(const sql::JoinChain& chain, Scope& scope, Shape& shape);
  void join_using(const sql::Join& join, std::size_t first, std::size_t right, Scope& scope, Shape& shape);
  void merge_column(const sql::Join& join, Name name, std::size_t first, std::size_t right, Scope& scope, Shape& shape,
                    sql::Span span);
  NodeId side_column(Name name, std::size_t from, std::size_t to, bool use_merged, Scope& scope, sql::Span span);
  // resolver_pivot.cpp
  void pivot(const sql::Pivot& pivot, Scope& scope, Shape& shape);
  void unpivot(const sql::Unpivot& unpivot, Scope& scope, Shape& shape);
  void opaque_table(const sql::OpaqueTable& table, Scope& scope, Shape& shape);
  void match_recognize(const sql::MatchRecognize& match, Scope& scope, Shape& shape);
  bool relation_function(const sql::TableFunction& function, Scope& scope, Shape& shape);
  Shape* named_relation(sql::List<sql::Identifier> name, sql::Span span);
  sql::List<sql::Identifier> split_name(std::string_view text, sql::Span span);
  Shape* source_of(const sql::TableReference& reference, Scope& scope, Shape& shape);
  Shape* relation(sql::List<sql::Identifier> name, sql::Span span);
  Shape* aliased(Shape* shape, const sql::TableAlias& alias);
  void add_item(Scope& scope, const sql::TableAlias& alias, Shape* shape, NodeId element = kNone);

  // resolver_expression.cpp
  NodeId value(const sql::Expression* expression, Scope& scope, Shape& shape);
  void visit(const sql::Expression* expression, Scope& scope, Shape& shape, Way way, Values& values);
  void visit_call(const sql::Call& call, Scope& scope, Shape& shape, Way way, Values& values);
  void visit_window(const sql::WindowSpec& window, Scope& scope, Shape& shape, Way way, Values& values);
  void visit_subquery(const sql::Query& query, Scope& scope, Shape& shape, Way way, Values& values);
  void visit_all_columns(Shape& from, Way way, Values& values);
  void influence(const sql::Expression* expression, EdgeKind kind, Scope& scope, Shape& shape);

  // resolver_names.cpp
  struct Resolved {
    NodeId node = kNone;
    std::size_t parts = 0;  // of the name; the rest is a path into the value
  };
  Resolved column(const sql::Column& column, Scope& scope, Shape& shape);
  Resolved qualified(const sql::Column& column, Scope& scope, bool stretch);
  NodeId unqualified(const sql::Column& column, Scope& scope, Shape& shape);
  NodeId in_scope(const sql::Column& column, Scope& scope, bool is_innermost, Shape& shape);
  bool is_known_outside(const Name& name, Scope& scope);
  FromItem* find_item(Scope& scope, sql::List<sql::Identifier> parts, std::size_t count);
  NodeId find_known(Shape& shape, const Name& name);
  NodeId find_open(Shape& shape, const Name& name, sql::Span span);
  /// In a shape that is not known to have it: through * down to the only relation that could.
  NodeId find_stretched(Shape& shape, const Name& name, sql::Span span, std::uint32_t depth = 0);
  NodeId by_use(Shape& shape, const Name& name, Reason doubt, std::uint16_t confidence);
  NodeId node_at(Shape& shape, std::size_t position);
  std::size_t size_of(const Shape& shape) const;
  Name name_at(const Shape& shape, std::size_t position) const;
  bool same_name(const Name& a, const Name& b) const;
  NodeId whole_row(Shape& shape, sql::Span span);
  /// A column that * gives, and that nothing but documentation knows: surer once something names it (`named`).
  NodeId by_documentation(NodeId node);
  NodeId named(NodeId node) const;
  struct MadeField {
    Name name;
    const sql::Expression* value;
  };
  /// The fields of a struct that is made here; empty: not all of them have a name.
  static std::vector<MadeField> made_fields(const sql::Expression& expression);
  /// They as a row; nullptr: there are none.
  Shape* made_row(const sql::Expression& expression, Scope& scope);
  /// The rows of which the value is one, or null.
  /// Whether a column in reach is a row.
  static bool has_rows(const Scope& scope);
  Shape* row_of_column(sql::List<sql::Identifier> parts, Scope& scope, Transform& way);  // of one or two
  /// Of a field of the row.
  Shape* inner_row(Shape& row, const Name& name, Transform& way);
  Shape* row_of(const sql::Expression* expression, Scope& scope, Transform& way);
  /// `taken`: how many parts of the name are the column's.
  Resolved field_of_row(const sql::Column& column, Scope& scope, std::size_t taken);
  Shape* open_row(Shape& row, Transform way, sql::Span span);
  /// Resolved where it is used; a gap where that is nested too deep.
  NodeId lazily(const sql::Expression* expression, const Name& name, Scope& scope, Shape& shape);
  NodeId pending_alias(const Name& name, Scope& scope, Shape& shape);
  /// ClickHouse: a column of a nested structure, whose own name is items.sku.
  NodeId dotted_column(const sql::Column& column, Scope& scope);
  const sql::Column* column_by_text(const sql::Call& call);
  /// T-SQL: x.n.value('…'): a method of the column before it.
  bool is_method(const sql::Call& call) const;

  // Common
  Shape* make_shape() { return &shapes_.emplace_back(); }
  Shape* open_shape(std::uint32_t gap);
  std::uint32_t gap(Reason reason, std::string_view subject, sql::Span span);
  NodeId gap_node(std::uint32_t gap);
  /// Of a name with something in it that only dbt can put there (Reader::stand_ins); kNone: there is nothing.
  std::uint32_t unknown_in(std::string_view name, sql::Span span);
  std::uint32_t unknown_in(sql::List<sql::Identifier> name, sql::Span span);
  /// Further columns, which are not known.
  void add_unknown(Shape& shape, std::uint32_t gap);
  /// What the parser says of the SQL, in the words of the template that the SQL was made of.
  std::string told(std::string_view message) const;
  void note_stand_ins(QueryLineage& result) const;

  // ---- Branches that were taken without knowing (resolver_doubt.cpp) ----

  struct Doubt {
    sql::Span span;       // without white space at its ends; empty: at the end of what stands before it
    bool placed = false;  // it is known what hangs on it
    bool joins_left = true, joins_right = true;  // it may belong to the item before it, behind it
  };
  void find_doubts();
  bool has_doubts() const { return !doubts_.empty(); }
  /// What is read of the span decides on rows alone.
  void place_doubts(sql::Span rows);
  /// Of a select list: the doubts that are those of some of its items.
  void place_doubts(const sql::Select& select);
  /// The value of an item of a select list.
  NodeId doubted(NodeId node, sql::Span item);
  bool is_doubted(sql::Span item) const;
  /// Of a query that is one of several as a whole.
  void doubt_query(sql::Span query, Shape& shape);
  /// Of what the parser could not read: what it said, or the text that was skipped.
  std::uint32_t unread(std::string_view text, bool is_template, sql::Span span);
  std::string_view stored(std::string text) { return texts_.emplace_back(std::move(text)); }
  /// False, and everything ends soon, when the budget is used up.
  bool step(std::size_t count = 1);
  void take_rest(Shape& shape, Shape& from);
  /// The columns of `from` that are not `used`, as PIVOT and UNPIVOT pass them on. False when the budget is used up.
  bool take_unused(Shape& shape, Shape& from, std::vector<NodeId> used);
  std::string written(sql::List<sql::Identifier> name) const;

  const sql::Parsed& parsed_;
  const sql::Dialect& dialect_;
  const Relations& relations_;
  const Reader& reader_;

  Graph graph_;
  std::deque<Shape> shapes_;
  std::deque<std::string> texts_;
  std::deque<std::vector<sql::Identifier>> names_;
  std::deque<sql::Column> made_columns_;
  std::vector<ReadRelation> reads_;
  std::unordered_map<std::string, Shape*> relation_shapes_;  // by name as written, in lower case
  std::vector<SourceColumn> sources_;
  std::vector<EphemeralColumn> ephemerals_;
  std::unordered_map<NodeId, NodeId> by_documentation_;  // of a column: as * gives it
  std::unordered_map<NodeId, NodeId> named_;             // the other way round
  std::vector<Gap> gaps_;
  std::unordered_map<std::string, std::uint32_t> gap_numbers_;
  std::unordered_map<std::string, std::vector<Shape*>> ctes_;   // by name in lower case; the innermost last
  std::unordered_map<std::string, std::size_t> script_tables_;  // made by earlier statements, by name in lower case
  std::unordered_map<std::string, Shape*> script_shapes_;
  std::size_t current_statement_ = 0;
  std::uint32_t depth_ = 0;      // of queries and expressions in each other
  std::vector<Name> variables_;  // DECLAREd
  std::vector<Doubt> doubts_;
  std::size_t demanded_from_ = SIZE_MAX;  // position of the first column that is only demanded
  std::size_t budget_ = 0;
  std::size_t spent_ = 0;
};

}  // namespace tideline::lineage
