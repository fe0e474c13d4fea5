#pragma once
// What the person at the terminal sees. Results go to standard output, everything else to standard error.

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace tideline::cli {

/// "tideline: message" and, on a line of its own, the hint. Returns the exit code for it: kUsage for wrong_arguments.
int report(const Error& error);

/// The exit code of a command that is through: kOk, or as report.
int ended(const Result<void>& result);

/// kInvalidInput: what was typed is wrong, whatever the server or a file would say.
tl::unexpected<Error> wrong_arguments(std::string message, std::string hint = {});

/// A line on standard output. Whether it took it: output_written.
void print_line(std::string_view text);

/// The same without a line's end.
void print_text(std::string_view text);

/// That standard output took all of it so far. kResourceExhausted: a full disk, a reader that is gone …
Result<void> output_written();

/// Columns as wide as their widest cell, two spaces between, the first row as a heading.
void print_table(const std::vector<std::vector<std::string>>& rows);

/// Text of others on one line: control characters (which a terminal would obey) and line ends become spaces.
std::string printable(std::string_view text);
/// The same with its lines kept, each behind `indent`.
std::string printable_lines(std::string_view text, std::string_view indent);
/// Cut to so many cells, with … where something is missing; 0: not cut.
std::string cut_to(std::string_view text, std::size_t width);
/// Of standard output; 0 where it is no terminal.
std::size_t terminal_width();

/// 12345 → "12,345".
std::string with_commas(std::int64_t number);

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
  /// Of things instead of bytes: "31,000 of 76,000 rows, 210,000 rows/s".
  void update_count(std::uint64_t done, std::uint64_t total, std::string_view unit);
  /// Instead of the bar, a note of what is going on.
  void note(std::string_view text);
  /// Erases it before its end.
  void clear();

 private:
  void draw(const std::string& text);
  double per_second(std::uint64_t done);

  std::string label_;
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  bool shown_;
  bool color_;
  std::size_t width_ = 0;  // of what stands there now
};

}  // namespace tideline::cli
