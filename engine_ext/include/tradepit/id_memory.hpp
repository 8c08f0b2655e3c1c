#pragma once
#include <cstdint>

#include "tradepit/flat_table.hpp"
#include "tradepit/lazy_array.hpp"
#include "tradepit/pool.hpp"

namespace tradepit {

/// The client order ids that may not be used again: those of open orders, and the last N that the
/// shard accepted. It also leads from a client order id to its open order.
class ClientOrderIds {
 public:
  struct Id {
    std::uint64_t client_order_id = 0;  // never 0 in use
    std::uint32_t account_index = 0;
    std::uint32_t unused = 0;
    friend bool operator==(const Id&, const Id&) = default;
  };

  ClientOrderIds(std::uint32_t max_remembered, std::uint32_t max_orders) noexcept
      : recent_(max_remembered), entries_(std::size_t{max_remembered} + max_orders) {}

  /// Whether the id is taken; `order_slot` is its open order's, or no_slot.
  [[nodiscard]] bool find(Id id, std::uint32_t& order_slot) const noexcept {
    const Entry* const entry = entries_.find(id);
    order_slot = entry == nullptr ? no_slot : entry->order_slot;
    return entry != nullptr;
  }

  /// Asks for the memory of an id ahead of its use.
  void prefetch(Id id) const noexcept { entries_.prefetch(id); }

  /// Takes an id that is free, for the order in `order_slot`, or no_slot if that is closed already.
  /// Returns the number of the id, which close() wants back. Forgets the oldest closed one.
  std::uint64_t take(Id id, std::uint32_t order_slot) noexcept {
    Id& place = recent_[taken_count_ % recent_.count()];
    if (taken_count_ >= recent_.count()) {
      const Entry* const oldest = entries_.find(place);
      if (oldest->order_slot == no_slot) entries_.erase(place);
    }
    place = id;
    ++taken_count_;
    entries_.insert({id.client_order_id, id.account_index, order_slot});
    return taken_count_;
  }

  /// The order of this id, taken as `number`, is open no longer.
  void close(Id id, std::uint64_t number) noexcept {
    if (taken_count_ - number < recent_.count()) {
      entries_.find(id)->order_slot = no_slot;
    } else {
      entries_.erase(id);
    }
  }

  /// Ids taken since the shard began.
  [[nodiscard]] std::uint64_t taken_count() const noexcept { return taken_count_; }
  [[nodiscard]] std::uint64_t remembered_count() const noexcept {
    return taken_count_ < recent_.count() ? taken_count_ : recent_.count();
  }
  /// The id that was taken as `number`, one of the last remembered_count().
  [[nodiscard]] Id remembered(std::uint64_t number) const noexcept {
    return recent_[(number - 1) % recent_.count()];
  }

  /// For restore: begins with nothing remembered, as if `taken_count` ids had been taken.
  void begin_at(std::uint64_t taken_count) noexcept { taken_count_ = taken_count; }
  /// For restore: puts back an id that was taken as `number`. False if it is there twice.
  [[nodiscard]] bool put_remembered(Id id, std::uint64_t number) noexcept {
    recent_[(number - 1) % recent_.count()] = id;
    if (entries_.find(id) != nullptr) return false;
    entries_.insert({id.client_order_id, id.account_index, no_slot});
    return true;
  }
  /// For restore, after the remembered ones: puts back the id of an open order. False if another
  /// order has it.
  [[nodiscard]] bool put_open(Id id, std::uint32_t order_slot, std::uint64_t number) noexcept {
    const bool is_remembered = taken_count_ - number < remembered_count();
    Entry* const entry = entries_.find(id);
    if (is_remembered) {
      if (entry == nullptr || entry->order_slot != no_slot || remembered(number) != id)
        return false;
      entry->order_slot = order_slot;
      return true;
    }
    if (entry != nullptr) return false;
    entries_.insert({id.client_order_id, id.account_index, order_slot});
    return true;
  }

  [[nodiscard]] std::size_t entry_count() const noexcept { return entries_.size(); }

 private:
  struct Entry {
    using Key = Id;
    std::uint64_t client_order_id = 0;
    std::uint32_t account_index = 0;
    std::uint32_t order_slot = 0;
    [[nodiscard]] Key key() const noexcept { return {client_order_id, account_index, 0}; }
    [[nodiscard]] static std::uint64_t home(Key key) noexcept {
      return home_in_runs(key.client_order_id, key.account_index + std::uint64_t{1});
    }
  };

  LazyArray<Id> recent_;
  FlatTable<Entry> entries_;
  std::uint64_t taken_count_ = 0;
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
    std::uint64_t transfer_id = 0;
    [[nodiscard]] Key key() const noexcept { return transfer_id; }
    [[nodiscard]] static std::uint64_t home(Key key) noexcept { return home_in_runs(key, 0); }
  };

  LazyArray<std::uint64_t> recent_;
  FlatTable<Entry> entries_;
  std::uint64_t taken_count_ = 0;
};

}  // namespace tradepit
