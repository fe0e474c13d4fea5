#pragma once
// What all nodes of the syntax tree have: kind, span, names. Begin reading at ast.h.

#include <cstdint>
#include <span>
#include <string_view>

#include "sql/token.h"

namespace tideline::sql {

// clang-format off: one line a family
enum class NodeKind : std::uint8_t {
  // Expression
  kColumn, kStar, kColumns, kLiteral, kParameter, kUnary, kOperation, kIs, kBetween, kIn, kLike, kExists, kQuantified,
  kCase, kCast, kCall, kArray, kStruct, kPath, kSubquery, kInterval, kLambda, kCollate, kGroupingSet, kAliased,
  kErrorExpression,
  // TableReference
  kTable, kDerivedTable, kTableFunction, kJoinChain, kPivot, kUnpivot, kMatchRecognize, kOpaqueTable, kErrorTable,
  // QueryTerm
  kSelect, kSetOperation, kValues, kQuery,
  // Statement
  kQueryStatement, kCreate, kInsert, kMerge, kUpdate, kDelete, kErrorStatement,
};
// clang-format on

struct Node {
  NodeKind kind{};
  Span span;
};
struct Expression : Node {};
struct TableReference : Node {};
struct QueryTerm : Node {};
struct Statement : Node {};

template <class T>
const T* as(const Node* node) {
  return node != nullptr && node->kind == T::kKind ? static_cast<const T*>(node) : nullptr;
}

template <class T>
using List = std::span<const T>;

// ---- Names ----

enum class Quote : std::uint8_t { kNone, kDouble, kBacktick, kBracket, kSingle };

struct Identifier {
  std::string_view text;  // without quotes, escapes undone, case as written (normalize_identifier folds it)
  Quote quote = Quote::kNone;
  Span span;
  bool quoted() const { return quote != Quote::kNone; }
  explicit operator bool() const { return quote != Quote::kNone || !text.empty(); }
};

/// AS name (column, …). All empty where there is none.
struct TableAlias {
  Identifier name;
  List<Identifier> columns;
};

struct TypeName {
  std::string_view text;  // one blank between words, none elsewhere: numeric(10,2), array<struct<a int64>>
  Span span;
};

}  // namespace tideline::sql
