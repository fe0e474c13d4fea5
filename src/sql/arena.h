#pragma once
// Memory of a syntax tree: bump allocation, freed at once. What lies in it is trivially destructible, so nothing is
// visited when it goes (a tree of ten million nodes, or a very deep one, is freed block by block). Addresses stay when
// the arena is moved. One thread at a time writes; a finished one may be read by many.

#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace tideline::sql {

class Arena {
 public:
  Arena() = default;
  Arena(Arena&& other) noexcept { *this = std::move(other); }
  Arena& operator=(Arena&& other) noexcept {
    blocks_ = std::move(other.blocks_);
    next_ = std::exchange(other.next_, nullptr);
    end_ = std::exchange(other.end_, nullptr);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }

  /// A value-initialised T that lives as long as the arena.
  template <class T>
  T* make() {
    static_assert(std::is_trivially_destructible_v<T>, "nobody runs destructors of what is in an arena");
    return ::new (allocate(sizeof(T), alignof(T))) T();
  }

  template <class T>
  std::span<const T> copy(std::span<const T> items) {
    static_assert(std::is_trivially_copyable_v<T>);
    if (items.empty()) return {};
    auto* to = static_cast<T*>(allocate(items.size_bytes(), alignof(T)));
    std::uninitialized_copy(items.begin(), items.end(), to);
    return {to, items.size()};
  }

  std::string_view copy(std::string_view text) {
    if (text.empty()) return {};
    auto* to = static_cast<char*>(allocate(text.size(), 1));
    std::memcpy(to, text.data(), text.size());
    return {to, text.size()};
  }

  /// Bytes taken from the system.
  std::size_t size() const { return size_; }

 private:
  static constexpr std::size_t kFirstBlock = 4096;         // most queries need a few of these
  static constexpr std::size_t kLargestBlock = 1U << 20U;  // growth stops here, so that at most this much is wasted

  void* allocate(std::size_t bytes, std::size_t alignment) {
    auto address = (reinterpret_cast<std::uintptr_t>(next_) + alignment - 1) & ~(alignment - 1);
    if (next_ == nullptr || address + bytes > reinterpret_cast<std::uintptr_t>(end_)) {
      auto grown = blocks_.size() < 8 ? kFirstBlock << blocks_.size() : kLargestBlock;
      auto block = bytes + alignment > grown ? bytes + alignment : grown;
      blocks_.push_back(std::unique_ptr<std::byte[]>(new std::byte[block]));
      size_ += block;
      next_ = blocks_.back().get();
      end_ = next_ + block;
      address = (reinterpret_cast<std::uintptr_t>(next_) + alignment - 1) & ~(alignment - 1);
    }
    next_ = reinterpret_cast<std::byte*>(address + bytes);
    return reinterpret_cast<void*>(address);
  }

  std::vector<std::unique_ptr<std::byte[]>> blocks_;
  std::byte* next_ = nullptr;
  std::byte* end_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace tideline::sql
