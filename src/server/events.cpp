#include "server/events.h"

#include <algorithm>
#include <array>
#include <limits>
#include <string>
#include <utility>

#include "base/deadline.h"
#include "base/json.h"
#include "base/random.h"
#include "server/jwt.h"

namespace tideline::server {
namespace {

using std::chrono::milliseconds;

// Where the primary cannot be asked, nothing is said and nobody is let in or out; asked again so often.
constexpr milliseconds kAskAgainAfter{500};
constexpr std::chrono::seconds kAskDeadline{2};
// The client's pause before it connects again (`retry`), drawn anew for each stream.
constexpr std::uint64_t kLeastRetry = 1000, kMostRetry = 5000;

std::uint64_t random_up_to(std::uint64_t most) {
  std::array<std::uint8_t, 8> bytes{};
  fill_random(bytes);
  std::uint64_t number = 0;
  for (const auto byte : bytes) number = number << 8 | byte;
  return number % (most + 1);
}

class EventStream final : public http::BodySource {
 public:
  EventStream(const Gate& gate, EventHub& hub, std::shared_ptr<EventHub::Place> place, Credential credential,
              Caller caller)
      : gate_(gate), hub_(hub), place_(std::move(place)), credential_(std::move(credential)), caller_(caller) {
    const auto life = std::chrono::duration_cast<milliseconds>(kStreamLife);
    const auto fifth = static_cast<std::uint64_t>(life.count()) / 5;
    const auto now = std::chrono::steady_clock::now();
    life_ends_ = now + life - milliseconds(fifth) + milliseconds(random_up_to(2 * fifth));
    next_keep_alive_ = now + kKeepAliveEvery;
  }

  bool waits_long() const override { return true; }

  http::awaitable<Result<std::optional<std::string>>> next() override {
    if (!said_anything_) co_return first();
    bool recheck = false;  // the rights were not confirmed
    for (;;) {
      const Instant now = std::chrono::steady_clock::now();
      if (now >= life_ends_ || Timestamp::now() >= end_of(credential_, caller_)) co_return std::nullopt;
      if (has_news() && now >= next_hint_) co_return hint();
      if (now >= next_keep_alive_ && !recheck) {
        next_keep_alive_ = now + kKeepAliveEvery;
        // Looking keeps the organization among those that are watched.
        if (const auto caller = gate_.remembered(credential_, caller_.tenant.organization, Timestamp::now()))
          caller_ = *caller;
        if (!has_news()) co_return std::string(": keep-alive\n\n");
        continue;
      }
      Deadline until = std::min(life_ends_, next_keep_alive_);
      if (has_news()) until = std::min(until, next_hint_);
      if (recheck) until = now + kAskAgainAfter;
      until = std::min(until, now + milliseconds(std::max<std::int64_t>(0, left_of_token())));
      const bool woken = co_await EventHub::Place::wait(place_, until);
      if (!woken && !recheck) continue;
      const auto admitted = co_await look();
      if (!admitted) co_return std::nullopt;
      recheck = !*admitted;
    }
  }

 private:
  bool has_news() const { return caller_.state.version != said_.version || caller_.state.epoch != said_.epoch; }

  std::int64_t left_of_token() const {
    // At most an hour, so that it fits wherever it is added to.
    const std::int64_t micros = end_of(credential_, caller_).micros - Timestamp::now().micros;
    return std::min<std::int64_t>(micros, 3'600'000'000) / 1000 + 1;
  }

  /// Whether the caller is still one, of the newest state: true, or false while that cannot be known; nullopt when he
  /// is not.
  http::awaitable<std::optional<bool>> look() {
    auto caller = gate_.remembered(credential_, caller_.tenant.organization, Timestamp::now());
    if (!caller) {
      auto asked = co_await gate_.admit(credential_, caller_.tenant.organization, within(kAskDeadline));
      if (!asked && asked.error().code != Code::kUnavailable && asked.error().code != Code::kDeadline)
        co_return std::nullopt;
      if (!asked) co_return false;
      caller = *asked;
    }
    if (!caller->rights.has(Right::kRead)) co_return std::nullopt;
    caller_ = *caller;
    co_return true;
  }

  std::string first() {
    said_anything_ = true;
    // What came between the admission and the place woke nobody.
    if (const auto caller = gate_.remembered(credential_, caller_.tenant.organization, Timestamp::now()))
      caller_ = *caller;
    return "retry: " + std::to_string(kLeastRetry + random_up_to(kMostRetry - kLeastRetry)) + "\n" + hint();
  }

  std::string hint() {
    const Instant now = std::chrono::steady_clock::now();
    said_ = caller_.state;
    next_hint_ = now + kHintsEvery;
    next_keep_alive_ = now + kKeepAliveEvery;
    std::string out = "data: ";
    JsonWriter json(out);
    json.begin_object().key("epoch").string(said_.epoch.to_string()).key("version").number(said_.version.value);
    json.key("spread_ms").number(spread_of(hub_.size(said_.organization)).count()).end_object();
    return out + "\n\n";
  }

  const Gate& gate_;
  EventHub& hub_;
  std::shared_ptr<EventHub::Place> place_;
  Credential credential_;
  Caller caller_;
  store::OrganizationState said_;
  bool said_anything_ = false;
  Instant life_ends_, next_hint_, next_keep_alive_;
};

}  // namespace

milliseconds spread_of(std::size_t places) {
  return std::min(kMaxSpread, milliseconds(places / kClientsPerSpreadMillisecond));
}

Timestamp end_of(const Credential& credential, const Caller& caller) {
  Timestamp end{std::numeric_limits<std::int64_t>::max()};
  if (caller.expires_at) end = *caller.expires_at;
  if (const auto* token = std::get_if<VerifiedToken>(&credential.token)) {
    // Requests are taken as long: a stream that ended earlier would be opened again at once.
    const auto leeway = std::chrono::duration_cast<std::chrono::microseconds>(kJwtLeeway).count();
    end = std::min(end, Timestamp{token->expires_at.micros + leeway});
  }
  return end;
}

std::unique_ptr<http::BodySource> event_stream(const Gate& gate, EventHub& hub, std::shared_ptr<EventHub::Place> place,
                                               Credential credential, Caller caller) {
  return std::make_unique<EventStream>(gate, hub, std::move(place), std::move(credential), std::move(caller));
}

}  // namespace tideline::server
