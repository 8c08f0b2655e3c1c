#pragma once
#include <cassert>
#include <cstdint>
#include <limits>
#include <utility>

#include "tradepit/lazy_array.hpp"

namespace tradepit {

/// No time at which anything is due.
inline constexpr std::int64_t never_ns = std::numeric_limits<std::int64_t>::max();

/// What is due at which time: a binary heap that knows where each owner stands in it. An owner is a
/// number below the capacity and has at most one deadline. At one time the lower rank comes first;
/// ranks differ, so the order does not depend on how the deadlines were set.
class Deadlines {
 public:
  struct Entry {
    std::int64_t time_ns;
    std::uint64_t rank;
    std::uint64_t owner;
  };

  explicit Deadlines(std::size_t capacity) noexcept : heap_(capacity), places_(capacity) {}

  [[nodiscard]] std::uint32_t size() const noexcept { return size_; }
  /// never_ns if there is none.
  [[nodiscard]] std::int64_t first_ns() const noexcept {
    return size_ == 0 ? never_ns : heap_[0].time_ns;
  }
  /// There must be one.
  [[nodiscard]] const Entry& first() const noexcept {
    assert(size_ > 0);
    return heap_[0];
  }
  [[nodiscard]] bool has(std::uint64_t owner) const noexcept { return places_[owner] != 0; }
  /// The owner must have one.
  [[nodiscard]] std::int64_t time_of(std::uint64_t owner) const noexcept {
    assert(has(owner));
    return heap_[places_[owner] - 1].time_ns;
  }

  /// Gives the owner this deadline in place of the one it may have.
  void set(std::uint64_t owner, std::int64_t time_ns, std::uint64_t rank) noexcept {
    assert(time_ns != never_ns);
    clear(owner);
    assert(size_ < heap_.count());
    rise({time_ns, rank, owner}, size_++);
  }

  /// Takes the owner's deadline away, if it has one.
  void clear(std::uint64_t owner) noexcept {
    if (places_[owner] == 0) return;
    const std::uint32_t place = places_[owner] - 1;
    places_[owner] = 0;
    const Entry last = heap_[--size_];
    if (place == size_) return;
    if (place > 0 && is_before(last, heap_[(place - 1) / 2])) {
      rise(last, place);
    } else {
      sink(last, place);
    }
  }

  /// Whether every entry stands where it should.
  [[nodiscard]] bool is_sound() const noexcept {
    for (std::uint32_t place = 0; place < size_; ++place) {
      if (places_[heap_[place].owner] != place + 1) return false;
      if (place > 0 && !is_before(heap_[(place - 1) / 2], heap_[place])) return false;
    }
    return true;
  }

 private:
  [[nodiscard]] static bool is_before(const Entry& left, const Entry& right) noexcept {
    return std::pair(left.time_ns, left.rank) < std::pair(right.time_ns, right.rank);
  }

  void put(const Entry& entry, std::uint32_t place) noexcept {
    heap_[place] = entry;
    places_[entry.owner] = place + 1;
  }

  /// Puts an entry at `place`, which is free, or nearer to the root.
  void rise(const Entry& entry, std::uint32_t place) noexcept {
    for (; place > 0 && is_before(entry, heap_[(place - 1) / 2]); place = (place - 1) / 2) {
      put(heap_[(place - 1) / 2], place);
    }
    put(entry, place);
  }

  /// Puts an entry at `place`, which is free, or farther from the root.
  void sink(const Entry& entry, std::uint32_t place) noexcept {
    for (std::uint32_t child = 2 * place + 1; child < size_; child = 2 * place + 1) {
      if (child + 1 < size_ && is_before(heap_[child + 1], heap_[child])) ++child;
      if (is_before(entry, heap_[child])) break;
      put(heap_[child], place);
      place = child;
    }
    put(entry, place);
  }

  LazyArray<Entry> heap_;
  LazyArray<std::uint32_t> places_;  // by owner: place in the heap + 1; 0 = it has no deadline
  std::uint32_t size_ = 0;
};

}  // namespace tradepit
