#include "sql/parser.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "sql/parse_state.h"

namespace tideline::sql {
namespace {

constexpr std::size_t kShownBytes = 40;  // of a token in a message

Op closing_of(Op open) {
  switch (open) {
    case Op::kLeftParen:
      return Op::kRightParen;
    case Op::kLeftBracket:
      return Op::kRightBracket;
    case Op::kLeftBrace:
      return Op::kRightBrace;
    default:
      return Op::kNone;
  }
}

bool is_closing(Op op) { return op == Op::kRightParen || op == Op::kRightBracket || op == Op::kRightBrace; }

}  // namespace

Parser::Parser(Parsed& out, const Dialect& dialect)
    : out_(out), arena_(out.arena), dialect_(dialect), text_(out.text), tokens_(lex(text_, dialect)) {
  std::uint32_t opened = 0;
  std::erase_if(tokens_, [&](const Token& token) {
    if (token.kind == TokenKind::kOperator) return is_stray(token, opened);
    return token.kind == TokenKind::kSpace || token.kind == TokenKind::kComment || token.kind == TokenKind::kHint;
  });
  last_ = tokens_.size() - 1;
  partners_.assign(tokens_.size(), 0);
  std::vector<std::uint32_t> open;
  for (std::uint32_t i = 0; i <= last_; ++i) {
    auto op = op_of(tokens_[i]);
    if (closing_of(op) != Op::kNone) {
      open.push_back(i);
    } else if (is_closing(op)) {
      if (!open.empty() && closing_of(op_of(tokens_[open.back()])) == op) {
        partners_[open.back()] = i;
        open.pop_back();
      }
    } else if (op == Op::kSemicolon) {
      open.clear();  // what is open in one statement takes nothing from the next
    }
  }
}

/// For one pass over the tokens: whether this closes what nothing opened. Such a one would end the statement where it
/// stands; without it the rest can be read.
bool Parser::is_stray(const Token& token, std::uint32_t& open) {
  auto op = op_of(token);
  if (op == Op::kSemicolon) open = 0;
  if (op > Op::kRightBrace || op == Op::kNone) return false;
  if (!is_closing(op)) {
    ++open;
    return false;
  }
  if (open > 0) {
    --open;
    return false;
  }
  ++out_.diagnostic_count;
  if (out_.diagnostics.size() < kMaxDiagnostics)
    out_.diagnostics.push_back({DiagnosticCode::kSyntax, token.span, "a closing parenthesis that nothing opened"});
  return true;
}

bool Parser::at_word(std::string_view word, std::size_t ahead) {
  const auto& token = peek(ahead);
  return token.kind == TokenKind::kWord && token.span.end - token.span.begin == word.size() &&
         equal_ignoring_case(text_of(token.span, text_), word);
}

Span Parser::since(std::uint32_t from) const {
  auto end = position_ > 0 ? tokens_[position_ - 1].span.end : 0;
  return {from, std::max(from, end)};
}

std::string_view Parser::joined(std::size_t first) {
  steps_ += position_ - first;
  if (position_ == first) return {};
  std::string out;
  auto wordy = [&](std::size_t i) {
    auto kind = tokens_[i].kind;
    return kind == TokenKind::kWord || kind == TokenKind::kNumber || kind == TokenKind::kQuotedName ||
           kind == TokenKind::kString || kind == TokenKind::kParameter || kind == TokenKind::kStage;
  };
  // Together stands what cannot become another token by it.
  auto plain = [&](std::size_t i) { return wordy(i) && tokens_[i].kind != TokenKind::kParameter; };
  auto fit = [&](std::size_t i) {
    const Op before = op_of(tokens_[i - 1]), op = op_of(tokens_[i]);
    if (wordy(i - 1) && wordy(i)) return false;
    return tokens_[i - 1].span.end == tokens_[i].span.begin || is_closing(op) || op == Op::kComma ||
           op == Op::kLeftParen || closing_of(before) != Op::kNone || before == Op::kComma ||
           (op == Op::kEquals && plain(i - 1)) || (before == Op::kEquals && plain(i));
  };
  for (auto i = first; i < position_; ++i) {
    if (i > first && !fit(i)) {
      out += ' ';
    }
    out += text_of(tokens_[i].span, text_);
  }
  return arena_.copy(out);
}

std::string_view Parser::lower(std::string_view text) { return arena_.copy(ascii_lower(text)); }

void Parser::report(DiagnosticCode code, Span span, std::string message) {
  if (given_up_ || reported_at_ == position_) return;
  reported_at_ = position_;
  ++out_.diagnostic_count;
  if (out_.diagnostics.size() < kMaxDiagnostics) out_.diagnostics.push_back({code, span, std::move(message)});
}

void Parser::unexpected(std::string_view wanted) {
  const auto& token = peek();
  auto message = "expected " + std::string(wanted);
  auto code = DiagnosticCode::kSyntax;
  switch (token.kind) {
    case TokenKind::kEnd:
      message += ", found the end";
      break;
    case TokenKind::kTemplate:
      code = DiagnosticCode::kTemplate;
      message = "template text that nothing has replaced";
      break;
    case TokenKind::kError: {
      auto text = text_of(token.span, text_);
      bool unclosed = text.size() > 1 || text == "'" || text == "\"" || text == "`" || text == "[";
      code = unclosed ? DiagnosticCode::kUnclosed : DiagnosticCode::kBadToken;
      message = unclosed ? "no end of what begins with `" + std::string(text.substr(0, 2)) + "`"
                         : "a character that begins nothing";
      break;
    }
    default: {
      auto text = text_of(token.span, text_);
      message += ", found `" + std::string(text.substr(0, kShownBytes)) + (text.size() > kShownBytes ? "…`" : "`");
    }
  }
  report(code, token.span, std::move(message));
}

bool Parser::expect(Op wanted, std::string_view where) {
  if (accept(wanted)) return true;
  unexpected(where);
  return false;
}

bool Parser::expect(K wanted, std::string_view where) {
  if (accept(wanted)) return true;
  unexpected(where);
  return false;
}

bool Parser::give_up() {
  if (!given_up_) {
    report(DiagnosticCode::kTooDeep, peek().span, "nested deeper than " + std::to_string(kMaxDepth) + " levels");
    given_up_ = true;
    while (!at_end()) advance();
  }
  return false;
}

bool Parser::at_statement_start(std::size_t ahead) {
  switch (keyword(ahead)) {
    case K::kSelect:
    case K::kWith:
    case K::kInsert:
    case K::kMerge:
    case K::kUpdate:
    case K::kDelete:
    case K::kCreate:
    case K::kDrop:
    case K::kAlter:
    case K::kTruncate:
      return true;
    default:
      return false;
  }
}

/// T-SQL tools' batch separator: a line of its own.
bool Parser::at_go() {
  if (dialect_.id != DialectId::kTsql || !at_word("go")) return false;
  auto lines_between = [&](std::uint32_t from, std::uint32_t to) {
    return text_.substr(from, to - from).find('\n') != std::string_view::npos;
  };
  bool first = position_ == 0 || lines_between(tokens_[position_ - 1].span.end, begin());
  return first && (peek(1).kind == TokenKind::kEnd || lines_between(peek().span.end, peek(1).span.begin));
}

bool Parser::at_clause() {
  switch (keyword()) {
    case K::kFrom:
    case K::kWhere:
    case K::kHaving:
    case K::kUnion:
    case K::kIntersect:
    case K::kInto:
    case K::kPrewhere:
    case K::kReturning:
    case K::kSelect:
    case K::kWhen:
    case K::kThen:
      return true;
    case K::kExcept:
    case K::kFor:
      return true;
    case K::kLimit:  // where a name stands as well: SELECT limit AS l, a
      return keyword(1) != K::kAs && keyword(1) != K::kFrom && op(1) != Op::kComma && op(1) != Op::kDot;
    case K::kWith:  // CREATE … AS SELECT … WITH NO DATA
      return keyword(1) == K::kNo || at_word("data", 1) || at_word("check", 1) || at_word("cascaded", 1) ||
             (keyword(1) == K::kLocal && at_word("check", 2));
    case K::kOn:
      return keyword(1) == K::kConflict || at_word("duplicate", 1);
    case K::kNone:
      return at(Op::kPipe) || at_lock() || at_go() || at_comment() ||
             (dialect_.id == DialectId::kOracle && at_model()) || at_output() ||
             (dialect_.id == DialectId::kPostgres && at_distributed()) ||
             (dialect_.id == DialectId::kRedshift && at_word("remove") && at_word("duplicates", 1));
    case K::kOption:
      return op(1) == Op::kLeftParen;
    case K::kSettings:
    case K::kFormat:
      return dialect_.id == DialectId::kClickhouse;
    case K::kUsing:
      return keyword(1) == K::kSample;
    case K::kGroup:
    case K::kOrder:
    case K::kCluster:
    case K::kDistribute:
    case K::kSort:
    case K::kConnect:
      return keyword(1) == K::kBy || (keyword() == K::kOrder && at_word("siblings", 1)) ||
             (keyword() == K::kGroup && keyword(1) == K::kAnd && keyword(2) == K::kOrder);
    case K::kStart:
      return keyword(1) == K::kWith;
    case K::kFetch:
      return keyword(1) == K::kFirst || keyword(1) == K::kNext || peek(1).kind == TokenKind::kNumber;
    case K::kQualify:
      return dialect_.qualify ? op(1) != Op::kDot : !may_be_alias(true);
    case K::kWindow:
      return at_name(1) && keyword(2) == K::kAs;
    case K::kOffset:
      return peek(1).kind == TokenKind::kNumber || peek(1).kind == TokenKind::kParameter || op(1) == Op::kLeftParen ||
             op(1) == Op::kColon;
    default:
      return set_operator_precedence() > 0 || at(Op::kPipe) || at_next_statement();
  }
}

bool Parser::at_next_statement() {
  if (dialect_.id != DialectId::kTsql || !at_name(1)) return false;
  switch (keyword()) {
    case K::kDeclare:
    case K::kDrop:
    case K::kCreate:
    case K::kAlter:
    case K::kTruncate:
    case K::kExec:
    case K::kExecute:
    case K::kBegin:
    case K::kIf:
    case K::kInsert:
    case K::kDelete:
      return true;
    default:
      return false;
  }
}

void Parser::skip_one() {
  if (partners_[position_] != 0) {
    ++steps_;
    position_ = partners_[position_];
  }
  advance();
}

void Parser::skip_to_follow(bool stop_at_clause) {
  while (!at_list_end(stop_at_clause)) skip_one();
}

void Parser::close(std::size_t open) {
  auto partner = partners_[open];
  auto wanted = closing_of(op_of(tokens_[open]));
  if (at(wanted) && (partner == 0 || partner == position_)) {
    advance();
    return;
  }
  if (given_up_) return;
  if (partner == 0) {
    report(DiagnosticCode::kUnclosed, tokens_[open].span, "a parenthesis that is not closed");
    if (at(wanted)) advance();
    return;
  }
  unexpected("a closing parenthesis");
  if (partner >= position_) {
    steps_ += 1;
    position_ = partner;
    advance();
  }
}

const Expression* Parser::error_expression(std::uint32_t from) {
  auto* node = make<ErrorExpression>(from);
  node->text = text_of(node->span, text_);
  return node;
}

void Parser::run() {
  while (peek().kind != TokenKind::kEnd) {
    if (accept(Op::kSemicolon)) continue;
    depth_ = deepest_ = case_depth_ = argument_depth_ = 0;
    given_up_ = false;
    auto before = position_;
    if (const auto* parsed = statement()) out_.statements.push_back(parsed);
    end_statement();
    if (position_ == before) advance();
  }
  finish_run();
}

void Parser::finish_run() {
  // One in a text that is only kept has been missed by nobody.
  for (std::uint32_t i = 0; i < last_ && out_.diagnostic_count == 0; ++i) {
    if (closing_of(op_of(tokens_[i])) == Op::kNone || partners_[i] != 0) continue;
    ++out_.diagnostic_count;
    out_.diagnostics.push_back({DiagnosticCode::kSyntax, tokens_[i].span, "a parenthesis that nothing closes"});
  }
  std::sort(out_.diagnostics.begin(), out_.diagnostics.end(),
            [](const Diagnostic& a, const Diagnostic& b) { return a.span.begin < b.span.begin; });
  out_.steps = steps_;
  out_.tokens = last_;
}

void Parser::run_expression() {
  auto from = begin();
  auto* select = make<Select>(from);
  {
    Builder<SelectItem> items(*this);
    items.push(select_item());
    select->items = items.done();
  }
  if (!at_end()) unexpected("the end of the expression");
  auto* query = make<Query>(from);
  query->body = finish(select, from);
  auto* statement = make<QueryStatement>(from);
  statement->query = query;
  out_.statements.push_back(statement);
  finish_run();
}

const Query* Parsed::query() const {
  if (statements.size() != 1) return nullptr;
  if (const auto* statement = as<QueryStatement>(statements[0])) return statement->query;
  if (const auto* create = as<Create>(statements[0])) return create->query;
  if (const auto* insert = as<Insert>(statements[0])) return insert->query;
  return nullptr;
}

namespace {

template <class Run>
Parsed parse_with(std::string_view text, const Dialect& dialect, Run run) {
  Parsed out;
  if (text.size() > kMaxTextBytes) {
    out.diagnostic_count = 1;
    out.diagnostics.push_back(
        {DiagnosticCode::kTooLong, {}, "longer than " + std::to_string(kMaxTextBytes) + " bytes"});
    return out;
  }
  out.text = out.arena.copy(text);
  Parser parser(out, dialect);
  run(parser);
  return out;
}

}  // namespace

Parsed parse(std::string_view text, const Dialect& dialect) {
  return parse_with(text, dialect, [](Parser& parser) { parser.run(); });
}

Parsed parse_expression(std::string_view text, const Dialect& dialect) {
  return parse_with(text, dialect, [](Parser& parser) { parser.run_expression(); });
}

Position position_of(std::uint32_t offset, std::string_view text) {
  Position position;
  for (auto c : text.substr(0, offset)) {
    if (c == '\n') {
      ++position.line;
      position.column = 0;
    }
    ++position.column;
  }
  return position;
}

}  // namespace tideline::sql
