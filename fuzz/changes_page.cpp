// A page of changes: what is read does not depend on how the input is cut; what is read whole can be written again and
// gives the same bytes, but for frames that are skipped. The first byte is the size of the pieces.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "wire/changes_page.h"
#include "wire/row_bytes.h"

namespace {

using tideline::wire::ChangesPageReader;
using tideline::wire::ChangesPageWriter;

/// All that was read, written again; "error" or "cut off" behind it where it was no whole page.
std::string read(std::string_view input, std::size_t piece) {
  ChangesPageReader reader;
  std::string again;
  ChangesPageWriter writer(again);
  while (!input.empty()) {
    const std::string part(input.substr(0, piece));
    input.remove_prefix(part.size());
    reader.feed(part);
    for (;;) {
      const auto event = reader.next();
      if (!event) return again + "error " + event.error().message;
      if (*event == ChangesPageReader::Event::kNeedInput) break;
      if (*event == ChangesPageReader::Event::kRow) {
        const auto& row = reader.row();
        static_cast<void>(tideline::wire::read_row_bytes(row.bytes));
        writer.add_row(row.row_version, row.hash, [&row](std::string& out) { out += row.bytes; });
      } else if (*event == ChangesPageReader::Event::kTombstone) {
        writer.add_tombstone(reader.tombstone());
      } else {
        static_cast<void>(tideline::wire::ChangesEnd::parse(reader.end_json()));
        static_cast<void>(tideline::wire::BucketEnd::parse(reader.end_json()));
        writer.finish(reader.end_json());
      }
    }
  }
  return reader.finish() ? again : again + "cut off";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view page(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string whole = read(page, std::max<std::size_t>(1, page.size()));
  if (whole != read(page, std::max<std::size_t>(1, data[0] % 64))) std::abort();
  const bool complete = !whole.ends_with("cut off") && whole.find("error ") == std::string::npos;
  if (complete && whole.size() == page.size() && whole != page) std::abort();
  return 0;
}
