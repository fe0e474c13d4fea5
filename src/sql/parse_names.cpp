// Identifiers, aliases, types.

#include <string>

#include "base/text.h"
#include "sql/parse_state.h"

namespace tideline::sql {

bool Parser::at_name(std::size_t ahead) {
  auto kind = peek(ahead).kind;
  return kind == TokenKind::kQuotedName || kind == TokenKind::kWord;
}

bool Parser::at_plain_name(std::size_t ahead) {
  const auto& token = peek(ahead);
  return token.kind == TokenKind::kQuotedName ||
         (token.kind == TokenKind::kWord && (flags_of(token.keyword) & kNoName) == 0);
}

std::string_view Parser::unquote(std::string_view body, char quote, bool backslashes) {
  auto special = [&](char c) { return c == quote || (backslashes && c == '\\'); };
  bool plain = true;
  for (char c : body) plain = plain && !special(c);
  if (plain) return body;
  std::string out;
  for (std::size_t i = 0; i < body.size(); ++i) {
    if (body[i] == quote && i + 1 < body.size() && body[i + 1] == quote) {
      ++i;
    } else if (backslashes && body[i] == '\\' && i + 1 < body.size()) {
      ++i;
      switch (body[i]) {
        case 'n':
          out += '\n';
          continue;
        case 't':
          out += '\t';
          continue;
        case 'r':
          out += '\r';
          continue;
        case '\\':
        case '\'':
        case '"':
        case '`':
          break;
        default:
          out += '\\';  // octal, hexadecimal and Unicode escapes stay as they are written
      }
    }
    out += body[i];
  }
  return arena_.copy(out);
}

std::string_view Parser::string_value(std::string_view raw) {
  bool is_raw = false;
  bool escapes = dialect_.backslash_escapes;
  if (dialect_.id == DialectId::kOracle && raw.size() > 4) {  // q'[…]', nq'[…]'
    auto q = raw.find('\'');
    if (q > 0 && q <= 2 && (raw[q - 1] | 0x20) == 'q') return raw.substr(q + 2, raw.size() - q - 4);
  }
  std::size_t prefix = 0;
  while (prefix < raw.size() && raw[prefix] != '\'' && raw[prefix] != '"' && raw[prefix] != '$') {
    is_raw = is_raw || (raw[prefix] | 0x20) == 'r';
    escapes = escapes || (raw[prefix] | 0x20) == 'e';
    ++prefix;
  }
  raw.remove_prefix(prefix);
  if (raw.empty()) return {};
  if (raw[0] == '$') {
    auto tag = raw.find('$', 1) + 1;
    return raw.size() >= 2 * tag ? raw.substr(tag, raw.size() - 2 * tag) : raw;
  }
  char quote = raw[0];
  if (dialect_.triple_quotes && raw.size() >= 6 && raw[1] == quote && raw[2] == quote) {
    auto body = raw.substr(3, raw.size() - 6);
    return is_raw ? body : unquote(body, '\0', escapes);
  }
  return raw.size() < 2 ? raw : unquote(raw.substr(1, raw.size() - 2), quote, escapes && !is_raw);
}

Identifier Parser::identifier_of(const Token& token) {
  auto text = text_of(token.span, text_);
  Identifier out{.text = text, .span = token.span};
  if (token.kind == TokenKind::kQuotedName || token.kind == TokenKind::kString) {
    if (text[0] == 'u' || text[0] == 'U') text.remove_prefix(2);
    switch (text[0]) {
      case '`':
        out.quote = Quote::kBacktick;
        break;
      case '[':
        out.quote = Quote::kBracket;
        break;
      case '"':
        out.quote = token.kind == TokenKind::kString ? Quote::kSingle : Quote::kDouble;
        break;
      default:
        out.quote = Quote::kSingle;
    }
    if (token.kind == TokenKind::kString) {
      out.text = string_value(text);
    } else {
      char end = text[0] == '[' ? ']' : text[0];
      out.text = unquote(text.substr(1, text.size() - 2), end, false);
    }
  }
  return out;
}

Identifier Parser::identifier() {
  auto out = identifier_of(peek());
  advance();
  return out;
}

Identifier Parser::name_or_error(std::string_view where) {
  if (at_name()) return identifier();
  unexpected(where);
  return {};
}

List<Identifier> Parser::dotted_name() {
  Builder<Identifier> parts(*this);
  parts.push(identifier());
  while (at(Op::kDot) && (at_name(1) || (op(1) == Op::kDot && at_name(2)))) {
    advance();
    if (at(Op::kDot)) {  // db..table: the schema is left to the default
      parts.push({.text = {}, .span = {begin(), begin()}});
      continue;
    }
    parts.push(identifier());
  }
  return parts.done();
}

List<Identifier> Parser::relation_name() {
  Builder<Identifier> parts(*this);
  for (bool first = true;; first = false) {
    const auto token = peek();
    if (token.kind == TokenKind::kNumber || token.kind == TokenKind::kParameter ||
        (token.kind == TokenKind::kWord && dialect_.dashed_paths)) {
      // my-project.set.table, table-2024: words, numbers and dashes that touch are one name.
      auto from = token.span.begin;
      advance();
      while (dialect_.dashed_paths && at(Op::kMinus) && tokens_[position_ - 1].span.end == begin() && adjacent(0) &&
             (peek(1).kind == TokenKind::kWord || peek(1).kind == TokenKind::kNumber)) {
        advance(2);
      }
      parts.push({.text = source(from), .span = since(from)});
    } else if (token.kind == TokenKind::kQuotedName && dialect_.dashed_paths) {
      // `project.set.table` is three names.
      auto whole = identifier();
      auto offset = whole.span.begin + 1;
      for (auto part : split(whole.text, '.')) {
        auto length = static_cast<std::uint32_t>(part.size());
        parts.push({.text = part, .quote = whole.quote, .span = {offset, offset + length}});
        offset += length + 1;
      }
    } else {
      parts.push(identifier());
    }
    if (!at(Op::kDot)) break;
    auto next = peek(1).kind;
    if (op(1) == Op::kDot && at_name(2)) {
      advance();
      parts.push({.text = {}, .span = {begin(), begin()}});
    } else if (!at_name(1) && next != TokenKind::kNumber && next != TokenKind::kParameter) {
      break;
    }
    advance();
    (void)first;
  }
  return parts.done();
}

List<Identifier> Parser::names_in_parentheses() {
  Builder<Identifier> names(*this);
  auto open = position_;
  advance();
  while (!at_closing() && !at_end()) {
    if (at_name() || peek().kind == TokenKind::kString) {
      auto name = identifier();
      while (at(Op::kDot) && at_name(1)) {  // t.a in a list of columns: a
        advance();
        name = identifier();
      }
      names.push(name);
    } else {
      unexpected("a column name");
    }
    if (!at_list_end(false)) {
      unexpected("a comma between the names");
      skip_to_follow(false);
    }
    if (!accept(Op::kComma)) break;
  }
  close(open);
  return names.done();
}

bool Parser::may_be_alias(bool table) {
  const auto token = peek();
  if (token.kind == TokenKind::kQuotedName) return true;
  if (token.kind == TokenKind::kString) return !table && dialect_.string_alias;
  if (token.kind != TokenKind::kWord) return false;
  if (token.keyword == K::kNone) {
    if (table && at_word("force") && (at_word("index", 1) || keyword(1) == K::kKey)) return false;
    if (table && at_word("indexed") && keyword(1) == K::kBy) return false;
    switch (dialect_.id) {
      case DialectId::kTsql:
        return !at_output() && !at_go();
      case DialectId::kOracle:
        return !at_model();
      case DialectId::kMysql:
        return !at_lock() &&
               !((table && at_word("straight_join")) || (!table && (at_word("member") || at_word("sounds")) &&
                                                         (keyword(1) == K::kOf || keyword(1) == K::kLike)));
      case DialectId::kClickhouse:
        return !(at_word("paste") && keyword(1) == K::kJoin) && !at_comment();
      case DialectId::kPostgres:
        return !at_distributed();
      case DialectId::kRedshift:
        return !(at_word("remove") && at_word("duplicates", 1));
      default:
        return true;
    }
  }
  if ((flags_of(token.keyword) & (table ? kNoTableAlias : kNoColumnAlias)) != 0) return false;
  const auto next = keyword(1);
  const auto next_op = op(1);
  switch (token.keyword) {
    case K::kQualify: {
      if (dialect_.qualify) return false;
      // Elsewhere it is a name, unless it stands where only the clause can.
      auto kind = peek(1).kind;
      bool value = kind == TokenKind::kNumber || kind == TokenKind::kString || kind == TokenKind::kQuotedName ||
                   next_op == Op::kLeftParen || next == K::kNot || next == K::kCase || next == K::kExists ||
                   (kind == TokenKind::kWord && (next == K::kNone || op(2) == Op::kLeftParen));
      return !value;
    }
    case K::kWindow:
      return !(at_name(1) && keyword(2) == K::kAs);
    case K::kOffset: {
      auto kind = peek(1).kind;
      return !(kind == TokenKind::kNumber || kind == TokenKind::kParameter || next_op == Op::kLeftParen ||
               next_op == Op::kColon);
    }
    case K::kFetch:
      return next != K::kFirst && next != K::kNext && peek(1).kind != TokenKind::kNumber;
    case K::kMinus:
      return set_operator_precedence() == 0;
    case K::kGroup:
    case K::kOrder:
    case K::kCluster:
    case K::kDistribute:
    case K::kSort:
    case K::kConnect:
      return next != K::kBy;
    case K::kStart:
      return next != K::kWith;
    case K::kPivot:
    case K::kUnpivot:
      if (at_word("xml", 1) && op(2) == Op::kLeftParen) return false;
      return next_op != Op::kLeftParen && next != K::kInclude && next != K::kExclude;
    case K::kMatchRecognize:
    case K::kMatchCondition:
    case K::kChanges:
    case K::kBefore:
    case K::kOption:
      return next_op != Op::kLeftParen;
    case K::kAt:
      return next_op != Op::kLeftParen && next != K::kTime && !(table && dialect_.id == DialectId::kRedshift);
    case K::kApply:
      return dialect_.id != DialectId::kClickhouse || next_op != Op::kLeftParen;
    case K::kVersion:
    case K::kTimestamp:
      return !(next == K::kAs && keyword(2) == K::kOf);
    case K::kSample:
      return next_op != Op::kLeftParen && peek(1).kind != TokenKind::kNumber && next != K::kRow && next != K::kBlock &&
             next != K::kSystem && next != K::kBernoulli;
    case K::kAnti:
    case K::kSemi:
    case K::kPositional:
      return next != K::kJoin && next != K::kLeft && next != K::kRight;
    case K::kAsof:
      return next != K::kJoin && next != K::kLeft && next != K::kInner && next != K::kRight && next != K::kFull &&
             next != K::kAnti && next != K::kSemi;
    case K::kArray:
      return next != K::kJoin;
    case K::kExclude:
      return dialect_.id != DialectId::kRedshift || table || next_op != Op::kLeftParen;
    case K::kUse:
    case K::kIgnore:
      return !(table && (at_word("index", 1) || next == K::kKey));
    case K::kGlobal:
    case K::kAny:
      return !(next == K::kJoin || next == K::kLeft || next == K::kRight || next == K::kInner || next == K::kFull ||
               next == K::kAny || next == K::kAll || next == K::kAsof || next == K::kSemi || next == K::kAnti);
    case K::kFinal:
    case K::kSettings:
    case K::kFormat:
      return dialect_.id != DialectId::kClickhouse;
    case K::kDiv:
    case K::kMod:
    case K::kXor:
    case K::kGlob: {
      // Operators of some dialects: so they are where a value follows.
      auto kind = peek(1).kind;
      return !(kind == TokenKind::kNumber || kind == TokenKind::kString || kind == TokenKind::kQuotedName ||
               next_op == Op::kLeftParen || (kind == TokenKind::kWord && next == K::kNone));
    }
    case K::kDefault:
      return next != K::kValues;
    case K::kPartition:
      return next_op != Op::kLeftParen;
    case K::kDo:
      return next != K::kUpdate && next != K::kNothing;
    default:
      return !at_next_statement();
  }
}

Identifier Parser::alias(bool table) {
  if (accept(K::kAs)) {
    const auto token = peek();
    if (token.kind == TokenKind::kQuotedName || token.kind == TokenKind::kString) return identifier();
    if (token.kind == TokenKind::kWord) {
      // After AS any word is a name, but SELECT a AS FROM t has forgotten it.
      if ((flags_of(token.keyword) & kNoName) == 0) return identifier();
      auto after = peek(1);
      if (after.kind == TokenKind::kEnd || op(1) == Op::kComma || op(1) == Op::kRightParen ||
          after.keyword == K::kFrom) {
        return identifier();
      }
    }
    unexpected("a name after AS");
    return {};
  }
  return may_be_alias(table) ? identifier() : Identifier{};
}

TableAlias Parser::table_alias() {
  TableAlias out;
  if (at(K::kAs) && keyword(1) == K::kOf) return out;
  if (at(K::kAs) && op(1) == Op::kLeftParen && dialect_.id == DialectId::kDatabricks) {  // t AS (a, b)
    advance();
    out.columns = names_in_parentheses();
    return out;
  }
  out.name = alias(true);
  if (out.name && at(Op::kLeftParen) && (at_name(1) || op(1) == Op::kRightParen) && !at_version())
    out.columns = names_in_parentheses();
  return out;
}

// A word, what stands in parentheses or angle brackets after it, and array bounds. The words of types are not checked.
void Parser::type_parts(std::uint32_t& open_angles) {
  Nest nest(*this);
  if (!nest) return;
  if (!at_name() && peek().kind != TokenKind::kString) {
    unexpected("a type");
    return;
  }
  auto first = keyword();
  auto first_text = text();
  advance();
  while (at(Op::kDot) && at_name(1)) advance(2);
  if (first == K::kDouble) accept(K::kPrecision);
  if (equal_ignoring_case(first_text, "character") || equal_ignoring_case(first_text, "char") ||
      equal_ignoring_case(first_text, "bit") || equal_ignoring_case(first_text, "national")) {
    if (keyword(1) != K::kSet) accept_word("character") || accept_word("char");
    accept(K::kVarying);
  }
  if (equal_ignoring_case(first_text, "long")) accept_word("varchar") || accept_word("varbinary");
  if (equal_ignoring_case(first_text, "unsigned") || equal_ignoring_case(first_text, "signed")) accept_word("integer");
  bool generic = at(Op::kLess);
  if (generic) {
    advance();
    ++open_angles;
    auto mine = open_angles;
    while (!at_end() && open_angles >= mine && !at(Op::kGreater)) {
      // name type, name: type, or type alone; then its options
      if (at_name() && op(1) == Op::kColon) {
        advance(2);
      } else if (at_name() && at_name(1) && !(keyword() == K::kDouble && keyword(1) == K::kPrecision) &&
                 keyword(1) != K::kWith && keyword(1) != K::kWithout && keyword(1) != K::kNot &&
                 keyword(1) != K::kCollate) {
        advance();
      }
      auto before = position_;
      type_parts(open_angles);
      accept(K::kNot) && accept(K::kNull);
      if (at_word("comment") && peek(1).kind == TokenKind::kString) advance(2);
      if (at_word("options") && op(1) == Op::kLeftParen && partners_[position_ + 1] != 0) {
        position_ = partners_[position_ + 1];
        advance();
      }
      if (open_angles < mine || !accept(Op::kComma) || position_ == before) break;
    }
    if (open_angles >= mine) {
      if (!expect(Op::kGreater, "`>` after the type's arguments")) return;
      --open_angles;
    }
  } else if (at(Op::kLeftParen)) {
    auto open = position_;
    if (partners_[open] == 0) return;
    advance();
    while (position_ < partners_[open] && !at_end()) {
      if (peek().kind == TokenKind::kNumber || peek().kind == TokenKind::kString || at(Op::kMinus) || at(Op::kStar) ||
          at_word("max") || at(K::kMax) || (op(1) == Op::kEquals)) {
        while (!at_list_end(false)) advance();  // numeric(10, -2), varchar(10 char), Enum('a' = 1)
      } else {
        if (at_name() && at_name(1) && keyword(1) != K::kPrecision && keyword(1) != K::kVarying &&
            keyword() != K::kTime && keyword() != K::kTimestamp && keyword(1) != K::kNot) {
          advance();  // ROW(name type), STRUCT(name type)
        }
        auto before = position_;
        type_parts(open_angles);
        accept(K::kNot) && accept(K::kNull);
        if (position_ == before) break;
      }
      if (!accept(Op::kComma)) break;
    }
    close(open);
  }
  if (at(K::kWith) || at(K::kWithout)) {
    if ((keyword(1) == K::kTime && keyword(2) == K::kZone)) advance(3);
    if (at(K::kWith) && at_word("local", 1) && keyword(2) == K::kTime) advance(4);
    if (at(K::kWith) && keyword(1) == K::kLocal && keyword(2) == K::kTime) advance(4);
  }
  if (at(K::kCollate) && at_name(1) && dialect_.id == DialectId::kDatabricks) advance(2);
  auto precision = [&] {
    if (at(Op::kLeftParen) && peek(1).kind == TokenKind::kNumber) skip_one();
  };
  if (first == K::kInterval && at_interval_unit()) {
    advance();
    precision();
    if (accept(K::kTo)) {
      advance();
      precision();
    }
  }
  if (dialect_.id == DialectId::kMysql && at_word("character") && keyword(1) == K::kSet) {
    advance(2);
    if (at_name()) advance();
  }
  if (equal_ignoring_case(first_text, "int") || equal_ignoring_case(first_text, "integer") ||
      equal_ignoring_case(first_text, "bigint") || equal_ignoring_case(first_text, "smallint") ||
      equal_ignoring_case(first_text, "tinyint")) {
    accept_word("unsigned") || accept_word("signed");
  }
  while (!generic) {  // after array<…> a bracket holds its elements
    if (at(Op::kLeftBracket) &&
        (op(1) == Op::kRightBracket || (peek(1).kind == TokenKind::kNumber && op(2) == Op::kRightBracket))) {
      advance(op(1) == Op::kRightBracket ? 2 : 3);
    } else if (at(K::kArray) && first != K::kArray) {
      advance();
    } else {
      break;
    }
  }
}

TypeName Parser::type_name() {
  auto first = position_;
  auto from = begin();
  std::uint32_t open_angles = 0;
  type_parts(open_angles);
  return {.text = joined(first), .span = since(from)};
}

}  // namespace tideline::sql
