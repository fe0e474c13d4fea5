#pragma once
// The private cluster of a data directory, with this release's schema in it. Blocking.

#include <cstddef>
#include <filesystem>
#include <memory>

#include "base/error.h"
#include "pg/cluster.h"

namespace tideline::cli {

/// For `serve`: makes, starts and migrates it; ours until it ends. `connections`: how many the server opens at most.
Result<std::unique_ptr<pg::Cluster>> start_private_database(const std::filesystem::path& data_dir,
                                                            std::size_t connections);

/// For `admin`: that of a running server, or else our own until it ends. kNotFound when the directory holds none and
/// `create` is false (a mistyped directory is not to become a database).
Result<std::unique_ptr<pg::Cluster>> attach_private_database(const std::filesystem::path& data_dir, bool create);

}  // namespace tideline::cli
