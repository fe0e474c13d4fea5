#include "http/client.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <mutex>

#include <curl/curl.h>

#include "base/json.h"
#include "base/text.h"
#include "http/compress.h"

namespace tideline::http {

namespace {

struct UrlFree {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using Url = std::unique_ptr<CURLU, UrlFree>;

std::optional<std::string> url_part(CURLU* url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, 0) != CURLUE_OK) return std::nullopt;
  std::string copy(text);
  curl_free(text);
  return copy;
}

/// Parsed by the very library that will connect: what is checked is what is used.
Url parse_url(const std::string& text) {
  Url url(curl_url());
  if (url && curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK) url.reset();
  return url;
}

bool is_octet(std::string_view text) {
  if (text.empty() || text.size() > 3) return false;
  int value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    value = value * 10 + (c - '0');
  }
  return value <= 255;
}

bool is_loopback(std::string_view host) {
  if (equal_ignoring_case(host, "localhost") || host == "[::1]") return true;
  // 127.0.0.0/8, four decimal parts and nothing else: "127.0.0.1.example.com" is a name.
  const auto parts = split(host, '.');
  return parts.size() == 4 && parts.front() == "127" && std::all_of(parts.begin(), parts.end(), is_octet);
}

/// "https://host:port" for messages: no path, no query, no user.
std::string origin(const std::string& text) {
  const Url url = parse_url(text);
  if (!url) return "that address";
  std::string shown = url_part(url.get(), CURLUPART_SCHEME).value_or("http") + "://" +
                      url_part(url.get(), CURLUPART_HOST).value_or("?");
  if (const auto port = url_part(url.get(), CURLUPART_PORT)) shown += ":" + *port;
  return shown;
}

struct FileClose {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

/// The body on its way out: memory or file, plain or compressed piece by piece.
struct Upload {
  std::string_view memory;
  std::unique_ptr<std::FILE, FileClose> file;
  std::unique_ptr<Compressor> compressor;
  std::uint64_t total = 0;
  std::uint64_t taken = 0;
  std::string packed;  // compressed and not yet sent, from `packed_at` on
  std::size_t packed_at = 0;
  bool ended = false;
  bool failed = false;

  /// Plain bytes; 0 at the end.
  std::size_t take(char* out, std::size_t room) {
    std::size_t size = 0;
    if (file) {
      size = std::fread(out, 1, room, file.get());
      failed = failed || std::ferror(file.get()) != 0;
    } else {
      size = std::min<std::size_t>(room, memory.size() - static_cast<std::size_t>(taken));
      std::copy_n(memory.data() + taken, size, out);
    }
    taken += size;
    return size;
  }

  std::size_t read(char* out, std::size_t room) {
    if (!compressor) {
      const std::size_t size = take(out, room);
      return failed ? CURL_READFUNC_ABORT : size;
    }
    while (packed_at == packed.size() && !ended) {
      packed.clear();
      packed_at = 0;
      std::string plain(64 * 1024, '\0');
      plain.resize(take(plain.data(), plain.size()));
      if (failed) return CURL_READFUNC_ABORT;
      if (plain.empty()) {
        compressor->finish(packed);
        ended = true;
      } else {
        compressor->write(plain, packed);
      }
    }
    const std::size_t size = std::min(room, packed.size() - packed_at);
    std::copy_n(packed.data() + packed_at, size, out);
    packed_at += size;
    return size;
  }

