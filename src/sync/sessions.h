#pragma once
// What the server is told of a replica: one session for each workspace that uses it, with the version it is at and what
// is wrong. Telling is no part of a sync: what does not arrive is told the next time, and nobody hears of it here. Not
// thread-safe.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "replica/replica.h"
#include "sync/api.h"

namespace tideline::sync {

class Sessions {
 public:
  /// The workspaces there are now. Those that are new, or other than they were, are registered with the next `tell`.
  /// Whether there are such.
  bool set(std::vector<SessionRegistration> workspaces);
  /// `status`: active, inactive, error. Until when the token holds, which the server says when a session is registered,
  /// is noted with the replica (kTokenNote).
  void tell(Api& api, replica::Writer& writer, const replica::WriterState& state, std::string_view status,
            const std::string& error_message);
  /// Whether the server knows of any.
  bool any() const;
  /// All are registered again with the next `tell`: there is another token, perhaps another user's.
  void forget();

 private:
  struct Session {
    SessionRegistration registration;
    std::string id{};                              // empty: not registered
    std::vector<ConnectionId> said_connections{};  // when it was
  };
  std::vector<Session> sessions_;
};

/// The note of a replica (replica/replica.h, Writer::note) that says when a token ends; it is of no use for another
/// one.
inline constexpr std::string_view kTokenNote = "token_expires_at";
std::optional<Timestamp> expiry_in_note(std::string_view note, std::string_view token);

}  // namespace tideline::sync
