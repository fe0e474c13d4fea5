#pragma once
// A model file as it is written, SQL with dbt's Jinja in it → SQL text that a parser can read, a map between the two
// texts, and what the Jinja says: refs, sources, configuration, variables, macros. Nothing is executed and no
// environment is read. Also for the texts of .yml files (JinjaMode::kText).
//
// How a template becomes SQL:
// - ref('x') is __ref__.x, source('s', 't') is __source__.s.t, this is __this__.this: relations no query has by chance,
//   whose last part names them as dbt's own text would. Look them up with JinjaResult::relation.
// - What is known stands as it is: literals, what `set` and var() gave, what a macro gives whose text is known
//   (JinjaOptions::macros) for the arguments of the call, and for what stands in its {% call %}. {% call statement %}
//   asks the warehouse and gives nothing.
// - `for` over a list that is known is gone through; over any other it is taken once, and marked.
// - Of `if` the branch that is taken, and where that is not known the first. is_incremental() is false (a model as it
//   is built the first time, which is also what dbt compiles), unless asked otherwise; execute is true. Facts of the
//   other branches are kept, with their certainty.
// - What is not known (other macros, variables without a value …) is an identifier __jinja_N__, which parses as an
//   expression, a relation, a type or a part of a name; `select * from __jinja_N__` where a query must stand; nothing
//   where a clause may stand. Each is listed in `opaque` with its reason.
//
// Never throws on any input. Time linear in the size of the text, and at most kMaxJinjaSteps more for loops and macros;
// the SQL is bounded as well.
// Pure; any number of threads at once.

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sql/jinja_value.h"
#include "sql/token.h"

namespace tideline::sql {

/// A larger template is not read. The largest model seen in the wild has 200 KB.
inline constexpr std::size_t kMaxJinjaBytes = std::size_t{8} << 20;
/// Parentheses, brackets, inline ifs within one expression.
inline constexpr int kMaxJinjaNesting = 64;
/// The same, of all macros that are being run within each other: what bounds the stack.
inline constexpr int kMaxJinjaNestingOfAll = 128;
/// Macros that call each other. Real ones stay below 10.
inline constexpr int kMaxJinjaCalls = 24;
/// Tags and tokens that are worked out again, in loops and macros. Then a loop is taken once, and a macro not known.
inline constexpr std::size_t kMaxJinjaSteps = 400'000;
/// Blocks that are open at once: if in for in if … Deeper ones are read as if they were not there.
inline constexpr std::size_t kMaxJinjaBlocks = 500;
/// Facts of each kind; more set JinjaResult::truncated. Loops over lists can name a relation for each item.
inline constexpr std::size_t kMaxJinjaFacts = 20'000;
/// Values may be inserted again and again: SQL, and all text made on the way, is bounded by so many times the template
/// and kMaxJinjaGrowthBytes.
inline constexpr std::size_t kMaxJinjaGrowth = 8;
inline constexpr std::size_t kMaxJinjaGrowthBytes = std::size_t{1} << 20;

enum class JinjaMode : std::uint8_t {
  kSql,
  kText,  // what is not known stays as it is written, braces and all
};

class JinjaMacros;

struct JinjaOptions {
  JinjaMode mode = JinjaMode::kSql;
  bool incremental = false;        // what is_incremental() is taken for
  bool backslash_escapes = false;  // in the dialect's strings: tells where one ends
  /// The project's variables, for var(). nullptr: they are not known; then a default is what a var() is taken for, and
  /// what depends on it is Certainty::kMaybe.
  const std::map<std::string, JinjaValue, std::less<>>* vars = nullptr;
  /// The macros of the project and its packages; must outlive the reading. nullptr: all are unknown.
  const JinjaMacros* macros = nullptr;
  /// The package the text belongs to.
  std::string package = {};
  /// The warehouse, as dbt names its adapters: whose implementations adapter.dispatch takes, and what target.type is.
  /// Empty: not known.
  std::string adapter = {};
  /// Texts of docs blocks, by "name" or "package.name", for doc(). nullptr: they are not known.
  const std::map<std::string, std::string, std::less<>>* documents = nullptr;
};

/// Whether dbt sees it when it parses the project.
enum class Certainty : std::uint8_t {
  kNever,   // in a branch that is not taken then: {% if is_incremental() %}, {% if execute %}
  kMaybe,   // depends on a condition that is not known here
  kAlways,  // outside all conditions, or in a branch that is taken
};

/// A block of the file: {% macro %} and the like. Their bodies give no SQL, but for snapshots'.
struct JinjaBlock {
  enum class Kind : std::uint8_t { kMacro, kTest, kMaterialization, kSnapshot, kDocs };
  Kind kind{};
  std::string name;        // as written after the kind
  std::string parameters;  // between the parentheses, as written
  Span span;               // from the opening tag to the end of the closing one
  Span body;
};

/// In which JinjaBlock something stands.
inline constexpr std::int32_t kNoBlock = -1;

/// How `this` stands in the SQL.
inline constexpr std::string_view kThisRelation = "__this__.this";

struct JinjaRelation {
  enum class Kind : std::uint8_t { kRef, kSource, kThis };
  Kind kind{};
  std::string package;  // of a ref with two arguments; else empty
  std::string source;   // of a source: its name
  std::string name;     // of the model, or the source's table; empty for this
  std::string version;  // of a ref: v=2 or version=2; else empty
  std::string sql;      // as it stands in the SQL: "__ref__.orders"
  Span file;            // the call
  Certainty certainty = Certainty::kAlways;
  std::int32_t block = kNoBlock;
};

/// A ref or a source whose name only dbt can work out: of a macro's parameter, a list from the warehouse …
struct JinjaDynamic {
  Span file;
  Certainty certainty = Certainty::kAlways;
  std::int32_t block = kNoBlock;
};

struct JinjaConfig {
  std::string key;
  JinjaValue value;
  Span file;  // of the value
  Certainty certainty = Certainty::kAlways;
  std::int32_t block = kNoBlock;
};

struct JinjaVariable {
  enum class Kind : std::uint8_t { kVar, kEnvironment };
  Kind kind{};
  std::string name;
  std::optional<JinjaValue> fallback;  // the default that the call gives
  Span file;
  std::int32_t block = kNoBlock;
};

/// A macro that is called, or given to adapter.dispatch.
struct JinjaCall {
  std::string package;  // of package.macro(), or the name space of a dispatch; else empty
  std::string name;
  bool dispatched = false;  // stands for <adapter>__name or default__name
  bool expanded = false;    // its text was known, and what it refers to is among the facts
  bool nested = false;      // the text of another macro calls it
  std::string from;         // the package whose text calls it
  Span file;
  Certainty certainty = Certainty::kAlways;
  std::int32_t block = kNoBlock;
};

/// What the SQL does not show, and why. Closed.
enum class OpaqueReason : std::uint8_t {
  kMacro,        // a macro's result
  kVariable,     // var() without a value, or a name that nothing has set
  kEnvironment,  // env_var() without a default
  kRuntime,      // known to the warehouse or to dbt alone: run_query, target, adapter …
  kExpression,   // an expression that is not worked out here
  kLoop,         // a loop that was taken once
  kBranch,       // a condition that is not known: the first branch was taken
  kTooMuch,      // more text than kMaxJinjaGrowth allows
};
std::string_view to_string(OpaqueReason reason);

struct JinjaOpaque {
  OpaqueReason reason{};
  std::string name;         // of the macro, the variable …; may be empty
  std::string within;       // the macro that the file calls, where it is that one's text which leaves it open
  std::string placeholder;  // what stands for it in the SQL; empty: nothing
  bool silent = false;      // of a call for its effect, like config(): it does not belong to the SQL
  Span file;
  Span sql;              // where it stands, or would
  bool bounded = false;  // of kLoop, kBranch: only what stands at `sql` hangs on it
};

/// What is wrong in the template: place and what was expected.
struct JinjaProblem {
  Span file;
  std::string message;
};

struct JinjaPiece {
  Span sql;
  Span file;
  bool verbatim = false;  // the same bytes; else the whole SQL span stands for the whole file span
  bool again = false;     // a loop: an earlier piece stands for this place of the file, or for one behind it
};

/// Between the SQL and the file. The pieces tile the SQL; the places in the file of those that do not come again do not
/// overlap, and only grow.
class JinjaMap {
 public:
  /// The place in the file of these bytes of the SQL. O(log pieces).
  Span to_file(Span sql) const;
  /// The place in the SQL, the first time it comes; empty, where it would stand, for what gives no SQL. O(log pieces).
  Span to_sql(Span file) const;

