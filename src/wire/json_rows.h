#pragma once
// Rows as the JSON objects of the API: every public column, null where there is none; ids as text, times with six
// digits and Z, confidence as a number from 0 to 1, JSON columns as the JSON they are. Reading nothing from anywhere:
// bytes in, bytes out. One thread at a time.

#include <string>
#include <string_view>

#include "wire/rows.h"

namespace tideline::wire {

/// Appends rows to a string, separated by commas. A writer remembers the times and ids it wrote last, as neighbours
/// tend to share them; it is worth keeping for all the rows of an answer.
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
  void begin_row();
  void key(std::string_view literal) { out_ += literal; }
  void value(const Uuid& id);
  void value(std::string_view text);
  void value(std::int64_t number);
  void value(bool flag);
  void value(Timestamp time);
  void json(std::string_view text) { out_ += text; }
  void json(const Maybe<Text>& text);
  void confidence(std::int64_t thousandths);
  template <class T>
  void value(const Maybe<T>& maybe);

  std::string& out_;
  bool first_ = true;
  // The ids that stay the same over long runs of rows (organization, connection, object) and the last time: written
  // once, copied after.
  Timestamp last_time_{-1};
  std::string last_time_text_;
};

/// Appends the 36 characters of an id, without quotes.
void append_uuid(std::string& out, const Uuid& id);
/// Appends thousandths as a number from 0 to 1, without trailing zeros: 950 → 0.95, 1000 → 1.
void append_confidence(std::string& out, std::int64_t thousandths);

}  // namespace tideline::wire
