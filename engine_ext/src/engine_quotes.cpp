// Mass quotes, and the protection that pulls them.
#include <cstring>

#include "engine_rules.hpp"
#include "engine_snapshot.hpp"

namespace tradepit::detail {
namespace {

using wire::CancelReason;
using wire::ExecutionKind;
using wire::QuoteProtectionState;
using wire::Reason;
using wire::Side;

constexpr std::uint8_t quote_flag = wire::order_flag::quote;

}  // namespace

/// A MassQuote as the engine works on it: its sides one after the other, level by level, the bid
/// first; those with 0 lots are left out.
struct EngineState::Quotes {
  struct Quote {
    Side side;
    std::int64_t price_ticks;
    std::int64_t lots;
    std::uint32_t kept_slot;  // of the quote that stays for it, or no_slot
  };
  Quote items[2 * wire::MassQuote::repeated_max];
  std::uint32_t count = 0;
  bool is_sound = true;  // its levels fit together

  Quotes(const std::byte* levels, std::size_t level_count) noexcept {
    std::int64_t worst_bid = 0;
    std::int64_t worst_ask = 0;
    std::int64_t best_bid = 0;
    std::int64_t best_ask = 0;
    for (std::size_t index = 0; index < level_count; ++index) {
      wire::QuoteLevel level;
      std::memcpy(&level, levels + index * sizeof level, sizeof level);
      if ((level.bid_lots == 0 && level.bid_price_ticks != 0) ||
          (level.ask_lots == 0 && level.ask_price_ticks != 0)) {
        is_sound = false;
      }
      if (level.bid_lots != 0) {
        if (worst_bid != 0 && level.bid_price_ticks >= worst_bid) is_sound = false;
        if (best_bid == 0) best_bid = level.bid_price_ticks;
        worst_bid = level.bid_price_ticks;
        items[count++] = {Side::buy, level.bid_price_ticks, level.bid_lots, no_slot};
      }
      if (level.ask_lots != 0) {
        if (worst_ask != 0 && level.ask_price_ticks <= worst_ask) is_sound = false;
        if (best_ask == 0) best_ask = level.ask_price_ticks;
        worst_ask = level.ask_price_ticks;
        items[count++] = {Side::sell, level.ask_price_ticks, level.ask_lots, no_slot};
      }
    }
    if (best_bid != 0 && best_ask != 0 && best_bid >= best_ask) is_sound = false;
  }
};

QuoteProtection* Instrument::protection_of(std::uint32_t account_index) noexcept {
  for (std::uint32_t index = 0; index < protection_count; ++index) {
    if (protections[index].account_index == account_index) return &protections[index];
  }
  return nullptr;
}

/// Every check that does not look at what is open.
Reason EngineState::judge_quotes(const wire::MassQuote& command, const Instrument* instrument,
                                 std::uint32_t account_index, const Quotes& quotes) const noexcept {
  if (instrument == nullptr) return Reason::unknown_instrument;
  wire::NewOrder as_order;
  as_order.order_type = wire::OrderType::limit;
  as_order.time_in_force = wire::TimeInForce::gtc;
  as_order.flags = command.flags;
  if (const Reason reason = judge_state(as_order, *instrument); reason != Reason::none) {
    return reason;
  }
  if (account_index == no_slot) return Reason::unknown_account;
  if (accounts[account_index].state != wire::AccountState::active) return Reason::account_suspended;
  if (is_killed(account_index)) return Reason::kill_switch_engaged;
  if ((command.flags & ~wire::order_flag::post_only) != 0) return Reason::invalid_flags;
  const std::span items(quotes.items, quotes.count);
  for (const Quotes::Quote& quote : items) {
    if (!instrument->is_price(quote.price_ticks)) return Reason::invalid_price;
  }
  for (const Quotes::Quote& quote : items) {
    if (quote.lots < instrument->terms.quantity_lots_min ||
        quote.lots > instrument->terms.quantity_lots_max) {
      return Reason::invalid_quantity;
    }
  }
  if (command.self_trade_prevention > wire::SelfTradePrevention::decrement_and_cancel) {
    return Reason::invalid_self_trade_prevention;
  }
  return Reason::none;
}

/// Finds the quotes that stay, and judges what the others need once the old ones have gone.
Reason EngineState::judge_quotes(const wire::MassQuote& command, Instrument& instrument,
                                 std::uint32_t account_index, Quotes& quotes) const noexcept {
  const wire::InstrumentChanged& terms = instrument.terms;
  const std::uint32_t fee_ppm = hold_fee_ppm(instrument.fees_of(accounts[account_index].fee_tier));
  const std::span items(quotes.items, quotes.count);
  int128 more_units[2] = {};  // what bids and asks need that is not held yet
  std::uint32_t gone_count = 0;
  std::uint32_t placed_count = quotes.count;
  for (std::uint32_t slot = instrument.quotes.oldest; slot != no_slot;
       slot = follower_links[slot].younger) {
    const Order& order = orders[slot];
    if (order.account_index != account_index) continue;
    int128& units = more_units[order.side == Side::buy ? 0 : 1];
    units -= hold_units(order, order.open_lots(), terms);
    ++gone_count;
    if (order.flags != (command.flags | quote_flag) || order.session_id != command.session_id ||
        order.self_trade_prevention != command.self_trade_prevention) {
      continue;
    }
    for (Quotes::Quote& quote : items) {
      if (quote.side != order.side || quote.price_ticks != order.price_ticks ||
          quote.lots > order.open_lots() || quote.kept_slot != no_slot) {
        continue;
      }
      quote.kept_slot = slot;
      units += hold_units(order, quote.lots, terms);
      --gone_count;
      --placed_count;
      break;
    }
  }
  for (const Quotes::Quote& quote : items) {
    if (quote.kept_slot != no_slot) continue;
    if (quote.side == Side::sell) {
      more_units[1] += static_cast<int128>(quote.lots) * terms.lot_size_units;
    } else {
      more_units[0] += buy_hold_units(quote.price_ticks, quote.lots, terms.tick_lot_units, fee_ppm);
    }
  }
  if (more_units[0] > accounts.balance(account_index, terms.quote_asset_id).available_units ||
      more_units[1] > accounts.balance(account_index, terms.base_asset_id).available_units) {
    return Reason::insufficient_funds;
  }
  for (const Quotes::Quote& quote : items) {
    if (!instrument.is_notional(quote.price_ticks, quote.lots)) return Reason::invalid_notional;
  }
  for (const Quotes::Quote& quote : items) {
    if (!instrument.is_within_collars(quote.side, quote.price_ticks, false)) {
      return Reason::outside_collar;
    }
  }
  if ((command.flags & wire::order_flag::post_only) != 0) {
    for (const Side side : {Side::buy, Side::sell}) {
      const std::int64_t best_ticks = best_of_others(instrument, opposite(side), account_index);
      for (const Quotes::Quote& quote : items) {
        if (quote.side == side && best_ticks != 0 &&
            (side == Side::buy ? quote.price_ticks >= best_ticks
                               : quote.price_ticks <= best_ticks)) {
          return Reason::post_only_would_trade;
        }
      }
    }
  }
  if (store.orders.used_count() - gone_count + placed_count > store.orders.capacity()) {
    return Reason::too_many_orders;
  }
  if (!quotes.is_sound) return Reason::invalid_quote;
  const QuoteProtection* const protection = instrument.protection_of(account_index);
  if (protection != nullptr && protection->is_pulled != 0) return Reason::quote_protection_active;
  return Reason::none;
}

/// The best price of a side, the account's own quotes not counted; 0 if there is none.
std::int64_t EngineState::best_of_others(const Instrument& instrument, Side side,
                                         std::uint32_t account_index) const noexcept {
  for (std::uint32_t level_slot = instrument.book.best(side); level_slot != no_slot;
       level_slot = instrument.book.worse(level_slot)) {
    for (std::uint32_t slot = store.levels[level_slot].head; slot != no_slot;
         slot = store.orders[slot].next) {
      if (orders[slot].account_index != account_index || (orders[slot].flags & quote_flag) == 0) {
        return store.levels[level_slot].price_ticks;
      }
    }
  }
  return 0;
}

/// `command` points to the record, its levels included.
void EngineState::mass_quote(const std::byte* record) noexcept {
  wire::MassQuote command;
  std::memcpy(&command, record, sizeof command);
  Quotes quotes(record + sizeof command,
                (command.header.length - sizeof command) / sizeof(wire::QuoteLevel));
  Instrument* const instrument = find_instrument(command.instrument_id);
  const std::uint32_t account_index =
      command.account_id == 0 ? no_slot : accounts.find(command.account_id);
  Reason reason = judge_quotes(command, instrument, account_index, quotes);
  if (reason == Reason::none) reason = judge_quotes(command, *instrument, account_index, quotes);
  tell_judged();
  if (reason != Reason::none) return reject_command(command.account_id, reason);

  wire::MassQuoted quoted;
  quoted.seq = seq;
  quoted.time_ns = time_ns;
  quoted.account_id = command.account_id;
  quoted.instrument_id = command.instrument_id;
  const std::span items(quotes.items, quotes.count);
  for (std::uint32_t slot = instrument->quotes.oldest; slot != no_slot;) {
    const std::uint32_t younger_slot = follower_links[slot].younger;
    const auto kept = std::find_if(items.begin(), items.end(),
                                   [&](const auto& quote) { return quote.kept_slot == slot; });
    if (kept != items.end()) {
      shrink_quote(slot, kept->lots, *instrument);
      ++quoted.kept_count;
    } else if (orders[slot].account_index == account_index) {
      cancel(slot, CancelReason::quote_replaced);
      ++quoted.canceled_count;
    }
    slot = younger_slot;
  }
  for (const Quotes::Quote& quote : items) {
    if (quote.kept_slot != no_slot) continue;
    wire::NewOrder order;
    order.account_id = command.account_id;
    order.price_ticks = quote.price_ticks;
    order.quantity_lots = quote.lots;
    order.instrument_id = command.instrument_id;
    order.session_id = command.session_id;
    order.side = quote.side;
    order.order_type = wire::OrderType::limit;
    order.time_in_force = wire::TimeInForce::gtc;
    order.flags = command.flags | quote_flag;
    order.self_trade_prevention = command.self_trade_prevention;
    Placing placing;
    placing.price_ticks = quote.price_ticks;
    placing.quantity_lots = quote.lots;
    (void)place(order, account_index, placing, *instrument);
    ++quoted.placed_count;
  }
  emit(quoted);
  finish_trading(*instrument);
}

/// Leaves a quote open with at most what it has, at its place.
void EngineState::shrink_quote(std::uint32_t order_slot, std::int64_t lots,
                               Instrument& instrument) noexcept {
  Order& order = orders[order_slot];
  const std::int64_t open_lots = order.open_lots();
  if (lots == open_lots) return;
  order.quantity_lots = order.filled_lots + lots;
  release_part(order, open_lots, instrument);
  show_at_most_open(order_slot, instrument);
  touch(instrument);
  accounts[order.account_index].changed_seq = seq;
  wire::OrderReplaced replaced;
  replaced.seq = seq;
  replaced.time_ns = time_ns;
  replaced.order_id = order.order_id;
  replaced.account_id = accounts[order.account_index].account_id;
  replaced.client_order_id = order.client_order_id;
  replaced.price_ticks = order.price_ticks;
  replaced.quantity_lots = order.quantity_lots;
  replaced.filled_lots = order.filled_lots;
  replaced.instrument_id = order.instrument_id;
  replaced.side = order.side;
  replaced.flags = wire::replace_flag::kept_priority;
  emit(replaced);
  if (reports_ != nullptr) answer(report_of(order, ExecutionKind::replaced));
}

void EngineState::set_quote_protection(const wire::SetQuoteProtection& command) noexcept {
  Instrument* const instrument = find_instrument(command.instrument_id);
  const std::uint32_t account_index =
      command.account_id == 0 ? no_slot : accounts.find(command.account_id);
  if (instrument == nullptr) {
    return reject_command(command.account_id, Reason::unknown_instrument);
  }
  if (account_index == no_slot) return reject_command(command.account_id, Reason::unknown_account);
  const bool is_off =
      command.window_ns == 0 && command.filled_lots_max == 0 && command.fill_count_max == 0;
  if (!is_off && (command.window_ns < 1 || command.window_ns > wire::quote_window_ns_max ||
                  command.filled_lots_max < 0 ||
                  (command.filled_lots_max == 0 && command.fill_count_max == 0))) {
    return reject_command(command.account_id, Reason::invalid_quote_protection);
  }
  QuoteProtection* protection = instrument->protection_of(account_index);
  if (!is_off && protection == nullptr) {
    if (instrument->protection_count == wire::quote_protections_max) {
      return reject_command(command.account_id, Reason::too_many_quote_protections);
    }
    protection = &instrument->protections[instrument->protection_count++];
  }
  QuoteProtection changed{};
  changed.window_ns = command.window_ns;
  changed.filled_lots_max = command.filled_lots_max;
  changed.fill_count_max = command.fill_count_max;
  changed.account_index = account_index;
  report_protection(changed, *instrument, 0,
                    is_off ? QuoteProtectionState::off : QuoteProtectionState::armed);
  if (!is_off) {
    *protection = changed;
  } else if (protection != nullptr) {
    std::copy(protection + 1, instrument->protections + instrument->protection_count, protection);
    --instrument->protection_count;
  }
}

void EngineState::report_protection(const QuoteProtection& protection, const Instrument& instrument,
                                    std::uint32_t canceled_count,
                                    QuoteProtectionState state) noexcept {
  wire::QuoteProtectionChanged event;
  event.seq = seq;
  event.time_ns = time_ns;
  event.account_id = accounts[protection.account_index].account_id;
  event.window_ns = protection.window_ns;
  event.filled_lots_max = protection.filled_lots_max;
  event.fill_count_max = protection.fill_count_max;
  event.instrument_id = instrument.terms.instrument_id;
  event.canceled_count = canceled_count;
  event.state = state;
  emit(event);
}

/// Counts a fill of a quote towards its account's protection.
void EngineState::count_quote_fill(const Order& order, std::int64_t lots,
                                   Instrument& instrument) noexcept {
  QuoteProtection* const protection = instrument.protection_of(order.account_index);
  if (protection == nullptr || protection->is_pulled != 0) return;
  const int128 age_ns = static_cast<int128>(time_ns) - protection->window_begin_ns;
  if (protection->fill_count == 0 || age_ns < 0 || age_ns >= protection->window_ns) {
    protection->window_begin_ns = time_ns;
    protection->fill_count = 0;
    protection->filled_lots = 0;
  }
  ++protection->fill_count;
  if (protection->filled_lots_max != 0) protection->filled_lots += lots;
  if ((protection->fill_count_max != 0 && protection->fill_count >= protection->fill_count_max) ||
      (protection->filled_lots_max != 0 &&
       protection->filled_lots >= protection->filled_lots_max)) {
    protection->is_pulled = 1;
    protection->is_due = 1;
    has_due_protections_ = true;
  }
}

/// Cancels the quotes of accounts whose protection was reached, in the order in which protections
/// were set.
void EngineState::pull_quotes(Instrument& instrument) noexcept {
  if (!has_due_protections_) return;
  has_due_protections_ = false;
  for (std::uint32_t index = 0; index < instrument.protection_count; ++index) {
    QuoteProtection& protection = instrument.protections[index];
    if (protection.is_due == 0) continue;
    protection.is_due = 0;
    std::uint32_t canceled_count = 0;
    for (std::uint32_t slot = instrument.quotes.oldest; slot != no_slot;) {
      const std::uint32_t younger_slot = follower_links[slot].younger;
      if (orders[slot].account_index == protection.account_index) {
        cancel(slot, CancelReason::quote_protection, false);
        ++canceled_count;
      }
      slot = younger_slot;
    }
    report_protection(protection, instrument, canceled_count, QuoteProtectionState::pulled);
  }
}

/// Takes the protections that a snapshot has of an instrument. What is wrong with them, or null.
const char* EngineState::read_protections(SnapshotReader& reader, Instrument& instrument,
                                          std::uint64_t count, std::uint64_t account_count) {
  for (; count > 0; --count) {
    QuoteProtection protection;
    if (instrument.protection_count == wire::quote_protections_max || !reader.read(protection)) {
      return cut_short;
    }
    if (protection.account_index == Accounts::house || protection.account_index >= account_count ||
        instrument.protection_of(protection.account_index) != nullptr || protection.window_ns < 1 ||
        protection.window_ns > wire::quote_window_ns_max || protection.filled_lots_max < 0 ||
        (protection.filled_lots_max == 0 && protection.fill_count_max == 0) ||
        protection.filled_lots < 0 || protection.filled_lots > wire::units_max ||
        protection.fill_count >= counts_end || protection.is_pulled > 1 || protection.is_due != 0) {
      return "the snapshot has an impossible quote protection";
    }
    instrument.protections[instrument.protection_count++] = protection;
  }
  return nullptr;
}

}  // namespace tradepit::detail
