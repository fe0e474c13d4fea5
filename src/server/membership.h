#pragma once
// What a process remembers of organizations: their heads and access versions, and who is in them with which rights. It
// may be used only while the primary said so less than kTrustedFor ago; that is what makes a removal take effect within
// a second on every process, and old data never look new. A state machine: time is passed in, nothing is asked here
// (watch.h and auth.h ask). Thread-safe; every function is O(1) but for `watched`.
//
// What was learned counts from when the question was sent, not from when the answer came.

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "server/rights.h"
#include "store/database.h"

namespace tideline::server {

using Instant = std::chrono::steady_clock::time_point;

/// Under the second in which a removal must take effect, by what an answer takes.
inline constexpr std::chrono::milliseconds kTrustedFor{900};
/// Three polls fit into kTrustedFor: one may be lost.
inline constexpr std::chrono::milliseconds kPollEvery{250};
/// An organization nobody asked for so long is not watched any more.
inline constexpr std::chrono::minutes kWatchedFor{10};
/// Callers remembered for one organization; beyond it all are forgotten and come back one by one. Some 200 bytes each.
inline constexpr std::size_t kMaxCallers = 10'000;

/// Who is asking, and what he may do in the organization.
struct Access {
  UserId user;
  Rights rights;
  std::optional<Uuid> api_token;        // its id, where the caller came by one
  std::optional<Timestamp> expires_at;  // of the API token
};

class Membership {
 public:
  using State = store::OrganizationState;
  /// Called when an organization's history went back, or may do so unseen (it is gone, or not watched any more), before
  /// its new state is given to anyone: whatever is kept by version is to be dropped. Must not call this object.
  using OnRewind = std::function<void(OrganizationId)>;
  /// Called when an organization's rights, version or epoch became others, after the new state is there; any thread.
  using OnChange = std::function<void(OrganizationId)>;

  Membership() = default;
  explicit Membership(OnRewind on_rewind, OnChange on_change = {})
      : on_rewind_(std::move(on_rewind)), on_change_(std::move(on_change)) {}

  /// The state of the organization, if it is confirmed.
  std::optional<State> state(OrganizationId organization, Instant now);

  struct Known {
    Access access;
    State state;
  };
  /// The caller's access and the organization's state, both confirmed. `caller` names an identity: any bytes, as given
  /// to `remember`.
  std::optional<Known> find(OrganizationId organization, std::string_view caller, Instant now);

  /// The primary's answer to a question sent at `asked` and answered at `now`. Organizations that are not known yet are
  /// watched from here on.
  void confirm(const State& state, Instant asked, Instant now);
  /// The same for an organization of which the primary knows nothing.
  void confirm_gone(OrganizationId organization);
  /// That the caller has this access at that access version. Without effect when rights have changed since, or the
  /// organization is not known.
  void remember(OrganizationId organization, std::string_view caller, const Access& access,
                std::int64_t access_version);

  /// The organizations to ask for, ordered; forgets those that were not used lately.
  std::vector<OrganizationId> watched(Instant now);
  /// Whether it is among them.
  bool knows(OrganizationId organization) const;
  std::size_t size() const;
  /// How often a state went back to an earlier version: the database was restored, or fell over to a standby that had
  /// not all of it.
  std::uint64_t rewinds() const;

 private:
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>()(text); }
  };
  struct Organization {
    State state;
    Instant confirmed;  // when the question was sent whose answer holds
    Instant arrived;    // when the answer came that `state` is from
    Instant used;
    std::unordered_map<std::string, Access, TextHash, std::equal_to<>> callers;  // at state.access_version
  };

  Organization* trusted(OrganizationId organization, Instant now);
  bool take_over(const State& state, Instant asked, Instant now);

  const OnRewind on_rewind_;
  OnChange on_change_;
  mutable std::mutex mutex_;
  std::unordered_map<OrganizationId, Organization> organizations_;
  std::uint64_t rewinds_ = 0;
};

}  // namespace tideline::server
