// What a bearer token costs: verified in full per algorithm, found in the cache, looked up by several threads at once.

#include <benchmark/benchmark.h>

#include <cstdlib>

#include "server/api_token.h"
#include "server/jwks.h"
#include "server/jwt.h"
#include "server/jwt_cache.h"
#include "server/jwt_signer.h"
#include "tests/server/jwt_testing.h"

namespace tideline::server {
namespace {

using testing::KeyPair;
using testing::kNow;

const std::string kSecret(48, 's');

std::string claims(int i) {
  return fmt::format(
      R"({{"iss":"https://id.example/auth/v1","aud":"authenticated","sub":"7f1d6c1e-5b0a-4d5e-9a36-{:012}",)"
      R"("iat":{},"exp":{},"email":"someone@example.com","role":"authenticated"}})",
      i, testing::kNowSeconds - 60, testing::kNowSeconds + 3600);
}

/// What is timed must be right first.
void check(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

void verify_in_full(benchmark::State& state, const KeySet& keys, const std::string& token) {
  check(verify_token(keys, token, kNow).has_value(), "a good token was refused");
  for (auto _ : state) benchmark::DoNotOptimize(verify_token(keys, token, kNow));
  state.SetItemsProcessed(state.iterations());
  state.counters["token_bytes"] = static_cast<double>(token.size());
}

void verify_hs256(benchmark::State& state) {
  const KeySet keys = *KeySet::make({*VerificationKey::shared_secret({kSecret, "k"}, {})});
  const auto sign = [](std::string_view text) { return testing::hs256(kSecret, text); };
  verify_in_full(state, keys, testing::make_token(R"({"alg":"HS256","typ":"JWT","kid":"k"})", claims(1), sign));
}
BENCHMARK(verify_hs256);

void verify_public(benchmark::State& state, const KeyPair& pair) {
  const KeySet keys = *KeySet::make(parse_jwks(R"({"keys":[)" + pair.jwk("k") + "]}", {})->keys);
  const auto header = fmt::format(R"({{"alg":"{}","typ":"JWT","kid":"k"}})", to_string(pair.algorithm()));
  verify_in_full(state, keys, testing::make_token(header, claims(1), pair));
}
void verify_rs256(benchmark::State& state) { verify_public(state, KeyPair::rsa(2048)); }
void verify_es256(benchmark::State& state) { verify_public(state, KeyPair::p256()); }
void verify_eddsa(benchmark::State& state) { verify_public(state, KeyPair::ed25519()); }
BENCHMARK(verify_rs256);
BENCHMARK(verify_es256);
BENCHMARK(verify_eddsa);

constexpr std::size_t kTokens = 1000;

/// A verifier and tokens of 1,000 users, all verified once: the state of a busy server.
struct Warm {
  TokenVerifier verifier{*KeySet::make({*VerificationKey::shared_secret({kSecret, "k"}, {})})};
  std::vector<std::string> tokens;

  Warm() {
    const auto sign = [](std::string_view text) { return testing::hs256(kSecret, text); };
    for (std::size_t i = 0; i < kTokens; ++i) {
      tokens.push_back(
          testing::make_token(R"({"alg":"HS256","typ":"JWT","kid":"k"})", claims(static_cast<int>(i)), sign));
      check(verifier.verify(tokens.back(), kNow).has_value(), "a good token was refused");
    }
  }
};

void verify_remembered(benchmark::State& state) {
  static const Warm warm;
  std::size_t i = static_cast<std::size_t>(state.thread_index()) * 37;
  for (auto _ : state) benchmark::DoNotOptimize(warm.verifier.verify(warm.tokens[i++ % kTokens], kNow));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(verify_remembered)->Threads(1)->Threads(2)->UseRealTime();

void cache_find(benchmark::State& state) {
  static const std::vector<Sha256Digest> digests = [] {
    std::vector<Sha256Digest> out;
    for (std::size_t i = 0; i < kTokens; ++i) out.push_back(sha256(claims(static_cast<int>(i))));
    return out;
  }();
  static TokenCache& cache = *[] {
    auto* filled = new TokenCache(kDefaultCachedTokens);
    for (const auto& digest : digests) {
      VerifiedToken token;
      token.expires_at = Timestamp{kNow.micros + 1};
      filled->insert(digest, std::make_shared<const VerifiedToken>(token));
      check(filled->find(digest, kNow) != nullptr, "what was put in is not found");
    }
    return filled;
  }();
  std::size_t i = static_cast<std::size_t>(state.thread_index()) * 37;
  for (auto _ : state) benchmark::DoNotOptimize(cache.find(digests[i++ % kTokens], kNow));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(cache_find)->Threads(1)->Threads(2)->UseRealTime();

void sign_own(benchmark::State& state) {
  const auto signer = *TokenSigner::make({kSecret, "own", "tideline"});
  for (auto _ : state) benchmark::DoNotOptimize(signer.sign({"user", "", std::chrono::hours(1)}, kNow));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(sign_own);

void api_token(benchmark::State& state) {
  const std::string token = make_api_token(OrganizationId::random()).text;
  check(parse_api_token(token).has_value(), "a good token was refused");
  for (auto _ : state) benchmark::DoNotOptimize(parse_api_token(token));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(api_token);

}  // namespace
}  // namespace tideline::server
