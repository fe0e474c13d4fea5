#pragma once
// An HTTP client on libcurl, blocking: for the command line, and for key sets fetched on a worker thread. TLS is always
// verified; HTTPS_PROXY and NO_PROXY are honoured (never for this machine itself); redirects are
// answers like others and not followed. A Client keeps its connections open between calls; one Client is used by one
// thread at a time.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace tideline::http {

/// Whether a token may go to this URL: https anywhere; http to loopback only (127.0.0.0/8, [::1], localhost). Anything
/// that is not a plain http(s) URL, or names a user, is not.
bool is_token_safe(std::string_view url);

inline constexpr std::chrono::milliseconds kRateWindow{15'000};

/// done of total bytes; total 0: not known. Called a few times a second. Returning false stops the transfer.
using Progress = std::function<bool(std::uint64_t done, std::uint64_t total)>;
/// Takes the body of an answer piece by piece. Returning false stops the transfer.
using Sink = std::function<bool(std::string_view piece)>;

struct ClientOptions {
  std::filesystem::path ca_file;  // PEM of a private CA, instead of the system's; empty: the system's
  std::chrono::milliseconds connect_timeout{10'000};
  /// Not a byte in either direction for so long: given up. Longer than a server takes to digest a big push. A call as a
  /// whole has no time limit of its own.
  std::chrono::milliseconds stall_timeout{120'000};
  std::string user_agent = "tideline";
};

struct ClientRequest {
  std::string method = "GET";
  std::string url;
  std::string token;  // sent as Bearer; refused (kInvalidInput) unless is_token_safe(url)
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::filesystem::path upload;                                      // a file as the body, instead of `body`
  std::string content_type;                                          // of the body
  enum class Coding { kNone, kGzip, kZstd } coding = Coding::kNone;  // of body or upload, on its way
  std::vector<std::pair<std::string, std::filesystem::path>> form;   // multipart/form-data: part name → file
  std::uint64_t response_limit = 64ULL * 1024 * 1024;                // decoded bytes; kTooLarge beyond
  std::chrono::milliseconds timeout{0};                              // of the whole call; 0: none
  Progress progress;                                                 // of the upload
  std::function<bool()> keep_going;  // asked at least once a second; false stops the transfer
  /// The head of the answer is to be here after so long, and then not so long without a byte of its body: kDeadline.
  /// 0: stall_timeout alone.
  std::chrono::milliseconds silence{0};
  /// A body that comes with fewer bytes a second, over kRateWindow, is given up: kDeadline. 0: however slow.
  std::uint64_t least_rate = 0;
  bool compressed = true;  // ask for a compressed answer; not of a stream of events
  Sink sink;               // takes the body of a 2xx answer, which then is not in the response and has no limit
};

struct ClientResponse {
  unsigned status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;                                          // decoded
  std::uint64_t received_bytes = 0;                          // of the body, as they came

  std::optional<std::string_view> header(std::string_view lower_case_name) const;
};

class Client {
 public:
  explicit Client(ClientOptions options = {});
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// An answer of any status is a result; a failure is that there is none. In people's terms: kUnavailable (no one
  /// answers there, name unknown, broken off), kDeadline, kTooLarge, kInvalidInput (bad URL, unsafe token, unreadable
  /// file), kPermissionDenied (certificate does not hold).
  Result<ClientResponse> send(const ClientRequest& request);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The Error that an answer of status ≥ 400 stands for: message and hint from its problem+json where it is one.
Error error_of(const ClientResponse& response);

}  // namespace tideline::http
