#include "server/jwks_source.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"

namespace tideline::server {
namespace {

constexpr JwksSchedule kFileSchedule{.min_age = std::chrono::seconds(2),
                                     .max_age = std::chrono::seconds(2),
                                     .default_age = std::chrono::seconds(2),
                                     .unknown_kid_gap = std::chrono::seconds(1),
                                     .first_retry = std::chrono::seconds(2),
                                     .last_retry = std::chrono::seconds(2),
                                     .keep_stale = std::nullopt};

std::chrono::microseconds between(Timestamp from, Timestamp to) {
  return std::chrono::microseconds(to.micros - from.micros);
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

bool is_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// 127.a.b.c in plain decimal; other spellings of an address ("127.1", octal) are not taken for one.
bool is_loopback_v4(std::string_view host) {
  const auto parts = split(host, '.');
  return parts.size() == 4 && parts[0] == "127" && std::all_of(parts.begin(), parts.end(), [](auto part) {
           return is_digits(part) && part.size() <= 3 && (part == "0" || part[0] != '0') &&
                  (part.size() < 3 || part <= "255");
         });
}

bool is_loopback(std::string_view host) {
  return equal_ignoring_case(host, "localhost") || host == "[::1]" || is_loopback_v4(host);
}

}  // namespace

Result<void> check_jwks_url(std::string_view url) {
  const auto bad = [](std::string why) {
    return fail(Code::kInvalidInput, "the JWKS URL " + std::move(why), "https://host/path, or http:// to this machine");
  };
  const auto is_plain = [](char c) { return c > 0x20 && c < 0x7F && c != '\\'; };
  if (!std::all_of(url.begin(), url.end(), is_plain)) return bad("has white space or characters that no URL has");
  const auto scheme_end = url.find("://");
  if (scheme_end == url.npos) return bad("has no scheme");
  const std::string scheme = ascii_lower(url.substr(0, scheme_end));
  if (scheme != "https" && scheme != "http") return bad("is neither https nor http");
  if (url.find('#') != url.npos) return bad("has a fragment");
  std::string_view host = url.substr(scheme_end + 3);
  host = host.substr(0, host.find_first_of("/?"));
  if (host.find('@') != host.npos) return bad("holds a user name");
  // The port follows the last colon outside of brackets.
  if (const auto colon = host.rfind(':'); colon != host.npos && host.find(']', colon) == host.npos) {
    const std::string_view port = host.substr(colon + 1);
    if (!is_digits(port) || port.size() > 5) return bad("has a bad port");
    host = host.substr(0, colon);
  }
  if (host.empty()) return bad("has no host");
  if (scheme == "http" && !is_loopback(host)) return bad("is plain http to another machine");
  return {};
}

std::optional<std::chrono::seconds> max_age(std::string_view cache_control) {
  std::optional<std::chrono::seconds> age;
  for (const auto part : split(cache_control, ',')) {
    const std::string directive = ascii_lower(trim(part));
    if (directive == "no-store" || directive == "no-cache") return std::chrono::seconds(0);
    constexpr std::string_view kMaxAge = "max-age=";
    if (!directive.starts_with(kMaxAge)) continue;
    const std::string_view digits = std::string_view(directive).substr(kMaxAge.size());
    if (!is_digits(digits)) continue;
    std::int32_t seconds = 0;
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), seconds);
    age = std::chrono::seconds(read.ec == std::errc() ? seconds : INT32_MAX);  // RFC 9111 §1.2.2: too big is a lot
  }
  return age;
}

