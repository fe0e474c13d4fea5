#pragma once
// A client's place in the changes of a connection, as opaque text that it hands back: authenticated by a key of the
// database, so that what is in it can be believed; a position and never a right. And the rules by which one is refused
// (docs/protocol.md, "When a cursor is refused"). Pure.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/ids.h"
#include "model/row_hash.h"
#include "store/changes.h"

namespace tideline::server {

/// Of the rows a client gets: kinds and fields. Goes up when an older client could not go on; the one before is served.
inline constexpr std::uint16_t kSyncSchema = 1;
inline constexpr std::uint16_t kOldestSyncSchema = 1;

struct Cursor {
  std::uint16_t schema = kSyncSchema;
  Uuid epoch;
  OrganizationId organization;
  ConnectionId connection;
  Version incarnation;
  store::ChangesPosition position;
  /// The snapshot of the first page, or the version that was last verified; and 64 bits of the connection's digest
  /// there.
  Version low;
  std::uint64_t low_digest = 0;
  Version high;  // the highest snapshot the client has seen

  bool operator==(const Cursor&) const = default;
};

/// Why the way on from a cursor is closed: kGone with this as its reason.
namespace gone {
inline constexpr std::string_view kEpoch = "epoch";                           // another database, or a restored one
inline constexpr std::string_view kBelowFloor = "below_floor";                // removals it has not heard of are gone
inline constexpr std::string_view kAhead = "ahead";                           // it has seen what this server has not
inline constexpr std::string_view kFork = "fork";                             // it has seen other rows at `low`
inline constexpr std::string_view kSchema = "schema";                         // of rows this server does not write
inline constexpr std::string_view kConnectionRemoved = "connection_removed";  // maybe one came after it
}  // namespace gone
/// kGone with its message and what the client is to do.
Error gone_error(std::string_view reason);

/// 64 bits of a digest: the first 8 bytes of SHA-256 over its bytes.
std::uint64_t short_digest(const Digest& digest);

/// base64url. `key`: of the database (store::ServerKeys::cursor_key).
std::string encode_cursor(const Cursor& cursor, std::string_view key);
/// kInvalidInput: no cursor at all. kGone: one that this database did not give out (epoch), or of a schema that is not
/// served (schema).
Result<Cursor> decode_cursor(std::string_view text, std::string_view key);

/// Whether the client may go on from `cursor` in this snapshot. kGone; kUnavailable: the snapshot is older than what
/// the client has seen, so it says nothing (on the primary it does: kAhead).
Result<void> check_cursor(const Cursor& cursor, const store::ChangesHead& head);

/// The cursor behind a page that ends at `position`; `low`: of the cursor it began at, or none.
Cursor next_cursor(const store::ChangesHead& head, OrganizationId organization, ConnectionId connection,
                   const Cursor* from, const store::ChangesPosition& position, bool up_to_date);

}  // namespace tideline::server
