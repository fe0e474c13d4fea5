#pragma once
// Keeps a published key set fresh: from a file that may be replaced, or from a URL. A state machine: the time is passed
// in and the bytes come from an injected function, so it needs no network, no clock and no thread of its own.
//
// Use: one task calls `refresh` about once a second, outside the I/O threads (it may read a file or wait for a fetch);
// when it answers true, that task builds a KeySet with `keys()` and gives it to the TokenVerifier. Not thread-safe, but
// for `report_unknown_kid`, which any thread may call.
//
// What goes wrong never takes the keys away at once: a bad or missing set leaves those of the last good one in force,
// for a URL at most kKeepStale. Failures and recoveries are logged, each once.

#include <atomic>
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/hash.h"
#include "base/time.h"
#include "server/jwks.h"

namespace tideline::server {

struct JwksResponse {
  std::string body;
  std::string cache_control;  // the header of that name, empty if none
};
/// Gets the set; blocks, with a deadline of its own. Must not follow a redirect to what check_jwks_url refuses, and
/// must stop reading after kMaxJwksBytes.
using JwksFetch = std::function<Result<JwksResponse>()>;

/// How often to ask. The defaults are those of a URL.
struct JwksSchedule {
  std::chrono::seconds min_age{60};          // asked no more often than that, whatever max-age says
  std::chrono::seconds max_age{3600};        // and no less often
  std::chrono::seconds default_age{600};     // without max-age
  std::chrono::seconds unknown_kid_gap{30};  // strangers can invent kids: at most one extra question in this time
  std::chrono::seconds first_retry{5};       // doubles with each failure
  std::chrono::seconds last_retry{300};
  std::optional<std::chrono::seconds> keep_stale = std::chrono::hours(24);  // nullopt: for ever
};

class JwksSource {
 public:
  /// A file, looked at every two seconds and taken over when its content changed; bad content keeps the old keys.
  static JwksSource from_file(std::string path, KeyPolicy policy);
  /// kInvalidInput for a URL that check_jwks_url refuses.
  static Result<JwksSource> from_url(std::string_view url, KeyPolicy policy, JwksFetch fetch);
  /// Any other place. `name` is what log records call it.
  JwksSource(std::string name, KeyPolicy policy, JwksFetch fetch, JwksSchedule schedule);

  JwksSource(JwksSource&& other) noexcept;

  /// Whether `refresh` would ask now.
  bool due(Timestamp now) const;
  /// Asks if it is due; true when keys() has changed. Blocks for as long as the fetch does.
  bool refresh(Timestamp now);
  /// A token named a key that is not here: ask as soon as the schedule allows. Thread-safe.
  void report_unknown_kid() { unknown_kid_.store(true); }

  const std::vector<VerificationKey>& keys() const { return keys_; }
  /// Why the last attempt failed; nullopt after a good one.
  const std::optional<Error>& failure() const { return failure_; }

 private:
  bool take(const JwksResponse& response, Timestamp now);
  bool give_up(Error error, Timestamp now);

  std::string name_;
  KeyPolicy policy_;
  JwksFetch fetch_;
  JwksSchedule schedule_;

  std::vector<VerificationKey> keys_;
  std::optional<Sha256Digest> content_;  // of the set that keys_ came from
  std::optional<Error> failure_;
  std::optional<Timestamp> asked_at_;
  std::optional<Timestamp> good_at_;
  std::chrono::seconds wait_{0};  // from asked_at_ to the next time
  std::chrono::seconds retry_{0};
  std::atomic<bool> unknown_kid_ = false;
};

/// https to any host, or http to this machine (localhost, 127.0.0.0/8, [::1]): who can change the set in flight can
/// sign anything. No user name, no fragment, no white space. kInvalidInput otherwise.
Result<void> check_jwks_url(std::string_view url);

/// The seconds of `max-age` in a Cache-Control header (RFC 9111 §5.2.2.1); 0 for no-store and no-cache; nullopt where
/// it says nothing.
std::optional<std::chrono::seconds> max_age(std::string_view cache_control);

/// The whole of a regular file of at most kMaxJwksBytes. kNotFound, kTooLarge, or kUnavailable with the reason.
Result<std::string> read_jwks_file(const std::string& path);

}  // namespace tideline::server