Result<std::string> read_jwks_file(const std::string& path) {
  const auto failed = [&](int error) {
    return fail(error == ENOENT ? Code::kNotFound : Code::kUnavailable,
                "cannot read the JWKS file " + path + ": " + std::generic_category().message(error));
  };
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));  // a pipe must not hang us
  if (file.get() < 0) return failed(errno);
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) return failed(errno);
  if (!S_ISREG(status.st_mode)) return fail(Code::kUnavailable, "the JWKS file " + path + " is not a file");
  std::string text(kMaxJwksBytes + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = ::read(file.get(), text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed(errno);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  if (size > kMaxJwksBytes)
    return fail(Code::kTooLarge,
                "the JWKS file " + path + " is larger than " + std::to_string(kMaxJwksBytes) + " bytes");
  text.resize(size);
  return text;
}

JwksSource::JwksSource(std::string name, KeyPolicy policy, JwksFetch fetch, JwksSchedule schedule)
    : name_(std::move(name)), policy_(std::move(policy)), fetch_(std::move(fetch)), schedule_(schedule) {}

JwksSource::JwksSource(JwksSource&& other) noexcept
    : name_(std::move(other.name_)),
      policy_(std::move(other.policy_)),
      fetch_(std::move(other.fetch_)),
      schedule_(other.schedule_),
      keys_(std::move(other.keys_)),
      content_(other.content_),
      failure_(std::move(other.failure_)),
      asked_at_(other.asked_at_),
      good_at_(other.good_at_),
      wait_(other.wait_),
      retry_(other.retry_),
      unknown_kid_(other.unknown_kid_.load()) {}

JwksSource JwksSource::from_file(std::string path, KeyPolicy policy) {
  auto read = [path]() -> Result<JwksResponse> {
    TRY(auto text, read_jwks_file(path));
    return JwksResponse{std::move(text), {}};
  };
  return {std::move(path), std::move(policy), std::move(read), kFileSchedule};
}

Result<JwksSource> JwksSource::from_url(std::string_view url, KeyPolicy policy, JwksFetch fetch) {
  TRY_VOID(check_jwks_url(url));
  // The query may hold a key of some gateway: not for the log.
  std::string name(url.substr(0, url.find('?')));
  return JwksSource(std::move(name), std::move(policy), std::move(fetch), JwksSchedule{});
}

bool JwksSource::due(Timestamp now) const {
  if (!asked_at_ || now < *asked_at_) return true;  // never asked, or the clock was set back
  const auto since = between(*asked_at_, now);
  if (since >= wait_) return true;
  return unknown_kid_.load() && !failure_ && since >= schedule_.unknown_kid_gap;
}

bool JwksSource::refresh(Timestamp now) {
  if (!due(now)) return false;
  unknown_kid_.store(false);
  asked_at_ = now;
  auto response = fetch_();
  return response ? take(*response, now) : give_up(std::move(response).error(), now);
}

bool JwksSource::take(const JwksResponse& response, Timestamp now) {
  const Sha256Digest content = sha256(response.body);
  const bool changed = content_ != content;
  if (changed) {
    auto jwks = parse_jwks(response.body, policy_);
    if (!jwks) return give_up(std::move(jwks).error(), now);
    for (auto& warning : jwks->warnings)
      log(LogLevel::kWarning, "key set warning", {{"source", name_}, {"warning", std::move(warning)}});
    log(LogLevel::kInfo, "key set loaded", {{"source", name_}, {"keys", std::to_string(jwks->keys.size())}});
    keys_ = std::move(jwks->keys);
    content_ = content;
  }
  if (failure_ && !changed) log(LogLevel::kInfo, "key set reachable again", {{"source", name_}});
  failure_.reset();
  good_at_ = now;
  retry_ = std::chrono::seconds(0);
  wait_ =
      std::clamp(max_age(response.cache_control).value_or(schedule_.default_age), schedule_.min_age, schedule_.max_age);
  return changed;
}

bool JwksSource::give_up(Error error, Timestamp now) {
  if (!failure_ || failure_->message != error.message)
    log(LogLevel::kWarning, "key set not refreshed",
        {{"source", name_}, {"error", describe(error)}, {"keys_kept", std::to_string(keys_.size())}});
  failure_ = std::move(error);
  retry_ = retry_ == std::chrono::seconds(0) ? schedule_.first_retry : std::min(retry_ * 2, schedule_.last_retry);
  wait_ = retry_;
  const bool stale = good_at_ && schedule_.keep_stale && between(*good_at_, now) >= *schedule_.keep_stale;
  if (!stale || keys_.empty()) return false;
  // Whoever keeps us from the set must not keep a withdrawn key alive for ever.
  log(LogLevel::kError, "key set dropped: not refreshed for too long", {{"source", name_}});
  keys_.clear();
  content_.reset();
  return true;
}

}  // namespace tideline::server
