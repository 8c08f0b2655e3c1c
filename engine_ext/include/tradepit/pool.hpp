#pragma once
#include <cassert>
#include <cstdint>
#include <cstring>

#include "tradepit/lazy_array.hpp"

namespace tradepit {

/// "No slot", in every 32-bit link.
inline constexpr std::uint32_t no_slot = 0xFFFFFFFF;

/// A fixed slab of T, named by 32-bit slots. The slot that was released last is given out first,
/// while it is still in the cache. Which slot a thing gets is never observable.
template <typename T>
class Pool {
  static_assert(sizeof(T) >= sizeof(std::uint32_t));

 public:
  Pool() noexcept = default;
  explicit Pool(std::uint32_t capacity) noexcept : slots_(capacity) { assert(capacity < no_slot); }

  [[nodiscard]] std::uint32_t capacity() const noexcept {
    return static_cast<std::uint32_t>(slots_.count());
  }
  [[nodiscard]] std::uint32_t used_count() const noexcept { return used_count_; }
  [[nodiscard]] bool is_full() const noexcept { return used_count_ == capacity(); }

  /// A slot with stale contents. The pool must not be full.
  [[nodiscard]] std::uint32_t take() noexcept {
    assert(used_count_ < capacity());
    ++used_count_;
    if (free_ == no_slot) return fresh_++;
    const std::uint32_t slot = free_;
    std::memcpy(&free_, &slots_[slot], sizeof free_);
    return slot;
  }

  /// The slot that take() gives next.
  [[nodiscard]] std::uint32_t next() const noexcept { return free_ == no_slot ? fresh_ : free_; }

  /// Gives a slot back; its contents are gone.
  void release(std::uint32_t slot) noexcept {
    assert(used_count_ > 0);
    --used_count_;
    std::memcpy(static_cast<void*>(&slots_[slot]), &free_, sizeof free_);
    free_ = slot;
  }

  /// Asks for the memory of a slot ahead of its use; for `no_slot` without a branch for any.
  void prefetch(std::uint32_t slot) const noexcept { slots_.prefetch(any_if_none(slot)); }
  [[nodiscard]] static std::uint32_t any_if_none(std::uint32_t slot) noexcept {
    return slot + static_cast<std::uint32_t>(slot == no_slot);
  }

  [[nodiscard]] T& operator[](std::uint32_t slot) noexcept { return slots_[slot]; }
  [[nodiscard]] const T& operator[](std::uint32_t slot) const noexcept { return slots_[slot]; }

 private:
  LazyArray<T> slots_;  // a free one begins with the slot that was released before it
  std::uint32_t free_ = no_slot;
  std::uint32_t fresh_ = 0;  // slots from here on were never taken
  std::uint32_t used_count_ = 0;
};

}  // namespace tradepit
