// Statements around queries.

#include <algorithm>

#include "sql/parse_state.h"

namespace tideline::sql {

const Statement* Parser::statement() {
  Nest nest(*this);
  auto from = begin();
  if (!nest) return nullptr;
  if (at(K::kExplain)) {
    advance();
    accept(K::kAnalyze);
    if (at(Op::kLeftParen) && partners_[position_] != 0 && !at_query(1)) {
      position_ = partners_[position_];
      advance();
    }
  }
  // BEGIN of a block; BEGIN; and BEGIN TRANSACTION are statements.
  while (at(K::kBegin) && (at_statement_start(1) || at_unread_start(1))) advance();
  switch (keyword()) {
    case K::kCreate:
      return create();
    case K::kReplace:
      if (keyword(1) == K::kInto) return insert({}, from);  // MySQL
      break;
    case K::kInsert:
      if (keyword(1) == K::kAll || keyword(1) == K::kFirst || (keyword(1) == K::kOverwrite && keyword(2) == K::kAll)) {
        return insert_all(from);
      }
      return insert({}, from);
    case K::kMerge:
      return merge({}, from);
    case K::kUpdate:
      return update({}, from);
    case K::kDelete:
      return delete_from({}, from);
    case K::kWith: {
      auto with = with_clause();
      return statement_after_with(with, from);
    }
    default:
      break;
  }
  if (at(Op::kLeftParen) || at_query()) {
    const auto* inner = query();
    auto* node = make<QueryStatement>(from);
    node->query = inner;
    return node;
  }
  return unread_statement(from);
}

const Statement* Parser::statement_after_with(const With& with, std::uint32_t from) {
  switch (keyword()) {
    case K::kInsert:
      return insert(with, from);
    case K::kMerge:
      return merge(with, from);
    case K::kUpdate:
      return update(with, from);
    case K::kDelete:
      return delete_from(with, from);
    default:
      break;
  }
  const auto* inner = query_after_with(with, from);
  auto* node = make<QueryStatement>(from);
  node->query = inner;
  return node;
}

/// A statement that is not read begins here.
bool Parser::at_unread_start(std::size_t ahead) {
  switch (keyword(ahead)) {
    case K::kSet:
    case K::kUse:
    case K::kShow:
    case K::kDrop:
    case K::kAlter:
    case K::kTruncate:
    case K::kGrant:
    case K::kRevoke:
    case K::kBegin:
    case K::kCommit:
    case K::kDeclare:
    case K::kCall:
    case K::kExecute:
    case K::kExec:
    case K::kDescribe:
    case K::kDesc:
    case K::kCopy:
    case K::kCreate:
    case K::kAnalyze:
    case K::kEnd:
    case K::kIf:
    case K::kElse:
    case K::kSummarize:
    case K::kFetch:
    case K::kStart:
    case K::kDo:
    case K::kRename:
    case K::kConvert:
    case K::kCluster:
    case K::kApply:
      return true;
    case K::kFor:
      return at_name(ahead + 1);
    default: {
      static constexpr std::string_view kWords[] = {
          "rollback", "vacuum",    "comment",    "refresh",     "optimize", "unload",   "install",    "load",
          "attach",   "detach",    "pragma",     "print",       "reset",    "cache",    "uncache",    "msck",
          "let",      "exception", "while",      "loop",        "repeat",   "return",   "raise",      "checkpoint",
          "export",   "import",    "deny",       "go",          "list",     "put",      "remove",     "lock",
          "kill",     "system",    "clear",      "waitfor",     "undrop",   "unset",    "define",     "get",
          "ls",       "rm",        "elseif",     "elsif",       "until",    "assert",   "analyse",    "close",
          "open",     "prepare",   "deallocate", "add",         "generate", "restore",  "constraint", "listen",
          "notify",   "discard",   "reindex",    "security",    "reassign", "exchange", "pause",      "resume",
          "stop",     "dbcc",      "raiserror",  "reconfigure", "save",     "throw",    "bulk",       "goto",
          "prompt",   "leave",     "iterate",    "break",       "continue", "exit",     "flush",      "unlock",
          "handler"};
      if (op(ahead + 1) == Op::kColonEquals && at_name(ahead)) return true;                               // x := 1
      if (at_name(ahead) && op(ahead + 1) == Op::kColon && keyword(ahead + 2) == K::kBegin) return true;  // label:
      return std::any_of(std::begin(kWords), std::end(kWords), [&](auto word) { return at_word(word, ahead); });
    }
  }
}

const Statement* Parser::unread_statement(std::uint32_t from) {
  bool known = at_unread_start(0);
  if (!known) unexpected("a statement");
  // T-SQL needs no semicolon: the next statement begins with its word.
  bool ends_by_word = dialect_.id == DialectId::kTsql && !at(K::kGrant) && !at(K::kRevoke) && !at_word("deny") &&
                      !at(K::kCreate) && !at(K::kAlter);
  bool declares = at(K::kDeclare);
  Builder<Identifier> variables(*this);
  advance();
  if (declares) {
    while (at_name()) {
      variables.push(identifier());
      if (!accept(Op::kComma)) break;
    }
  }
  while (!at_end() && !(ends_by_word && (at_statement_start() || at(K::kDeclare)) && !at_cte_options())) skip_one();
  auto names = variables.done();
  auto* node = make<ErrorStatement>(from);
  node->text = text_of(node->span, text_);
  node->unread = known;
  node->variables = names;
  return node;
}

/// AS before the query of a CREATE, and not among its options: STORED AS PARQUET, EXECUTE AS OWNER.
bool Parser::at_query_as() {
  if (!at(K::kAs)) return false;
  auto kind = peek(1).kind;
  return at_query(1) || op(1) == Op::kLeftParen || op(1) == Op::kSemicolon || kind == TokenKind::kTemplate ||
         kind == TokenKind::kEnd || kind == TokenKind::kError;
}

/// WITH that begins no query: WITH (nolock), EXEC f WITH RECOMPILE.
bool Parser::at_cte_options() { return at(K::kWith) && !at_query(); }

/// INSERT ALL … SELECT: into which tables is not read; the rows are those of the query.
const Statement* Parser::insert_all(std::uint32_t from) {
  while (!at_end() && !at(K::kSelect) && !(at(K::kWith) && at_query())) skip_one();
  auto* node = make<QueryStatement>(from);
  node->query = query();
  return finish(node, from);
}

void Parser::end_statement() {
  if (at_end()) return;
  // T-SQL needs no semicolon between statements.
  if (dialect_.id == DialectId::kTsql && ((at_statement_start() && !at_cte_options()) || at_unread_start(0))) return;
  unexpected("the end of the statement");
  while (!at_end() && !(at_statement_start() && !at(K::kSelect) && !at(K::kWith))) {
    if (partners_[position_] != 0) position_ = partners_[position_];
    advance();
  }
}

const TableReference* Parser::target_table() {
  auto from = begin();
  if (at_plain_name() || peek().kind == TokenKind::kQuotedName || peek().kind == TokenKind::kParameter) {
    auto* node = arena_.make<Table>();
    node->kind = Table::kKind;
    node->name = relation_name();
    if (at(K::kWith) && op(1) == Op::kLeftParen && dialect_.id == DialectId::kTsql) node->version = version();
    finish(node, from);
    return node;
  }
  if (peek().kind == TokenKind::kTemplate) return table_primary();
  unexpected("a table");
  return error_table(from);
}

const Statement* Parser::create() {
  auto from = begin();
  auto* node = arena_.make<Create>();
  node->kind = Create::kKind;
  advance();
  if (at(K::kOr) && (keyword(1) == K::kReplace || keyword(1) == K::kAlter || at_word("refresh", 1))) {
    advance(2);
    node->or_replace = true;
  }
  if (dialect_.id == DialectId::kMysql) {  // ALGORITHM = …, DEFINER = …, SQL SECURITY …
    auto first = position_;
    while (!at_end() && !at(K::kView) && !at(K::kTable) && position_ < first + 16) advance();
    if (!at(K::kView)) position_ = first;
  }
  bool materialized = false;
  bool dynamic = false;
  for (;;) {
    if (at(K::kTemp) || at(K::kTemporary)) {
      node->temporary = true;
    } else if (at(K::kMaterialized)) {
      materialized = true;
    } else if (at(K::kDynamic)) {
      dynamic = true;
    } else if (!(at(K::kLocal) || at(K::kGlobal) || at(K::kVolatile) || at(K::kTransient) || at(K::kUnlogged) ||
                 at(K::kExternal) || at(K::kIceberg) || at(K::kHybrid) || at(K::kSecure) || at(K::kRecursive) ||
                 at_word("streaming") || at_word("refresh") || at_word("foreign") || at_word("multiset") ||
                 at_word("live") || at_word("force"))) {
      break;
    }
    advance();
  }
  if (!at(K::kTable) && !at(K::kView)) {
    position_ = position_ > 0 ? position_ : 0;
    while (!at_end()) advance();  // CREATE FUNCTION, SCHEMA …: not read
    auto* unread = make<ErrorStatement>(from);
    unread->text = text_of(unread->span, text_);
    unread->unread = true;
    return unread;
  }
  node->create = at(K::kTable) ? (dynamic ? CreateKind::kDynamicTable : CreateKind::kTable)
                               : (materialized ? CreateKind::kMaterializedView : CreateKind::kView);
  advance();
  if (at(K::kIf) && keyword(1) == K::kNot && keyword(2) == K::kExists) {
    advance(3);
    node->if_not_exists = true;
  }
  if (!at_plain_name() && peek().kind != TokenKind::kParameter) {
    unexpected("the name of what to create");
    while (!at_end() && !at(K::kAs)) advance();
  } else {
    node->name = relation_name();
  }
  if (at(Op::kLeftParen) && !at_query(1) && op(1) != Op::kLeftParen) column_definitions(node->columns);
  auto options = position_;
  // T-SQL: WITH SCHEMABINDING AS SELECT …
  if (dialect_.id == DialectId::kTsql && at(K::kWith) && at_name(1) && keyword(2) == K::kAs &&
      op(3) != Op::kLeftParen) {
    advance(2);
  }
  auto copies_rights = [&] { return at(K::kCopy) && (at_word("grants", 1) || at_word("tags", 1)); };
  auto query_in_parentheses_follows = [&] {
    return at(Op::kLeftParen) && (at_query(1) || op(1) == Op::kLeftParen || peek(1).kind == TokenKind::kTemplate);
  };
  while (!at_end() && !at_query_as() && !at_query() && !query_in_parentheses_follows() && !at(K::kClone) &&
         !((at(K::kLike) || at(K::kCopy)) && at_plain_name(1) && !copies_rights())) {
    skip_one();  // options may hold anything but a query
  }
  node->options = joined(options);
  if (at(K::kClone) || at(K::kLike) || (at(K::kCopy) && !copies_rights())) {
    advance();
    node->like = table();
  }
  if ((at_query_as() && accept(K::kAs)) || at_query() || query_in_parentheses_follows()) {
    if (at_query() || at(Op::kLeftParen)) {
      node->query = query();
    } else {
      unexpected("a query after AS");
      while (!at_end()) advance();
    }
  }
  auto rest = position_;
  bool options_follow = (at(K::kWith) && at_clause()) || at_distributed() || at_comment();
  if (node->query != nullptr && options_follow) {
    while (!at_end()) advance();
  }
  node->rest = joined(rest);
  return finish(node, from);
}

List<SelectItem> Parser::returning() {
  if (!accept(K::kReturning)) return {};
  return select_items(true);
}

/// T-SQL: OUTPUT inserted.a, deleted.b INTO t (a, b). Where it stands does not matter: kept as RETURNING.
List<SelectItem> Parser::output() {
  if (!at_output()) return {};
  advance();
  auto items = select_items(true);
  if (accept(K::kInto)) {
    if (at_name() || peek().kind == TokenKind::kParameter) relation_name();
    if (at(Op::kLeftParen) && !at_query(1)) names_in_parentheses();
  }
  return items;
}

List<Assignment> Parser::assignments() {
  Builder<Assignment> list(*this);
  do {
    Assignment one{};
    auto from = begin();
    if (at(Op::kLeftParen)) {
      auto open = position_;
      advance();
      one.columns = elements(Op::kRightParen);
      close(open);
    } else if (at_name() || peek().kind == TokenKind::kParameter) {
      one.column = dotted_name();
      if (at(Op::kLeftBracket)) index_step();
    } else {
      unexpected("a column");
    }
    auto spelling = text();
    if (at(Op::kEquals) || at(Op::kColonEquals) || (spelling.size() == 2 && spelling[1] == '=')) {
      one.op = spelling;
      advance();
      one.value = expression();
    } else {
      unexpected("`=`");
      one.value = error_expression(begin());
    }
    if (!at_list_end(true) && !at(K::kFrom) && !at(K::kWhen) && !at(K::kOption) && !at(K::kDelete)) {
      unexpected("a comma or the next clause");
      skip_to_follow(true);
      one.value = error_expression(from);
    }
    one.span = since(from);
    list.push(one);
  } while (accept(Op::kComma));
  return list.done();
}

const Statement* Parser::insert(const With& with, std::uint32_t from) {
  auto* node = arena_.make<Insert>();
  node->kind = Insert::kKind;
  node->with = with;
  advance();
  node->overwrite = accept(K::kOverwrite);
  accept(K::kIgnore);
  bool on_conflict = keyword(1) == K::kReplace || keyword(1) == K::kIgnore || at_word("abort", 1) ||
                     at_word("fail", 1) || at_word("rollback", 1);
  if (at(K::kOr) && on_conflict) {
    advance(2);
    node->overwrite = true;
  }
  accept(K::kInto);
  accept(K::kTable);
  node->target = target_table();
  auto options = position_;
  for (;;) {
    if (at(K::kPartition) && op(1) == Op::kLeftParen) {
      advance();
      if (partners_[position_] != 0) position_ = partners_[position_];
      advance();
    } else if (at(K::kIf) && keyword(1) == K::kNot && keyword(2) == K::kExists) {
      advance(3);
    } else {
      break;
    }
  }
  node->options = joined(options);
  bool plain_alias = dialect_.id == DialectId::kOracle && at_name() && keyword() == K::kNone;
  if ((plain_alias || (at(K::kAs) && at_plain_name(1))) && node->target->kind == NodeKind::kTable) {
    const_cast<Table*>(static_cast<const Table*>(node->target))->alias.name = alias(true);
  }
  if (at(K::kBy) && keyword(1) == K::kName) {
    advance(2);
    node->by_name = true;
  }
  if (at(K::kReplace) && (keyword(1) == K::kWhere || keyword(1) == K::kUsing)) {  // Databricks
    advance(2);
    if (at(Op::kLeftParen) && tokens_[position_ - 1].keyword == K::kUsing) {
      skip_one();
    } else {
      expression();
    }
  }
  if (at(Op::kLeftParen) && !at_query(1) && op(1) != Op::kLeftParen) node->columns = names_in_parentheses();
  options = position_;
  if (accept(K::kOverriding)) {
    advance();
    accept(K::kValue);
  }
  if (position_ > options) node->options = joined(options);
  if (at(K::kWith) && at_word("label", 1) && at_name(2)) {  // StarRocks, Doris
    advance(3);
    if (at(Op::kLeftParen) && !at_query(1)) node->columns = names_in_parentheses();
  }
  node->returning = output();
  if (dialect_.id == DialectId::kClickhouse && accept(K::kSettings)) {
    while (!at_end() && !at_query() && !at(Op::kLeftParen)) advance();
  }
  if (at(K::kBy) && keyword(1) == K::kName) {
    advance(2);
    node->by_name = true;
  }
  if (at(K::kDefault) && keyword(1) == K::kValues) {
    advance(2);
  } else if (at_query() || at(Op::kLeftParen) || at(K::kWith)) {
    node->query = query();
  } else {
    unexpected("a query or VALUES");
  }
  if (at(K::kAs) && at_name(1) && dialect_.id == DialectId::kMysql) {  // VALUES … AS new (a, b) ON DUPLICATE …
    advance(2);
    if (at(Op::kLeftParen)) names_in_parentheses();
  }
  if (at(K::kOn)) {
    auto first = position_;
    while (!at_end() && !at(K::kSet) && !at(K::kNothing) && !(at(K::kUpdate) && keyword(1) != K::kSet)) skip_one();
    bool nothing = at(K::kNothing);
    bool set = at(K::kSet) || at(K::kUpdate);
    if (nothing || set) advance();
    node->on_conflict = joined(first);
    if (set) node->conflict_set = assignments();
    if (accept(K::kWhere)) node->conflict_where = clause_expression();
  }
  if (node->returning.empty()) node->returning = returning();
  return finish(node, from);
}

MergeWhen Parser::merge_when() {
  MergeWhen when{};
  auto from = begin();
  advance();
  bool negated = accept(K::kNot);
  expect(K::kMatched, "MATCHED");
  when.match = negated ? MergeMatch::kNotMatched : MergeMatch::kMatched;
  if (accept(K::kBy)) {
    if (accept_word("source")) {
      when.match = MergeMatch::kNotMatchedBySource;
    } else if (accept_word("target")) {
      when.by_target = true;
    } else {
      unexpected("SOURCE or TARGET");
    }
  }
  if (accept(K::kAnd)) when.condition = expression();
  if (!expect(K::kThen, "THEN")) {
    while (!at_end() && !at(K::kWhen) && !at(K::kThen)) advance();
    if (!accept(K::kThen)) return when;
  }
  if (accept(K::kUpdate)) {
    when.action = MergeAction::kUpdate;
    if (accept(K::kSet) && at(Op::kStar)) {
      advance();
      when.star = true;
      if (accept(K::kExcept) && at(Op::kLeftParen)) names_in_parentheses();
    } else if (at(K::kAll)) {
      advance();
      accept(K::kBy, K::kName);
      when.star = true;
    } else if (!at(K::kWhen) && !at_end()) {
      when.assignments = assignments();
    }
    if (at(K::kWhere)) {  // Oracle
      advance();
      when.condition = expression();
    }
    if (at(K::kDelete) && keyword(1) == K::kWhere) {  // of the rows updated
      advance(2);
      when.delete_where = expression();
    }
  } else if (accept(K::kInsert)) {
    when.action = MergeAction::kInsert;
    if (accept(Op::kStar)) {
      when.star = true;
      if (accept(K::kExcept) && at(Op::kLeftParen)) names_in_parentheses();
    } else if (accept(K::kRow)) {
      when.row = true;
    } else if (accept(K::kAll)) {
      accept(K::kBy, K::kName);
      when.star = true;
    } else {
      if (at(Op::kLeftParen)) {
        Builder<List<Identifier>> columns_list(*this);
        auto open = position_;
        advance();
        while (!at(Op::kRightParen) && !at_end()) {
          if (!at_name()) {
            unexpected("a column");
            break;
          }
          columns_list.push(dotted_name());
          if (!accept(Op::kComma)) break;
        }
        close(open);
        when.columns = columns_list.done();
      }
      if (accept(K::kRow)) {
        when.row = true;
      } else if (accept(K::kValues)) {
        auto open = position_;
        if (expect(Op::kLeftParen, "values in parentheses")) {
          when.values = elements(Op::kRightParen);
          close(open);
        }
      } else {
        unexpected("VALUES");
      }
    }
    if (at(K::kWhere)) {
      advance();
      when.condition = expression();
    }
  } else if (accept(K::kDelete)) {
    when.action = MergeAction::kDelete;
  } else if (accept(K::kDo)) {
    accept(K::kNothing);
    when.action = MergeAction::kNothing;
  } else {
    unexpected("UPDATE, INSERT, DELETE or DO NOTHING");
    while (!at_end() && !at(K::kWhen)) advance();
  }
  when.span = since(from);
  return when;
}

const Statement* Parser::merge(const With& with, std::uint32_t from) {
  auto* node = arena_.make<Merge>();
  node->kind = Merge::kKind;
  node->with = with;
  advance();
  accept(K::kInto);
  node->target = table();
  if (expect(K::kUsing, "USING and the source")) {
    node->source = table();
  } else {
    node->source = error_table(begin());
  }
  if (expect(K::kOn, "ON and a condition")) {
    node->on = clause_expression();
  } else {
    node->on = error_expression(begin());
  }
  Builder<MergeWhen> whens(*this);
  while (at(K::kWhen)) whens.push(merge_when());
  bool duplicates = whens.size() == 0 && at_word("remove") && at_word("duplicates", 1);
  if (duplicates) {  // Redshift: all of the source, in place of what matches
    advance(2);
    MergeWhen all{};
    all.match = MergeMatch::kNotMatched;
    all.action = MergeAction::kInsert;
    all.star = true;
    whens.push(all);
  }
  if (whens.size() == 0) unexpected("WHEN");
  node->whens = whens.done();
  node->returning = output();
  if (node->returning.empty()) node->returning = returning();
  return finish(node, from);
}

const Statement* Parser::update(const With& with, std::uint32_t from) {
  auto* node = arena_.make<Update>();
  node->kind = Update::kKind;
  node->with = with;
  advance();
  node->target = comma_joins(join_chain(), from);  // MySQL: UPDATE a, b SET …
  if (expect(K::kSet, "SET")) node->assignments = assignments();
  node->returning = output();
  if (accept(K::kFrom)) node->from = from_list();
  if (accept(K::kWhere)) node->where = clause_expression();
  if (node->returning.empty()) node->returning = returning();
  skip_row_limit();
  return finish(node, from);
}

/// What chooses rows to change without changing lineage: ORDER BY … LIMIT (MySQL), OPTION (T-SQL).
void Parser::skip_row_limit() {
  if (accept(K::kOrder, K::kBy)) order_items(true);
  if (accept(K::kLimit)) expression();
  if (at(K::kOption) && op(1) == Op::kLeftParen) {
    advance();
    skip_one();
  }
}

const Statement* Parser::delete_from(const With& with, std::uint32_t from) {
  auto* node = arena_.make<Delete>();
  node->kind = Delete::kKind;
  node->with = with;
  advance();
  bool listed = at_plain_name() && !at(K::kFrom) && (keyword(1) == K::kFrom || dialect_.id == DialectId::kTsql);
  if (listed) {  // DELETE t FROM t JOIN …
    node->target = target_table();
    node->returning = output();
    if (accept(K::kFrom)) node->using_tables = from_list();
  } else {
    accept(K::kFrom);
    node->target = table();
    node->returning = output();
    if (accept(K::kUsing) || accept(K::kFrom)) node->using_tables = from_list();
  }
  if (accept(K::kWhere)) node->where = clause_expression();
  if (node->returning.empty()) node->returning = returning();
  skip_row_limit();
  return finish(node, from);
}

}  // namespace tideline::sql
