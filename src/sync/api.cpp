#include "sync/api.h"

#include <algorithm>

#include "base/json.h"
#include "base/text.h"
#include "http/digest_field.h"
#include "http/query.h"

namespace tideline::sync {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// An event stream that keeps itself alive says something every 20 seconds.
constexpr milliseconds kEventSilence{45'000};
/// Pages and digests may have to be made first, in the server's own time for a request.
constexpr milliseconds kPageSilence{60'000};
/// Everything else is answered from memory, or is one write.
constexpr milliseconds kSilence{25'000};
/// Telling a session how it goes is a courtesy: nobody waits long for the server to take note of it.
constexpr milliseconds kSessionSilence{3'000};
/// Less is no network to sync over, and something that never ends else.
constexpr std::uint64_t kLeastRate = 1'000;  // bytes a second
constexpr std::uint64_t kMaxJsonBytes = 64ULL * 1024 * 1024;

http::ClientOptions client_options(const ServerTarget& target) {
  http::ClientOptions options;
  options.ca_file = target.ca_file;
  options.user_agent = target.user_agent;
  return options;
}

tl::unexpected<SyncError> damaged(Error error) {
  if (error.hint.empty()) error.hint = "try again; if it stays so, something in between changes what the server sends";
  return tl::unexpected(SyncError{Trouble::kDamaged, std::move(error)});
}
tl::unexpected<SyncError> damaged(std::string message) {
  return damaged(Error{Code::kCorrupt, std::move(message), {}, {}});
}

std::optional<milliseconds> retry_after_of(const http::ClientResponse& response) {
  const auto text = response.header("retry-after");
  if (!text || text->empty() || text->size() > 6) return std::nullopt;
  if (!std::all_of(text->begin(), text->end(), [](char c) { return c >= '0' && c <= '9'; })) return std::nullopt;
  return seconds(std::stol(std::string(*text)));
}

std::int64_t integer_at(const Json& object, std::string_view key, std::int64_t otherwise) {
  const Json* value = object.find(key);
  return value && value->if_int() ? *value->if_int() : otherwise;
}

/// The body of a 200. kNetwork: it is not as the server sent it, so nothing in it is to be believed.
Answer<std::string> body_of(const http::ClientRequest& request, http::ClientResponse response) {
  const auto refused = [&request](std::string what, std::string hint) {
    const std::string path = request.url.substr(0, request.url.find('?'));
    return tl::unexpected(SyncError{
        Trouble::kNetwork,
        Error{Code::kUnavailable, "the answer to " + path.substr(path.rfind('/')) + what, std::move(hint), {}}});
  };
  if (response.status != 200) return refused(" has status " + std::to_string(response.status), "try again");
  const auto digest = response.header(ascii_lower(http::kUnencodedDigest));
  if (!digest)
    return refused(" came without its check (Unencoded-Digest)",
                   "does a proxy in between take it away, or is the server older than this program?");
  if (*digest != http::unencoded_digest(response.body))
    return refused(" was changed on its way here: its check does not hold",
                   "try again; if it stays so, a proxy in between changes answers");
  return std::move(response.body);
}

/// A portal, a proxy or a wrong port also answers 401 and 403: only what looks like this server's counts.
bool is_problem(const http::ClientResponse& response) {
  return response.header("content-type").value_or("").starts_with("application/problem+json");
}

SyncError failure_of(const http::ClientResponse& response) {
  SyncError failure{Trouble::kRefused, http::error_of(response), {}, retry_after_of(response)};
  const auto body = Json::parse(response.body, "answer");
  // A bit of the status line makes another status of it: the body says it a second time.
  const bool is_ours = is_problem(response) && body && integer_at(*body, "status", 0) == response.status;
  if (!is_ours) {
    failure.trouble = Trouble::kNetwork;
    failure.answered = true;
    failure.error.message += ", and not as a Tideline server answers";
    failure.error.hint = "is the address right, and no portal or proxy in between?";
    return failure;
  }
  switch (response.status) {
    case 401:
      failure.trouble = Trouble::kUnauthenticated;
      break;
    case 403:
      failure.trouble = Trouble::kDenied;
      break;
    case 404:
      failure.trouble = Trouble::kNotFound;
      break;
    case 410:
      failure.trouble = Trouble::kGone;
      failure.gone = body->string_at("code").value_or("");
      break;
    case 408:
    case 429:
    case 500:
    case 502:
    case 503:
    case 504:
    case 507:
      failure.trouble = Trouble::kBusy;
      break;
    default:
      break;
  }
  return failure;
}

std::optional<Digest> digest_of(const std::string& text) {
  const auto bytes = from_hex(text);
  if (!bytes) return std::nullopt;
  return Digest::from_bytes({reinterpret_cast<const char*>(bytes->data()), bytes->size()});
}

std::optional<unsigned __int128> sum_of(const std::string& text) {
  const auto bytes = from_hex(text);
  if (!bytes || bytes->size() != 16) return std::nullopt;
  unsigned __int128 sum = 0;
  for (const std::uint8_t byte : *bytes) sum = (sum << 8) | byte;
  return sum;
}

Result<std::vector<ServerConnection>> connections_of(const Json* list) {
  if (!list || !list->if_array()) return fail(Code::kCorrupt, "the server's answer has no list of connections");
  std::vector<ServerConnection> out;
  for (const Json& each : *list->if_array()) {
    ServerConnection connection;
    const auto id = ConnectionId::parse(each.string_at("id").value_or(""));
    if (!id) return fail(Code::kCorrupt, "a connection in the server's answer has no id");
    connection.id = *id;
    connection.type = each.string_at("type").value_or("");
    connection.name = each.string_at("name").value_or("");
    connection.full_name = each.string_at("full_name").value_or("");
    connection.subdir = each.string_at("subdir").value_or("");
    connection.status = each.string_at("status").value_or("");
    connection.reason = each.string_at("reason").value_or("");
    connection.object_count = integer_at(each, "object_count", 0);
    if (const Json* lineage = each.find("lineage"); lineage != nullptr && lineage->if_object() != nullptr)
      connection.lineage = lineage->canonical();
    out.push_back(std::move(connection));
  }
  return out;
}

}  // namespace

tl::unexpected<SyncError> mixed_up(const std::string& what) {
  return damaged(what + " is that of another question, or an old one");
}

const ConnectionHead* Heads::find(ConnectionId id) const {
  const auto at = std::find_if(connections.begin(), connections.end(), [id](const auto& c) { return c.id == id; });
  return at == connections.end() ? nullptr : &*at;
}

Result<Heads> Heads::parse(std::string_view text) {
  TRY(const Json json, Json::parse(text, "answer to /heads"));
  Heads heads;
  const auto organization = OrganizationId::parse(json.string_at("organization").value_or(""));
  heads.organization = organization.value_or(OrganizationId{});
  heads.epoch = json.string_at("epoch").value_or("");
  heads.version.value = integer_at(json, "version", -1);
  heads.schema = integer_at(json, "schema", -1);
  const Json* list = json.find("connections");
  if (!organization || heads.epoch.empty() || heads.version.value < 0 || heads.schema < 0 || !list || !list->if_array())
    return fail(Code::kCorrupt, "the answer to /heads lacks organization, epoch, version, schema or connections");
  for (const Json& each : *list->if_array()) {
    const auto id = ConnectionId::parse(each.string_at("id").value_or(""));
    const auto digest = digest_of(each.string_at("digest").value_or(""));
    const ConnectionHead head{id.value_or(ConnectionId{}), integer_at(each, "incarnation", -1),
                              Version{integer_at(each, "version", -1)}, digest.value_or(Digest{})};
    if (!id || !digest || head.incarnation < 0 || head.version.value < 0)
      return fail(Code::kCorrupt, "a connection in the answer to /heads is not as it should be");
    heads.connections.push_back(head);
  }
  return heads;
}

std::string Heads::etag() const { return epoch + '.' + std::to_string(version.value) + '.' + std::to_string(schema); }

Result<Hint> Hint::parse(std::string_view text) {
  TRY(const Json json, Json::parse(text, "event"));
  Hint hint{json.string_at("epoch").value_or(""), Version{integer_at(json, "version", -1)},
            milliseconds(std::clamp<std::int64_t>(integer_at(json, "spread_ms", 0), 0, 60'000))};
  if (hint.epoch.empty() || hint.version.value < 0) return fail(Code::kCorrupt, "an event lacks epoch or version");
  return hint;
}

Api::Api(ServerTarget target, const std::atomic<bool>& stop)
    : target_(std::move(target)), stop_(stop), client_(client_options(target_)) {}

http::ClientRequest Api::request(std::string method, const std::string& path) const {
  http::ClientRequest request;
  request.method = std::move(method);
  request.url = target_.server + "/api/metadata-sync/organizations/" + target_.organization.to_string() + path;
  request.token = target_.token;
  request.response_limit = kMaxJsonBytes;
  request.silence = kSilence;
  request.least_rate = kLeastRate;
  request.keep_going = [this] { return !stop_.load(std::memory_order_relaxed); };
  return request;
}

Answer<http::ClientResponse> Api::send(const http::ClientRequest& request) {
  auto response = client_.send(request);
  if (!response) {
    if (stop_) return tl::unexpected(SyncError{Trouble::kStopped, std::move(response.error())});
    // An unsafe address or a certificate that does not hold is no matter of waiting.
    const Code code = response.error().code;
    const bool lasting = code == Code::kInvalidInput || code == Code::kPermissionDenied;
    return tl::unexpected(SyncError{lasting                   ? Trouble::kRefused
                                    : code == Code::kTooLarge ? Trouble::kCorrupt
                                                              : Trouble::kNetwork,
                                    std::move(response.error())});
  }
  if (response->status >= 400) return tl::unexpected(failure_of(*response));
  if (response->status >= 300 && response->status != 304)
    return tl::unexpected(
        SyncError{Trouble::kNetwork, Error{Code::kUnavailable,
                                           "the server answered with status " + std::to_string(response->status),
                                           "redirects are not followed: give the address it leads to",
                                           {}}});
  return std::move(*response);
}

Answer<std::string> Api::ask(const http::ClientRequest& request) {
  TRY(auto response, send(request));
  return body_of(request, std::move(response));
}

Answer<std::vector<ServerConnection>> Api::connections() {
  TRY(const std::string body, ask(request("GET", "/connections")));
  const auto json = Json::parse(body, "answer to /connections");
  if (!json) return damaged(json.error());
  auto list = connections_of(json->find("connections"));
  if (!list) return damaged(std::move(list.error()));
  return std::move(*list);
}

Answer<WorkspaceAnswer> Api::match_workspace(const std::string& identifier) {
  http::ClientRequest question = request("POST", "/connections/match-workspace");
  question.content_type = "application/json";
  JsonWriter(question.body).begin_object().key("workspace_identifier").string(identifier).end_object();
  TRY(const std::string body, ask(std::move(question)));
  const auto json = Json::parse(body, "answer to match-workspace");
  if (!json) return damaged(json.error());
  WorkspaceAnswer answer;
  for (auto [name, list] :
       {std::pair("matched_connections", &answer.matched), std::pair("suggested_connections", &answer.suggested),
        std::pair("other_connections", &answer.other)}) {
    auto connections = connections_of(json->find(name));
    if (!connections) return damaged(std::move(connections.error()));
    *list = std::move(*connections);
  }
  return answer;
}

Answer<RegisteredSession> Api::register_session(const SessionRegistration& session) {
  http::ClientRequest question = request("POST", "/ide-sessions");
  question.silence = kSessionSilence;
  question.content_type = "application/json";
  JsonWriter json(question.body);
  json.begin_object().key("workspace_identifier").string(session.workspace_identifier);
  json.key("workspace_hash").string(session.workspace_hash).key("ide_version").string(session.ide_version);
  json.key("sync_mode").string(session.sync_mode).key("connection_ids").begin_array();
  for (const auto& id : session.connections) json.string(id.to_string());
  json.end_array().end_object();
  TRY(const std::string body, ask(std::move(question)));
  const auto answer = Json::parse(body, "answer to ide-sessions");
  const auto id = answer ? answer->string_at("session_id") : std::nullopt;
  if (!id) return damaged("the answer to ide-sessions has no session_id");
  const auto expiry = answer->string_at("token_expires_at");
  return RegisteredSession{*id, expiry ? Timestamp::parse(*expiry) : std::nullopt};
}

Answer<void> Api::update_session(const std::string& id, const SessionReport& report) {
  http::ClientRequest question = request("PATCH", "/ide-sessions/" + http::percent_encode(id));
  question.silence = kSessionSilence;
  question.content_type = "application/json";
  JsonWriter json(question.body);
  json.begin_object().key("total_objects_synced").number(report.objects).key("sync_status").string(report.status);
  json.key("error_message");
  report.error_message.empty() ? json.null() : json.string(report.error_message);
  if (report.version) json.key("synced_version").number(report.version->value);
  json.key("connection_versions").begin_object();
  for (const auto& [connection, version] : report.connections) json.key(connection.to_string()).number(version.value);
  json.end_object().end_object();
  TRY(const std::string ignored, ask(question));
  return {};
}

Answer<std::optional<Heads>> Api::heads(std::string_view etag, seconds wait) {
  std::string path = "/heads";
  if (wait.count() > 0) path += "?wait=" + std::to_string(wait.count()) + "&since=" + http::percent_encode(etag);
  http::ClientRequest question = request("GET", path);
  if (wait.count() > 0) question.silence = wait + seconds(20);
  if (!etag.empty() && wait.count() == 0)
    question.headers.emplace_back("If-None-Match", "\"" + std::string(etag) + "\"");
  TRY(auto response, send(question));
  if (response.status == 304 || response.status == 204) return std::optional<Heads>();
  TRY(const std::string body, body_of(question, std::move(response)));
  auto heads = Heads::parse(body);
  if (!heads) return damaged(std::move(heads.error()));
  if (heads->organization != target_.organization) return mixed_up("the answer to /heads");
  return std::optional(std::move(*heads));
}

Answer<ReceivedPage> Api::page(const std::string& path) {
  http::ClientRequest question = request("GET", path);
  question.silence = kPageSilence;
  question.headers.emplace_back("Accept", wire::kChangesType);
  ReceivedPage page;
  wire::ChangesPageReader reader;
  std::optional<Error> failed;
  const auto read = [&]() -> Result<void> {
    for (;;) {
      TRY(const auto event, reader.next());
      switch (event) {
        case wire::ChangesPageReader::Event::kNeedInput:
          return {};
        case wire::ChangesPageReader::Event::kRow:
          if (page.bytes.size() + reader.row().bytes.size() > kMaxPageBytes)
            return fail(Code::kTooLarge, "a page of the server is larger than pages can be");
          page.rows.push_back(
              {reader.row().row_version, reader.row().hash, page.bytes.size(), reader.row().bytes.size()});
          page.bytes += reader.row().bytes;
          break;
        case wire::ChangesPageReader::Event::kTombstone:
          page.tombstones.push_back(reader.tombstone());
          break;
        case wire::ChangesPageReader::Event::kEnd:
          page.end_json = reader.end_json();
          break;
      }
    }
  };
  question.sink = [&](std::string_view piece) {
    reader.feed(piece);
    auto done = read();
    if (!done) failed = std::move(done.error());
    return !failed;
  };
  auto response = send(question);
  if (failed) return damaged(std::move(*failed));
  if (!response) return tl::unexpected(std::move(response.error()));
  if (auto whole = reader.finish(); !whole) return damaged(std::move(whole.error()));
  page.received_bytes = response->received_bytes;
  return page;
}

Answer<ReceivedPage> Api::changes(ConnectionId connection, const std::string& cursor) {
  return page("/connections/" + connection.to_string() + "/changes" +
              (cursor.empty() ? "" : "?cursor=" + http::percent_encode(cursor)));
}

Answer<ReceivedPage> Api::rows(ConnectionId connection, Kind kind, std::uint8_t bucket, Version at_least) {
  return page("/connections/" + connection.to_string() + "/rows?kind=" + std::to_string(static_cast<int>(kind)) +
              "&bucket=" + std::to_string(bucket) + "&at_least=" + std::to_string(at_least.value));
}

Answer<ServerBuckets> Api::buckets(ConnectionId connection, Kind kind, Version at_least) {
  http::ClientRequest question = request("GET", "/connections/" + connection.to_string() +
                                                    "/digest?kind=" + std::to_string(static_cast<int>(kind)) +
                                                    "&at_least=" + std::to_string(at_least.value));
  question.silence = kPageSilence;
  TRY(const std::string body, ask(question));
  const auto json = Json::parse(body, "answer to /digest");
  if (!json) return damaged(json.error());
  if (json->string_at("connection") != connection.to_string()) return mixed_up("the answer to /digest");
  ServerBuckets out;
  out.version.value = integer_at(*json, "version", -1);
  const Json* list = json->find("buckets");
  const Json::Array* buckets = list ? list->if_array() : nullptr;
  if (out.version.value < 0 || !buckets || buckets->size() != out.buckets.size())
    return damaged("the answer to /digest lacks version or buckets");
  for (std::size_t i = 0; i < out.buckets.size(); ++i) {
    const Json::Array* pair = (*buckets)[i].if_array();
    const std::int64_t* count = pair && pair->size() == 2 ? (*pair)[0].if_int() : nullptr;
    const std::string* text = count ? (*pair)[1].if_string() : nullptr;
    const auto sum = text ? sum_of(*text) : std::nullopt;
    if (!sum || *count < 0) return damaged("a bucket in the answer to /digest is not as it should be");
    out.buckets[i] = {*count, *sum};
  }
  return out;
}

Answer<std::optional<milliseconds>> Api::events(const std::function<void(const Hint&)>& on_hint,
                                                const std::function<bool()>& keep_going) {
  http::ClientRequest question = request("GET", "/events");
  question.headers.emplace_back("Accept", "text/event-stream");
  question.compressed = false;
  question.silence = kEventSilence;
  question.least_rate = 0;
  question.keep_going = [&] { return !stop_ && keep_going(); };
  EventStreamParser parser;
  std::optional<Error> failed;
  question.sink = [&](std::string_view piece) {
    const auto fed = parser.feed(piece, [&](const ServerEvent& event) {
      auto hint = Hint::parse(event.data);
      if (hint)
        on_hint(*hint);
      else
        failed = std::move(hint.error());
    });
    if (!fed) failed = fed.error();
    return !failed && keep_going();
  };
  auto response = send(question);
  if (failed) return damaged(std::move(*failed));
  if (!response) {
    if (!keep_going()) response.error().trouble = Trouble::kStopped;
    return tl::unexpected(std::move(response.error()));
  }
  return parser.retry();
}

}  // namespace tideline::sync
