#pragma once
// The push of a dbt project's artifacts that lie on disk already: opened, turned into rows, stored. Not for how they
// got there (routes) nor for who may (auth).

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "lineage/project.h"
#include "store/push.h"

namespace tideline::server {

struct ArtifactPush {
  store::Tenant tenant;
  store::ConnectionRef target;
  std::optional<std::string> url;  // of a connection that the push registers
  std::filesystem::path manifest;
  std::filesystem::path catalog;  // empty: none was sent
  bool force = false;
  std::optional<std::string> commit;
  std::optional<std::string> branch;
};

struct ArtifactPushOutcome {
  store::PushOutcome stored;
  std::vector<std::string> warnings;  // bounded; each a sentence
  std::size_t warnings_dropped = 0;
  lineage::Report lineage;  // of models and snapshots
};

/// Errors: those of extract::Artifacts::open (what is wrong with the files) and of store::push. The files are the
/// caller's to remove. Parsing runs on `blocking`.
store::awaitable<Result<ArtifactPushOutcome>> push_artifacts(store::Database& database, ArtifactPush push,
                                                             boost::asio::any_io_executor blocking, Deadline deadline);

/// {"models","analysed","partial","failed","reasons":{reason:models}}
std::string to_json(const lineage::Report& report);

/// {"connection_id":…,"version":…,"changed":{table:{added,updated,removed}},"lineage":{"models","analysed","partial",
/// "failed","reasons":{reason:models}},"warnings":[…]}: tables without a change are left out of `changed`.
std::string to_json(const ArtifactPushOutcome& outcome);

}  // namespace tideline::server
