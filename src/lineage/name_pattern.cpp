#include "lineage/name_pattern.h"

#include <algorithm>
#include <utility>

namespace tideline::lineage {
namespace {

using Set = std::bitset<256>;

constexpr std::size_t kMaxDepth = 50;     // of groups in groups
constexpr std::size_t kMaxRepeats = 100;  // x{100}
constexpr std::uint32_t kMaxGroups = 10;

Set range(unsigned char from, unsigned char to) {
  Set set;
  for (unsigned c = from; c <= to; ++c) set.set(c);
  return set;
}
Set word_set() { return range('a', 'z') | range('A', 'Z') | range('0', '9') | range('_', '_'); }

/// \d, \w, \s and their opposites; nullopt: an escape of something else.
std::optional<Set> class_of(char letter) {
  switch (letter) {
    case 'd':
      return range('0', '9');
    case 'D':
      return ~range('0', '9');
    case 'w':
      return word_set();
    case 'W':
      return ~word_set();
    case 's':
      return range('\t', '\r') | range(' ', ' ');
    case 'S':
      return ~(range('\t', '\r') | range(' ', ' '));
    default:
      return std::nullopt;
  }
}

bool is_word(char c) { return word_set().test(static_cast<unsigned char>(c)); }

}  // namespace

// Recursive descent. Each part leaves its instructions at the end of the program.
class NamePattern::Compiler {
 public:
  Compiler(std::string_view pattern, NamePattern& out) : text_(pattern), out_(out) {}

  bool run() {
    if (text_.starts_with("(?i)")) {
      ignore_case_ = true;
      at_ = 4;
    }
    emit({Kind::kSave, 0, 0});
    if (!alternatives(0) || at_ != text_.size()) return false;
    emit({Kind::kSave, 1, 0});
    emit({Kind::kMatch, 0, 0});
    return good_;
  }

 private:
  std::uint32_t here() const { return static_cast<std::uint32_t>(out_.program_.size()); }
  bool more() const { return at_ < text_.size(); }
  void emit(Instruction instruction) {
    if (out_.program_.size() >= kMaxSize) {
      good_ = false;
      return;
    }
    out_.program_.push_back(instruction);
  }
  void emit(Set set) {
    if (ignore_case_) {
      for (unsigned c = 'a'; c <= 'z'; ++c)
        if (set.test(c) || set.test(c - 32)) set.set(c).set(c - 32);
    }
    out_.sets_.push_back(set);
    emit({Kind::kSet, static_cast<std::uint32_t>(out_.sets_.size() - 1), 0});
  }
  /// Makes room for one instruction at `place`: what jumps behind it jumps one further.
  void insert(std::uint32_t place, Instruction instruction) {
    for (auto& one : out_.program_) {
      if (one.kind != Kind::kSplit && one.kind != Kind::kJump) continue;
      if (one.first > place || (one.first == place && &one >= &out_.program_[place])) ++one.first;
      if (one.second > place) ++one.second;
    }
    if (out_.program_.size() >= kMaxSize) {
      good_ = false;
      return;
    }
    out_.program_.insert(out_.program_.begin() + place, instruction);
  }

  bool alternatives(std::size_t depth) {
    std::vector<std::uint32_t> jumps;
    std::uint32_t start = here();
    if (!sequence(depth)) return false;
    while (more() && text_[at_] == '|') {
      ++at_;
      insert(start, {Kind::kSplit, start + 1, 0});
      jumps.push_back(here());
      emit({Kind::kJump, 0, 0});
      if (!good_) return false;
      out_.program_[start].second = here();
      start = here();
      if (!sequence(depth)) return false;
    }
    for (const std::uint32_t jump : jumps) out_.program_[jump].first = here();
    return good_;
  }

  bool sequence(std::size_t depth) {
    while (more() && text_[at_] != '|' && text_[at_] != ')') {
      const std::uint32_t start = here();
      if (!atom(depth) || !repetition(start)) return false;
    }
    return good_;
  }

