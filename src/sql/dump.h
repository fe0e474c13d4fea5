#pragma once
// A tree as text, for tests and for looking at it: (select (item (column a)) (from (table t))). All that print() must
// keep is in it, and no span: two trees are the same exactly when their dumps are. Not a format to be read back.

#include <string>

#include "sql/ast.h"

namespace tideline::sql {

std::string dump(const Node& node);

}  // namespace tideline::sql
