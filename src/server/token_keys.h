#pragma once
// The keys that tokens are verified with, put together from the operator's options and the database, and kept fresh:
// a key set from a file or a URL is looked after by a thread of its own. Thread-safe.

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include "base/error.h"
#include "server/application.h"
#include "server/jwks_source.h"
#include "server/jwt.h"

namespace tideline::server {

class TokenKeys {
 public:
  /// Blocks: reads files, and asks the URL once (a failure there is logged and tried again later: tokens of that issuer
  /// are refused until then). kInvalidInput names the option that is wrong. `signing_key` is the database's.
  static Result<std::unique_ptr<TokenKeys>> open(const TokenOptions& options, std::string signing_key);
  ~TokenKeys();

  const TokenVerifier& verifier() const { return *verifier_; }
  /// A token named a key that is not known: the key set is asked for soon.
  void report_unknown_key() const;

 private:
  TokenKeys() = default;
  Result<KeySet> key_set() const;
  void keep_fresh(const std::stop_token& stop);

  std::vector<VerificationKey> fixed_;  // our own, and the shared secret's
  mutable std::optional<JwksSource> source_;
  std::unique_ptr<TokenVerifier> verifier_;
  std::jthread thread_;
};

}  // namespace tideline::server
