#pragma once
// What the server is told of a replica: one session for each workspace that uses it, with the version it is at and what
// is wrong. Telling is no part of a sync: what does not arrive is told the next time, and nobody hears of it here. Not
// thread-safe.

#include <string>
#include <string_view>
#include <vector>

#include "replica/replica.h"
#include "sync/api.h"

namespace tideline::sync {

class Sessions {
 public:
  /// The workspaces there are now. Those that are new, or other than they were, are registered with the next `tell`.
  /// Whether there are such.
  bool set(std::vector<SessionRegistration> workspaces);
  /// `status`: active, inactive, error.
  void tell(Api& api, const replica::WriterState& state, std::string_view status, const std::string& error_message);
  /// Whether the server knows of any.
  bool any() const;

 private:
  struct Session {
    SessionRegistration registration;
    std::string id{};                              // empty: not registered
    std::vector<ConnectionId> said_connections{};  // when it was
  };
  std::vector<Session> sessions_;
};

}  // namespace tideline::sync
