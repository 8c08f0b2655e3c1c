#pragma once
#include <cstdint>

#include "tradepit/lazy_array.hpp"
#include "tradepit/pool.hpp"

namespace tradepit {

/// The neighbours of an order in an OrderList, by the order's slot. An order that may be in several
/// lists at once has links of its own for each kind.
struct ListLinks {
  std::uint32_t older;
  std::uint32_t younger;
};

/// Some of an instrument's orders, in the order in which they came.
struct OrderList {
  std::uint32_t oldest = no_slot;
  std::uint32_t youngest = no_slot;
  std::uint32_t count = 0;

  [[nodiscard]] bool is_empty() const noexcept { return oldest == no_slot; }

  /// Adds an order that is not in the list as its youngest.
  void push(LazyArray<ListLinks>& links, std::uint32_t slot) noexcept {
    links[slot] = {youngest, no_slot};
    (youngest == no_slot ? oldest : links[youngest].younger) = slot;
    youngest = slot;
    ++count;
  }

  /// Takes an order out that is in the list.
  void remove(LazyArray<ListLinks>& links, std::uint32_t slot) noexcept {
    const auto [older, younger] = links[slot];
    (older == no_slot ? oldest : links[older].younger) = younger;
    (younger == no_slot ? youngest : links[younger].older) = older;
    --count;
  }

  /// Whether the links lead from the oldest to the youngest and `is_it(slot)` holds for each.
  template <typename IsIt>
  [[nodiscard]] bool is_sound(const LazyArray<ListLinks>& links, IsIt is_it) const noexcept {
    std::uint32_t older = no_slot;
    std::uint32_t found_count = 0;
    for (std::uint32_t slot = oldest; slot != no_slot; slot = links[slot].younger) {
      if (links[slot].older != older || found_count == count || !is_it(slot)) return false;
      older = slot;
      ++found_count;
    }
    return youngest == older && found_count == count;
  }
};

}  // namespace tradepit
