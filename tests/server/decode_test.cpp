// Golden cases of the decoders: tests/server/golden/decode.txt.

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include <gtest/gtest.h>

#include "base/text.h"
#include "server/decode.h"
#include "server/fields.h"

namespace tideline::server {
namespace {

std::filesystem::path golden(std::string_view name) {
  return std::filesystem::path(TIDELINE_SOURCE_DIR) / "tests/server/golden" / name;
}

std::string shown(const std::optional<std::string>& text) { return text ? "'" + *text + "'" : "-"; }
std::string shown(const std::optional<std::optional<std::string>>& text) { return text ? shown(*text) : "unchanged"; }
std::string shown(const std::optional<Timestamp>& time) { return time ? time->to_string() : "-"; }
std::string shown(const std::optional<JsonText>& json) { return json ? json->text : "-"; }
template <class Id>
std::string shown(const std::optional<std::vector<Id>>& ids) {
  if (!ids) return "all";
  std::string out = "[";
  for (const auto& id : *ids) (out += out.size() > 1 ? " " : "") += id.to_string();
  return out + "]";
}

std::string shown(const SyncPackageRequest& r) {
  return "connections " + shown(r.connection_ids) + ", last_sync " + shown(r.last_sync) + ", as_of " + shown(r.as_of) +
         ", documentation " + (r.include_documentation ? "yes" : "no") + ", limit " + std::to_string(r.limit) +
         ", offset " + std::to_string(r.offset);
}
std::string shown(const HeadsQuery& r) {
  return "wait " + std::to_string(r.wait.count()) + ", since '" + r.since + "'";
}
std::string shown(const ChangesQuery& r) {
  return r.connection.to_string() + ", cursor " + shown(r.cursor) + ", max_bytes " + std::to_string(r.max_bytes);
}
std::string shown(const BucketQuery& r) {
  return r.connection.to_string() + ", kind " + std::to_string(static_cast<int>(r.kind)) + ", bucket " +
         std::to_string(r.bucket) + ", at_least " + std::to_string(r.at_least);
}
std::string shown(const ReadDocumentationRequest& r) {
  return "connections " + shown(r.connection_ids) + ", objects " + shown(r.object_ids);
}
std::string shown(const PushTarget& r) {
  return "full_name '" + r.full_name + "', type " + shown(r.type) + ", subdir '" + r.subdir + "'";
}
std::string shown(const PushNotes& r) {
  return std::string("force ") + (r.force ? "yes" : "no") + ", commit " + shown(r.commit) + ", branch " +
         shown(r.branch) + ", url " + shown(r.url);
}
std::string shown(const MatchWorkspaceRequest& r) { return "'" + r.workspace_identifier + "'"; }
std::string shown(const RegisterSessionRequest& r) {
  return "'" + r.workspace_identifier + "', hash " + shown(r.workspace_hash) + ", ide " + shown(r.ide_version) + ", " +
         r.sync_mode + ", connections " + shown(r.connection_ids);
}
std::string shown(const UpdateSessionRequest& r) {
  return r.id.to_string() + ", objects " +
         (r.total_objects_synced ? std::to_string(*r.total_objects_synced) : std::string("-")) + ", status " +
         shown(r.sync_status) + ", error " + shown(r.error_message) +
         (r.synced_version ? ", version " + std::to_string(*r.synced_version) : "") +
         (r.connection_versions ? ", of " + std::to_string(r.connection_versions->size()) + " connections" : "");
}
std::string shown(const RegisterConnectionRequest& r) {
  return "id " + (r.id ? r.id->to_string() : "random") + ", type " + r.type + ", full_name '" + r.full_name +
         "', name " + shown(r.name) + ", subdir '" + r.subdir + "', url " + shown(r.url);
}
std::string shown(const UpdateConnectionRequest& r) {
  return r.id.to_string() + ", type " + shown(r.type) + ", full_name " + shown(r.full_name) + ", name " +
         shown(r.name) + ", subdir " + shown(r.subdir) + ", url " + shown(r.url);
}
std::string shown(const WriteDocumentationRequest& r) {
  std::string out = std::to_string(r.items.size()) + " items";
  for (const auto& i : r.items)
    out += "; object " + (i.object_id ? i.object_id->to_string() : "-") + " connection " +
           (i.connection_id ? i.connection_id->to_string() : "-") + " unique_id '" + i.unique_id + "' summary " +
           shown(i.executive_summary) + " rules " + shown(i.business_rules) + " model " + shown(i.model) + " extra " +
           shown(i.extra);
  return out;
}

std::string outcome(const FieldErrors& errors) {
  std::string out;
  for (const auto& [parameter, message] : errors) out += "  " + parameter + ": " + message + "\n";
  return out;
}
template <class T>
std::string outcome(const Decoded<T>& decoded) {
  return decoded ? "  ok " + shown(*decoded) + "\n" : outcome(decoded.error());
}
template <class Decode>
std::string by_query(std::string_view input, const Decode& decode) {
  const auto query = http::Query::parse(input);
  return query ? outcome(decode(*query)) : outcome(query.error());
}

std::string run_case(std::string_view line) {
  const std::size_t space = line.find(' ');
  const std::string_view decoder = line.substr(0, space);
  const std::string_view input = space == std::string_view::npos ? std::string_view() : line.substr(space + 1);
  const std::size_t second = input.find(' ');
  const std::string_view id = input.substr(0, second);
  const std::string_view rest = second == std::string_view::npos ? std::string_view() : input.substr(second + 1);
  if (decoder == "sync-package") return by_query(input, decode_sync_package);
  if (decoder == "read-documentation") return by_query(input, decode_read_documentation);
  if (decoder == "heads") return by_query(input, decode_heads);
  if (decoder == "changes") return by_query(rest, [&](const http::Query& query) { return decode_changes(id, query); });
  if (decoder == "digest") return by_query(rest, [&](const http::Query& query) { return decode_buckets(id, query); });
  if (decoder == "rows")
    return by_query(rest, [&](const http::Query& query) { return decode_buckets(id, query, true); });
  if (decoder == "push-target") return by_query(input, decode_push_target);
  if (decoder == "push-notes") return by_query(input, decode_push_notes);
  if (decoder == "match-workspace") return outcome(decode_match_workspace(input));
  if (decoder == "register-session") return outcome(decode_register_session(input));
  if (decoder == "update-session") return outcome(decode_update_session(id, rest));
  if (decoder == "register-connection") return outcome(decode_register_connection(input));
  if (decoder == "update-connection") return outcome(decode_update_connection(id, rest));
  if (decoder == "write-documentation") return outcome(decode_write_documentation(input));
  return "  no such decoder\n";
}

TEST(Decode, SaysAllThatIsWrongWithARequest) {
  const auto path = golden("decode.txt");
  std::ifstream file(path);
  const std::string held{std::istreambuf_iterator<char>(file), {}};
  std::string made;
  for (std::string_view line : split(held, '\n')) {
    if (line.starts_with("  ")) continue;
    made += line;
    made += '\n';
    if (!line.empty() && !line.starts_with('#')) made += run_case(line);
  }
  made.pop_back();
  if (std::getenv("TIDELINE_UPDATE_GOLDEN") != nullptr) std::ofstream(path) << made;
  EXPECT_EQ(made, held);
}

TEST(Decode, LongTextsAreRefusedByTheirLimit) {
  const std::string long_name(kMaxFullNameBytes + 1, 'a');
  const auto decoded = decode_register_connection(R"({"full_name":")" + long_name + "\"}");
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().front().message, "must be at most 512 bytes");
  EXPECT_TRUE(decode_register_connection(R"({"full_name":")" + long_name.substr(1) + "\"}"));
}

TEST(Decode, TextsThatAreNotUtf8AreRefused) {
  EXPECT_EQ(check_text("\xff", {}), "must be valid UTF-8");
  EXPECT_FALSE(decode_match_workspace("{\"workspace_identifier\":\"\xff\"}"));
}

TEST(Decode, DocumentationHasALimitOfItems) {
  std::string body = R"({"documentation":[)";
  for (std::size_t i = 0; i <= kMaxDocumentationItems; ++i) body += i == 0 ? "{}" : ",{}";
  const auto decoded = decode_write_documentation(body + "]}");
  ASSERT_FALSE(decoded);
  ASSERT_EQ(decoded.error().size(), 1U);
  EXPECT_EQ(decoded.error().front().message, "must have at most 10000 entries");
}

}  // namespace
}  // namespace tideline::server
