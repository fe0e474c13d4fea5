#pragma once
// The server as one value: database, rights, caches, routes and sockets, put together from Options. Not for flags,
// signals or the private cluster: those are the program's (cli/serve), which passes the address of the cluster it runs.
// An Application's functions are thread-safe.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"

namespace tideline::server {

/// Whose tokens are taken, beside those the server signs itself and API tokens.
struct TokenOptions {
  std::filesystem::path secret_file;   // HS256, at least 32 bytes (one final line break is not part of it)
  std::filesystem::path jwks_file;     // or a key set from a file, taken over when it changes
  std::string jwks_url;                // or from a URL, refreshed; of the three at most one of file and URL
  std::string issuer;                  // empty: any
  std::vector<std::string> audiences;  // empty: not checked
  /// A token of an unknown identity makes a user (in no organization) instead of being refused.
  bool create_users = false;
};

struct ServerLimits {
  /// Decoded bytes of one push, all parts together: the largest manifests seen are some 100 MB, and one on the way
  /// costs disk, not memory.
  std::uint64_t upload_bytes = 1024ULL * 1024 * 1024;
  /// Pushes taken in at the same time; more are asked to come back. Each costs disk, a database connection and a core.
  std::size_t concurrent_pushes = 4;
  /// Compressed pages kept in memory.
  std::size_t page_cache_bytes = 32ULL * 1024 * 1024;
  /// Open client connections.
  std::size_t connections = 4096;
  /// Clients that wait for events (streams and long polls), half of the connections: the other half stays for what they
  /// ask then.
  std::size_t event_streams = 2048;
};

struct Options {
  /// Uploads on their way lie in its folder `tmp`, which is emptied at start: of one server process alone.
  std::filesystem::path data_dir;
  /// libpq connection strings or URLs of the login `tideline_server`: the primary, and a hot standby for rows (empty:
  /// the primary).
  std::string database_url;
  std::string read_database_url;
  std::string listen_address = "127.0.0.1";
  std::uint16_t listen_port = 3001;  // 0: the system chooses
  std::size_t threads = 1;           // of requests; the blocking pool and the watch have their own
  std::size_t database_connections = 8;
  TokenOptions tokens;
  ServerLimits limits;
};

class Application {
 public:
  /// Connects, checks that the schema is ours and the login no more than it should be, and serves. When it returns,
  /// requests are answered. Errors, in the operator's words: kInvalidInput (an option), kUnavailable (database, address
  /// taken), kConflict (schema of another release; the hint says how to migrate), kPermissionDenied (login).
  static Result<std::unique_ptr<Application>> start(Options options);
  /// Stops without grace if still running.
  ~Application();
  Application(const Application&) = delete;
  Application& operator=(const Application&) = delete;

  /// The port in use.
  std::uint16_t port() const;

  /// Readiness turns false, no connection is accepted, requests in work end within `grace`, the rest is cut. Blocks
  /// until all threads have ended. Returns how many connections were cut. A second call does nothing.
  std::size_t stop(std::chrono::milliseconds grace);

  struct Impl;

 private:
  explicit Application(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tideline::server