  /// Back to the begin, when a connection that was kept open turns out to be dead.
  bool rewind() {
    if (compressor) return false;
    taken = 0;
    return !file || std::fseek(file.get(), 0, SEEK_SET) == 0;
  }
};

/// Bodies up to so many bytes are sent without asking first whether they are wanted (Expect: 100-continue), which costs
/// a round trip, and a second where what is between does not answer.
constexpr std::uint64_t kUnaskedBody = 1024 * 1024;

struct Call {
  using Clock = std::chrono::steady_clock;
  const ClientRequest* request = nullptr;
  ClientResponse response;
  Upload upload;
  /// Of the body; before it, of the end of the head, or of the call's begin: a head that trickles is as good as none.
  Clock::time_point last_byte = Clock::now();
  std::optional<Clock::time_point> window_began;  // once the head is here
  curl_off_t window_bytes = 0;                    // of the body, when the window began
  bool too_large = false;
  bool stopped = false;
  bool silent = false;
  bool slow = false;
  std::exception_ptr thrown;  // an exception must not pass through C
};

std::size_t on_read(char* out, std::size_t size, std::size_t count, void* user) {
  auto& call = *static_cast<Call*>(user);
  try {
    return call.upload.read(out, size * count);
  } catch (...) {
    call.thrown = std::current_exception();
    return CURL_READFUNC_ABORT;
  }
}

int on_seek(void* user, curl_off_t offset, int whence) {
  auto& call = *static_cast<Call*>(user);
  return offset == 0 && whence == SEEK_SET && call.upload.rewind() ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_CANTSEEK;
}

std::size_t on_write(char* bytes, std::size_t size, std::size_t count, void* user) {
  auto& call = *static_cast<Call*>(user);
  try {
    call.last_byte = Call::Clock::now();
    if (call.request->sink && call.response.status / 100 == 2) {
      call.stopped = !call.request->sink({bytes, size * count});
      return call.stopped ? 0 : size * count;
    }
    if (size * count > call.request->response_limit - call.response.body.size()) {
      call.too_large = true;
      return 0;
    }
    call.response.body.append(bytes, size * count);
    return size * count;
  } catch (...) {
    call.thrown = std::current_exception();
    return 0;
  }
}

std::size_t on_header(char* bytes, std::size_t size, std::size_t count, void* user) {
  auto& call = *static_cast<Call*>(user);
  try {
    const std::string_view line(bytes, size * count);
    if (trim(line).empty()) {
      // A body follows a final answer alone; behind a 1xx the server may still take its time.
      if (call.response.status >= 200) call.window_began = call.last_byte = Call::Clock::now();
    } else if (line.starts_with("HTTP/")) {
      call.response.headers.clear();  // of a 1xx
      const std::size_t space = std::min(line.find(' '), line.size() - 1);
      call.response.status = static_cast<unsigned>(std::atoi(std::string(line.substr(space + 1, 3)).c_str()));
    } else if (const std::size_t colon = line.find(':'); colon != std::string_view::npos) {
      call.response.headers.emplace_back(ascii_lower(line.substr(0, colon)), trim(line.substr(colon + 1)));
    }
    return size * count;
  } catch (...) {
    call.thrown = std::current_exception();
    return 0;
  }
}

int on_progress(void* user, curl_off_t, curl_off_t received, curl_off_t total, curl_off_t done) {
  auto& call = *static_cast<Call*>(user);
  try {
    if (call.request->keep_going && !call.request->keep_going()) {
      call.stopped = true;
      return 1;
    }
    const auto silence = call.request->silence;
    const auto now = Call::Clock::now();
    if (silence.count() > 0 && now - call.last_byte > silence) {
      call.silent = true;
      return 1;
    }
    if (call.request->least_rate > 0 && call.window_began && now - *call.window_began >= kRateWindow) {
      const std::chrono::duration<double> window = now - *call.window_began;
      const double least = static_cast<double>(call.request->least_rate) * window.count();
      if (static_cast<double>(received - call.window_bytes) < least) {
        call.slow = true;
        return 1;
      }
      call.window_began = now;
      call.window_bytes = received;
    }
    if (!call.request->progress) return 0;
    // With a compressor the plain bytes are what a person knows the number of.
    const bool by_source = call.upload.compressor != nullptr;
    call.stopped = !call.request->progress(by_source ? call.upload.taken : static_cast<std::uint64_t>(done),
                                           by_source ? call.upload.total : static_cast<std::uint64_t>(total));
    return call.stopped ? 1 : 0;
  } catch (...) {
    call.thrown = std::current_exception();
    return 1;
  }
}

/// libcurl repeats the address of a proxy, password and all, where it cannot make sense of it.
std::string without_userinfo(std::string text) {
  for (std::size_t at = text.find('@'); at != std::string::npos; at = text.find('@', at + 1)) {
    const std::size_t scheme = text.rfind("://", at);
    const std::size_t before = scheme == std::string::npos ? text.find_last_of(" '\"", at) : scheme + 2;
    const std::size_t begin = before == std::string::npos ? 0 : before + 1;
    text.replace(begin, at - begin, "***");
    at = begin + 3;
  }
  return text;
}

tl::unexpected<Error> failure(CURLcode code, const char* detail, const Call& call) {
  const std::string where = origin(call.request->url);
  const std::string limit = std::to_string(call.request->response_limit);
  const std::string reason = without_userinfo(*detail ? detail : curl_easy_strerror(code));
  if (call.stopped) return fail(Code::kUnavailable, "stopped");
  if (call.silent)
    return fail(Code::kDeadline,
                where + " has been silent for " + std::to_string(call.request->silence.count() / 1000) + " s");
  if (call.slow)
    return fail(Code::kDeadline, "the answer of " + where + " comes too slowly: less than " +
                                     std::to_string(call.request->least_rate) + " bytes a second");
  if (call.too_large) return fail(Code::kTooLarge, "the answer of " + where + " is larger than " + limit + " bytes");
  switch (code) {
    case CURLE_COULDNT_CONNECT:
      return fail(Code::kUnavailable, "no server answers at " + where, "is `tideline serve` running there?", reason);
    case CURLE_COULDNT_RESOLVE_HOST:
      return fail(Code::kUnavailable, "the name of the server in " + where + " is not known",
                  "check the address and the network", reason);
    case CURLE_COULDNT_RESOLVE_PROXY:
      return fail(Code::kUnavailable, "the name of the proxy is not known", "check HTTPS_PROXY", reason);
    case CURLE_OPERATION_TIMEDOUT:
      return fail(Code::kDeadline, where + " did not answer in time", "try again; if it stays so, ask the operator",
                  reason);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
      return fail(Code::kPermissionDenied, "the certificate of " + where + " cannot be trusted: " + reason,
                  "for a private authority give its certificate as the CA file");
    case CURLE_SSL_CONNECT_ERROR:
      return fail(Code::kUnavailable, "no TLS connection to " + where + ": " + reason,
                  "if the server speaks plain http, say http:// (loopback only)");
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
      return fail(Code::kInvalidInput, "the address is not an http or https URL", {}, reason);
    case CURLE_ABORTED_BY_CALLBACK:
    case CURLE_READ_ERROR:
      return fail(Code::kInvalidInput, "the file could not be read while it was sent", {}, reason);
    case CURLE_BAD_CONTENT_ENCODING:
      return fail(Code::kUnavailable, "the answer of " + where + " came damaged: it cannot be unpacked", "try again",
                  reason);
    case CURLE_WEIRD_SERVER_REPLY:
      return fail(Code::kUnavailable, where + " answered something that is not HTTP as we know it", {}, reason);
    case CURLE_OUT_OF_MEMORY:
    case CURLE_FAILED_INIT:
      return fail(Code::kInternal, "the HTTP client could not start", {}, reason);
    default:
      return fail(Code::kUnavailable, "the connection to " + where + " broke off: " + reason, "try again");
  }
}

void initialize_once() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

struct ListFree {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
struct MimeFree {
  void operator()(curl_mime* mime) const { curl_mime_free(mime); }
};

class HeaderList {
 public:
  void add(const std::string& line) {
    if (curl_slist* longer = curl_slist_append(list_.get(), line.c_str())) {
      static_cast<void>(list_.release());
      list_.reset(longer);
    }
  }
  curl_slist* get() const { return list_.get(); }

