#pragma once
#include <bit>
#include <cstdint>

#include "tradepit/flat_table.hpp"
#include "tradepit/hash_index.hpp"
#include "tradepit/lazy_array.hpp"
#include "tradepit/pool.hpp"
#include "tradepit/recent_names.hpp"

namespace tradepit {

/// The ids of orders: of the last N that were accepted, and of older ones that are open. It leads
/// from an order's number and from its client order id to where the order stands, and knows the
/// client order ids that may not be used again, which are those of all these orders.
///
/// Orders are numbered from 1 as they are accepted. Recent ones stand in a ring by number, close
/// together: a table in which they lie scattered costs an address translation for each.
class OrderIds {
 public:
  using Name = OrderName;

  /// The first two at most 2^30. Account indexes are below `accounts_end`.
  OrderIds(std::uint32_t max_recent, std::uint32_t max_orders, std::size_t accounts_end) noexcept
      : recent_(std::bit_ceil(max_recent)),
        recent_by_name_(max_recent),
        old_by_number_(max_orders),
        old_by_name_(max_orders),
        highest_by_account_(accounts_end, /*has_large_pages=*/false),
        max_recent_(max_recent) {}

  /// The slot of the open order with this number, or no_slot. `number_of(slot)` is the number of an
  /// open order.
  template <typename NumberOf>
  [[nodiscard]] std::uint32_t find(std::uint64_t number, NumberOf number_of) const noexcept {
    if (is_recent(number)) return recent_[place_of(number)].next_slot - 1;
    return old_by_number_.find(hash_of(number),
                               [&](std::uint32_t slot) { return number_of(slot) == number; });
  }

  /// Whether the name, whose id is not 0, is taken; `order_slot` is its open order's, or no_slot.
  /// `name_of(slot)` is the name of an open order.
  template <typename NameOf>
  [[nodiscard]] bool find(Name name, std::uint32_t& order_slot, NameOf name_of) const noexcept {
    order_slot = no_slot;
    if (name.client_order_id > highest_by_account_[name.account_index]) return false;
    const std::uint64_t number = recent_number_of(name);
    if (number != 0) {
      order_slot = recent_slot_of(number);
      return true;
    }
    if (old_by_name_.size() == 0) return false;
    order_slot =
        old_by_name_.find(hash_of(name), [&](std::uint32_t slot) { return name_of(slot) == name; });
    return order_slot != no_slot;
  }

  /// The number of the recent order with this name, whose id is not 0, or 0.
  [[nodiscard]] std::uint64_t recent_number_of(Name name) const noexcept {
    return recent_by_name_.find(name,
                                [&](std::uint64_t found) { return recent_name_of(found) == name; });
  }

  /// Where the order with this number, or for 0 any, may stand, or no_slot: for prefetching alone.
  [[nodiscard]] std::uint32_t guess(std::uint64_t number) const noexcept {
    if (!is_old(number)) return recent_[place_of(number)].next_slot - 1;
    return old_by_number_.find(hash_of(number), [](std::uint32_t) { return true; });
  }

  [[nodiscard]] std::uint32_t guess(Name name) const noexcept {
    const std::uint64_t number = recent_by_name_.find(name, [](std::uint64_t) { return true; });
    if (number != 0) return recent_slot_of(number);
    return old_by_name_.find(hash_of(name), [](std::uint32_t) { return true; });
  }

  /// Ask for the memory of an order ahead of its use. The number may be 0.
  void prefetch_number(std::uint64_t number) const noexcept {
    recent_.prefetch(place_of(number));
    if (is_old(number)) old_by_number_.prefetch(hash_of(number));
  }
  void prefetch(Name name) const noexcept { recent_by_name_.prefetch(name); }
  /// For put_open().
  void prefetch_opening(std::uint64_t number, Name name) const noexcept {
    prefetch_closing(number, name);
    if (is_old(number)) prefetch(name);
  }
  /// For an open order that is to be closed.
  void prefetch_closing(std::uint64_t number, Name name) const noexcept {
    prefetch_number(number);
    if (is_old(number)) old_by_name_.prefetch(hash_of(name));
  }

  /// Numbers an accepted order, whose name is free; `order_slot` is no_slot if it is closed
  /// already.
  void add(Name name, std::uint32_t order_slot) noexcept {
    const std::uint64_t number = ++last_number_;
    if (number > max_recent_) let_age(number - max_recent_);
    put(number, name, order_slot);
  }

  /// The order with this number and name is open no longer.
  void close(std::uint64_t number, Name name, std::uint32_t order_slot) noexcept {
    if (is_recent(number)) {
      recent_[place_of(number)].next_slot = 0;
      return;
    }
    old_by_number_.erase(hash_of(number), order_slot);
    if (name.client_order_id != 0) old_by_name_.erase(hash_of(name), order_slot);
  }

  [[nodiscard]] std::uint64_t last_number() const noexcept { return last_number_; }
  [[nodiscard]] bool is_recent(std::uint64_t number) const noexcept {
    return number != 0 && number <= last_number_ && last_number_ - number < max_recent_;
  }
  [[nodiscard]] std::uint64_t recent_count() const noexcept {
    return last_number_ < max_recent_ ? last_number_ : max_recent_;
  }
  [[nodiscard]] Name recent_name_of(std::uint64_t number) const noexcept {
    const Recent& order = recent_[place_of(number)];
    return {order.client_order_id, order.account_index};
  }
  /// The slot of a recent order, or no_slot if it is not open.
  [[nodiscard]] std::uint32_t recent_slot_of(std::uint64_t number) const noexcept {
    return recent_[place_of(number)].next_slot - 1;
  }
  [[nodiscard]] std::size_t old_count() const noexcept { return old_by_number_.size(); }
  [[nodiscard]] std::size_t old_name_count() const noexcept { return old_by_name_.size(); }

