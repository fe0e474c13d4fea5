#pragma once
// Expected failures as values. An Error is protocol-free: each edge (HTTP status, exit code) maps `code` once, in one
// table. `message` is for the person who made the request; `detail` is for the log only and may name internals.

#include <string>
#include <string_view>
#include <utility>

#include <tl/expected.hpp>

namespace tideline {

enum class Code {
  kInvalidInput,       // what was sent is wrong: 400
  kUnauthenticated,    // no identity, or one that does not hold: 401
  kPermissionDenied,   // an identity without the right: 403
  kNotFound,           // 404
  kConflict,           // the state forbids it (older artifact, name taken): 409
  kGone,               // was there, is no more (cursor below the floor): 410
  kTooLarge,           // over a limit we name: 413
  kUnsupported,        // media type, encoding or schema version we do not know: 415 / 422
  kResourceExhausted,  // disk full, quota: 507 / 429
  kUnavailable,        // try again: database down, lock not had in time: 503
  kDeadline,           // our own deadline passed: 504
  kCorrupt,            // stored data does not say what it should
  kInternal,           // a bug or a surprise: 500
};

std::string_view to_string(Code code);

struct [[nodiscard]] Error {
  Code code = Code::kInternal;
  std::string message;   // what went wrong, in the reader's terms: which file, field, limit
  std::string hint;      // what to do about it; empty when there is nothing to say
  std::string detail;    // for the log alone: never shown to a client
  std::string reason{};  // a word for programs where the code does not say enough ("below_floor"); mostly empty
};

template <class T>
using Result = tl::expected<T, Error>;

/// Shorthand for returning a failure: `return fail(Code::kNotFound, "no such organization");`
inline tl::unexpected<Error> fail(Code code, std::string message, std::string hint = {}, std::string detail = {}) {
  return tl::unexpected<Error>(Error{code, std::move(message), std::move(hint), std::move(detail), {}});
}
inline tl::unexpected<Error> fail(Error error) { return tl::unexpected<Error>(std::move(error)); }

/// "message (hint)" for a terminal or a log line.
std::string describe(const Error& error);

}  // namespace tideline

// TRY(auto x, expression): evaluate, return the error to the caller, or bind the value.
// TRY_VOID(expression): the same for Result<void>. CO_TRY, CO_TRY_VOID: inside a coroutine.
#define TIDELINE_CONCAT_(a, b) a##b
#define TIDELINE_CONCAT(a, b) TIDELINE_CONCAT_(a, b)
#define TIDELINE_TRY_(tmp, ret, decl, expr)               \
  auto tmp = (expr);                                      \
  if (!tmp) ret ::tl::unexpected(std::move(tmp).error()); \
  decl = std::move(*tmp)
#define TRY(decl, ...) TIDELINE_TRY_(TIDELINE_CONCAT(try_, __COUNTER__), return, decl, (__VA_ARGS__))
#define CO_TRY(decl, ...) TIDELINE_TRY_(TIDELINE_CONCAT(try_, __COUNTER__), co_return, decl, (__VA_ARGS__))
#define TRY_VOID(...)                                                                                      \
  do {                                                                                                     \
    if (auto try_void_ = (__VA_ARGS__); !try_void_) return ::tl::unexpected(std::move(try_void_).error()); \
  } while (false)
#define CO_TRY_VOID(...)                                                                                      \
  do {                                                                                                        \
    if (auto try_void_ = (__VA_ARGS__); !try_void_) co_return ::tl::unexpected(std::move(try_void_).error()); \
  } while (false)
