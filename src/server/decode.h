#pragma once
// Bytes of a request → checked values (requests.h). Pure. A refusal lists every bad parameter, each once, with what
// would be right. Unknown query parameters and unknown members of a body are ignored (but for documentation, which
// keeps them): clients newer than the server stay usable. Not for who may ask: see auth.h.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "http/message.h"
#include "http/query.h"
#include "server/requests.h"

namespace tideline::server {

using FieldErrors = std::vector<http::FieldError>;
template <class T>
using Decoded = tl::expected<T, FieldErrors>;

/// Names of connections stand in a B-tree key of at most 2,700 bytes, together.
inline constexpr std::size_t kMaxFullNameBytes = 512;
inline constexpr std::size_t kMaxSubdirBytes = 512;
inline constexpr std::size_t kMaxUrlBytes = 2048;
/// The same for workspaces.
inline constexpr std::size_t kMaxWorkspaceBytes = 1024;
inline constexpr std::size_t kMaxHashBytes = 256;
/// Short texts that people and programs name things by: an IDE's version, a branch, a model.
inline constexpr std::size_t kMaxLabelBytes = 256;
inline constexpr std::size_t kMaxErrorMessageBytes = 4096;
/// Ids in one list: more than an organization has connections, and a query can hold.
inline constexpr std::size_t kMaxIds = 10'000;
/// One PUT of documentation is one transaction; a generator with more sends several.
inline constexpr std::size_t kMaxDocumentationItems = 10'000;
inline constexpr std::size_t kMaxUniqueIdBytes = 2048;
/// Of a request in JSON but documentation: ten thousand ids fit. Parsed on an I/O thread, so a few milliseconds at
/// most.
inline constexpr std::uint64_t kMaxJsonBytes = 1024 * 1024;
/// A cursor is some 170 bytes; later ones may have more.
inline constexpr std::size_t kMaxCursorBytes = 1024;
/// Longest wait of a long poll: below what proxies and the server's own handlers may take.
inline constexpr std::int64_t kMaxWaitSeconds = 30;
/// Kept between the end of a wait and that of the handler's time.
inline constexpr std::chrono::seconds kLongPollMargin{5};
/// Largest integer every JSON reader keeps exactly.
inline constexpr std::int64_t kMaxSafeInteger = (std::int64_t{1} << 53) - 1;

Decoded<OrganizationId> decode_organization(std::string_view id);
Decoded<ConnectionId> decode_connection(std::string_view id);

Decoded<SyncPackageRequest> decode_sync_package(const http::Query& query);
Decoded<ReadDocumentationRequest> decode_read_documentation(const http::Query& query);
Decoded<HeadsQuery> decode_heads(const http::Query& query);
/// These take the id in the path as well.
Decoded<ChangesQuery> decode_changes(std::string_view id, const http::Query& query);
Decoded<BucketQuery> decode_buckets(std::string_view id, const http::Query& query, bool of_one = false);
Decoded<PushTarget> decode_push_target(const http::Query& query);
/// `force`, `commit`, `branch` and `url` of a push.
Decoded<PushNotes> decode_push_notes(const http::Query& query);
/// The same as a part of a form; a part says it over the query.
void decode_push_part(PushNotes& notes, std::string_view name, std::string_view value, FieldErrors& errors);
/// Whether a part of that name is one of decode_push_part's.
bool is_push_note(std::string_view name);

/// These take the body, and the id in the path where there is one.
Decoded<MatchWorkspaceRequest> decode_match_workspace(std::string_view body);
Decoded<RegisterSessionRequest> decode_register_session(std::string_view body);
Decoded<UpdateSessionRequest> decode_update_session(std::string_view id, std::string_view body);
Decoded<RegisterConnectionRequest> decode_register_connection(std::string_view body);
Decoded<UpdateConnectionRequest> decode_update_connection(std::string_view id, std::string_view body);
Decoded<WriteDocumentationRequest> decode_write_documentation(std::string_view body);

}  // namespace tideline::server
