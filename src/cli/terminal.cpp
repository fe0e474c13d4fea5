#include "cli/terminal.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/options.h"

namespace tideline::cli {
namespace {

constexpr std::size_t kBarCells = 24;
constexpr std::string_view kWrongArguments = "arguments";

// Terminals count characters, not bytes; continuation bytes of UTF-8 take no cell.
std::size_t cells(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

// The first that went wrong; stdio remembers only that something did.
int output_error = 0;

void note_output(bool done) {
  if (!done && output_error == 0) output_error = errno;
}

bool wants_color() {
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  return !(no_color && *no_color) && term && std::string_view(term) != "dumb";
}

}  // namespace

int report(const Error& error) {
  std::fprintf(stderr, "tideline: %s\n", error.message.c_str());
  // Who runs this program may see what the log would hold: "password authentication failed", not just "no connection".
  std::string_view detail = error.detail;
  while (!detail.empty()) {
    const std::size_t end = std::min(detail.find('\n'), detail.size());
    std::string_view line = detail.substr(0, end);
    detail.remove_prefix(std::min(end + 1, detail.size()));
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    if (!line.empty()) std::fprintf(stderr, "  %.*s\n", static_cast<int>(line.size()), line.data());
  }
  if (!error.hint.empty()) std::fprintf(stderr, "  %s\n", error.hint.c_str());
  return error.reason == kWrongArguments ? kUsage : kFailed;
}

int ended(const Result<void>& result) { return result ? kOk : report(result.error()); }

tl::unexpected<Error> wrong_arguments(std::string message, std::string hint) {
  return fail(Error{Code::kInvalidInput, std::move(message), std::move(hint), {}, std::string(kWrongArguments)});
}

void print_text(std::string_view text) {
  note_output(std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0);
}

void print_line(std::string_view text) { print_text(std::string(text) + "\n"); }

Result<void> output_written() {
  note_output(std::fflush(stdout) == 0);
  if (output_error == 0 && std::ferror(stdout) == 0) return {};
  return fail(Code::kResourceExhausted, std::string("the answer could not be written to standard output: ") +
                                            std::strerror(output_error == 0 ? EIO : output_error));
}

void print_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], cells(row[i]));
  }
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] - cells(row[i]) + 2, ' ');
    }
    print_line(line);
  }
}

std::string printable(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    // U+0080 to U+009F are control characters, too: C2 80 to C2 9F in UTF-8.
    const bool is_c1 = byte == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (is_c1) ++i;
    out += byte < 0x20 || byte == 0x7F || is_c1 ? ' ' : text[i];
  }
  return out;
}

std::string printable_lines(std::string_view text, std::string_view indent) {
  std::string out;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string line = printable(text.substr(0, end));
    line.erase(line.find_last_not_of(' ') + 1);
    out += (out.empty() ? "" : "\n") + (line.empty() ? "" : std::string(indent) + line);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return out;
}

std::string cut_to(std::string_view text, std::size_t width) {
  if (width == 0 || cells(text) <= width) return std::string(text);
  std::string out;
  std::size_t used = 0;
  for (const char c : text) {
    const bool begins = (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    if (begins && ++used >= width) break;
    out += c;
  }
  return out + "…";
}

std::size_t terminal_width() {
  winsize size{};
  return isatty(STDOUT_FILENO) == 1 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

std::string with_commas(std::int64_t number) {
  std::string text = std::to_string(number);
  for (std::ptrdiff_t at = static_cast<std::ptrdiff_t>(text.size()) - 3; at > (number < 0 ? 1 : 0); at -= 3)
    text.insert(static_cast<std::size_t>(at), ",");
  return text;
}

std::string human_bytes(std::uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB"};
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1000 && unit + 1 < std::size(kUnits)) {
    value /= 1000;
    ++unit;
  }
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
  return text;
}

ProgressBar::ProgressBar(std::string label)
    : label_(std::move(label)), shown_(isatty(STDERR_FILENO) == 1), color_(wants_color()) {}

ProgressBar::~ProgressBar() { clear(); }

void ProgressBar::clear() {
  if (shown_ && width_ > 0) std::fprintf(stderr, "\r%*s\r", static_cast<int>(width_), "");
  width_ = 0;
}

void ProgressBar::update(std::uint64_t done, std::uint64_t total) {
  if (!shown_) return;
  std::string text = label_ + " ";
  if (total > 0) {
    const auto filled = static_cast<std::size_t>(static_cast<double>(std::min(done, total)) /
                                                 static_cast<double>(total) * static_cast<double>(kBarCells));
    text += "[" + std::string(filled, '#') + std::string(kBarCells - filled, '.') + "] ";
  }
  text += human_bytes(done);
  if (total > 0) text += " of " + human_bytes(total);
  if (const double rate = per_second(done); rate > 0)
    text += ", " + human_bytes(static_cast<std::uint64_t>(rate)) + "/s";
  draw(text);
}

void ProgressBar::update_count(std::uint64_t done, std::uint64_t total, std::string_view unit) {
  if (!shown_) return;
  std::string text = label_ + " ";
  if (total > 0) {
    const auto filled = static_cast<std::size_t>(static_cast<double>(std::min(done, total)) /
                                                 static_cast<double>(total) * static_cast<double>(kBarCells));
    text += "[" + std::string(filled, '#') + std::string(kBarCells - filled, '.') + "] ";
  }
  text += with_commas(static_cast<std::int64_t>(done));
  if (total > 0) text += " of " + with_commas(static_cast<std::int64_t>(std::max(done, total)));
  text += " " + std::string(unit);
  if (const double rate = per_second(done); rate > 0)
    text += ", " + with_commas(static_cast<std::int64_t>(rate)) + " " + std::string(unit) + "/s";
  draw(text);
}

double ProgressBar::per_second(std::uint64_t done) {
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - began_;
  return passed.count() < 0.2 ? 0 : static_cast<double>(done) / passed.count();
}

void ProgressBar::note(std::string_view text) {
  if (shown_) draw(label_ + " " + std::string(text));
}

void ProgressBar::draw(const std::string& text) {
  const std::size_t width = cells(text);
  const std::size_t leftover = width_ > width ? width_ - width : 0;
  std::fprintf(stderr, color_ ? "\r\033[36m%s\033[0m%*s" : "\r%s%*s", text.c_str(), static_cast<int>(leftover), "");
  std::fflush(stderr);
  width_ = width;
}

}  // namespace tideline::cli
