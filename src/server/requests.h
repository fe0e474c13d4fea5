#pragma once
// What each endpoint is asked, as checked values: the decoders (decode.h) make them, the handlers take them. Plain
// data; a value here is well-formed, though what it names may not exist.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "model/records.h"

namespace tideline::server {

/// Ids sorted and each once. nullopt: not given, which means all.
using ConnectionFilter = std::optional<std::vector<ConnectionId>>;

inline constexpr std::int64_t kDefaultPageLimit = 1000;
inline constexpr std::int64_t kMaxPageLimit = 10'000;

struct SyncPackageRequest {
  ConnectionFilter connection_ids;
  std::optional<Timestamp> last_sync;
  std::optional<Timestamp> as_of;
  bool include_documentation = false;
  std::int64_t limit = kDefaultPageLimit;
  std::int64_t offset = 0;
};

struct ReadDocumentationRequest {
  ConnectionFilter connection_ids;
  std::optional<std::vector<Uuid>> object_ids;  // sorted and each once
};

struct HeadsQuery {
  std::chrono::seconds wait{0};
  std::string since;  // an entity tag, with its quotes; empty: none
};

struct ChangesQuery {
  ConnectionId connection;
  std::optional<std::string> cursor;  // as it came
  std::int64_t max_bytes = 0;
};

struct BucketQuery {
  ConnectionId connection;
  Kind kind = Kind::kConnection;
  std::uint8_t bucket = 0;
  std::int64_t at_least = 0;  // the version the client has seen
};

struct MatchWorkspaceRequest {
  std::string workspace_identifier;
};

struct RegisterSessionRequest {
  std::string workspace_identifier;
  std::optional<std::string> workspace_hash;
  std::optional<std::string> ide_version;
  std::string sync_mode = "workspace-aware";  // or "manual", "sync-all"
  ConnectionFilter connection_ids;
};

/// nullopt: leave as it is.
struct UpdateSessionRequest {
  SessionId id;
  std::optional<std::int64_t> total_objects_synced;
  std::optional<std::string> sync_status;                   // "active", "inactive", "error"
  std::optional<std::optional<std::string>> error_message;  // inner nullopt: none any more
  std::optional<std::int64_t> synced_version{};
  std::optional<std::vector<std::pair<ConnectionId, Version>>> connection_versions{};
};

/// The type of a connection where none is said.
inline constexpr std::string_view kDefaultConnectionType = "git";

struct RegisterConnectionRequest {
  std::optional<ConnectionId> id;  // nullopt: a random one
  std::string type{kDefaultConnectionType};
  std::string full_name;
  std::optional<std::string> name;  // nullopt: the last part of full_name
  std::string subdir;
  std::optional<std::string> url;
};

/// nullopt: leave as it is.
struct UpdateConnectionRequest {
  ConnectionId id;
  std::optional<std::string> type;
  std::optional<std::string> full_name;
  std::optional<std::string> name;
  std::optional<std::string> subdir;
  std::optional<std::optional<std::string>> url;  // inner nullopt: none any more
};

/// An object is named by its id, or by its connection and unique_id: exactly one of the two.
struct DocumentationItem {
  std::optional<Uuid> object_id;
  std::optional<ConnectionId> connection_id;
  std::string unique_id;
  std::optional<std::string> executive_summary;
  std::optional<std::string> business_narrative;
  std::optional<JsonText> transformation_cards;
  std::optional<JsonText> code_explanations;
  std::optional<JsonText> business_rules;
  std::optional<JsonText> impact_analysis;
  std::optional<Timestamp> generated_at;
  std::optional<std::string> model;
  std::optional<std::string> doc_version;
  std::optional<JsonText> extra;  // all members that are none of the above, as an object
};

struct WriteDocumentationRequest {
  std::vector<DocumentationItem> items;
};

/// What a push is told beside its artifacts: by query, or by parts of a form of the same names.
struct PushNotes {
  bool force = false;
  std::optional<std::string> commit;
  std::optional<std::string> branch;
  std::optional<std::string> url;  // of the repository
};

/// Which connection a push is for, where it is not named by its id.
struct PushTarget {
  std::string full_name;
  std::optional<std::string> type;  // nullopt: whichever has that name
  std::string subdir;
};

}  // namespace tideline::server