  /// What the program has from `start` on is repeated as often as the text says.
  bool repetition(std::uint32_t start) {
    if (!more()) return good_;
    std::size_t least = 0, most = 0;
    const char sign = text_[at_];
    if (sign == '*' || sign == '+' || sign == '?') {
      ++at_;
      least = sign == '+' ? 1 : 0;
      most = sign == '?' ? 1 : SIZE_MAX;
    } else if (sign == '{') {
      if (!counts(least, most)) return false;
    } else {
      return good_;
    }
    const bool lazy = more() && text_[at_] == '?';
    if (lazy) ++at_;
    const std::vector<Instruction> block(out_.program_.begin() + start, out_.program_.end());
    out_.program_.resize(start);
    const auto once = [&] {
      const std::uint32_t moved = here() - start;
      for (Instruction one : block) {
        if (one.kind == Kind::kSplit || one.kind == Kind::kJump) {
          one.first += moved;
          one.second += moved;
        }
        emit(one);
      }
      return good_;
    };
    for (std::size_t i = 0; i < least; ++i)
      if (!once()) return false;
    if (most == SIZE_MAX) {
      const std::uint32_t split = here();
      emit({Kind::kSplit, split + 1, 0});
      if (!once()) return false;
      emit({Kind::kJump, split, 0});
      if (!good_) return false;
      finish_split(split, lazy);
    } else {
      std::vector<std::uint32_t> splits;
      for (std::size_t i = least; i < most; ++i) {
        splits.push_back(here());
        emit({Kind::kSplit, here() + 1, 0});
        if (!once()) return false;
      }
      for (const std::uint32_t split : splits) finish_split(split, lazy);
    }
    return good_;
  }
  void finish_split(std::uint32_t split, bool lazy) {
    auto& one = out_.program_[split];
    one.second = here();
    if (lazy) std::swap(one.first, one.second);
  }

  /// {2}, {2,}, {2,5}
  bool counts(std::size_t& least, std::size_t& most) {
    const auto number = [&](std::size_t& value) {
      bool any = false;
      value = 0;
      while (more() && text_[at_] >= '0' && text_[at_] <= '9' && value <= kMaxRepeats) {
        value = value * 10 + static_cast<std::size_t>(text_[at_++] - '0');
        any = true;
      }
      return any;
    };
    ++at_;
    if (!number(least)) return false;
    most = least;
    if (more() && text_[at_] == ',') {
      ++at_;
      if (!number(most)) most = SIZE_MAX;
    }
    if (!more() || text_[at_] != '}' || least > kMaxRepeats ||
        (most != SIZE_MAX && (most > kMaxRepeats || most < least)))
      return false;
    ++at_;
    return true;
  }

  bool atom(std::size_t depth) {
    const char c = text_[at_++];
    switch (c) {
      case '.':
        emit(~Set());
        return good_;
      case '^':
        emit({Kind::kBegin, 0, 0});
        return good_;
      case '$':
        emit({Kind::kEnd, 0, 0});
        return good_;
      case '[':
        return set();
      case '(':
        return group(depth);
      case '\\': {
        if (!more()) return false;
        const char letter = text_[at_++];
        if (letter == 'b') {
          emit({Kind::kBoundary, 0, 0});
        } else if (const auto known = class_of(letter)) {
          emit(*known);
        } else if (is_word(letter)) {
          return false;  // \1, \p{…}, \Q …
        } else {
          emit(range(static_cast<unsigned char>(letter), static_cast<unsigned char>(letter)));
        }
        return good_;
      }
      case '*':
      case '+':
      case '?':
      case '{':
        return false;
      default:
        emit(range(static_cast<unsigned char>(c), static_cast<unsigned char>(c)));
        return good_;
    }
  }

  bool group(std::size_t depth) {
    if (depth > kMaxDepth) return false;
    bool captures = true;
    if (text_.substr(at_).starts_with("?:")) {
      captures = false;
      at_ += 2;
    } else if (more() && text_[at_] == '?') {
      return false;
    }
    const std::uint32_t number = captures ? out_.groups_++ : 0;
    captures = captures && number < kMaxGroups;
    if (captures) emit({Kind::kSave, 2 * number, 0});
    if (!alternatives(depth + 1) || !more() || text_[at_] != ')') return false;
    ++at_;
    if (captures) emit({Kind::kSave, 2 * number + 1, 0});
    return good_;
  }

