// What stands in FROM: names, queries, functions, samples, time travel.

#include "base/text.h"
#include "sql/parse_state.h"

namespace tideline::sql {

const TableReference* Parser::error_table(std::uint32_t from) {
  auto* node = make<ErrorTable>(from);
  node->text = text_of(node->span, text_);
  return node;
}

const TableReference* Parser::table() {
  Nest nest(*this);
  auto from = begin();
  if (!nest) return error_table(from);
  return table_suffixes(table_primary(), from);
}

const TableReference* Parser::table_primary() {
  auto from = begin();
  const auto token = peek();
  switch (token.kind) {
    case TokenKind::kTemplate: {
      unexpected("a table");
      advance();
      while (tokens_[position_ - 1].span.end == begin() &&
             (peek().kind == TokenKind::kWord || peek().kind == TokenKind::kTemplate || at(Op::kDot))) {
        advance();
      }
      auto* node = const_cast<ErrorTable*>(static_cast<const ErrorTable*>(error_table(from)));
      node->is_template = true;
      node->alias = table_alias();
      return finish(node, from);
    }
    case TokenKind::kStage: {
      advance();
      auto* node = make<Table>(from);
      node->stage = text_of(token.span, text_);
      if (at(Op::kLeftParen)) {
        auto first = position_;
        auto open = position_;
        if (partners_[open] != 0) position_ = partners_[open];
        advance();
        node->version = joined(first);
      }
      node->alias = table_alias();
      return finish(node, from);
    }
    case TokenKind::kString:
      if (dialect_.id == DialectId::kSnowflake && op(1) == Op::kLeftParen) {  // '@stage/path' (FILE_FORMAT => …)
        advance();
        auto first = position_;
        skip_one();
        auto* node = make<Table>(from);
        node->stage = text_of(token.span, text_);
        node->version = joined(first);
        node->alias = table_alias();
        return finish(node, from);
      }
      return named_table();
    case TokenKind::kQuotedName:
    case TokenKind::kParameter:
      return named_table();
    case TokenKind::kOperator:
      if (at(Op::kLeftParen)) return parenthesized_table(false);
      if (at(Op::kColon) && at_name(1)) {
        advance();
        Builder<Identifier> name(*this);
        name.push(identifier());
        auto* node = make<Table>(from);
        name[0].text = source(from);
        node->name = name.done();
        node->alias = table_alias();
        return finish(node, from);
      }
      break;
    case TokenKind::kWord:
      switch (token.keyword) {
        case K::kLateral:
          advance();
          if (at(Op::kLeftParen)) return parenthesized_table(true);
          return table_function(true, from);
        case K::kValues:
          if (at_bare_values(0)) return values_table(from);
          if (op(1) != Op::kLeftParen) break;
          // ClickHouse: values('a UInt8, b String', (1, 'x'), …) is a function.
          if (dialect_.id == DialectId::kClickhouse && peek(2).kind == TokenKind::kString && op(3) == Op::kComma) break;
          return values_table(from);
        case K::kTable:
          if (op(1) == Op::kLeftParen) return table_function(false, from);
          break;
        case K::kOnly:
          if (at_plain_name(1) || op(1) == Op::kLeftParen) {
            advance();
            bool open = accept(Op::kLeftParen);
            auto* node = const_cast<TableReference*>(named_table());
            if (open) expect(Op::kRightParen, "a closing parenthesis");
            if (node->kind == NodeKind::kTable) static_cast<Table*>(node)->only = true;
            return finish(node, from);
          }
          break;
        case K::kRows:
          if (keyword(1) == K::kFrom && op(2) == Op::kLeftParen) return table_function(false, from);
          break;
        case K::kJsonTable:
        case K::kXmltable:
          if (op(1) == Op::kLeftParen) {
            auto what = lower(text());
            advance();
            return opaque(what, from);
          }
          break;
        case K::kUnpivot:
          if (dialect_.id == DialectId::kRedshift && at_plain_name(1)) {
            advance();
            auto* node = const_cast<TableReference*>(named_table());
            if (node->kind == NodeKind::kTable) static_cast<Table*>(node)->unpivot = true;
            return finish(node, from);
          }
          break;
        case K::kNone:
          if (dialect_.id == DialectId::kDatabricks && at_word("stream") && at_plain_name(1) &&
              (op(2) == Op::kLeftParen || op(2) == Op::kDot)) {
            advance();  // STREAM t, STREAM f(…): the same rows
          }
          break;
        default:
          break;
      }
      if ((flags_of(token.keyword) & kNoName) != 0 || token.keyword == K::kLimit || token.keyword == K::kCross ||
          token.keyword == K::kInner || token.keyword == K::kNatural || token.keyword == K::kSet) {
        break;
      }
      return named_table();
    default:
      break;
  }
  unexpected("a table");
  if (token.kind == TokenKind::kError || token.kind == TokenKind::kNumber) advance();
  return error_table(begin() < from ? from : begin());
}

const TableReference* Parser::values_table(std::uint32_t from) {
  const auto* body = values();
  auto* query = make<Query>(from);
  query->body = body;
  auto* node = make<DerivedTable>(from);
  node->query = query;
  node->alias = table_alias();
  return finish(node, from);
}

const TableReference* Parser::parenthesized_table(bool lateral) {
  auto from = lateral ? tokens_[position_ - 1].span.begin : begin();
  auto open = position_;
  auto derived = [&](const Query* inner) {
    auto* node = make<DerivedTable>(from);
    node->lateral = lateral;
    node->query = inner;
    node->alias = table_alias();
    return finish(node, from);
  };
  if (at_query(1)) return derived(query_in_parentheses("a query"));
  Nest nest(*this);
  if (!nest) return error_table(from);
  advance();
  auto inner_from = begin();
  const auto* inner = join_chain();
  if (const auto* subquery = as<DerivedTable>(inner);
      subquery != nullptr && !subquery->alias.name && !subquery->lateral && (at_query_tail() || at(Op::kRightParen))) {
    // ((SELECT …) UNION …), or one pair of parentheses too many
    const auto* whole = at_query_tail() ? continue_query(subquery->query, inner_from) : subquery->query;
    close(open);
    return derived(whole);
  }
  inner = comma_joins(inner, inner_from);  // (a, b): a cross join
  if (!at(Op::kRightParen) && !at_end()) {
    unexpected("a join or a closing parenthesis");
    skip_to_follow(false);
  }
  close(open);
  if (const auto* chain = as<JoinChain>(inner)) {
    auto* copy = arena_.make<JoinChain>();
    *copy = *chain;
    copy->alias = table_alias();
    return finish(copy, from);
  }
  if (may_be_alias(true) || at(K::kAs)) {  // (t) AS a
    wrap();
    auto* chain = make<JoinChain>(from);
    chain->first = inner;
    chain->alias = table_alias();
    return finish(chain, from);
  }
  return inner;
}

const TableReference* Parser::lateral_view_function() {
  auto from = begin();
  auto* node = arena_.make<TableFunction>();
  node->kind = TableFunction::kKind;
  const auto* value = at_name() ? postfix(column_or_star(from), from) : primary();
  Builder<const Call*> calls(*this);
  if (const auto* call = as<Call>(value)) {
    calls.push(call);
  } else {
    unexpected("a table function after LATERAL VIEW");
    return error_table(from);
  }
  node->calls = calls.done();
  if (at_name() && !at(K::kAs) && may_be_alias(true)) node->alias.name = identifier();
  if (node->alias.name && at_name() && !at(K::kAs) && may_be_alias(true)) {  // the AS is left out
    Builder<Identifier> names(*this);
    do {
      names.push(name_or_error("a column"));
    } while (accept(Op::kComma));
    node->alias.columns = names.done();
  } else if (accept(K::kAs)) {
    if (at(Op::kLeftParen)) {
      node->alias.columns = names_in_parentheses();
    } else {
      Builder<Identifier> names(*this);
      names.push(name_or_error("a column"));
      while (at(Op::kComma) && at_plain_name(1)) {
        advance();
        names.push(identifier());
      }
      node->alias.columns = names.done();
    }
  }
  return finish(node, from);
}

const TableReference* Parser::table_function(bool lateral, std::uint32_t from) {
  auto* node = arena_.make<TableFunction>();
  node->kind = TableFunction::kKind;
  node->lateral = lateral;
  Builder<const Call*> calls(*this);
  auto one = [&] {
    auto start = begin();
    const auto* value = at_name() ? column_or_star(start) : primary();
    if (const auto* call = as<Call>(value)) {
      calls.push(call);
      return true;
    }
    if (const auto* column = as<Column>(value); column != nullptr && lateral) {
      auto* bare = make<Call>(start);
      bare->name = column->parts;
      bare->no_parentheses = true;
      calls.push(bare);
      return true;
    }
    return false;
  };
  if (at(K::kTable) && op(1) == Op::kLeftParen) {
    advance();
    auto open = position_;
    advance();
    node->table_keyword = true;
    if (at_query()) {  // TABLE(SELECT …)
      const auto* inner = query();
      close(open);
      auto* derived = make<DerivedTable>(from);
      derived->lateral = lateral;
      derived->query = inner;
      derived->alias = table_alias();
      return finish(derived, from);
    }
    if (!one()) {
      // TABLE('name'), TABLE(name), TABLE(:variable): a relation by its name.
      position_ = position_ > open + 1 ? open + 1 : position_;
      const auto* relation = at_name() || peek().kind == TokenKind::kString || peek().kind == TokenKind::kParameter
                                 ? named_table()
                                 : error_table(from);
      close(open);
      auto* copy = const_cast<TableReference*>(relation);
      if (copy->kind == NodeKind::kTable && !static_cast<Table*>(copy)->alias.name) {
        static_cast<Table*>(copy)->alias = table_alias();
      }
      return finish(copy, from);
    }
    close(open);
  } else if (at(K::kRows) && keyword(1) == K::kFrom) {
    advance(2);
    auto open = position_;
    advance();
    node->rows_from = true;
    do {
      if (!one()) unexpected("a function");
      if (at(K::kAs) && (op(1) == Op::kLeftParen || (at_name(1) && op(2) == Op::kLeftParen))) {
        advance(op(1) == Op::kLeftParen ? 1 : 2);  // json_to_recordset(…) AS (a int, …)
        column_definitions(node->definitions);
      }
    } while (accept(Op::kComma));
    close(open);
  } else if (!one()) {
    unexpected("a query or a function after LATERAL");
    return error_table(from);
  }
  node->calls = calls.done();
  function_suffixes(*node);
  return finish(node, from);
}

/// PRIMARY KEY (a), KEY k (b), CONSTRAINT c …: no column.
bool Parser::at_table_constraint() {
  if (at_word("primary") || at_word("foreign")) return keyword(1) == K::kKey;
  if (at_word("constraint")) return at_name(1);
  bool key = at(K::kKey) || at_word("index") || at_word("fulltext") || at_word("unique");
  if (key) {
    return op(1) == Op::kLeftParen || keyword(1) == K::kKey || at_word("index", 1) ||
           (at_name(1) && op(2) == Op::kLeftParen && dialect_.id == DialectId::kMysql);
  }
  return at_word("check") && op(1) == Op::kLeftParen;
}

bool Parser::column_definitions(List<ColumnDefinition>& out) {
  Builder<ColumnDefinition> definitions(*this);
  auto open = position_;
  advance();
  while (!at(Op::kRightParen) && !at_end()) {
    ColumnDefinition one{};
    if (at_table_constraint()) {
      while (!at_list_end(false)) skip_one();
      if (!accept(Op::kComma)) break;
      continue;
    }
    if (!at_name() && peek().kind != TokenKind::kString) {
      unexpected("a column");
      break;
    }
    one.name = identifier();
    if (!at_list_end(false) && !at(K::kAs)) one.type = type_name();  // t (a int, b AS (a * 2))
    while (!at_list_end(false)) {                                    // constraints, paths, options
      if (partners_[position_] != 0) position_ = partners_[position_];
      advance();
    }
    definitions.push(one);
    if (!accept(Op::kComma)) break;
  }
  close(open);
  out = definitions.done();
  return !out.empty();
}

void Parser::function_suffixes(TableFunction& function) {
  for (;;) {
    if (at(K::kWith) && keyword(1) == K::kOrdinality) {
      advance(2);
      function.with_ordinality = true;
    } else if (at(K::kWith) && keyword(1) == K::kOffset && !function.with_offset) {
      advance(2);
      function.with_offset = true;
      function.offset_alias = alias(true);
    } else if (at(K::kWith) && op(1) == Op::kLeftParen && function.definitions.empty() &&
               dialect_.id == DialectId::kTsql) {
      advance();
      column_definitions(function.definitions);
    } else if (!function.alias.name && function.alias.columns.empty() && (at(K::kAs) || may_be_alias(true))) {
      bool said = accept(K::kAs);
      if (at(Op::kLeftParen) && function.definitions.empty()) {  // AS (a int, …)
        if (at_name(1) && (op(2) == Op::kComma || op(2) == Op::kRightParen)) {
          function.alias.columns = names_in_parentheses();
        } else {
          column_definitions(function.definitions);
        }
        continue;
      }
      if (!at_name()) {
        if (said) unexpected("a name after AS");
        return;
      }
      function.alias.name = identifier();
      if (at(Op::kLeftParen) && function.definitions.empty()) {
        if (at_name(1) && (op(2) == Op::kComma || op(2) == Op::kRightParen)) {
          function.alias.columns = names_in_parentheses();
        } else if (at_name(1)) {
          column_definitions(function.definitions);
        }
      }
    } else {
      return;
    }
  }
}

bool Parser::at_version() {
  auto next = keyword(1);
  if (dialect_.id == DialectId::kTsql && at(Op::kLeftParen)) {  // t (nolock)
    return at_word("nolock", 1) || at_word("readpast", 1) || at_word("readuncommitted", 1) || at_word("holdlock", 1) ||
           at_word("updlock", 1) || at_word("tablock", 1) || at_word("rowlock", 1) || at_word("snapshot", 1);
  }
  if (peek().kind == TokenKind::kParameter) {  // t@v3 (Databricks), t@link.domain (Oracle)
    return (dialect_.id == DialectId::kDatabricks || dialect_.id == DialectId::kOracle) && text()[0] == '@';
  }
  switch (keyword()) {
    case K::kAt:
    case K::kBefore:
    case K::kChanges:
    case K::kPartition:
    case K::kEnd:  // CHANGES (…) AT (…) END (…)
      return op(1) == Op::kLeftParen;
    case K::kVersion:
    case K::kTimestamp:
      return next == K::kAs && keyword(2) == K::kOf;
    case K::kFor:
      return next == K::kSystemTime || (next == K::kSystem && keyword(2) == K::kTime) || next == K::kVersion ||
             next == K::kTimestamp || at_word("system_version", 1);
    case K::kFinal:
      return dialect_.id == DialectId::kClickhouse;
    case K::kWith:
      return op(1) == Op::kLeftParen && (dialect_.id == DialectId::kTsql || dialect_.id == DialectId::kGeneric ||
                                         dialect_.id == DialectId::kDuckdb);
    case K::kAs:
      return next == K::kOf;
    default:
      if (at_word("indexed") && next == K::kBy) return true;  // SQLite
      return (at_word("force") || at(K::kUse) || at(K::kIgnore)) && (at_word("index", 1) || next == K::kKey);
  }
}

// Time travel, hints, partitions: they choose rows of the same table, and are kept as they are written.
std::string_view Parser::version() {
  auto first = position_;
  while (at_version()) {
    if (peek().kind == TokenKind::kParameter) {
      advance();
      while (at(Op::kDot) && at_name(1)) advance(2);
      continue;
    }
    bool until_of = at(K::kVersion) || at(K::kTimestamp) || at(K::kFor) || at(K::kAs);
    bool final_only = at(K::kFinal);
    if (at(K::kFor) && keyword(1) == K::kSystem) advance();
    if (at(K::kFor) && (keyword(1) == K::kVersion || keyword(1) == K::kTimestamp || keyword(1) == K::kSystemTime))
      advance();
    if (final_only) {
      advance();
      continue;
    }
    if (until_of) {
      advance();
      if (accept(K::kAs)) accept(K::kOf);
      accept(K::kOf);
      if ((at(K::kTimestamp) && peek(1).kind != TokenKind::kString) || at_word("scn")) advance();
      if (accept(K::kFrom)) {  // FOR SYSTEM_TIME FROM x TO y
        expression(kPrecedenceRange);
        accept(K::kTo);
        expression(kPrecedenceRange);
      } else if (accept(K::kBetween)) {
        expression(kPrecedenceRange);
        accept(K::kAnd);
        expression(kPrecedenceRange);
      } else if (!accept(K::kAll)) {
        if (!at_list_end(true)) expression(kPrecedenceRange);
      }
      continue;
    }
    if (at_word("indexed")) {
      advance(3);
      continue;
    }
    while (!at(Op::kLeftParen) && !at_end()) advance();
    skip_one();
  }
  return joined(first);
}

bool Parser::sample(Sample& out) {
  bool table_sample = at(K::kTablesample);
  if (!table_sample && (!at(K::kSample) || may_be_alias(true))) return false;
  auto from = begin();
  auto first = position_;
  advance();
  while (at(K::kSystem) || at(K::kBernoulli) || at(K::kRow) || at(K::kBlock) || at_word("reservoir") ||
         peek().kind == TokenKind::kNumber || at(Op::kSlash)) {
    advance();
  }
  if (at(Op::kLeftParen)) {
    if (partners_[position_] != 0) position_ = partners_[position_];
    advance();
  }
  if (at(K::kRows) || at(K::kPercent) || at(Op::kPercent)) advance();
  if ((at(K::kRepeatable) || at_word("seed")) && op(1) == Op::kLeftParen) {
    advance();
    if (partners_[position_] != 0) position_ = partners_[position_];
    advance();
  }
  if (at(K::kOffset) && dialect_.id == DialectId::kClickhouse) {
    advance();
    while (peek().kind == TokenKind::kNumber || at(Op::kSlash)) advance();
  }
  out = {.text = joined(first), .span = since(from)};
  return true;
}

// DuckDB: in read_csv('x', header = true), header is an option and no column.
void Parser::name_options(Call& call) {
  Builder<Argument> arguments(*this);
  for (auto argument : call.arguments) {
    const auto* equals = as<Operation>(argument.value);
    const auto* option = equals == nullptr ? nullptr : as<Column>(equals->operands[0]);
    if (option != nullptr && option->parts.size() == 1 && equals->operands.size() == 2 &&
        equals->links[0].op == Operator::kEqual && !argument.name) {
      argument.name = option->parts[0];
      argument.arrow = equals->links[0].text;
      argument.value = equals->operands[1];
    }
    arguments.push(argument);
  }
  call.arguments = arguments.done();
}

const TableReference* Parser::named_table() {
  auto from = begin();
  auto name = relation_name();
  if (at(Op::kLeftParen) && name.back().quote != Quote::kSingle && !at_version()) {
    auto start = from;
    const auto* value = call(name, nullptr, start);
    auto* node = arena_.make<TableFunction>();
    node->kind = TableFunction::kKind;
    Builder<const Call*> calls(*this);
    auto* function_call = const_cast<Call*>(as<Call>(value));
    if (dialect_.id == DialectId::kDuckdb) name_options(*function_call);
    calls.push(function_call);
    // f(x):path is a table of Snowflake's variant paths; read as the function.
    node->calls = calls.done();
    function_suffixes(*node);
    return finish(node, from);
  }
  auto* node = make<Table>(from);
  node->name = name;
  node->version = version();
  if (dialect_.id == DialectId::kPostgres && at(Op::kStar)) advance();             // with those that inherit from it
  while (dialect_.id == DialectId::kRedshift && at(Op::kLeftBracket)) skip_one();  // o.items[0]
  if (at(K::kTablesample) || (at(K::kSample) && !may_be_alias(true))) sample(node->sample);
  node->alias = table_alias();
  if (at_version() && node->version.empty()) node->version = version();
  if (dialect_.id == DialectId::kRedshift && at(K::kAt) && at_plain_name(1)) {
    advance();
    node->position = identifier();
  }
  // BigQuery: FROM t, t.items WITH OFFSET AS i
  if (at(K::kWith) && keyword(1) == K::kOffset) {
    Builder<Identifier> function_name(*this);
    function_name.push({.text = "unnest", .span = {from, from}});
    Builder<Argument> arguments(*this);
    auto* column = make<Column>(from);
    column->parts = node->name;
    column->span = {name.front().span.begin, name.back().span.end};
    arguments.push({.value = column, .name = {}, .arrow = {}, .lead = Lead::kComma});
    auto* call = make<Call>(from);
    call->name = function_name.done();
    call->arguments = arguments.done();
    call->span = column->span;
    auto* function = arena_.make<TableFunction>();
    function->kind = TableFunction::kKind;
    Builder<const Call*> calls(*this);
    calls.push(call);
    function->calls = calls.done();
    function->alias = node->alias;
    function_suffixes(*function);
    return finish(function, from);
  }
  return finish(node, from);
}

const TableReference* Parser::table_suffixes(const TableReference* node, std::uint32_t from) {
  for (;;) {
    Sample taken{};
    if (sample(taken)) {
      auto set = [&](auto* typed) {
        typed->sample = taken;
        if (!typed->alias.name) typed->alias = table_alias();
        node = finish(typed, from);
      };
      if (node->kind == NodeKind::kTable) {
        set(const_cast<Table*>(static_cast<const Table*>(node)));
      } else if (node->kind == NodeKind::kDerivedTable) {
        set(const_cast<DerivedTable*>(static_cast<const DerivedTable*>(node)));
      } else if (node->kind == NodeKind::kTableFunction) {
        set(const_cast<TableFunction*>(static_cast<const TableFunction*>(node)));
      }
    } else if (at(K::kPivot) && (op(1) == Op::kLeftParen || (at_word("xml", 1) && op(2) == Op::kLeftParen))) {
      if (!wrap()) return node;
      node = pivot(node, from);
    } else if (at(K::kUnpivot) && !may_be_alias(true)) {
      if (!wrap()) return node;
      node = unpivot(node, from);
    } else if (at(K::kMatchRecognize) && op(1) == Op::kLeftParen) {
      if (!wrap()) return node;
      node = match_recognize(node, from);
    } else {
      return node;
    }
  }
}

}  // namespace tideline::sql
