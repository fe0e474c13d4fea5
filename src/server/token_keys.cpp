#include "server/token_keys.h"

#include <utility>

#include "base/log.h"
#include "http/client.h"
#include "server/own_key.h"

namespace tideline::server {
namespace {

constexpr std::chrono::seconds kLookEvery{1};
constexpr std::chrono::seconds kFetchTimeout{10};

// What editors and `openssl rand -hex 32 > file` put at the end is no part of a secret.
std::string without_line_end(std::string text) {
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
  return text;
}

Result<JwksResponse> fetch(const std::string& url) {
  http::Client client;
  http::ClientRequest request;
  request.url = url;
  request.headers.emplace_back("Accept", "application/json");
  request.response_limit = kMaxJwksBytes;
  request.timeout = kFetchTimeout;
  TRY(http::ClientResponse response, client.send(request));
  if (response.status != 200) return fail(http::error_of(response));
  JwksResponse out;
  out.cache_control = std::string(response.header("cache-control").value_or(std::string_view()));
  out.body = std::move(response.body);
  return out;
}

Error in_option(std::string_view option, Error error) {
  error.message = std::string(option) + ": " + error.message;
  return error;
}

Result<std::optional<JwksSource>> source_of(const TokenOptions& options, const KeyPolicy& policy) {
  if (!options.jwks_file.empty() && !options.jwks_url.empty())
    return fail(Code::kInvalidInput, "a key set comes from a file or from a URL, not from both",
                "leave out --jwks-file or --jwks-url");
  if (!options.jwks_file.empty()) return JwksSource::from_file(options.jwks_file.string(), policy);
  if (options.jwks_url.empty()) return std::nullopt;
  auto source = JwksSource::from_url(options.jwks_url, policy, [url = options.jwks_url] { return fetch(url); });
  if (!source) return fail(in_option("--jwks-url", std::move(source.error())));
  return std::move(*source);
}

}  // namespace

Result<std::unique_ptr<TokenKeys>> TokenKeys::open(const TokenOptions& options, std::string signing_key) {
  std::unique_ptr<TokenKeys> keys(new TokenKeys);
  const KeyPolicy policy{options.issuer, options.audiences};
  TRY(VerificationKey own, VerificationKey::own(own_key(std::move(signing_key))));
  keys->fixed_.push_back(std::move(own));
  if (!options.secret_file.empty()) {
    auto text = read_jwks_file(options.secret_file.string());
    if (!text) return fail(in_option("--jwt-secret-file", std::move(text.error())));
    auto secret = VerificationKey::shared_secret({without_line_end(std::move(*text)), {}}, policy);
    if (!secret) return fail(in_option("--jwt-secret-file", std::move(secret.error())));
    keys->fixed_.push_back(std::move(*secret));
  }
  TRY(auto source, source_of(options, policy));
  if (source) {
    keys->source_.emplace(std::move(*source));
    keys->source_->refresh(Timestamp::now());
    // A file that cannot be read is a typing error; a URL may come back.
    if (const auto& failure = keys->source_->failure(); failure && !options.jwks_file.empty())
      return fail(in_option("--jwks-file", *failure));
  }
  TRY(KeySet set, keys->key_set());
  keys->verifier_ = std::make_unique<TokenVerifier>(std::move(set));
  if (keys->source_)
    keys->thread_ = std::jthread([raw = keys.get()](const std::stop_token& stop) { raw->keep_fresh(stop); });
  return keys;
}

TokenKeys::~TokenKeys() = default;

Result<KeySet> TokenKeys::key_set() const {
  std::vector<VerificationKey> all = fixed_;
  if (source_) all.insert(all.end(), source_->keys().begin(), source_->keys().end());
  return KeySet::make(std::move(all));
}

void TokenKeys::keep_fresh(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  while (!wake.wait_for(lock, stop, kLookEvery, [&] { return stop.stop_requested(); })) {
    try {
      if (!source_->refresh(Timestamp::now())) continue;
      auto set = key_set();
      if (set)
        verifier_->replace_keys(std::move(*set));
      else
        log(LogLevel::kError, "key set refused", {{"message", describe(set.error())}});
    } catch (const std::exception& thrown) {
      log(LogLevel::kError, "key set refresh failed", {{"detail", thrown.what()}});
    }
  }
}

void TokenKeys::report_unknown_key() const {
  if (source_) source_->report_unknown_kid();
}

}  // namespace tideline::server
