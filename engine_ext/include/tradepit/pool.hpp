#pragma once
#include <cassert>
#include <cstdint>

#include "tradepit/lazy_array.hpp"

namespace tradepit {

/// "No slot", in every 32-bit link.
inline constexpr std::uint32_t no_slot = 0xFFFFFFFF;

/// A fixed slab of T, named by 32-bit slots. The slot that was released last is given out first,
/// while it is still in the cache. Which slot a thing gets is never observable.
template <typename T>
class Pool {
 public:
  Pool() noexcept = default;
  explicit Pool(std::uint32_t capacity) noexcept : slots_(capacity), free_(capacity) {
    assert(capacity < no_slot);
  }

  [[nodiscard]] std::uint32_t capacity() const noexcept {
    return static_cast<std::uint32_t>(slots_.count());
  }
  [[nodiscard]] std::uint32_t used_count() const noexcept { return fresh_ - free_count_; }
  [[nodiscard]] bool is_full() const noexcept { return used_count() == capacity(); }

  /// A slot with stale contents. The pool must not be full.
  [[nodiscard]] std::uint32_t take() noexcept {
    if (free_count_ > 0) return free_[--free_count_];
    assert(fresh_ < capacity());
    return fresh_++;
  }

  void release(std::uint32_t slot) noexcept {
    assert(free_count_ < fresh_);
    free_[free_count_++] = slot;
  }

  /// Asks for the memory of a slot ahead of its use; `no_slot` is allowed.
  void prefetch(std::uint32_t slot) const noexcept {
    if (slot != no_slot) slots_.prefetch(slot);
  }

  [[nodiscard]] T& operator[](std::uint32_t slot) noexcept { return slots_[slot]; }
  [[nodiscard]] const T& operator[](std::uint32_t slot) const noexcept { return slots_[slot]; }

 private:
  LazyArray<T> slots_;
  LazyArray<std::uint32_t> free_;
  std::uint32_t free_count_ = 0;
  std::uint32_t fresh_ = 0;  // slots from here on were never taken
};

}  // namespace tradepit
