#pragma once
// What the client asks a server: one function a question, typed answers, and one kind of failure that says what to do
// about it. Blocking. An Api keeps its connection open between questions and belongs to one thread at a time; `stop`
// may be set from anywhere and ends a question within a second.

#include <array>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

#include "base/error.h"
#include "base/ids.h"
#include "base/time.h"
#include "http/client.h"
#include "model/row_hash.h"
#include "sync/event_stream.h"
#include "wire/changes_page.h"

namespace tideline::sync {

/// A server, an organization of it, and the right to ask.
struct ServerTarget {
  std::string server;  // base URL without a slash at its end
  OrganizationId organization;
  std::string token;
  std::filesystem::path ca_file{};
  std::string user_agent = "tideline";
};

/// What a failure asks for.
enum class Trouble {
  kNetwork,          // no answer, or one that is not as this server sent it: try again later
  kBusy,             // 429, 503: try again, not before retry_after
  kUnauthenticated,  // 401: a new token is needed
  kDenied,           // 403: not a member (any more)
  kGone,             // 410: `gone` says why
  kNotFound,         // 404
  kDamaged,  // an answer that is not as it was sent, or another's; nothing of it is used: try again, within limits
  kCorrupt,  // an answer that is not what was asked for; nothing of it is used
  kLocal,    // this machine: disk, replica, file
  kRefused,  // another 4xx or 5xx: trying again does not help
  kStopped,  // we were asked to end
};

struct [[nodiscard]] SyncError {
  Trouble trouble = Trouble::kNetwork;
  Error error;
  std::string gone{};  // epoch, below_floor, ahead, fork, schema, connection_removed
  std::optional<std::chrono::milliseconds> retry_after{};
  bool answered = false;  // kNetwork: something did answer, but not this server
};
template <class T>
using Answer = tl::expected<T, SyncError>;

inline tl::unexpected<SyncError> local_failure(Error error) {
  return tl::unexpected(SyncError{Trouble::kLocal, std::move(error)});
}

/// An answer that is whole, but to another question: what is between mixes up its connections, or keeps old ones.
tl::unexpected<SyncError> mixed_up(const std::string& what);

struct ServerConnection {
  ConnectionId id;
  std::string type;
  std::string name;
  std::string full_name;
  std::string subdir;
  std::string status;
  std::int64_t object_count = 0;
  std::string reason{};   // of a suggested one
  std::string lineage{};  // how much of it the last push understood: JSON; "" where the answer does not say
};

struct WorkspaceAnswer {
  std::vector<ServerConnection> matched;
  std::vector<ServerConnection> suggested;
  std::vector<ServerConnection> other;
};

struct ConnectionHead {
  ConnectionId id;
  std::int64_t incarnation = 0;
  Version version;
  Digest digest;
};

struct Heads {
  OrganizationId organization;
  std::string epoch;
  Version version;
  std::int64_t schema = 0;
  std::vector<ConnectionHead> connections;

  const ConnectionHead* find(ConnectionId id) const;
  /// The entity tag of these heads, without its quotes.
  std::string etag() const;
  static Result<Heads> parse(std::string_view json);
};

/// One hint of the event stream.
struct Hint {
  std::string epoch;
  Version version;
  std::chrono::milliseconds spread{0};
  static Result<Hint> parse(std::string_view json);
};

struct SessionRegistration {
  std::string workspace_identifier;
  std::string workspace_hash;
  std::string ide_version;
  std::string sync_mode;  // workspace-aware, manual, sync-all
  std::vector<ConnectionId> connections;
  bool all = false;  // of sync-all: whatever the replica has

  bool operator==(const SessionRegistration&) const = default;
};

struct RegisteredSession {
  std::string id;
  std::optional<Timestamp> token_expires_at{};  // of the token in use; nullopt also of a server that does not say
};

struct SessionReport {
  std::string_view status;  // active, inactive, error
  std::string error_message{};
  std::optional<Version> version{};
  std::int64_t objects = 0;
  std::vector<std::pair<ConnectionId, Version>> connections{};
};

/// A page that came whole, and whose check held.
struct ReceivedPage {
  struct Row {
    Version row_version;
    RowHash hash;
    std::size_t offset = 0;  // in `bytes`
    std::size_t size = 0;
  };
  std::string bytes;
  std::vector<Row> rows;
  std::vector<wire::Tombstone> tombstones;
  std::string end_json;
  std::uint64_t received_bytes = 0;  // on the wire

  wire::ChangesPageReader::Row row(const Row& row) const {
    return {row.row_version, row.hash, std::string_view(bytes).substr(row.offset, row.size)};
  }
};

struct ServerBuckets {
  Version version;
  std::array<KindDigest, 256> buckets{};
};

/// No page of this program's is larger, decoded: a server bounds its pages at some megabytes, but for one large row.
inline constexpr std::uint64_t kMaxPageBytes = wire::kMaxFrameBytes + 64ULL * 1024 * 1024;

class Api {
 public:
  Api(ServerTarget target, const std::atomic<bool>& stop);

  const ServerTarget& target() const { return target_; }
  void set_token(std::string token) { target_.token = std::move(token); }

  Answer<std::vector<ServerConnection>> connections();
  Answer<WorkspaceAnswer> match_workspace(const std::string& identifier);
  Answer<RegisteredSession> register_session(const SessionRegistration& session);
  Answer<void> update_session(const std::string& id, const SessionReport& report);

  /// nullopt: nothing changed since `etag`. With `wait` the server holds the question so long as that is so.
  Answer<std::optional<Heads>> heads(std::string_view etag = {}, std::chrono::seconds wait = std::chrono::seconds(0));
  /// An empty cursor asks from the start.
  Answer<ReceivedPage> changes(ConnectionId connection, const std::string& cursor);
  /// Of a state of the server's that is `at_least` so new.
  Answer<ServerBuckets> buckets(ConnectionId connection, Kind kind, Version at_least);
  Answer<ReceivedPage> rows(ConnectionId connection, Kind kind, std::uint8_t bucket, Version at_least);
  /// Returns when the stream ends: by the server, by `keep_going` saying no (kStopped), or by silence. `on_hint` is
  /// called in this thread as hints come. The result is how long the server asks to wait before connecting again.
  Answer<std::optional<std::chrono::milliseconds>> events(const std::function<void(const Hint&)>& on_hint,
                                                          const std::function<bool()>& keep_going);

 private:
  http::ClientRequest request(std::string method, const std::string& path) const;
  Answer<http::ClientResponse> send(const http::ClientRequest& request);
  /// The body of a 200, as the server sent it: its Unencoded-Digest holds.
  Answer<std::string> ask(const http::ClientRequest& request);
  Answer<ReceivedPage> page(const std::string& path);

  ServerTarget target_;
  const std::atomic<bool>& stop_;
  http::Client client_;
};

}  // namespace tideline::sync
