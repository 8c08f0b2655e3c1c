// The invariants of the whole state, verified from scratch.
#include <vector>

#include "engine_rules.hpp"
#include "engine_state.hpp"

namespace tradepit::detail {
namespace {

using wire::OrderType;
using wire::TimeInForce;

bool is_trailing(const Order& order) noexcept {
  return order.order_type == OrderType::trailing_stop && order.is_waiting != 0 &&
         order.is_pending == 0;
}

/// A pegged order rests at its limit or behind it; any other has no price of its own to rest at.
bool is_within_limit(const Order& order, const OrderTerms& own) noexcept {
  if (order.order_type != OrderType::pegged) return own.resting_ticks == 0;
  return order.side == wire::Side::buy ? own.resting_ticks <= order.price_ticks
                                       : own.resting_ticks >= order.price_ticks;
}

/// How many orders of an instrument's books belong to each of its lists.
struct ListCounts {
  std::uint32_t day = 0;
  std::uint32_t opening = 0;
  std::uint32_t closing = 0;
  std::uint32_t closing_resting = 0;
  std::uint32_t trailing = 0;
  std::uint32_t pegged = 0;
  std::uint32_t quotes = 0;
  std::uint32_t reduce_only = 0;

  void add(const Order& order) noexcept {
    day += order.time_in_force == TimeInForce::day;
    opening += order.time_in_force == TimeInForce::at_the_open;
    closing += order.time_in_force == TimeInForce::at_the_close;
    closing_resting += order.time_in_force == TimeInForce::at_the_close && order.is_waiting == 0;
    trailing += is_trailing(order);
    pegged += order.order_type == OrderType::pegged;
    reduce_only += (order.flags & wire::order_flag::reduce_only) != 0;
    quotes += (order.flags & wire::order_flag::quote) != 0;
  }
  [[nodiscard]] bool are_those_of(const Instrument& instrument) const noexcept {
    return day == instrument.day_orders.count && opening == instrument.opening_orders.count &&
           closing == instrument.closing_orders.count &&
           closing_resting == instrument.closing_resting_count &&
           trailing == instrument.trailing_stops.count &&
           pegged == instrument.pegged_orders.count && quotes == instrument.quotes.count &&
           reduce_only == instrument.reduce_only_count;
  }
};

}  // namespace

/// Verifies the links of an instrument's lists. Null, or what is broken.
const char* EngineState::check_lists(const Instrument& instrument) const noexcept {
  const auto is_sound = [&](const OrderList& list, const LazyArray<ListLinks>& links, auto is_it) {
    return list.is_sound(links, [&](std::uint32_t slot) {
      return orders[slot].instrument_id == instrument.terms.instrument_id && is_it(orders[slot]);
    });
  };
  const auto has_time = [](TimeInForce time_in_force) {
    return [time_in_force](const Order& order) { return order.time_in_force == time_in_force; };
  };
  const auto is_pegged = [](const Order& order) { return order.order_type == OrderType::pegged; };
  const auto is_quote = [](const Order& order) {
    return (order.flags & wire::order_flag::quote) != 0;
  };
  const bool are_sound =
      is_sound(instrument.day_orders, time_links, has_time(TimeInForce::day)) &&
      is_sound(instrument.opening_orders, time_links, has_time(TimeInForce::at_the_open)) &&
      is_sound(instrument.closing_orders, time_links, has_time(TimeInForce::at_the_close)) &&
      is_sound(instrument.trailing_stops, follower_links, is_trailing) &&
      is_sound(instrument.pegged_orders, follower_links, is_pegged) &&
      is_sound(instrument.quotes, follower_links, is_quote);
  return are_sound ? nullptr : "an instrument's list of orders is broken";
}

/// Verifies that the client order ids of the last orders are taken. Null, or what is broken.
const char* EngineState::check_recent_names() const noexcept {
  for (std::uint64_t age = 0; age < order_ids.recent_count(); ++age) {
    const std::uint64_t number = order_counter - age;
    const OrderIds::Name name = order_ids.recent_name_of(number);
    if (name.client_order_id == 0) continue;
    std::uint32_t slot;
    if (!find_name(name, slot)) return "a client order id is forgotten too soon";
    if (slot != order_ids.recent_slot_of(number)) return "a client order id leads nowhere";
  }
  return nullptr;
}

/// Verifies the list of orders that each account has, all of which are as many as `order_count`.
const char* EngineState::check_accounts(std::uint64_t order_count) const noexcept {
  std::uint64_t linked_count = 0;
  for (std::uint32_t index = 0; index < accounts.count(); ++index) {
    const Account& account = accounts[index];
    std::uint32_t older_slot = no_slot;
    std::uint32_t count = 0;
    for (std::uint32_t slot = account.oldest_order; slot != no_slot;
         slot = account_links[slot].younger) {
      const Order& order = orders[slot];
      if (order.account_index != index || account_links[slot].older != older_slot ||
          (older_slot != no_slot && orders[older_slot].order_id >= order.order_id)) {
        return "an account's list of orders is broken";
      }
      ++count;
      older_slot = slot;
    }
    if (account.youngest_order != older_slot || account.open_order_count != count) {
      return "an account's list of orders is broken";
    }
    linked_count += count;
  }
  return linked_count == order_count ? nullptr : "an order is missing from its account's list";
}

const char* EngineState::check(Scope scope) const {
  const bool is_whole = scope == Scope::all;
  std::uint64_t order_count = 0;
  std::uint64_t level_count = 0;
  std::uint64_t old_count = 0;  // of orders that only old_by_number_ leads to
  std::uint64_t old_name_count = 0;
  std::uint64_t terms_count = 0;
  std::uint64_t deadline_count = 0;
  std::vector<int128> held_units(std::size_t{accounts.count()} * assets.size());
  std::vector<ListCounts> counts(instruments.size());
  const auto check_order = [&](std::uint32_t slot) -> const char* {
    const Order& order = orders[slot];
    if (order.terms_slot != no_slot) ++terms_count;
    const bool is_gtd = order.time_in_force == wire::TimeInForce::gtd;
    if (deadlines.has(slot) != is_gtd ||
        (is_gtd && deadlines.time_of(slot) != terms_of(order).expire_time_ns)) {
      return "an order expires at another time than it should";
    }
    if (is_gtd) ++deadline_count;
    counts[order.instrument_id].add(order);
    if (session_number(order.session_id) > session_counter) return "a session is miscounted";
    if (!is_whole) return nullptr;
    if (find_order_id(order.order_id) != slot) return "an order id leads nowhere";
    if (order.client_order_id != 0) {
      std::uint32_t found_slot;
      (void)find_name(name_of(order), found_slot);
      if (found_slot != slot) return "a client order id leads nowhere";
    }
    if (!order_ids.is_recent(number_of(order.order_id))) {
      ++old_count;
      if (order.client_order_id != 0) ++old_name_count;
    }
    return nullptr;
  };
  const char* const pending_broken = for_each_open(scope, [&](std::uint32_t slot) -> const char* {
    if (orders[slot].is_pending == 0) return nullptr;
    ++order_count;
    return check_order(slot);
  });
  if (pending_broken != nullptr) return pending_broken;
  for (const std::unique_ptr<Instrument>& instrument : instruments) {
    if (instrument == nullptr) continue;
    const wire::InstrumentChanged& terms = instrument->terms;
    const bool is_due = instrument->uncross_price_ticks != 0 ||
                        instrument->change.next_state != wire::TradingState{};
    if (deadlines.has(deadline_owner(*instrument)) != is_due) {
      return "an instrument changes its state at another time than it should";
    }
    if (is_due) ++deadline_count;
    if (deadlines.has(calendar_owner(*instrument))) {
      if (instrument->calendar.count == 0) return "a deadline outlives its calendar";
      ++deadline_count;
    }
    // Both sides of the book, then both of the stop orders, where buys and sells change places,
    // then both of the orders that wait for the closing auction.
    for (const int place : {0, 1, 2, 3, 4, 5}) {
      const bool is_waiting = place >= 2;
      const bool is_stops = place / 2 == 1;
      const wire::Side side = place % 2 == 0 ? wire::Side::buy : wire::Side::sell;
      const Book& book = !is_waiting ? instrument->book
                         : is_stops  ? instrument->stops
                                     : instrument->closing;
      if (place % 2 == 0) {
        const bool may_be_crossed =
            is_waiting ||
            !(instrument->is_continuous() || terms.trading_state == wire::TradingState::closed);
        if (!may_be_crossed && book.is_crossed()) return "the book is crossed";
        const char* const broken = is_whole ? book.check(order_count, level_count) : nullptr;
        if (broken != nullptr) return broken;
      }
      for (std::uint32_t level_slot = book.best(is_stops ? opposite(side) : side);
           level_slot != no_slot; level_slot = book.worse(level_slot)) {
        const Level& level = store.levels[level_slot];
        for (std::uint32_t slot = level.head; slot != no_slot; slot = store.orders[slot].next) {
          const Order& order = orders[slot];
          const OrderTerms& own = terms_of(order);
          const std::int64_t shown_lots = store.orders[slot].open_lots;
          const bool is_iceberg = own.display_quantity_lots != 0 && !is_waiting;
          if ((is_iceberg ? shown_lots > part_lots(order, own) : shown_lots != order.open_lots()) ||
              is_iceberg != (store.orders[slot].is_part != 0) ||
              (is_stops ? own.trigger_price_ticks : resting_ticks(order)) != level.price_ticks ||
              is_stops != (order.is_waiting != 0 && is_stop(order.order_type)) ||
              !is_within_limit(order, own) || order.side != side ||
              (order.is_waiting != 0) != is_waiting || order.instrument_id != terms.instrument_id) {
            return "the book and the engine disagree about an order";
          }
          if (const char* const broken = check_order(slot); broken != nullptr) return broken;
          if (order.is_backed != 0) continue;
          const std::uint32_t asset_id =
              side == wire::Side::sell ? terms.base_asset_id : terms.quote_asset_id;
          held_units[order.account_index * assets.size() + asset_id] +=
              side == wire::Side::sell
                  ? order.open_lots() * terms.lot_size_units
                  : buy_hold_units(order.price_ticks, order.open_lots(), terms.tick_lot_units,
                                   hold_fee_ppm(fees_of(order)));
        }
      }
    }
    if (!counts[terms.instrument_id].are_those_of(*instrument))
      return "an instrument's lists miss an order";
    if (const char* const broken = check_lists(*instrument); broken != nullptr) return broken;
  }
  if (const char* const broken = check_contingencies(scope); broken != nullptr) return broken;
  if (order_ids.last_number() != order_counter) return "orders are miscounted";
  if (const char* const broken = check_deadlines(deadline_count); broken != nullptr) return broken;
  if (const char* const broken = check_positions(); broken != nullptr) return broken;
  if (terms_count != order_terms.used_count()) return "an order's terms outlive it";
  if (const char* const broken = check_trades(); broken != nullptr) return broken;

  if (is_whole) {
    if (order_count != store.orders.used_count())
      return "an order is in the pool and not in a book";
    if (level_count != store.levels.used_count()) return "a level is in the pool and not in a book";
    if (level_count != store.ladder.level_count()) return "a price outlives its level";
    if (old_count != order_ids.old_count()) return "an order id outlives its order";
    if (old_name_count != order_ids.old_name_count()) return "client order ids are miscounted";
    if (const char* const broken = check_recent_names(); broken != nullptr) return broken;
    if (const char* const broken = check_accounts(order_count); broken != nullptr) return broken;
  }

  std::vector<int128> supply_units(assets.size());
  for (std::uint32_t index = 0; index < accounts.count(); ++index) {
    if (accounts.find(accounts[index].account_id) != index) return "an account id leads nowhere";
    for (std::uint32_t asset_id = 1; asset_id < assets.size(); ++asset_id) {
      const Balance& balance = accounts.balance(index, asset_id);
      if (balance.available_units < 0 || balance.held_units < 0) return "a balance is negative";
      if (balance.held_units != held_units[index * assets.size() + asset_id]) {
        return "what an account holds is not what its orders need";
      }
      supply_units[asset_id] += static_cast<int128>(balance.available_units) + balance.held_units;
    }
  }
  for (std::size_t asset_id = 1; asset_id < assets.size(); ++asset_id) {
    if (supply_units[asset_id] != assets[asset_id].supply_units) {
      return "an asset was made or lost";
    }
  }
  return nullptr;
}

}  // namespace tradepit::detail
