#pragma once
#include <cassert>
#include <cstdint>

#include "tradepit/flat_table.hpp"
#include "tradepit/lazy_array.hpp"
#include "tradepit/pool.hpp"
#include "tradepit/wire.hpp"

namespace tradepit {

/// One asset of one account, in the asset's smallest unit. The sum of both over all accounts is the
/// asset's supply, which stays within units_max: no sum of funds can overflow.
struct Balance {
  std::int64_t available_units;
  std::int64_t held_units;

  void hold(std::int64_t units) noexcept {
    assert(units >= 0 && units <= available_units);
    available_units -= units;
    held_units += units;
  }
  void release(std::int64_t units) noexcept {
    assert(units >= 0 && units <= held_units);
    held_units -= units;
    available_units += units;
  }
  void spend(std::int64_t units) noexcept {
    assert(units >= 0 && units <= available_units);
    available_units -= units;
  }
  void spend_held(std::int64_t units) noexcept {
    assert(units >= 0 && units <= held_units);
    held_units -= units;
  }
  void receive(std::int64_t units) noexcept {
    assert(units >= 0);
    available_units += units;
  }
};

struct Account {
  std::uint64_t account_id;
  std::uint64_t changed_seq;  // last command that changed its orders or balances
  std::uint64_t trade_group;  // 0 = the account alone
  std::uint32_t oldest_order;
  std::uint32_t youngest_order;
  std::uint32_t open_order_count;
  wire::AccountState state;
  std::uint8_t fee_tier;
  bool is_killed;  // its kill switch is engaged
  std::uint8_t unused[2];
};

/// The accounts of a shard by index, in the order in which they were opened; index 0 is the house,
/// account_id 0. Sparse ids lead to the index by a hash table.
class Accounts {
 public:
  static constexpr std::uint32_t house = 0;

  Accounts(std::uint32_t max_accounts, std::uint32_t max_assets) noexcept
      : accounts_(static_cast<std::size_t>(max_accounts) + 1),
        balances_((static_cast<std::size_t>(max_accounts) + 1) * max_assets),
        index_by_id_(max_accounts),
        max_assets_(max_assets) {
    accounts_[house] = empty_account(0, wire::AccountState::active);
  }

  /// The house included.
  [[nodiscard]] std::uint32_t count() const noexcept { return count_; }
  [[nodiscard]] bool is_full() const noexcept { return count_ == accounts_.count(); }

  /// The account's index, or no_slot.
  [[nodiscard]] std::uint32_t find(std::uint64_t account_id) const noexcept {
    if (account_id == 0) return house;
    const IdEntry* const entry = index_by_id_.find(account_id);
    return entry == nullptr ? no_slot : entry->index;
  }

  /// Opens an account whose id is new and not 0. There must be room.
  std::uint32_t open(std::uint64_t account_id, wire::AccountState state) noexcept {
    assert(!is_full());
    const std::uint32_t index = count_++;
    accounts_[index] = empty_account(account_id, state);
    index_by_id_.insert({account_id, index, 0});
    return index;
  }

  [[nodiscard]] Account& operator[](std::uint32_t index) noexcept { return accounts_[index]; }
  [[nodiscard]] const Account& operator[](std::uint32_t index) const noexcept {
    return accounts_[index];
  }

  /// Whether trades between the two are self-trades.
  [[nodiscard]] bool is_same_trader(std::uint32_t left, std::uint32_t right) const noexcept {
    if (left == right) return true;
    const std::uint64_t group = accounts_[left].trade_group;
    return group != 0 && group == accounts_[right].trade_group;
  }

  /// `asset_id` from 1 to the shard's maximum.
  [[nodiscard]] Balance& balance(std::uint32_t index, std::uint32_t asset_id) noexcept {
    return balances_[static_cast<std::size_t>(index) * max_assets_ + asset_id - 1];
  }
  [[nodiscard]] const Balance& balance(std::uint32_t index, std::uint32_t asset_id) const noexcept {
    return balances_[static_cast<std::size_t>(index) * max_assets_ + asset_id - 1];
  }

 private:
  struct IdEntry {
    using Key = std::uint64_t;
    static constexpr int run_bits = 4;
    std::uint64_t account_id = 0;
    std::uint32_t index = 0;
    std::uint32_t unused = 0;
    [[nodiscard]] Key key() const noexcept { return account_id; }
    [[nodiscard]] static std::uint64_t home(Key key) noexcept {
      return home_in_runs<run_bits>(key, 0);
    }
  };

  [[nodiscard]] static Account empty_account(std::uint64_t account_id,
                                             wire::AccountState state) noexcept {
    return {account_id, 0, 0, no_slot, no_slot, 0, state, 0, false, {}};
  }

  LazyArray<Account> accounts_;
  LazyArray<Balance> balances_;
  FlatTable<IdEntry> index_by_id_;
  std::uint32_t max_assets_;
  std::uint32_t count_ = 1;
};

}  // namespace tradepit
