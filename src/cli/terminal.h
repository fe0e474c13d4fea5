#pragma once
// What the person at the terminal sees. Results go to standard output, everything else to standard error.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace tideline::cli {

/// "tideline: message" and, on a line of its own, the hint. Returns the exit code for it.
int report(const Error& error);

/// A line on standard output.
void print_line(std::string_view text);

/// Columns as wide as their widest cell, two spaces between, the first row as a heading.
void print_table(const std::vector<std::vector<std::string>>& rows);

/// "1.3 MB".
std::string human_bytes(std::uint64_t bytes);

/// A bar on standard error, drawn only where that is a terminal; erased at the end of its life. With NO_COLOR set or
/// TERM=dumb it has no escape sequences but the carriage return.
class ProgressBar {
 public:
  explicit ProgressBar(std::string label);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void update(std::uint64_t done, std::uint64_t total);
  /// Instead of the bar, a note of what is going on.
  void note(std::string_view text);

 private:
  void draw(const std::string& text);

  std::string label_;
  bool shown_;
  bool color_;
  std::size_t width_ = 0;  // of what stands there now
};

}  // namespace tideline::cli
