#pragma once
// The syntax tree. Nodes lie in an arena, are immutable once parsed, and each has the span of the text it was made of.
// A node is one of five families: Statement, QueryTerm (what gives rows in a query), TableReference (what stands in
// FROM), Expression, and small parts that are no node of their own (SelectItem, Join …).
//
// Shapes that matter to whoever walks it:
// - Chains are flat: a + b - c is one Operation with three operands; a UNION b UNION c one SetOperation with three
//   terms; a JOIN b JOIN c one JoinChain. The depth of a tree is at most kMaxDepth (parser.h), so recursion is safe.
// - Parentheses leave no node; only those around a query with clauses of its own do (a Query as a term).
// - A dotted name is one Column with its parts: whether a.b is table.column or column.field is for scopes to decide.
// - What could not be read is an ErrorExpression, ErrorTable or ErrorStatement over the text that was skipped, and a
//   diagnostic. A pointer whose comment says "or null" may be null; no other one is.
//
// Views (identifiers, texts) point into the arena. Casting: as<Column>(node) gives null for another kind.

#include "sql/ast_expression.h"
#include "sql/ast_node.h"
#include "sql/ast_query.h"
#include "sql/ast_statement.h"
