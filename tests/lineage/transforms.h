#pragma once
// SQL said otherwise: changes to a text that lineage must not see.

#include <optional>
#include <string>
#include <string_view>

#include "sql/dialect.h"

namespace tideline::lineage::testing {

inline constexpr std::string_view kComment = "/* select x from y */";
/// Every blank becomes a line end, a tab and a comment.
std::string with_other_space(const std::string& sql, const sql::Dialect& dialect);

/// What a renamed alias has at its end.
inline constexpr std::string_view kRenamed = "_r9";
/// Aliases of tables get another name, where the text alone shows which words are one. nullopt: nowhere.
std::optional<std::string> with_other_aliases(const std::string& sql, const sql::Dialect& dialect);

/// WITH a AS (…) SELECT … FROM a becomes SELECT … FROM (…) a. nullopt: it has none, or they cannot be put in by the
/// text alone (recursive ones, lists of columns, WITH in WITH), or it would become too long.
std::optional<std::string> with_ctes_inlined(const std::string& sql, const sql::Dialect& dialect);

}  // namespace tideline::lineage::testing
