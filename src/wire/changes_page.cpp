#include "wire/changes_page.h"

#include <algorithm>
#include <cstring>

#include "base/json.h"
#include "base/text.h"

namespace tideline::wire {
namespace {

enum Frame : std::uint8_t { kRowFrame = 1, kTombstoneFrame = 2, kEndFrame = 9, kFirstSkipped = 128 };

constexpr std::size_t kFrameHeadBytes = 5;
constexpr std::size_t kVersionBytes = 8;
constexpr std::size_t kTombstoneBytes = 1 + 16 + kVersionBytes;
constexpr std::size_t kCheckBytes = 16;

void append_big_endian(std::string& out, std::uint64_t value, std::size_t width) {
  for (std::size_t i = width; i-- > 0;) out += static_cast<char>(static_cast<std::uint8_t>(value >> (8 * i)));
}

std::uint64_t big_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

/// What a row adds to the check.
void add_row(Sha256& check, Version row_version, const RowHash& hash) {
  std::array<char, kVersionBytes + 16> bytes;
  const std::uint64_t swapped = __builtin_bswap64(static_cast<std::uint64_t>(row_version.value));
  std::memcpy(bytes.data(), &swapped, kVersionBytes);
  std::memcpy(bytes.data() + kVersionBytes, hash.bytes.data(), hash.bytes.size());
  check.update(std::string_view(bytes.data(), bytes.size()));
}

std::string payload_of(const Tombstone& tombstone) {
  std::string payload;
  payload += static_cast<char>(tombstone.kind);
  payload.append(reinterpret_cast<const char*>(tombstone.id.bytes.data()), tombstone.id.bytes.size());
  append_big_endian(payload, static_cast<std::uint64_t>(tombstone.row_version.value), kVersionBytes);
  return payload;
}

std::string finished(Sha256& check, std::string_view json) {
  check.update(json);
  const Sha256Digest digest = check.finish();
  return {reinterpret_cast<const char*>(digest.data()), kCheckBytes};
}

tl::unexpected<Error> corrupt(std::string what) {
  return fail(Code::kCorrupt, "The page of changes is malformed: " + std::move(what) + ".");
}

std::string hex_of(std::string_view bytes) {
  return hex({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
}

std::string sum_bytes(unsigned __int128 sum) {
  std::string bytes;
  append_big_endian(bytes, static_cast<std::uint64_t>(sum >> 64), 8);
  append_big_endian(bytes, static_cast<std::uint64_t>(sum), 8);
  return bytes;
}

std::optional<std::string> bytes_of_hex(const Json* text) {
  const std::string* digits = text ? text->if_string() : nullptr;
  const auto bytes = digits ? from_hex(*digits) : std::nullopt;
  if (!bytes) return std::nullopt;
  return std::string(bytes->begin(), bytes->end());
}

std::optional<std::int64_t> count_at(const Json& json, std::string_view name) {
  const Json* value = json.find(name);
  const std::int64_t* number = value ? value->if_int() : nullptr;
  return number && *number >= 0 ? std::optional(*number) : std::nullopt;
}

Result<Json> parse_end(std::string_view text) {
  auto json = Json::parse(text, "end of the page");
  if (!json) return corrupt("its end is no JSON");
  return json;
}

}  // namespace

std::string ChangesEnd::to_json() const {
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("cursor").string(cursor).key("connection").string(connection.to_string());
  json.key("snapshot").number(snapshot.value);
  json.key("up_to_date").boolean(up_to_date);
  if (up_to_date) {
    json.key("connection_version").number(connection_version.value).key("valid_through").number(snapshot.value);
    json.key("digest").string(hex_of(digest.to_bytes()));
  }
  json.end_object();
  return out;
}

Result<ChangesEnd> ChangesEnd::parse(std::string_view text) {
  TRY(const Json json, parse_end(text));
  ChangesEnd end;
  const auto cursor = json.string_at("cursor");
  const auto connection = ConnectionId::parse(json.string_at("connection").value_or(""));
  const auto snapshot = count_at(json, "snapshot");
  const Json* up_to_date = json.find("up_to_date");
  if (!cursor || !connection || !snapshot || !up_to_date || !up_to_date->if_bool())
    return corrupt("its end lacks cursor, connection, snapshot or up_to_date");
  end.cursor = *cursor;
  end.connection = *connection;
  end.snapshot = Version{*snapshot};
  end.up_to_date = *up_to_date->if_bool();
  if (!end.up_to_date) return end;
  const auto connection_version = count_at(json, "connection_version");
  const auto bytes = bytes_of_hex(json.find("digest"));
  const auto digest = bytes ? Digest::from_bytes(*bytes) : std::nullopt;
  if (!connection_version || !digest || count_at(json, "valid_through") != *snapshot)
    return corrupt("its end lacks connection_version, valid_through or digest");
  end.connection_version = Version{*connection_version};
  end.digest = *digest;
  return end;
}

std::string BucketEnd::to_json() const {
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("connection").string(connection.to_string()).key("snapshot").number(snapshot.value);
  json.key("kind").number(static_cast<std::int64_t>(kind));
  json.key("bucket").number(bucket).key("count").number(digest.count);
  json.key("sum").string(hex_of(sum_bytes(digest.sum))).end_object();
  return out;
}

Result<BucketEnd> BucketEnd::parse(std::string_view text) {
  TRY(const Json json, parse_end(text));
  const auto connection = ConnectionId::parse(json.string_at("connection").value_or(""));
  const auto snapshot = count_at(json, "snapshot"), kind = count_at(json, "kind"), bucket = count_at(json, "bucket"),
             count = count_at(json, "count");
  const auto sum = bytes_of_hex(json.find("sum"));
  if (!connection || !snapshot || !kind || *kind < 1 || *kind > static_cast<std::int64_t>(kKindCount) || !bucket ||
      *bucket > 255 || !count || !sum || sum->size() != 16)
    return corrupt("its end lacks connection, snapshot, kind, bucket, count or sum");
  BucketEnd end;
  end.connection = *connection;
  end.snapshot = Version{*snapshot};
  end.kind = static_cast<Kind>(*kind);
  end.bucket = static_cast<std::uint8_t>(*bucket);
  end.digest.count = *count;
  const std::string_view bytes = *sum;
  end.digest.sum = static_cast<unsigned __int128>(big_endian(bytes.substr(0, 8))) << 64 | big_endian(bytes.substr(8));
  return end;
}

// ---- Writing

ChangesPageWriter::ChangesPageWriter(std::string& out) : out_(out) {
  out_ += kChangesMagic;
  out_ += kChangesVersion;
  written_bytes_ = kChangesMagic.size() + 1;
}

std::size_t ChangesPageWriter::begin_row(Version row_version) {
  out_ += static_cast<char>(kRowFrame);
  const std::size_t start = out_.size();
  out_.append(4, '\0');  // the length, known at the end
  append_big_endian(out_, static_cast<std::uint64_t>(row_version.value), kVersionBytes);
  return start;
}

void ChangesPageWriter::end_row(std::size_t start, Version row_version, const RowHash& hash) {
  const auto length = static_cast<std::uint32_t>(out_.size() - start - 4);
  const std::uint32_t swapped = __builtin_bswap32(length);
  std::memcpy(out_.data() + start, &swapped, sizeof swapped);
  written_bytes_ += kFrameHeadBytes + length;
  wire::add_row(check_, row_version, hash);
}

void ChangesPageWriter::add_tombstone(const Tombstone& tombstone) {
  const std::string payload = payload_of(tombstone);
  out_ += static_cast<char>(kTombstoneFrame);
  append_big_endian(out_, payload.size(), 4);
  out_ += payload;
  written_bytes_ += kFrameHeadBytes + payload.size();
  check_.update(payload);
}

void ChangesPageWriter::finish(std::string_view json) {
  out_ += static_cast<char>(kEndFrame);
  append_big_endian(out_, kCheckBytes + json.size(), 4);
  out_ += finished(check_, json);
  out_ += json;
  written_bytes_ += kFrameHeadBytes + kCheckBytes + json.size();
}

// ---- Reading

/// The next `bytes` of the input once they are all there; until then they gather in `held_`. Where they lie in one
/// piece nothing is copied.
std::optional<std::string_view> ChangesPageReader::take(std::size_t bytes) {
  if (held_given_) held_.clear(), held_given_ = false;
  if (held_.empty() && piece_.size() >= bytes) {
    const auto taken = piece_.substr(0, bytes);
    piece_.remove_prefix(bytes);
    return taken;
  }
  const std::size_t some = std::min(bytes - held_.size(), piece_.size());
  held_.append(piece_.substr(0, some));
  piece_.remove_prefix(some);
  if (held_.size() < bytes) return std::nullopt;
  held_given_ = true;
  return held_;
}

Result<ChangesPageReader::Event> ChangesPageReader::next() {
  for (;;) {
    if (ended_) {
      if (!piece_.empty()) return corrupt("there is more behind its end");
      return Event::kNeedInput;
    }
    if (!head_read_) {
      const auto head = take(kChangesMagic.size() + 1);
      if (!head) return Event::kNeedInput;
      if (!head->starts_with(kChangesMagic)) return corrupt("it does not begin like one");
      if (head->back() != kChangesVersion)
        return fail(Code::kUnsupported, "The server sends changes in a newer format.", "Use a newer client.");
      head_read_ = true;
    }
    if (!type_) {
      const auto head = take(kFrameHeadBytes);
      if (!head) return Event::kNeedInput;
      const auto type = static_cast<std::uint8_t>(head->front());
      length_ = big_endian(head->substr(1));
      const bool known = type == kRowFrame || type == kTombstoneFrame || type == kEndFrame;
      if (!known && type < kFirstSkipped) return corrupt("a frame of type " + std::to_string(type));
      if (length_ > (type == kEndFrame ? kMaxEndBytes : kMaxFrameBytes)) return corrupt("a frame that is too long");
      type_ = type;
    }
    if (*type_ >= kFirstSkipped) {
      const std::size_t some = std::min(length_, piece_.size());
      piece_.remove_prefix(some);
      length_ -= some;
      if (length_ > 0) return Event::kNeedInput;
      type_.reset();
      continue;
    }
    const auto payload = take(length_);
    if (!payload) return Event::kNeedInput;
    return frame(*payload);
  }
}

Result<ChangesPageReader::Event> ChangesPageReader::frame(std::string_view payload) {
  const std::uint8_t type = *type_;
  type_.reset();
  if (type == kRowFrame) {
    if (payload.size() <= kVersionBytes) return corrupt("a row that is too short");
    row_.row_version = Version{static_cast<std::int64_t>(big_endian(payload.substr(0, kVersionBytes)))};
    row_.bytes = payload.substr(kVersionBytes);
    row_.hash = hash_of_row_bytes(row_.bytes);
    if (row_.row_version.value < 0) return corrupt("a row of a negative version");
    wire::add_row(check_, row_.row_version, row_.hash);
    return Event::kRow;
  }
  if (type == kTombstoneFrame) {
    if (payload.size() != kTombstoneBytes) return corrupt("a tombstone of the wrong length");
    const auto kind = static_cast<unsigned char>(payload[0]);
    if (kind < 1 || kind > kKindCount) return corrupt("a tombstone of no known kind");
    tombstone_.kind = static_cast<Kind>(kind);
    std::memcpy(tombstone_.id.bytes.data(), payload.data() + 1, tombstone_.id.bytes.size());
    tombstone_.row_version = Version{static_cast<std::int64_t>(big_endian(payload.substr(17)))};
    if (tombstone_.row_version.value < 0) return corrupt("a tombstone of a negative version");
    check_.update(payload);
    return Event::kTombstone;
  }
  if (payload.size() < kCheckBytes) return corrupt("an end that is too short");
  const std::string_view json = payload.substr(kCheckBytes);
  if (finished(check_, json) != payload.substr(0, kCheckBytes)) return corrupt("its check does not hold");
  end_json_ = json;
  ended_ = true;
  return Event::kEnd;
}

Result<void> ChangesPageReader::finish() const {
  if (!ended_) return corrupt("it is cut off");
  return {};
}

}  // namespace tideline::wire
