#pragma once
// Rows as the JSON objects of the API: every public column, null where there is none; ids as text, times with six
// digits and Z, confidence as a number from 0 to 1, JSON columns as the JSON they are. Bytes in, bytes out. One thread
// at a time.

#include <array>
#include <limits>
#include <string>
#include <string_view>

#include "model/confidence.h"
#include "wire/rows.h"

namespace tideline::wire {

/// Appends rows to a string, separated by commas. Worth keeping for all rows of an answer: it remembers how the times
/// it met are written, which in most answers are few.
class JsonRows {
 public:
  explicit JsonRows(std::string& out) : out_(out) {}

  /// Before the first row of each array: no comma goes before it.
  void begin_array() { first_ = true; }

  void add(const FileRow& row);
  void add(const ObjectRow& row);
  void add(const ColumnRow& row);
  void add(const DependencyRow& row);
  void add(const ColumnLineageRow& row);
  /// With a member `objects` where `row.object` is there.
  void add(const DocumentationRow& row);

 private:
  struct WrittenTime {
    Timestamp time{std::numeric_limits<std::int64_t>::min()};
    std::string text;
  };

  void begin_row();
  void put(const Uuid& id);
  void put(std::string_view text);
  void put(std::int64_t number);
  void put_flag(bool flag) { out_ += flag ? "true" : "false"; }
  void put_flag(Maybe<bool> flag);
  void put(Timestamp time);
  void put_json(std::string_view text) { out_ += text; }
  void put_json(const Maybe<Text>& text);
  template <class T>
  void put(const Maybe<T>& maybe);

  std::string& out_;
  bool first_ = true;
  std::array<WrittenTime, 16> times_;  // by a hash of the time
};

/// Appends the 36 characters of an id, without quotes.
void append_uuid(std::string& out, const Uuid& id);

}  // namespace tideline::wire
