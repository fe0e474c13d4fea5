#include "sql/print.h"

#include <utility>

#include "sql/printer.h"

namespace tideline::sql {

void Printer::any(const Node& node) {
  if (node.kind <= NodeKind::kErrorExpression) return expression(static_cast<const Expression&>(node));
  if (node.kind <= NodeKind::kErrorTable) return table(static_cast<const TableReference&>(node));
  if (node.kind == NodeKind::kQuery) return query(static_cast<const Query&>(node));
  if (node.kind < NodeKind::kQuery) return term(static_cast<const QueryTerm&>(node), false);
  statement(static_cast<const Statement&>(node));
}

void Printer::word(std::string_view text) {
  if (text.empty()) return;
  if (!out.empty() && out.back() != ' ' && out.back() != '(' && out.back() != '[' && out.back() != '{') out += ' ';
  out += text;
}

void Printer::quoted(std::string_view text, char begin, char end) {
  if (!out.empty() && out.back() != ' ' && out.back() != '(' && out.back() != '.' && out.back() != ':' &&
      out.back() != '[' && out.back() != '{') {
    out += ' ';
  }
  out += begin;
  for (char c : text) {
    out += c;
    if (c == end) out += c;
  }
  out += end;
}

void Printer::name(const Identifier& id) {
  switch (id.quote) {
    case Quote::kNone:
      if (!out.empty() && (out.back() == '.' || out.back() == ':')) {
        out += id.text;
      } else {
        word(id.text);
      }
      break;
    case Quote::kDouble:
      quoted(id.text, '"', '"');
      break;
    case Quote::kBacktick:
      quoted(id.text, '`', '`');
      break;
    case Quote::kBracket:
      quoted(id.text, '[', ']');
      break;
    case Quote::kSingle:
      quoted(id.text, '\'', '\'');
      break;
  }
}

void Printer::dotted(List<Identifier> parts) {
  bool first = true;
  for (const auto& part : parts) {
    if (!first) out += '.';
    first = false;
    name(part);
  }
}

void Printer::names_in_parentheses(List<Identifier> list) {
  spaced_open();
  commas(list, [&](const Identifier& id) { name(id); });
  glue(")");
}

void Printer::alias(const TableAlias& a) {
  if (!a.name && a.columns.empty()) return;
  word("AS");
  if (a.name) name(a.name);
  if (!a.columns.empty()) names_in_parentheses(a.columns);
}

void Printer::query_in_parentheses(const Query& q) {
  spaced_open();
  query(q);
  glue(")");
}

std::string print(const Node& node) {
  Printer printer;
  printer.any(node);
  return std::move(printer.out);
}

}  // namespace tideline::sql