  bool set() {
    Set found;
    const bool negated = more() && text_[at_] == '^';
    if (negated) ++at_;
    bool first = true;
    while (more() && (text_[at_] != ']' || first)) {
      first = false;
      auto from = static_cast<unsigned char>(text_[at_++]);
      if (from == '[' && more() && text_[at_] == ':') return false;
      if (from == '\\') {
        if (!more()) return false;
        const char letter = text_[at_++];
        if (const auto known = class_of(letter)) {
          found |= *known;
          continue;
        }
        from = static_cast<unsigned char>(letter);
      }
      auto to = from;
      if (at_ + 1 < text_.size() && text_[at_] == '-' && text_[at_ + 1] != ']') {
        to = static_cast<unsigned char>(text_[at_ + 1]);
        at_ += 2;
        if (to < from) return false;
      }
      found |= range(from, to);
    }
    if (!more()) return false;
    ++at_;
    if (negated) {
      // What is not in it, whatever its case.
      if (ignore_case_)
        for (unsigned c = 'a'; c <= 'z'; ++c)
          if (found.test(c) || found.test(c - 32)) found.set(c).set(c - 32);
      out_.sets_.push_back(~found);
      emit({Kind::kSet, static_cast<std::uint32_t>(out_.sets_.size() - 1), 0});
    } else {
      emit(found);
    }
    return good_;
  }

  std::string_view text_;
  NamePattern& out_;
  std::size_t at_ = 0;
  bool ignore_case_ = false;
  bool good_ = true;
};

std::optional<NamePattern> NamePattern::parse(std::string_view pattern) {
  if (pattern.size() > kMaxSize) return std::nullopt;
  NamePattern out;
  if (!Compiler(pattern, out).run()) return std::nullopt;
  return out;
}

std::vector<std::string_view> NamePattern::search(std::string_view name, std::size_t& steps) const {
  const std::size_t slots = 2 * std::min(groups_, kMaxGroups);
  struct Thread {
    std::uint32_t at;
    std::vector<std::size_t> saved;
  };
  // Pike's machine: threads in order of preference, each instruction once a place.
  std::vector<Thread> now, next;
  std::vector<std::size_t> seen(program_.size(), SIZE_MAX);
  std::vector<std::size_t> best;
  const auto add = [&](std::vector<Thread>& to, std::uint32_t start, std::size_t place,
                       std::vector<std::size_t> start_saved) {
    std::vector<Thread> stack;
    stack.push_back({start, std::move(start_saved)});
    while (!stack.empty()) {
      Thread thread = std::move(stack.back());
      stack.pop_back();
      if (seen[thread.at] == place) continue;
      seen[thread.at] = place;
      ++steps;
      const Instruction& one = program_[thread.at];
      switch (one.kind) {
        case Kind::kJump:
          stack.push_back({one.first, std::move(thread.saved)});
          break;
        case Kind::kSplit:
          stack.push_back({one.second, thread.saved});
          stack.push_back({one.first, std::move(thread.saved)});
          break;
        case Kind::kSave:
          if (one.first < slots) thread.saved[one.first] = place;
          stack.push_back({thread.at + 1, std::move(thread.saved)});
          break;
        case Kind::kBegin:
          if (place == 0) stack.push_back({thread.at + 1, std::move(thread.saved)});
          break;
        case Kind::kEnd:
          if (place == name.size()) stack.push_back({thread.at + 1, std::move(thread.saved)});
          break;
        case Kind::kBoundary: {
          const bool before = place > 0 && is_word(name[place - 1]);
          const bool after = place < name.size() && is_word(name[place]);
          if (before != after) stack.push_back({thread.at + 1, std::move(thread.saved)});
          break;
        }
        default:
          to.push_back(std::move(thread));
      }
    }
  };
  for (std::size_t place = 0; place <= name.size(); ++place) {
    if (best.empty()) add(now, 0, place, std::vector<std::size_t>(slots, SIZE_MAX));
    next.clear();
    // The places of `next` are those after this byte: they are marked as such while `now` is walked.
    for (auto& thread : now) {
      ++steps;
      const Instruction& one = program_[thread.at];
      if (one.kind == Kind::kMatch) {
        best = std::move(thread.saved);
        break;  // those that follow are preferred less
      }
      if (place < name.size() && sets_[one.first].test(static_cast<unsigned char>(name[place])))
        add(next, thread.at + 1, place + 1, std::move(thread.saved));
    }
    std::swap(now, next);
    if (now.empty() && !best.empty()) break;
  }
  std::vector<std::string_view> groups;
  for (std::size_t i = 0; i + 1 < best.size(); i += 2) {
    const bool took_part = best[i] != SIZE_MAX && best[i + 1] != SIZE_MAX;
    groups.push_back(took_part ? name.substr(best[i], best[i + 1] - best[i]) : std::string_view());
  }
  return groups;
}

std::string substitute(std::string_view text, const std::vector<std::string_view>& groups) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size() && text[i + 1] >= '0' && text[i + 1] <= '9') {
      const auto number = static_cast<std::size_t>(text[++i] - '0');
      if (number < groups.size()) out += groups[number];
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace tideline::lineage
