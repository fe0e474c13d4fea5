#pragma once
// Who may do what, in one place. Pure. The database holds writers to it a second time (enterprise.may_write).
//
//              read, own sessions   artifacts   documentation   connections, all sessions
//   member     yes                  -           -               -
//   admin      yes                  yes         yes             yes
//   scope read           yes        -           -               -
//   scope push           -          yes         yes             -
//   scope documentation  -          -           yes             -

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "server/router.h"

namespace tideline::server {

/// A set of rights. A value.
class Rights {
 public:
  Rights() = default;
  /// Of a person in an organization: "admin", "member". Anything else has none: a service user's come from its scopes.
  static Rights of_role(std::string_view role);
  /// Of an API token. A scope this release does not know gives nothing.
  static Rights of_scopes(const std::vector<std::string>& scopes);

  bool operator==(const Rights&) const = default;
  bool has(Right right) const { return (bits_ & bit(right)) != 0; }

 private:
  static std::uint8_t bit(Right right) { return static_cast<std::uint8_t>(1U << static_cast<unsigned>(right)); }
  Rights& add(Right right) {
    bits_ = static_cast<std::uint8_t>(bits_ | bit(right));
    return *this;
  }
  std::uint8_t bits_ = 0;
};

/// For a member who lacks it: what it takes.
std::string_view what_it_takes(Right right);

}  // namespace tideline::server
