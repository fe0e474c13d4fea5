#pragma once
// A page of changes, or of the rows of a bucket: media type application/vnd.tideline.changes, version 1.
//
//   "TDLC"  version (1 byte)
//   frames: type (1), length of the payload (4, big-endian), payload
//     1 row        row_version (8, big-endian), the row's bytes (wire/row_bytes.h)
//     2 tombstone  kind (1), id (16), row_version (8, big-endian)
//     9 end        check (16), JSON: exactly once, and last
//   128-255: skipped by who does not know them; any other type is an error
//
// The check is the first 16 bytes of SHA-256 over, in the order of the page: of each row its row_version (8) and hash
// (16), of each tombstone its payload; then the JSON. A page without its end, with another check or with anything
// behind it is not to be applied. docs/formats.md has the same for people. Pure; not thread-safe.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/hash.h"
#include "base/ids.h"
#include "model/row_hash.h"

namespace tideline::wire {

inline constexpr std::string_view kChangesType = "application/vnd.tideline.changes";
inline constexpr std::string_view kChangesMagic = "TDLC";
inline constexpr char kChangesVersion = 1;
/// No row is larger: the server could not have stored it (pg::kMaxParameterBytes).
inline constexpr std::size_t kMaxFrameBytes = std::size_t{256} << 20;
/// A cursor, a digest and a few numbers; with room to grow.
inline constexpr std::size_t kMaxEndBytes = 64 * 1024;

struct Tombstone {
  Kind kind = Kind::kConnection;
  Uuid id;
  Version row_version;
  bool operator==(const Tombstone&) const = default;
};

/// What the end frame says, of a page of changes.
struct ChangesEnd {
  std::string cursor;       // for the next page
  ConnectionId connection;  // whose page it is: answers get mixed up on the way
  Version snapshot;         // the organization's version this page was read at
  /// Nothing lies behind this page in its snapshot. Then also:
  bool up_to_date = false;
  Version connection_version;  // the last version that wrote to the connection
  Digest digest;               // of the connection; holds up to `snapshot` (on the wire: valid_through)

  bool operator==(const ChangesEnd&) const = default;
  std::string to_json() const;
  /// kCorrupt. Members we do not know are ignored.
  static Result<ChangesEnd> parse(std::string_view json);
};

/// Of a page of one bucket's rows.
struct BucketEnd {
  ConnectionId connection;
  Version snapshot;
  Kind kind = Kind::kConnection;
  std::uint8_t bucket = 0;
  KindDigest digest;  // of the rows of the page

  bool operator==(const BucketEnd&) const = default;
  std::string to_json() const;
  static Result<BucketEnd> parse(std::string_view json);
};

/// Appends a page to a string, which may be emptied between calls.
class ChangesPageWriter {
 public:
  explicit ChangesPageWriter(std::string& out);

  /// `append` appends the bytes of the row, whose hash is `hash`, to the string.
  template <class Append>
  void add_row(Version row_version, const RowHash& hash, Append&& append) {
    const std::size_t start = begin_row(row_version);
    append(out_);
    end_row(start, row_version, hash);
  }
  void add_tombstone(const Tombstone& tombstone);
  /// Once, and last.
  void finish(std::string_view json);

  /// Bytes written, the head included.
  std::uint64_t written_bytes() const { return written_bytes_; }

 private:
  std::size_t begin_row(Version row_version);
  void end_row(std::size_t start, Version row_version, const RowHash& hash);

  std::string& out_;
  Sha256 check_;
  std::uint64_t written_bytes_ = 0;
};

/// Turns pieces of input into events, in bounded memory: a frame at most, and only as much of it as has come. `feed`
/// gives it a piece, which must stay valid until `next` says kNeedInput.
class ChangesPageReader {
 public:
  enum class Event {
    kNeedInput,  // the piece is used up
    kRow,        // row()
    kTombstone,  // tombstone()
    kEnd,        // end_json(): the check held
  };

  struct Row {
    Version row_version;
    RowHash hash;            // of the bytes
    std::string_view bytes;  // valid until the next call of next(); not yet read: see read_row_bytes
  };

  void feed(std::string_view piece) { piece_ = piece; }
  /// kUnsupported: a page of another version. kCorrupt: malformed, a check that does not hold, bytes behind the end.
  Result<Event> next();
  /// At the end of input: kCorrupt unless the end frame was seen.
  Result<void> finish() const;

  const Row& row() const { return row_; }
  const Tombstone& tombstone() const { return tombstone_; }
  const std::string& end_json() const { return end_json_; }

 private:
  std::optional<std::string_view> take(std::size_t bytes);
  Result<Event> frame(std::string_view payload);

  std::string_view piece_;
  std::string held_;  // the begin of what `take` waits for
  bool held_given_ = false;
  bool head_read_ = false;
  bool ended_ = false;
  std::optional<std::uint8_t> type_;  // of the frame whose payload comes next
  std::size_t length_ = 0;
  Sha256 check_;
  Row row_;
  Tombstone tombstone_;
  std::string end_json_;
};

}  // namespace tideline::wire
