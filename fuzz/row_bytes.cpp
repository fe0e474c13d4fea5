// The bytes of a row: what is taken is a row, and encodes to the same bytes again.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "wire/row_bytes.h"

namespace {

using namespace tideline;

template <class Record>
void check(std::string_view bytes) {
  const auto decoded = wire::decode_row_bytes<Record>(bytes);
  if (!decoded) return;
  std::string again;
  wire::append_row_bytes(again, *decoded);
  if (again != bytes) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  check<ConnectionRecord>(bytes);
  check<FileRecord>(bytes);
  check<ObjectRecord>(bytes);
  check<ColumnRecord>(bytes);
  check<DependencyRecord>(bytes);
  check<ColumnLineageRecord>(bytes);
  check<DocumentationRecord>(bytes);
  return 0;
}
