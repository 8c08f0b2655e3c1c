// The invariants of the whole state, verified from scratch.
#include <vector>

#include "engine_rules.hpp"
#include "engine_state.hpp"

namespace tradepit::detail {

const char* EngineState::check() const {
  std::uint64_t order_count = 0;
  std::uint64_t level_count = 0;
  std::uint64_t old_count = 0;  // of orders that only old_by_number_ leads to
  std::uint64_t name_count = 0;
  std::uint64_t terms_count = 0;
  std::uint64_t deadline_count = 0;
  std::uint64_t day_count = 0;
  std::vector<std::int64_t> held_units(std::size_t{accounts.count()} * assets.size());
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
    // Both sides of the book, then both of the waiting orders, where buys and sells change places.
    for (const int place : {0, 1, 2, 3}) {
      const bool is_waiting = place >= 2;
      const wire::Side side = place % 2 == 0 ? wire::Side::buy : wire::Side::sell;
      const Book& book = is_waiting ? instrument->stops : instrument->book;
      if (place % 2 == 0) {
        const bool may_be_crossed =
            is_waiting ||
            !(instrument->is_continuous() || terms.trading_state == wire::TradingState::closed);
        const char* const broken = book.check(order_count, level_count, may_be_crossed);
        if (broken != nullptr) return broken;
      }
      for (std::uint32_t level_slot = book.best(is_waiting ? opposite(side) : side);
           level_slot != no_slot; level_slot = store.levels[level_slot].worse) {
        const Level& level = store.levels[level_slot];
        for (std::uint32_t slot = level.head; slot != no_slot; slot = store.orders[slot].next) {
          const Order& order = orders[slot];
          const OrderTerms& own = terms_of(order);
          const std::int64_t shown_lots = store.orders[slot].open_lots;
          const bool is_iceberg = own.display_quantity_lots != 0;
          if ((is_iceberg ? shown_lots > part_lots(order, own) : shown_lots != order.open_lots()) ||
              is_iceberg != (store.orders[slot].is_part != 0) ||
              (is_waiting ? terms_of(order).trigger_price_ticks : order.price_ticks) !=
                  level.price_ticks ||
              order.side != side || (order.is_waiting != 0) != is_waiting ||
              order.instrument_id != terms.instrument_id) {
            return "the book and the engine disagree about an order";
          }
          if (order.terms_slot != no_slot) ++terms_count;
          const bool is_gtd = order.time_in_force == wire::TimeInForce::gtd;
          if (deadlines.has(slot) != is_gtd ||
              (is_gtd && deadlines.time_of(slot) != terms_of(order).expire_time_ns)) {
            return "an order expires at another time than it should";
          }
          if (is_gtd) ++deadline_count;
          if (order.time_in_force == wire::TimeInForce::day) ++day_count;
          if (find_order_id(order.order_id) != slot) return "an order id leads nowhere";
          if (session_number(order.session_id) > session_counter) return "a session is miscounted";
          if (order.client_order_id != 0) {
            std::uint32_t found_slot;
            (void)find_name(name_of(order), found_slot);
            if (found_slot != slot) return "a client order id leads nowhere";
          }
          if (!order_ids.is_recent(number_of(order.order_id))) {
            ++old_count;
            if (order.client_order_id != 0) ++name_count;
          }
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
  }
  if (order_count != store.orders.used_count()) return "an order is in the pool and not in a book";
  if (order_ids.last_number() != order_counter) return "orders are miscounted";
  if (old_count != order_ids.old_count()) return "an order id outlives its order";
  for (std::uint64_t age = 0; age < order_ids.recent_count(); ++age) {
    if (order_ids.recent_name_of(order_counter - age).client_order_id != 0) ++name_count;
  }
  if (const char* const broken = check_deadlines(deadline_count, day_count); broken != nullptr) {
    return broken;
  }
  if (terms_count != order_terms.used_count()) return "an order's terms outlive it";
  if (level_count != store.levels.used_count()) return "a level is in the pool and not in a book";
  if (level_count != store.level_by_price.size()) return "a price outlives its level";
  if (name_count != order_ids.name_count()) return "client order ids are miscounted";

  std::vector<int128> supply_units(assets.size());
  std::uint64_t linked_count = 0;
  for (std::uint32_t index = 0; index < accounts.count(); ++index) {
    const Account& account = accounts[index];
    if (accounts.find(account.account_id) != index) return "an account id leads nowhere";
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
    for (std::uint32_t asset_id = 1; asset_id < assets.size(); ++asset_id) {
      const Balance& balance = accounts.balance(index, asset_id);
      if (balance.available_units < 0 || balance.held_units < 0) return "a balance is negative";
      if (balance.held_units != held_units[index * assets.size() + asset_id]) {
        return "what an account holds is not what its orders need";
      }
      supply_units[asset_id] += static_cast<int128>(balance.available_units) + balance.held_units;
    }
  }
  if (linked_count != order_count) return "an order is missing from its account's list";
  for (std::size_t asset_id = 1; asset_id < assets.size(); ++asset_id) {
    if (supply_units[asset_id] != assets[asset_id].supply_units) {
      return "an asset was made or lost";
    }
  }
  return nullptr;
}

}  // namespace tradepit::detail
