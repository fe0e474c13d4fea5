#include "model/confidence.h"

namespace tideline {

void append_confidence(std::string& out, std::int64_t thousandths) {
  if (thousandths < 0) {
    out += '-';
    thousandths = -thousandths;
  }
  out += std::to_string(thousandths / 1000);
  auto rest = static_cast<int>(thousandths % 1000);
  if (rest == 0) return;
  out += '.';
  for (int place = 100; rest > 0; rest %= place, place /= 10) out += static_cast<char>('0' + rest / place);
}

}  // namespace tideline