  /// For restore: begins as if `last_number` orders had been accepted. Each recent one is put next,
  /// the oldest first and closed, and then what is open.
  void begin_at(std::uint64_t last_number) noexcept {
    last_number_ = last_number;
    recent_by_name_.begin_at(last_number - recent_count());
  }
  void put(std::uint64_t number, Name name, std::uint32_t order_slot) noexcept {
    recent_[place_of(number)] = {name.client_order_id, name.account_index, order_slot + 1};
    recent_by_name_.advance();
    if (name.client_order_id == 0) return;
    recent_by_name_.insert(name);
    raise_highest(name);
    // Whoever counts upward comes to a new line next.
    if (RecentNames::is_first_of_line(name.client_order_id + 1)) {
      prefetch({name.client_order_id + 1, name.account_index});
    }
  }
  /// An open order whose number no open one has, and whose name is that of the recent order with
  /// this number, or else free.
  void put_open(std::uint64_t number, Name name, std::uint32_t order_slot) noexcept {
    if (is_recent(number)) {
      recent_[place_of(number)].next_slot = order_slot + 1;
    } else {
      put_old(number, name, order_slot);
      raise_highest(name);
    }
  }

 private:
  struct Recent {
    std::uint64_t client_order_id;
    std::uint32_t account_index;
    std::uint32_t next_slot;  // the slot and 1; 0 = not open
  };
  static constexpr std::uint64_t look_ahead = 64;  // in the ring: 16 cache lines

  [[nodiscard]] static std::uint32_t hash_of(std::uint64_t number) noexcept {
    return HashIndex::hash_of(number, 0);
  }
  [[nodiscard]] static std::uint32_t hash_of(Name name) noexcept {
    return HashIndex::hash_of(name.client_order_id, name.account_index + std::uint64_t{1});
  }
  /// Whether a number that an open order may have is not recent.
  [[nodiscard]] bool is_old(std::uint64_t number) const noexcept {
    return number != 0 && number + max_recent_ <= last_number_;
  }
  [[nodiscard]] std::uint32_t place_of(std::uint64_t number) const noexcept {
    return static_cast<std::uint32_t>(number & (recent_.count() - 1));
  }

  void raise_highest(Name name) noexcept {
    std::uint64_t& highest = highest_by_account_[name.account_index];
    if (name.client_order_id > highest) highest = name.client_order_id;
  }

  void put_old(std::uint64_t number, Name name, std::uint32_t order_slot) noexcept {
    old_by_number_.insert(hash_of(number), order_slot);
    if (name.client_order_id != 0) old_by_name_.insert(hash_of(name), order_slot);
  }

  /// The order with this number is recent no longer; it is forgotten unless it is open.
  void let_age(std::uint64_t number) noexcept {
    const std::uint32_t slot = recent_slot_of(number);
    if (slot != no_slot) put_old(number, recent_name_of(number), slot);
    // The ring is too slow a stream for the processor to go ahead by itself.
    recent_.prefetch(place_of(number + look_ahead));
    const std::uint64_t soon = number + look_ahead / 8;
    if (recent_slot_of(soon) != no_slot) old_by_name_.prefetch(hash_of(recent_name_of(soon)));
  }

  LazyArray<Recent> recent_;    // by number
  RecentNames recent_by_name_;  // to their numbers
  HashIndex old_by_number_;     // to slots of open orders that are not recent
  HashIndex old_by_name_;
  // No name in either index is higher: whoever counts upward need not be looked up.
  LazyArray<std::uint64_t> highest_by_account_;
  std::uint64_t max_recent_;
  std::uint64_t last_number_ = 0;
};

/// The last N transfer ids that were applied.
class TransferIds {
 public:
  explicit TransferIds(std::uint32_t max_remembered) noexcept
      : recent_(max_remembered), entries_(max_remembered) {}

  [[nodiscard]] bool contains(std::uint64_t transfer_id) const noexcept {
    return entries_.find(transfer_id) != nullptr;
  }

  /// Takes an id, not 0, that contains() denies; forgets the oldest if there is no room.
  void take(std::uint64_t transfer_id) noexcept {
    std::uint64_t& place = recent_[taken_count_ % recent_.count()];
    if (taken_count_ >= recent_.count()) entries_.erase(place);
    place = transfer_id;
    ++taken_count_;
    entries_.insert({transfer_id});
  }

  [[nodiscard]] std::uint64_t remembered_count() const noexcept {
    return taken_count_ < recent_.count() ? taken_count_ : recent_.count();
  }
  /// The id at `age` from the oldest remembered one.
  [[nodiscard]] std::uint64_t remembered(std::uint64_t age) const noexcept {
    return recent_[(taken_count_ - remembered_count() + age) % recent_.count()];
  }

 private:
  struct Entry {
    using Key = std::uint64_t;
    static constexpr int run_bits = 4;
    std::uint64_t transfer_id = 0;
    [[nodiscard]] Key key() const noexcept { return transfer_id; }
    [[nodiscard]] static std::uint64_t home(Key key) noexcept {
      return home_in_runs<run_bits>(key, 0);
    }
  };

  LazyArray<std::uint64_t> recent_;
  FlatTable<Entry> entries_;
  std::uint64_t taken_count_ = 0;
};

}  // namespace tradepit
