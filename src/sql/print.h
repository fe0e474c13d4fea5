#pragma once
// Tree → SQL on one line. What is printed from a tree without error nodes parses, in the dialect it came from, to the
// same tree (dump.h); parentheses stand only where they are needed. Comments, hints and the case of keywords are gone;
// identifiers and literals are as they were written.

#include <string>

#include "sql/ast.h"

namespace tideline::sql {

std::string print(const Node& node);

}  // namespace tideline::sql