 private:
  std::unique_ptr<curl_slist, ListFree> list_;
};

bool is_line_safe(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

}  // namespace

bool is_token_safe(std::string_view text) {
  initialize_once();
  if (!is_line_safe(text)) return false;
  const Url url = parse_url(std::string(text));
  if (!url || url_part(url.get(), CURLUPART_USER) || url_part(url.get(), CURLUPART_PASSWORD)) return false;
  const auto scheme = url_part(url.get(), CURLUPART_SCHEME);
  const auto host = url_part(url.get(), CURLUPART_HOST);
  if (!scheme || !host || host->empty()) return false;
  return equal_ignoring_case(*scheme, "https") || (equal_ignoring_case(*scheme, "http") && is_loopback(*host));
}

std::optional<std::string_view> ClientResponse::header(std::string_view lower_case_name) const {
  for (const auto& [name, value] : headers)
    if (name == lower_case_name) return value;
  return std::nullopt;
}

struct Client::Impl {
  struct EasyFree {
    void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
  };
  ClientOptions options;
  std::unique_ptr<CURL, EasyFree> handle;
};

Client::Client(ClientOptions options) : impl_(std::make_unique<Impl>()) {
  initialize_once();
  impl_->options = std::move(options);
  impl_->handle.reset(curl_easy_init());
}
Client::~Client() = default;

Result<ClientResponse> Client::send(const ClientRequest& request) {
  CURL* easy = impl_->handle.get();
  if (!easy) return fail(Code::kInternal, "the HTTP client could not start");
  if (!request.token.empty()) {
    if (!is_token_safe(request.url))
      return fail(Code::kInvalidInput,
                  "a token is not sent to " + origin(request.url) + ": it could be read on the way",
                  "use https:// (plain http only to this machine)");
    if (!is_line_safe(request.token)) return fail(Code::kInvalidInput, "the token contains a line break");
  }

  Call call;
  call.request = &request;
  char detail[CURL_ERROR_SIZE] = "";
  curl_easy_reset(easy);  // options only: connections stay open
  const auto set = [easy](auto option, auto value) { curl_easy_setopt(easy, option, value); };
  set(CURLOPT_ERRORBUFFER, detail);
  set(CURLOPT_URL, request.url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_FOLLOWLOCATION, 0L);  // a redirect is an answer: the token goes where it was sent, nowhere else
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);  // a proxy's word that there is a way is no answer
  // This machine is never reached by way of a proxy, which would see the token of plain http.
  if (const Url url = parse_url(request.url); url && is_loopback(url_part(url.get(), CURLUPART_HOST).value_or("")))
    set(CURLOPT_NOPROXY, "*");
  set(CURLOPT_USERAGENT, impl_->options.user_agent.c_str());
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(impl_->options.connect_timeout.count()));
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout.count()));
  const auto stall = std::chrono::duration_cast<std::chrono::seconds>(impl_->options.stall_timeout).count();
  set(CURLOPT_LOW_SPEED_LIMIT, 1L);
  set(CURLOPT_LOW_SPEED_TIME, std::max(1L, static_cast<long>(stall)));
  if (request.compressed) set(CURLOPT_ACCEPT_ENCODING, "");  // all that this libcurl can undo: zstd, gzip …
  set(CURLOPT_TCP_KEEPALIVE, 1L);
  set(CURLOPT_SSL_VERIFYPEER, 1L);
  set(CURLOPT_SSL_VERIFYHOST, 2L);
  const std::string ca_file = impl_->options.ca_file.string();
  if (!ca_file.empty()) {
    set(CURLOPT_CAINFO, ca_file.c_str());
    set(CURLOPT_CAPATH, static_cast<const char*>(nullptr));
  }
  set(CURLOPT_HEADERFUNCTION, &on_header);
  set(CURLOPT_HEADERDATA, static_cast<void*>(&call));
  set(CURLOPT_WRITEFUNCTION, &on_write);
  set(CURLOPT_WRITEDATA, static_cast<void*>(&call));
  if (request.progress || request.keep_going || request.silence.count() > 0) {
    set(CURLOPT_NOPROGRESS, 0L);
    set(CURLOPT_XFERINFOFUNCTION, &on_progress);
    set(CURLOPT_XFERINFODATA, static_cast<void*>(&call));
  }

  HeaderList headers;
  for (const auto& [name, value] : request.headers) {
    if (!is_line_safe(name) || !is_line_safe(value)) return fail(Code::kInvalidInput, "a header contains a line break");
    headers.add(value.empty() ? name + ";" : name + ": " + value);
  }
  // A header of our own and not CURLOPT_XOAUTH2_BEARER: no redirect is followed that it could leak along.
  if (!request.token.empty()) headers.add("Authorization: Bearer " + request.token);
  if (!request.content_type.empty()) headers.add("Content-Type: " + request.content_type);

  std::unique_ptr<curl_mime, MimeFree> form;
  const bool has_body = !request.body.empty() || !request.upload.empty() || request.method == "POST" ||
                        request.method == "PUT" || request.method == "PATCH";
  if (!request.form.empty()) {
    form.reset(curl_mime_init(easy));
    for (const auto& [name, path] : request.form) {
      curl_mimepart* part = curl_mime_addpart(form.get());
      curl_mime_name(part, name.c_str());
      if (curl_mime_filedata(part, path.c_str()) != CURLE_OK)
        return fail(Code::kInvalidInput, "cannot read " + path.string());
    }
    set(CURLOPT_MIMEPOST, form.get());
  } else if (has_body) {
    Upload& upload = call.upload;
    upload.memory = request.body;
    upload.total = request.body.size();
    if (!request.upload.empty()) {
      std::error_code error;
      upload.total = std::filesystem::file_size(request.upload, error);
      upload.file.reset(error ? nullptr : std::fopen(request.upload.c_str(), "rb"));
      if (!upload.file) return fail(Code::kInvalidInput, "cannot read " + request.upload.string());
    }
    set(CURLOPT_UPLOAD, 1L);
    set(CURLOPT_READFUNCTION, &on_read);
    set(CURLOPT_READDATA, static_cast<void*>(&call));
    set(CURLOPT_SEEKFUNCTION, &on_seek);
    set(CURLOPT_SEEKDATA, static_cast<void*>(&call));
    set(CURLOPT_UPLOAD_BUFFERSIZE, 256L * 1024);
    if (request.coding == ClientRequest::Coding::kNone) {
      set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(upload.total));
      if (upload.total <= kUnaskedBody) headers.add("Expect:");
    } else {
      const Encoding encoding = request.coding == ClientRequest::Coding::kZstd ? Encoding::kZstd : Encoding::kGzip;
      upload.compressor = std::make_unique<Compressor>(encoding);
      headers.add("Content-Encoding: " + std::string(to_string(encoding)));
    }
  }
  if (request.method == "HEAD") set(CURLOPT_NOBODY, 1L);
  set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
  set(CURLOPT_HTTPHEADER, headers.get());

  const CURLcode code = curl_easy_perform(easy);
  long status = 0;
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
  // The form, the list and the buffers end here; the handle must not remember them.
  curl_easy_setopt(easy, CURLOPT_MIMEPOST, nullptr);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, nullptr);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, nullptr);
  if (call.thrown) std::rethrow_exception(call.thrown);
  // A server that refuses a body early answers and closes; the answer counts, not how the sending ended.
  const bool answered = status >= 400 && (code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR);
  if (code != CURLE_OK && !answered) return failure(code, detail, call);
  call.response.status = static_cast<unsigned>(status);
  curl_off_t received = 0;
  curl_easy_getinfo(easy, CURLINFO_SIZE_DOWNLOAD_T, &received);
  call.response.received_bytes = static_cast<std::uint64_t>(received);
  return std::move(call.response);
}

