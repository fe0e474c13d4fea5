#pragma once
// Encoded and compressed answers, made once for all who ask. Keyed by organization, version and normalized query, so
// what is found is right for as long as the version is; who asks first makes it, the others wait for that (single
// flight). Not for deciding who may ask: that comes before.
//
// Thread-safe. A mutex guards the index and is never held across a wait. Bounded in bytes: least recently used goes
// first; an organization's pages of older versions go as soon as a newer one comes in.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/awaitable.hpp>

#include "base/deadline.h"
#include "base/error.h"
#include "base/ids.h"
#include "http/compress.h"

namespace tideline::server {

template <class T>
using awaitable = boost::asio::awaitable<T>;

struct Cursor;

/// One answer, ready to send. Shared and never changed.
struct Page {
  std::shared_ptr<const std::string> body;  // in `encoding`
  http::Encoding encoding = http::Encoding::kIdentity;
  std::string etag;  // with its quotes: a hash of the plain content, and the encoding
  std::uint64_t plain_bytes = 0;
  Version version;                       // of the snapshot it was read from
  std::string unencoded_digest{};        // http/digest_field.h; empty where the content has a check of its own
  std::shared_ptr<const Cursor> next{};  // where the next page of a listing of changes begins
};

/// `query` is everything the content depends on besides organization and version, encoding included, each question
/// written in one way only.
struct PageKey {
  OrganizationId organization;
  Version version;
  std::string query;
  bool operator==(const PageKey&) const = default;
};

struct PageCacheStats {
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;  // loads begun
  std::uint64_t joined = 0;  // waited for another's load
  std::uint64_t evictions = 0;
  std::size_t bytes = 0;
  std::size_t pages = 0;
};

class PageCache {
 public:
  explicit PageCache(std::size_t max_bytes);
  ~PageCache();
  PageCache(const PageCache&) = delete;
  PageCache& operator=(const PageCache&) = delete;

  /// O(1).
  std::optional<Page> find(const PageKey& key);
  /// Whether it is there, asked by nobody who wants it: no hit, and no use that keeps it.
  bool contains(const PageKey& key) const;

  /// Makes a page; may suspend. Returns a version at or above the key's, or an error.
  using Load = std::function<awaitable<Result<Page>>()>;

  /// The page of `key`, or a newer one: from memory, from a load that is under way, or by `load`. What a load brings
  /// is kept under the version it has. A failure that may be the loader's own (its deadline, its rights) is not
  /// shared: one of those who wait tries itself. Errors: those of `load`; kDeadline.
  awaitable<Result<Page>> get(PageKey key, Load load, Deadline deadline);

  /// Whether a page of so many bytes, come in now, stays for a while.
  bool keeps(std::size_t bytes) const;

  /// The organization's history went back (a restore, a standby that had not all of it): its pages go, and what is
  /// being loaded of it is given to those who wait, but not kept.
  void forget(OrganizationId organization);

  PageCacheStats stats() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace tideline::server
