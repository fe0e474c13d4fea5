#include "lineage/packed.h"

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "lineage/names.h"

namespace tideline::lineage {
namespace {

/// The numbers of names, in the order of their first use.
class NameNumbers {
 public:
  /// `most`: as many different names there are at most.
  explicit NameNumbers(std::size_t most) {
    std::size_t size = 16;
    while (size < 2 * most) size *= 2;
    slots_.assign(size, kNone);
    names_.reserve(most);
  }

  /// The name's number, and whether this is its first use. `name` must live as long as this.
  std::pair<std::uint32_t, bool> add(std::string_view name) {
    std::size_t at = std::hash<std::string_view>()(name) & (slots_.size() - 1);
    while (slots_[at] != kNone && names_[slots_[at]] != name) at = (at + 1) & (slots_.size() - 1);
    if (slots_[at] != kNone) return {slots_[at], false};
    slots_[at] = static_cast<std::uint32_t>(names_.size());
    names_.push_back(name);
    return {slots_[at], true};
  }

 private:
  std::vector<std::uint32_t> slots_;
  std::vector<std::string_view> names_;
};

/// A step in either direction, so that a small one is a small number.
std::uint32_t folded(std::uint32_t step) { return (step << 1) ^ (0U - (step >> 31)); }
std::uint32_t unfolded(std::uint32_t number) { return (number >> 1) ^ (0U - (number & 1)); }

/// Bytes that are written. It has the functions of Unpacker.
class Packer {
 public:
  explicit Packer(std::size_t most_names) : names_(most_names) {}

  template <class T>
  void number(T value) {
    auto rest = static_cast<std::uint64_t>(value);
    for (; rest >= 0x80; rest >>= 7) bytes_ += static_cast<char>(rest | 0x80);
    bytes_ += static_cast<char>(rest);
  }
  template <class... Bools>
  void flags(Bools... flag) {
    unsigned all = 0, bit = 1;
    ((all |= flag ? bit : 0, bit <<= 1), ...);
    bytes_ += static_cast<char>(all);
  }
  void name(const std::string& text) {
    const auto [at, is_first] = names_.add(text);
    number(at);
    if (!is_first) return;
    number(text.size());
    bytes_ += text;
  }
  void span(sql::Span span) {
    number(folded(span.begin - last_));
    number(span.end - span.begin);
    last_ = span.begin;
  }
  template <class T, class Item>
  void list(const std::vector<T>& items, const Item& item) {
    number(items.size());
    for (const T& one : items) item(one);
  }

  const std::string& bytes() const { return bytes_; }

 private:
  NameNumbers names_;
  std::string bytes_;
  std::uint32_t last_ = 0;  // where the last span began
};

/// Bytes that are read into values, in the order in which they were written.
class Unpacker {
 public:
  explicit Unpacker(std::string_view bytes) : bytes_(bytes) {}

  template <class T>
  void number(T& value) {
    std::uint64_t all = 0;
    unsigned char byte = 0x80;
    for (unsigned shift = 0; (byte & 0x80) != 0; shift += 7) {
      byte = static_cast<unsigned char>(bytes_[at_++]);
      all |= std::uint64_t{byte & 0x7FU} << shift;
    }
    value = static_cast<T>(all);
  }
  template <class... Bools>
  void flags(Bools&... flag) {
    unsigned all = static_cast<unsigned char>(bytes_[at_++]);
    ((flag = (all & 1) != 0, all >>= 1), ...);
  }
  void name(std::string& text) {
    std::size_t at = 0, size = 0;
    number(at);
    if (at == names_.size()) {
      number(size);
      names_.push_back(bytes_.substr(at_, size));
      at_ += size;
    }
    text = names_[at];
  }
  void span(sql::Span& span) {
    std::uint32_t step = 0, size = 0;
    number(step);
    number(size);
    last_ += unfolded(step);
    span = {last_, last_ + size};
  }
  template <class T, class Item>
  void list(std::vector<T>& items, const Item& item) {
    std::size_t count = 0;
    number(count);
    items.resize(count);
    for (T& one : items) item(one);
  }

 private:
  std::string_view bytes_;
  std::size_t at_ = 0;
  std::vector<std::string_view> names_;
  std::uint32_t last_ = 0;
};

void edges(auto& bytes, auto& all) {
  bytes.list(all, [&](auto& edge) {
    bool is_certain = edge.confidence == 1000 && edge.doubt == Reason::kNone;
    bytes.number(edge.source);
    bytes.number(edge.kind);
    bytes.flags(edge.conditional, is_certain);
    if (is_certain) return;
    bytes.number(edge.confidence);
    bytes.number(edge.doubt);
  });
}

void influences(auto& bytes, auto& all) {
  bytes.list(all, [&](auto& influence) {
    bytes.number(influence.source);
    bytes.number(influence.kind);
  });
}

/// Every field, to bytes or from them. What is looked at before it was read has the value that it has by default.
void fields(auto& bytes, auto& lineage) {
  bytes.flags(lineage.columns_complete, lineage.failed);
  bytes.number(lineage.steps);
  bytes.list(lineage.reads, [&](auto& read) {
    bytes.number(read.relation);
    bytes.name(read.name);
  });
  bytes.list(lineage.sources, [&](auto& source) {
    bytes.number(source.read);
    bytes.name(source.name);
    bytes.flags(source.known);
  });
  bytes.list(lineage.columns, [&](auto& column) {
    bool is_computed = column.expression != sql::Span{};
    bool is_placed = column.place != sql::Span{};
    bytes.name(column.name);
    bytes.flags(column.documented, column.demanded, column.constant, is_computed, is_placed);
    if (is_placed) bytes.span(column.place);
    if (is_computed) bytes.span(column.expression);
    edges(bytes, column.edges);
    edges(bytes, column.ephemerals);
    bytes.list(column.gaps, [&](auto& gap) { bytes.number(gap); });
  });
  influences(bytes, lineage.influences);
  bytes.list(lineage.ephemerals, [&](auto& column) {
    bytes.name(column.cte);
    bytes.name(column.name);
  });
  influences(bytes, lineage.ephemeral_influences);
  bytes.list(lineage.gaps, [&](auto& gap) {
    bytes.number(gap.reason);
    bytes.name(gap.subject);
    bytes.span(gap.span);
  });
  bytes.list(lineage.target, [&](auto& part) { bytes.name(part); });
}

}  // namespace

std::string pack(const QueryLineage& lineage) {
  Packer packer(lineage.reads.size() + lineage.sources.size() + lineage.columns.size() + 2 * lineage.ephemerals.size() +
                lineage.gaps.size() + lineage.target.size());
  fields(packer, lineage);
  return std::string(packer.bytes());  // without the room to grow
}

QueryLineage unpack(std::string_view bytes) {
  QueryLineage lineage;
  if (bytes.empty()) return lineage;
  Unpacker unpacker(bytes);
  fields(unpacker, lineage);
  return lineage;
}

}  // namespace tideline::lineage
