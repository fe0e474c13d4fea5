#pragma once
// The words the parser asks for. That a word is here does not reserve it: what it may be beside a keyword is in its
// flags, and the parser looks at what stands around it (QUALIFY, WINDOW, ANTI JOIN …), so that a clause never becomes
// an alias by mistake.

#include <cstdint>
#include <string_view>

#include "sql/token.h"

namespace tideline::sql {

enum KeywordFlags : std::uint8_t {
  kNoName = 1,         // begins no expression: SELECT FROM is an error, not a column of that name
  kNoTableAlias = 2,   // after a table it goes on with the query, unless AS stands before it
  kNoColumnAlias = 4,  // the same after an expression
};

// clang-format off
#define TIDELINE_SQL_KEYWORDS(X) \
  X(kAbsent, "ABSENT", 0) \
  X(kAll, "ALL", kNoTableAlias | kNoColumnAlias) \
  X(kAlter, "ALTER", 0) \
  X(kAnalyze, "ANALYZE", 0) \
  X(kAnd, "AND", kNoName | kNoTableAlias | kNoColumnAlias) \
  X(kAnti, "ANTI", 0) \
  X(kAny, "ANY", 0) \
  X(kApply, "APPLY", 0) \
  X(kArray, "ARRAY", 0) \
  X(kAs, "AS", kNoName | kNoTableAlias | kNoColumnAlias) \
  X(kAsc, "ASC", 0) \
  X(kAsof, "ASOF", 0) \
  X(kAsymmetric, "ASYMMETRIC", 0) \
  X(kAt, "AT", 0) \
  X(kBefore, "BEFORE", 0) \
  X(kBegin, "BEGIN", 0) \
  X(kBernoulli, "BERNOULLI", 0) \
  X(kBetween, "BETWEEN", kNoName | kNoTableAlias | kNoColumnAlias) \
  X(kBigdecimal, "BIGDECIMAL", 0) \
  X(kBignumeric, "BIGNUMERIC", 0) \
  X(kBlock, "BLOCK", 0) \
  X(kBoth, "BOTH", 0) \
  X(kBy, "BY", 0) \
  X(kBytea, "BYTEA", 0) \
  X(kCall, "CALL", 0) \
  X(kCase, "CASE", kNoTableAlias | kNoColumnAlias) \
  X(kCast, "CAST", 0) \
  X(kChanges, "CHANGES", 0) \
  X(kClone, "CLONE", 0) \
  X(kCluster, "CLUSTER", 0) \
  X(kCollate, "COLLATE", kNoTableAlias | kNoColumnAlias) \
  X(kColumns, "COLUMNS", 0) \
  X(kCommit, "COMMIT", 0) \
  X(kConflict, "CONFLICT", 0) \
  X(kConnect, "CONNECT", 0) \
  X(kConnectByRoot, "CONNECT_BY_ROOT", 0) \
  X(kConvert, "CONVERT", 0) \
  X(kCopy, "COPY", 0) \
  X(kCorresponding, "CORRESPONDING", 0) \
  X(kCreate, "CREATE", 0) \
  X(kCross, "CROSS", kNoTableAlias) \
  X(kCube, "CUBE", 0) \
  X(kCurrent, "CURRENT", 0) \
  X(kCurrentCatalog, "CURRENT_CATALOG", 0) \
  X(kCurrentDate, "CURRENT_DATE", 0) \
  X(kCurrentDatetime, "CURRENT_DATETIME", 0) \
  X(kCurrentRole, "CURRENT_ROLE", 0) \
  X(kCurrentSchema, "CURRENT_SCHEMA", 0) \
  X(kCurrentTime, "CURRENT_TIME", 0) \
  X(kCurrentTimestamp, "CURRENT_TIMESTAMP", 0) \
  X(kCurrentUser, "CURRENT_USER", 0) \
  X(kCycle, "CYCLE", 0) \
  X(kDate, "DATE", 0) \
  X(kDatetime, "DATETIME", 0) \
  X(kDay, "DAY", 0) \
  X(kDecimal, "DECIMAL", 0) \
  X(kDeclare, "DECLARE", 0) \
  X(kDefault, "DEFAULT", 0) \
  X(kDelete, "DELETE", 0) \
  X(kDenseRank, "DENSE_RANK", 0) \
  X(kDesc, "DESC", 0) \
  X(kDescribe, "DESCRIBE", 0) \
  X(kDistinct, "DISTINCT", kNoName | kNoTableAlias | kNoColumnAlias) \
  X(kDistribute, "DISTRIBUTE", 0) \
  X(kDiv, "DIV", 0) \
  X(kDo, "DO", 0) \
  X(kDouble, "DOUBLE", 0) \
  X(kDrop, "DROP", 0) \
  X(kDynamic, "DYNAMIC", 0) \
  X(kElse, "ELSE", kNoName | kNoTableAlias | kNoColumnAlias) \
  X(kEnd, "END", kNoTableAlias | kNoColumnAlias) \
  X(kEscape, "ESCAPE", kNoTableAlias | kNoColumnAlias) \
  X(kExcept, "EXCEPT", kNoName | kNoTableAlias | kNoColumnAlias) \
  X(kExclude, "EXCLUDE", 0) \
  X(kExec, "EXEC", 0) \
  X(kExecute, "EXECUTE", 0) \
  X(kExists, "EXISTS", 0) \
  X(kExplain, "EXPLAIN", 0) \
  X(kExternal, "EXTERNAL", 0) \
  X(kExtract, "EXTRACT", 0) \
  X(kFalse, "FALSE", kNoTableAlias | kNoColumnAlias) \
  X(kFetch, "FETCH", 0) \
  X(kFilter, "FILTER", 0) \
  X(kFinal, "FINAL", 0) \
  X(kFirst, "FIRST", 0) \
  X(kFollowing, "FOLLOWING", 0) \
  X(kFor, "FOR", kNoName | kNoTableAlias | kNoColumnAlias) \
  X(kFormat, "FORMAT", 0) \
  X(kFrom, "FROM", kNoName | kNoTableAlias | kNoColumnAlias) \
  X(kFull, "FULL", kNoTableAlias) \
  X(kGlob, "GLOB", 0) \
  X(kGlobal, "GLOBAL", 0) \
  X(kGrant, "GRANT", 0) \
  X(kGroup, "GROUP", kNoName | kNoTableAlias | kNoColumnAlias) \
  X(kGrouping, "GROUPING", 0) \
  X(kGroups, "GROUPS", 0) \
  X(kHaving, "HAVING", kNoName | kNoTableAlias | kNoColumnAlias) \
  X(kHour, "HOUR", 0) \
  X(kHybrid, "HYBRID", 0) \
  X(kIceberg, "ICEBERG", 0) \
  X(kIdentifier, "IDENTIFIER", 0) \
  X(kIf, "IF", 0) \
  X(kIgnore, "IGNORE", 0) \
  X(kIlike, "ILIKE", kNoTableAlias | kNoColumnAlias) \
  X(kIn, "IN", kNoName | kNoTableAlias | kNoColumnAlias) \
  X(kInclude, "INCLUDE", 0) \
  X(kInet, "INET", 0) \
  X(kInner, "INNER", kNoTableAlias) \
  X(kInput, "INPUT", 0) \
  X(kInsert, "INSERT", 0) \
  X(kIntersect, "INTERSECT", kNoName | kNoTableAlias | kNoColumnAlias) \
  X(kInterval, "INTERVAL", 0) \
  X(kInto, "INTO", kNoName | kNoTableAlias | kNoColumnAlias) \
  X(kIs, "IS", kNoName | kNoTableAlias | kNoColumnAlias) \
  X(kIsnull, "ISNULL", kNoTableAlias | kNoColumnAlias) \
  X(kJoin, "JOIN", kNoName | kNoTableAlias | kNoColumnAlias) \
  X(kJson, "JSON", 0) \
  X(kJsonb, "JSONB", 0) \
  X(kJsonTable, "JSON_TABLE", 0) \
  X(kKeep, "KEEP", 0) \
  X(kKey, "KEY", 0) \
  X(kLambda, "LAMBDA", 0) \
  X(kLast, "LAST", 0) \
  X(kLateral, "LATERAL", kNoTableAlias) \
  X(kLeading, "LEADING", 0) \
  X(kLeft, "LEFT", kNoTableAlias) \
  X(kLike, "LIKE", kNoName | kNoTableAlias | kNoColumnAlias) \
  X(kLimit, "LIMIT", kNoTableAlias | kNoColumnAlias) \
  X(kLocal, "LOCAL", 0) \
  X(kLocaltime, "LOCALTIME", 0) \
  X(kLocaltimestamp, "LOCALTIMESTAMP", 0) \
  X(kMap, "MAP", 0) \
  X(kMatch, "MATCH", 0) \
  X(kMatched, "MATCHED", 0) \
  X(kMatchCondition, "MATCH_CONDITION", 0) \
  X(kMatchRecognize, "MATCH_RECOGNIZE", 0) \
  X(kMaterialized, "MATERIALIZED", 0) \
  X(kMax, "MAX", 0) \
  X(kMerge, "MERGE", 0) \
  X(kMin, "MIN", 0) \
  X(kMinus, "MINUS", 0) \
  X(kMinute, "MINUTE", 0) \
  X(kMod, "MOD", 0) \
  X(kMonth, "MONTH", 0) \
  X(kName, "NAME", 0) \
  X(kNatural, "NATURAL", kNoTableAlias) \
  X(kNext, "NEXT", 0) \
  X(kNo, "NO", 0) \
  X(kNocycle, "NOCYCLE", 0) \
  X(kNot, "NOT", kNoTableAlias | kNoColumnAlias) \
  X(kNothing, "NOTHING", 0) \
  X(kNotnull, "NOTNULL", kNoTableAlias | kNoColumnAlias) \
  X(kNull, "NULL", kNoTableAlias | kNoColumnAlias) \
  X(kNulls, "NULLS", 0) \
  X(kNumeric, "NUMERIC", 0) \
  X(kOf, "OF", 0) \
  X(kOffset, "OFFSET", 0) \
  X(kOn, "ON", kNoName | kNoTableAlias | kNoColumnAlias) \
  X(kOnly, "ONLY", 0) \
  X(kOpenjson, "OPENJSON", 0) \
  X(kOperator, "OPERATOR", 0) \
  X(kOption, "OPTION", 0) \
  X(kOr, "OR", kNoName | kNoTableAlias | kNoColumnAlias) \
  X(kOrder, "ORDER", kNoName | kNoTableAlias | kNoColumnAlias) \
  X(kOrdinality, "ORDINALITY", 0) \
  X(kOuter, "OUTER", kNoTableAlias) \
  X(kOver, "OVER", 0) \
  X(kOverflow, "OVERFLOW", 0) \
  X(kOverlaps, "OVERLAPS", kNoTableAlias | kNoColumnAlias) \
  X(kOverlay, "OVERLAY", 0) \
  X(kOverriding, "OVERRIDING", 0) \
  X(kOverwrite, "OVERWRITE", 0) \
  X(kPartition, "PARTITION", 0) \
  X(kPercent, "PERCENT", 0) \
  X(kPivot, "PIVOT", 0) \
  X(kPlacing, "PLACING", 0) \
  X(kPosition, "POSITION", 0) \
  X(kPositional, "POSITIONAL", 0) \
  X(kPreceding, "PRECEDING", 0) \
  X(kPrecision, "PRECISION", 0) \
  X(kPrewhere, "PREWHERE", kNoTableAlias | kNoColumnAlias) \
  X(kPrior, "PRIOR", 0) \
  X(kQualify, "QUALIFY", 0) \
  X(kRange, "RANGE", 0) \
  X(kRecursive, "RECURSIVE", 0) \
  X(kRegexp, "REGEXP", kNoTableAlias | kNoColumnAlias) \
  X(kRename, "RENAME", 0) \
  X(kRepeatable, "REPEATABLE", 0) \
  X(kReplace, "REPLACE", 0) \
  X(kRespect, "RESPECT", 0) \
  X(kReturning, "RETURNING", kNoTableAlias | kNoColumnAlias) \
  X(kRevoke, "REVOKE", 0) \
  X(kRight, "RIGHT", kNoTableAlias) \
  X(kRlike, "RLIKE", kNoTableAlias | kNoColumnAlias) \
  X(kRollup, "ROLLUP", 0) \
  X(kRoot, "ROOT", 0) \
  X(kRow, "ROW", 0) \
  X(kRows, "ROWS", 0) \
  X(kSafeCast, "SAFE_CAST", 0) \
  X(kSample, "SAMPLE", 0) \
  X(kSearch, "SEARCH", 0) \
  X(kSecond, "SECOND", 0) \
  X(kSecure, "SECURE", 0) \
  X(kSelect, "SELECT", kNoName | kNoTableAlias | kNoColumnAlias) \
  X(kSemi, "SEMI", 0) \
  X(kSeparator, "SEPARATOR", 0) \
  X(kSessionUser, "SESSION_USER", 0) \
  X(kSet, "SET", kNoTableAlias) \
  X(kSets, "SETS", 0) \
  X(kSettings, "SETTINGS", 0) \
  X(kShow, "SHOW", 0) \
  X(kSimilar, "SIMILAR", kNoTableAlias | kNoColumnAlias) \
  X(kSome, "SOME", 0) \
  X(kSort, "SORT", 0) \
  X(kStart, "START", 0) \
  X(kStrict, "STRICT", 0) \
  X(kStruct, "STRUCT", 0) \
  X(kSubstr, "SUBSTR", 0) \
  X(kSubstring, "SUBSTRING", 0) \
  X(kSummarize, "SUMMARIZE", 0) \
  X(kSymmetric, "SYMMETRIC", 0) \
  X(kSysdate, "SYSDATE", 0) \
  X(kSystem, "SYSTEM", 0) \
  X(kSystemTime, "SYSTEM_TIME", 0) \
  X(kSystimestamp, "SYSTIMESTAMP", 0) \
  X(kTable, "TABLE", 0) \
  X(kTables, "TABLES", 0) \
  X(kTablesample, "TABLESAMPLE", kNoTableAlias) \
  X(kTemp, "TEMP", 0) \
  X(kTemporary, "TEMPORARY", 0) \
  X(kThen, "THEN", kNoName | kNoTableAlias | kNoColumnAlias) \
  X(kTies, "TIES", 0) \
  X(kTime, "TIME", 0) \
  X(kTimestamp, "TIMESTAMP", 0) \
  X(kTimestamptz, "TIMESTAMPTZ", 0) \
  X(kTimestampLtz, "TIMESTAMP_LTZ", 0) \
  X(kTimestampNtz, "TIMESTAMP_NTZ", 0) \
  X(kTimestampTz, "TIMESTAMP_TZ", 0) \
  X(kTimetz, "TIMETZ", 0) \
  X(kTo, "TO", 0) \
  X(kTop, "TOP", 0) \
  X(kTrailing, "TRAILING", 0) \
  X(kTransient, "TRANSIENT", 0) \
  X(kTrim, "TRIM", 0) \
  X(kTrue, "TRUE", kNoTableAlias | kNoColumnAlias) \
  X(kTruncate, "TRUNCATE", 0) \
  X(kTryCast, "TRY_CAST", 0) \
  X(kTryConvert, "TRY_CONVERT", 0) \
  X(kUnbounded, "UNBOUNDED", 0) \
  X(kUnion, "UNION", kNoName | kNoTableAlias | kNoColumnAlias) \
  X(kUnknown, "UNKNOWN", 0) \
  X(kUnlogged, "UNLOGGED", 0) \
  X(kUnnest, "UNNEST", 0) \
  X(kUnpivot, "UNPIVOT", 0) \
  X(kUpdate, "UPDATE", 0) \
  X(kUse, "USE", 0) \
  X(kUsing, "USING", kNoName | kNoTableAlias | kNoColumnAlias) \
  X(kUtcDate, "UTC_DATE", 0) \
  X(kUtcTime, "UTC_TIME", 0) \
  X(kUtcTimestamp, "UTC_TIMESTAMP", 0) \
  X(kUuid, "UUID", 0) \
  X(kValue, "VALUE", 0) \
  X(kValues, "VALUES", kNoTableAlias) \
  X(kVariant, "VARIANT", 0) \
  X(kVarying, "VARYING", 0) \
  X(kVersion, "VERSION", 0) \
  X(kView, "VIEW", 0) \
  X(kVolatile, "VOLATILE", 0) \
  X(kWhen, "WHEN", kNoName | kNoTableAlias | kNoColumnAlias) \
  X(kWhere, "WHERE", kNoName | kNoTableAlias | kNoColumnAlias) \
  X(kWindow, "WINDOW", 0) \
  X(kWith, "WITH", kNoName | kNoTableAlias | kNoColumnAlias) \
  X(kWithin, "WITHIN", 0) \
  X(kWithout, "WITHOUT", 0) \
  X(kXmltable, "XMLTABLE", 0) \
  X(kXor, "XOR", 0) \
  X(kYear, "YEAR", 0) \
  X(kZone, "ZONE", 0)
// clang-format on

enum class Keyword : std::uint16_t {
  kNone,
#define TIDELINE_SQL_KEYWORD(enumerator, name, flags) enumerator,
  TIDELINE_SQL_KEYWORDS(TIDELINE_SQL_KEYWORD)
#undef TIDELINE_SQL_KEYWORD
};

/// kNone for a word that is none. In any case.
Keyword keyword_of(std::string_view word);
std::uint8_t flags_of(Keyword keyword);
/// In capitals; empty for kNone.
std::string_view name_of(Keyword keyword);

}  // namespace tideline::sql
