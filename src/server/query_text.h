#pragma once
// The part of a page's key that says what was asked: the same for the same question, however it was written, and
// different for different ones.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "http/compress.h"

namespace tideline::server {

/// Appends to `out`. Each value says its own length or has a fixed one, so no two questions give one text.
class QueryText {
 public:
  QueryText(std::string& out, std::string_view endpoint, http::Encoding encoding) : out_(out) {
    out_ += endpoint;
    out_ += ' ';
    out_ += http::to_string(encoding);
    out_ += ' ';
  }
  QueryText& add(std::int64_t number) {
    out_ += std::to_string(number);
    out_ += ' ';
    return *this;
  }
  QueryText& add(const Uuid& id) {
    put(id);
    return *this;
  }
  QueryText& add(const std::optional<Timestamp>& time) { return time ? add(time->micros) : none(); }
  QueryText& add(const std::optional<std::vector<ConnectionId>>& ids) {
    if (!ids) return none();
    add(static_cast<std::int64_t>(ids->size()));
    for (const ConnectionId& id : *ids) put(id.value);
    return *this;
  }
  QueryText& add(const std::optional<std::vector<Uuid>>& ids) {
    if (!ids) return none();
    add(static_cast<std::int64_t>(ids->size()));
    for (const Uuid& id : *ids) put(id);
    return *this;
  }

 private:
  QueryText& none() {
    out_ += "- ";
    return *this;
  }
  void put(const Uuid& id) { out_.append(reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()); }

  std::string& out_;
};

}  // namespace tideline::server