  const std::vector<JinjaPiece>& pieces() const { return pieces_; }
  void add(JinjaPiece piece);

 private:
  std::vector<JinjaPiece> pieces_;
  std::vector<std::uint32_t> first_;  // those that do not come again
};

struct JinjaResult {
  std::string sql;
  JinjaMap map;
  std::vector<JinjaBlock> blocks;
  std::vector<JinjaRelation> relations;  // in the order of the file; each occurrence
  std::vector<JinjaDynamic> dynamic;
  std::vector<JinjaConfig> config;  // of config(): for a key that stands twice the last counts
  std::vector<JinjaVariable> variables;
  std::vector<JinjaCall> macros;
  std::vector<std::string> docs;  // names in doc('…'), "package.name" with two arguments
  std::vector<JinjaOpaque> opaque;
  std::vector<JinjaProblem> problems;
  bool uses_incremental = false;  // is_incremental() is asked
  bool sets_in_branch = false;    // a variable was set where it is not known whether it is
  bool truncated = false;         // some facts were left out (kMaxJinjaFacts), or the template is too large

  /// The relation that stands in the SQL as `text` ("__ref__.orders"); nullptr: none does.
  const JinjaRelation* relation(std::string_view text) const;
  std::map<std::string, std::size_t, std::less<>> relation_index;  // sql → the first in `relations`
};

/// Where the SQL is one of several that it may be, for want of a condition or a list: elsewhere it is the same in all.
struct JinjaDoubts {
  bool anywhere = false;
  std::vector<Span> places;  // in the SQL; may be empty spans, where another branch would put something
};
JinjaDoubts doubts_of(const JinjaResult& read);

JinjaResult read_jinja(std::string_view text, const JinjaOptions& options = {});

}  // namespace tideline::sql
