#include "server/cursor.h"

#include <cstring>

#include "base/hash.h"
#include "base/text.h"

namespace tideline::server {
namespace {

// The text's bytes, all numbers big-endian: format (1), schema (2), epoch (16), organization (16), connection (16),
// incarnation (8), position: version (8), kind (1), id (16); low (8), its digest (8), high (8), MAC (16).
constexpr char kFormat = 1;
constexpr std::size_t kMacBytes = 16;
constexpr std::size_t kBodyBytes = 1 + 2 + 16 + 16 + 16 + 8 + 8 + 1 + 16 + 8 + 8 + 8;
// The key authenticates nothing else; should it ever, this keeps the two apart.
constexpr std::string_view kPurpose = "tideline changes cursor\n";

class Writer {
 public:
  void number(std::uint64_t value, std::size_t width) {
    for (std::size_t i = width; i-- > 0;) bytes += static_cast<char>(static_cast<std::uint8_t>(value >> (8 * i)));
  }
  void version(Version value) { number(static_cast<std::uint64_t>(value.value), 8); }
  void id(const Uuid& value) { bytes.append(reinterpret_cast<const char*>(value.bytes.data()), value.bytes.size()); }
  std::string bytes;
};

/// Of bytes whose length was checked.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}
  std::uint64_t number(std::size_t width) {
    std::uint64_t value = 0;
    for (const char c : take(width)) value = value << 8 | static_cast<unsigned char>(c);
    return value;
  }
  Version version() { return Version{static_cast<std::int64_t>(number(8))}; }
  Uuid id() {
    Uuid value;
    std::memcpy(value.bytes.data(), take(16).data(), 16);
    return value;
  }

 private:
  std::string_view take(std::size_t width) {
    const auto taken = bytes_.substr(0, width);
    bytes_.remove_prefix(width);
    return taken;
  }
  std::string_view bytes_;
};

std::string mac_of(std::string_view body, std::string_view key) {
  const Sha256Digest digest = hmac_sha256(key, std::string(kPurpose).append(body));
  return {reinterpret_cast<const char*>(digest.data()), kMacBytes};
}

tl::unexpected<Error> closed(std::string_view reason) { return fail(gone_error(reason)); }

}  // namespace

Error gone_error(std::string_view reason) {
  Error error;
  error.code = Code::kGone;
  error.reason = reason;
  error.hint = "Sync this connection anew, without a cursor; serve the old rows until that is through.";
  if (reason == gone::kEpoch) {
    error.message = "The database is another one than the cursor is of: it was restored, or made anew.";
  } else if (reason == gone::kBelowFloor) {
    error.message = "The cursor is older than the removals that are remembered.";
  } else if (reason == gone::kAhead) {
    error.message = "The cursor is ahead of the database, which has lost versions.";
  } else if (reason == gone::kFork) {
    error.message = "The cursor is of another history: at its version the connection had other rows.";
  } else if (reason == gone::kSchema) {
    error.message = "The cursor is of a schema of rows that is not served any more.";
    error.hint = "Use a client of this server's release, and sync anew.";
  } else {
    error.message = "The connection was removed.";
    error.hint = "Remove its rows. If /heads lists the connection, sync it anew, without a cursor.";
  }
  return error;
}

std::uint64_t short_digest(const Digest& digest) {
  const Sha256Digest hash = sha256(digest.to_bytes());
  return Reader({reinterpret_cast<const char*>(hash.data()), 8}).number(8);
}

std::string encode_cursor(const Cursor& cursor, std::string_view key) {
  Writer out;
  out.bytes += kFormat;
  out.number(cursor.schema, 2);
  out.id(cursor.epoch);
  out.id(cursor.organization.value);
  out.id(cursor.connection.value);
  out.version(cursor.incarnation);
  out.version(cursor.position.version);
  out.number(cursor.position.kind, 1);
  out.id(cursor.position.id);
  out.version(cursor.low);
  out.number(cursor.low_digest, 8);
  out.version(cursor.high);
  out.bytes += mac_of(out.bytes, key);
  return base64url(out.bytes);
}

Result<Cursor> decode_cursor(std::string_view text, std::string_view key) {
  const auto bytes = from_base64url(text);
  // The schema stands where it does in every format, so that a cursor of another one is told from no cursor.
  if (!bytes || bytes->size() < 1 + 2 + kMacBytes || bytes->size() > 1024)
    return fail(Code::kInvalidInput, "the cursor is none of this server's", "send the cursor of the page before");
  const std::string_view body = std::string_view(*bytes).substr(0, bytes->size() - kMacBytes);
  if (!equal_constant_time(mac_of(body, key), std::string_view(*bytes).substr(body.size())))
    return closed(gone::kEpoch);
  if (body[0] != kFormat || body.size() != kBodyBytes) return closed(gone::kSchema);

  Reader in(body.substr(1));
  Cursor cursor;
  cursor.schema = static_cast<std::uint16_t>(in.number(2));
  cursor.epoch = in.id();
  cursor.organization.value = in.id();
  cursor.connection.value = in.id();
  cursor.incarnation = in.version();
  cursor.position.version = in.version();
  cursor.position.kind = static_cast<std::uint8_t>(in.number(1));
  cursor.position.id = in.id();
  cursor.low = in.version();
  cursor.low_digest = in.number(8);
  cursor.high = in.version();
  if (cursor.schema < kOldestSyncSchema || cursor.schema > kSyncSchema) return closed(gone::kSchema);
  return cursor;
}

Result<void> check_cursor(const Cursor& cursor, const store::ChangesHead& head) {
  if (cursor.epoch != head.epoch) return closed(gone::kEpoch);
  if (cursor.high > head.version)
    return fail(Code::kUnavailable, "The database is behind what this client has seen", "Try again.");
  if (!head.connection || head.connection->incarnation != cursor.incarnation) return closed(gone::kConnectionRemoved);
  if (cursor.low < head.floor && head.connection->is_low_forgotten) return closed(gone::kBelowFloor);
  const auto& digest = head.connection->digest_at_low;
  if (!digest || short_digest(*digest) != cursor.low_digest) return closed(gone::kFork);
  return {};
}

Cursor next_cursor(const store::ChangesHead& head, OrganizationId organization, ConnectionId connection,
                   const Cursor* from, const store::ChangesPosition& position, bool up_to_date) {
  const store::ConnectionHead& now = head.connection.value();
  Cursor cursor;
  cursor.epoch = head.epoch;
  cursor.organization = organization;
  cursor.connection = connection;
  cursor.incarnation = now.incarnation;
  cursor.high = head.version;
  if (up_to_date || from == nullptr) {
    cursor.low = head.version;
    cursor.low_digest = short_digest(now.digest);
  } else {
    cursor.low = from->low;
    cursor.low_digest = from->low_digest;
  }
  cursor.position = up_to_date ? store::ChangesPosition::behind(head.version) : position;
  return cursor;
}

}  // namespace tideline::server