Error error_of(const ClientResponse& response) {
  Error error;
  switch (response.status) {
    case 401:
      error.code = Code::kUnauthenticated;
      break;
    case 403:
      error.code = Code::kPermissionDenied;
      break;
    case 404:
      error.code = Code::kNotFound;
      break;
    case 409:
    case 412:
      error.code = Code::kConflict;
      break;
    case 410:
      error.code = Code::kGone;
      break;
    case 413:
      error.code = Code::kTooLarge;
      break;
    case 415:
      error.code = Code::kUnsupported;
      break;
    case 408:
    case 504:
      error.code = Code::kDeadline;
      break;
    case 429:
    case 507:
      error.code = Code::kResourceExhausted;
      break;
    case 502:
    case 503:
      error.code = Code::kUnavailable;
      break;
    default:
      error.code = response.status >= 500 ? Code::kInternal : Code::kInvalidInput;
  }
  if (const auto body = Json::parse(response.body, "answer")) {
    error.message = body->string_at("message").value_or("");
    error.hint = body->string_at("hint").value_or("");
    if (const auto id = body->string_at("request_id"); id && response.status >= 500)
      error.message += " (request_id " + *id + ")";
  }
  if (error.message.empty()) error.message = "the server answered with status " + std::to_string(response.status);
  return error;
}

}  // namespace tideline::http
