// The state from the bytes of a snapshot: each record is checked, then the whole.
#include <algorithm>
#include <cassert>
#include <cstring>

#include "engine_rules.hpp"
#include "engine_snapshot.hpp"

namespace tradepit::detail {
namespace {

constexpr std::size_t look_ahead = 16;  // orders

using wire::OrderType;
using wire::SelfTradePrevention;
using wire::TimeInForce;

template <typename Record>
bool is_wire_record(const Record& record) noexcept {
  return record.header.version == wire::version && record.header.length == sizeof record &&
         record.header.type == static_cast<std::uint8_t>(Record::type) &&
         record.header.request_id == 0;
}

/// Whether an order with these terms would have none.
bool is_plain(const OrderTerms& own) noexcept {
  static constexpr OrderTerms none{};
  return std::memcmp(&own, &none, sizeof own) == 0;
}

/// Whether the terms of what an order follows belong to its kind and stay within their bounds.
bool is_offset_sound(const OrderTerms& own, bool is_trailing, bool is_pegged) noexcept {
  if (own.offset_ticks < -wire::price_ticks_max || own.offset_ticks > wire::price_ticks_max) {
    return false;
  }
  if (own.trail_offset_bps >= 10'000 || own.peg_reference > wire::PegReference::middle)
    return false;
  if (is_pegged != (own.peg_reference != wire::PegReference::none)) return false;
  if (is_trailing) return own.offset_ticks >= 0;
  return own.trail_offset_bps == 0 && (is_pegged || own.offset_ticks == 0);
}

}  // namespace

/// Links an order of a snapshot with others. False if it cannot be; check() sees to the rest.
bool EngineState::take_link(const LinkRecord& record) noexcept {
  const auto slot_of = [&](std::uint64_t order_id) {
    return order_id == 0 ? no_slot : find_order_id(order_id);
  };
  const std::uint32_t slot = slot_of(record.order_id);
  const Contingency links{slot_of(record.first_id), slot_of(record.second_id)};
  if (slot == no_slot || orders[slot].is_linked == 0 || links.first == slot ||
      links.second == slot || (links.first == no_slot) != (record.first_id == 0) ||
      (links.second == no_slot) != (record.second_id == 0) ||
      contingencies[slot].first != contingencies[slot].second) {
    return false;
  }
  contingencies[slot] = links;
  return true;
}

/// Puts an order of a snapshot to where it rests or waits. Null, or what is wrong with it.
const char* EngineState::take_order(const OrderRecord& record, const OrderTerms& own,
                                    std::uint32_t& slot) noexcept {
  Instrument* const instrument = find_instrument(record.instrument_id);
  const bool rests = may_rest(static_cast<TimeInForce>(record.time_in_force));
  const bool is_gtd = record.time_in_force == static_cast<std::uint8_t>(TimeInForce::gtd);
  const bool is_ioc = record.time_in_force == static_cast<std::uint8_t>(TimeInForce::ioc);
  const bool is_at_the_close =
      record.time_in_force == static_cast<std::uint8_t>(TimeInForce::at_the_close);
  const bool is_pegged = record.order_type == static_cast<std::uint8_t>(OrderType::pegged);
  const bool is_limit = is_pegged ||
                        record.order_type == static_cast<std::uint8_t>(OrderType::limit) ||
                        record.order_type == static_cast<std::uint8_t>(OrderType::market_to_limit);
  const bool is_trailing = record.order_type == static_cast<std::uint8_t>(OrderType::trailing_stop);
  const bool is_stop =
      is_trailing || record.order_type == static_cast<std::uint8_t>(OrderType::stop);
  const bool is_stop_limit = record.order_type == static_cast<std::uint8_t>(OrderType::stop_limit);
  const bool is_kind_possible =
      record.is_waiting != 0
          ? (is_stop && is_ioc) || (is_stop_limit && (rests || is_ioc)) ||
                (is_limit && !is_pegged && (is_at_the_close || (record.is_pending != 0 && rests)))
          : (is_limit || is_stop_limit) && rests;
  const std::int64_t price_ticks_min = is_stop && record.side == 2 ? 0 : 1;
  if (instrument == nullptr || record.account_index >= accounts.count() ||
      record.account_index == Accounts::house || store.orders.is_full() ||
      record.order_id != make_id(config.shard_id, number_of(record.order_id)) ||
      number_of(record.order_id) == 0 || number_of(record.order_id) > order_counter ||
      find_order_id(record.order_id) != no_slot || record.price_ticks < price_ticks_min ||
      (price_ticks_min == 0 && record.price_ticks != 0) || !is_kind_possible ||
      record.is_waiting > 1 || record.has_terms > 1 || (record.has_terms == 0) != is_plain(own) ||
      (own.trigger_price_ticks == 0) != (is_limit || (record.is_pending != 0 && is_trailing)) ||
      record.is_linked > 1 || record.is_pending > record.is_linked ||
      record.is_backed > record.is_linked || record.is_pending > record.is_waiting ||
      (is_gtd ? own.expire_time_ns < 1 || own.expire_time_ns == never_ns
              : own.expire_time_ns != 0) ||
      own.display_quantity_lots < 0 ||
      (own.display_quantity_lots != 0 &&
       record.order_type != static_cast<std::uint8_t>(OrderType::limit)) ||
      record.shown_lots < 1 || record.shown_lots > record.quantity_lots - record.filled_lots ||
      own.trigger_price_ticks < 0 || own.trigger_price_ticks > wire::price_ticks_max ||
      (is_pegged ? own.resting_ticks < 1 || own.resting_ticks > wire::price_ticks_max
                 : own.resting_ticks != 0) ||
      !is_offset_sound(own, is_trailing, is_pegged) || record.taker_fee_ppm > wire::fee_ppm_max ||
      record.price_ticks > wire::price_ticks_max || record.filled_lots < 0 ||
      record.quantity_lots <= record.filled_lots ||
      record.quantity_lots > wire::quantity_lots_max || record.side < 1 || record.side > 2 ||
      record.self_trade_prevention >
          static_cast<std::uint8_t>(SelfTradePrevention::decrement_and_cancel) ||
      record.maker_fee_ppm < -wire::fee_ppm_max || record.maker_fee_ppm > wire::fee_ppm_max) {
    return "the snapshot has an impossible order";
  }
  const bool is_quote_possible =
      record.order_type == static_cast<std::uint8_t>(OrderType::limit) &&
      record.time_in_force == static_cast<std::uint8_t>(TimeInForce::gtc) && record.has_terms == 0;
  if ((record.flags & wire::order_flag::quote) != 0 && !is_quote_possible) {
    return "the snapshot has an impossible order";
  }
  // Bounds what check() multiplies below.
  const int128 price_quantity = static_cast<int128>(record.price_ticks) * record.quantity_lots;
  if (price_quantity >= wire::units_max / instrument->terms.tick_lot_units ||
      record.quantity_lots >= wire::units_max / instrument->terms.lot_size_units) {
    return "the snapshot has an impossible order";
  }
  slot = store.orders.take();
  Order& order = orders[slot];
  order = Order{};
  order.order_id = record.order_id;
  order.client_order_id = record.client_order_id;
  order.price_ticks = record.price_ticks;
  order.quantity_lots = record.quantity_lots;
  order.filled_lots = record.filled_lots;
  order.session_id = record.session_id;
  order.terms_slot = no_slot;
  if (record.has_terms != 0) {
    order.terms_slot = order_terms.take();
    order_terms[order.terms_slot] = own;
  }
  order.account_index = record.account_index;
  order.instrument_id = record.instrument_id;
  set_fees(order, {record.maker_fee_ppm, record.taker_fee_ppm});
  order.side = static_cast<wire::Side>(record.side);
  order.order_type = static_cast<OrderType>(record.order_type);
  order.time_in_force = static_cast<TimeInForce>(record.time_in_force);
  order.is_waiting = record.is_waiting != 0 ? 1 : 0;
  order.is_linked = record.is_linked != 0 ? 1 : 0;
  order.is_pending = record.is_pending != 0 ? 1 : 0;
  order.is_backed = record.is_backed != 0 ? 1 : 0;
  order.flags = record.flags;
  order.self_trade_prevention = static_cast<SelfTradePrevention>(record.self_trade_prevention);
  const std::uint64_t number = number_of(order.order_id);
  const OrderIds::Name name = name_of(order);
  std::uint32_t other_slot;
  if (order_ids.is_recent(number) ? order_ids.recent_name_of(number) != name
                                  : name.client_order_id != 0 && find_name(name, other_slot)) {
    return "the snapshot has an impossible client order id";
  }
  order_ids.put_open(number, name, slot);
  if (order.is_pending != 0) return nullptr;
  if (order.is_waiting == 0) {
    instrument->book.rest(slot, order.side, resting_ticks(order), record.shown_lots,
                          own.display_quantity_lots != 0);
  } else if (is_at_the_close) {
    instrument->closing.rest(slot, order.side, order.price_ticks, order.open_lots());
  } else {
    instrument->stops.rest(slot, opposite(order.side), own.trigger_price_ticks, order.open_lots());
  }
  return nullptr;
}

/// Reads the orders of a snapshot. Null, or what is wrong with them.
const char* EngineState::take_orders(SnapshotReader& reader, std::uint64_t count) {
  std::vector<std::pair<std::uint64_t, std::uint32_t>> old_slots;  // by order id
  std::vector<bool> are_listed;                                    // by slot
  for (; count > 0; --count) {
    OrderRecord record;
    if (!reader.read(record)) return cut_short;
    // Where no order on the way has terms, this is one that comes soon: its ids are far apart.
    if (OrderRecord soon; reader.peek(look_ahead * sizeof record, soon)) {
      order_ids.prefetch_opening(number_of(soon.order_id),
                                 {soon.client_order_id, soon.account_index});
    }
    OrderTerms own{};
    if (record.has_terms != 0 && !reader.read(own)) return cut_short;
    std::uint32_t slot = no_slot;
    if (const char* const broken = take_order(record, own, slot); broken != nullptr) return broken;
    if (!order_ids.is_recent(number_of(record.order_id))) {
      old_slots.emplace_back(record.order_id, slot);
    }
    assert(slot == are_listed.size());  // a new pool gives its slots in turn
    are_listed.push_back(may_be_listed(orders[slot]));
  }
  // Oldest first: what is recent stands in that order already.
  std::sort(old_slots.begin(), old_slots.end());
  for (const auto& [order_id, slot] : old_slots) {
    link_to_account(slot, orders[slot].account_index);
    if (are_listed[slot]) enlist(slot);
  }
  for (std::uint64_t age = order_ids.recent_count(); age > 0; --age) {
    const std::uint32_t soon = order_ids.recent_slot_of(order_counter - age + 1 + look_ahead);
    if (soon != no_slot) account_links.prefetch(soon);
    const std::uint64_t number = order_counter - age + 1;
    const std::uint32_t slot = order_ids.recent_slot_of(number);
    if (slot == no_slot) continue;
    link_to_account(slot, order_ids.recent_name_of(number).account_index);
    if (are_listed[slot]) enlist(slot);
  }
  return nullptr;
}

std::unique_ptr<EngineState> EngineState::restore(std::span<const std::byte> snapshot,
                                                  const char*& error) {
  const auto refuse = [&error](const char* text) {
    error = text;
    return nullptr;
  };
  SnapshotReader reader(snapshot);
  SnapshotHeader header;
  if (!reader.read(header)) return refuse("the snapshot is shorter than its header");
  if (std::memcmp(header.magic, snapshot_magic, sizeof header.magic) != 0) {
    return refuse("these bytes are not a snapshot");
  }
  if (header.version != snapshot_version) {
    return refuse("the snapshot has a version that this program does not read");
  }
  if (header.size_bytes != snapshot.size() || snapshot.size() % 8 != 0) {
    return refuse("the snapshot does not have the length that it states");
  }
  if (header.checksum != chain_digest(digest_start, snapshot.subspan(checked_from))) {
    return refuse("the snapshot's checksum is wrong");
  }
  const std::uint32_t limits[] = {header.max_orders,           header.max_client_order_ids,
                                  header.max_transfer_ids,     header.max_accounts,
                                  header.max_instruments,      header.max_assets,
                                  header.max_remembered_trades};
  for (const std::uint32_t limit : limits) {
    if (limit < 1 || limit > engine_limit_max)
      return refuse("the snapshot's limits are out of range");
  }
  if (header.reserved != 0 || header.shard_id >= (1U << 15) ||
      header.max_instruments >= Instrument::instruments_end) {
    return refuse("the snapshot's limits are out of range");
  }
  if (header.seq >= counts_end || header.order_counter >= counts_end ||
      header.trade_counter >= counts_end || header.session_counter >= wire::tied_session_bit) {
    return refuse("the snapshot's counts are out of range");
  }

  auto state = std::make_unique<EngineState>(EngineConfig{
      .shard_id = header.shard_id,
      .max_orders = header.max_orders,
      .max_client_order_ids = header.max_client_order_ids,
      .max_transfer_ids = header.max_transfer_ids,
      .max_accounts = header.max_accounts,
      .max_instruments = header.max_instruments,
      .max_assets = header.max_assets,
      .max_remembered_trades = header.max_remembered_trades,
  });
  state->seq = header.seq;
  state->digest = header.digest;
  state->time_ns = header.time_ns;
  state->order_counter = header.order_counter;
  state->trade_counter = header.trade_counter;
  state->session_counter = static_cast<std::uint32_t>(header.session_counter);

  for (std::uint64_t count = 0; count < header.asset_count; ++count) {
    wire::AssetChanged terms;
    if (!reader.read(terms)) return refuse(cut_short);
    if (!is_wire_record(terms) || terms.asset_id < 1 || terms.asset_id > header.max_assets ||
        terms.decimals > wire::decimals_max || state->is_listed_asset(terms.asset_id)) {
      return refuse("the snapshot has an impossible asset");
    }
    state->assets[terms.asset_id].terms = terms;
  }
  for (std::uint64_t count = 0; count < header.instrument_count; ++count) {
    wire::InstrumentChanged terms;
    if (!reader.read(terms)) return refuse(cut_short);
    std::int64_t tick_lot_units = 0;
    if (!is_wire_record(terms) ||
        state->judge(command_of(terms), tick_lot_units) != wire::Reason::none ||
        tick_lot_units != terms.tick_lot_units ||
        state->find_instrument(terms.instrument_id) != nullptr) {
      return refuse("the snapshot has an impossible instrument");
    }
    InstrumentRecord record;
    if (!reader.read(record)) return refuse(cut_short);
    FeeTiers fee_tiers;
    TickTable tick_table;
    Calendar calendar;
    if (record.last_price_ticks < 0 || record.last_price_ticks > wire::price_ticks_max ||
        record.reached_low_ticks < 1 || record.reached_high_ticks < 0 ||
        record.reached_high_ticks > wire::price_ticks_max || record.change_state < 1 ||
        record.change_state > 7 || record.change_next_state > 7 || record.uncross_price_ticks < 0 ||
        record.uncross_price_ticks > wire::price_ticks_max || record.due_ns == never_ns ||
        record.change_end_time_ns == never_ns ||
        record.fee_tier_count > std::size(fee_tiers.items) ||
        record.price_band_count > std::size(tick_table.items) ||
        record.entry_count > std::size(calendar.items)) {
      return refuse("the snapshot has an impossible instrument");
    }
    for (; fee_tiers.count < record.fee_tier_count; ++fee_tiers.count) {
      if (!reader.read(fee_tiers.items[fee_tiers.count])) return refuse(cut_short);
    }
    for (; tick_table.count < record.price_band_count; ++tick_table.count) {
      if (!reader.read(tick_table.items[tick_table.count])) return refuse(cut_short);
    }
    for (; calendar.count < record.entry_count; ++calendar.count) {
      if (!reader.read(calendar.items[calendar.count])) return refuse(cut_short);
    }
    if (!tick_table.is_sound() || !calendar.is_sound() ||
        !are_fees_sound(
            {terms.maker_fee_ppm, terms.taker_fee_ppm}, fee_tiers.set(),
            notional_units(terms.price_ticks_max, terms.quantity_lots_max, terms.tick_lot_units))) {
      return refuse("the snapshot has an impossible instrument");
    }
    state->instruments[terms.instrument_id] = std::make_unique<Instrument>(state->store, terms);
    Instrument& instrument = *state->instruments[terms.instrument_id];
    instrument.last_price_ticks = record.last_price_ticks;
    instrument.reached_low_ticks = record.reached_low_ticks;
    instrument.reached_high_ticks = record.reached_high_ticks;
    instrument.change = {record.change_end_time_ns,
                         static_cast<wire::TradingState>(record.change_state),
                         static_cast<wire::TradingState>(record.change_next_state)};
    instrument.uncross_price_ticks = record.uncross_price_ticks;
    if (record.uncross_price_ticks != 0 || record.change_next_state != 0) {
      state->expect_state(instrument, record.due_ns);
    }
    instrument.fee_tiers = fee_tiers;
    instrument.tick_table = tick_table;
    instrument.calendar = calendar;
    state->expect_entry(instrument, record.entry_due_ns);
    if (const char* const wrong =
            read_protections(reader, instrument, record.protection_count, header.account_count);
        wrong != nullptr) {
      return refuse(wrong);
    }
  }
  for (std::uint64_t index = 0; index < header.account_count; ++index) {
    AccountRecord record;
    if (!reader.read(record)) return refuse(cut_short);
    const bool is_house = record.account_id == 0;
    if (is_house != (index == 0) || record.account_id > wire::account_id_max || record.state < 1 ||
        record.is_killed > 1 ||
        record.trade_group > static_cast<std::uint64_t>(wire::account_id_max) || record.state > 2 ||
        record.fee_tier > wire::SetFeeSchedule::repeated_max ||
        (!is_house &&
         (state->accounts.is_full() || state->accounts.find(record.account_id) != no_slot))) {
      return refuse("the snapshot has an impossible account");
    }
    const auto account_state = static_cast<wire::AccountState>(record.state);
    if (!is_house) (void)state->accounts.open(record.account_id, account_state);
    state->accounts[static_cast<std::uint32_t>(index)].changed_seq = record.changed_seq;
    state->accounts[static_cast<std::uint32_t>(index)].trade_group = record.trade_group;
    state->accounts[static_cast<std::uint32_t>(index)].fee_tier =
        static_cast<std::uint8_t>(record.fee_tier);
    state->accounts[static_cast<std::uint32_t>(index)].is_killed = record.is_killed != 0;
  }
  for (std::uint64_t count = 0; count < header.balance_count; ++count) {
    BalanceRecord record;
    if (!reader.read(record)) return refuse(cut_short);
    if (record.account_index >= state->accounts.count() ||
        !state->is_listed_asset(record.asset_id) || record.available_units < 0 ||
        record.held_units < 0) {
      return refuse("the snapshot has an impossible balance");
    }
    const int128 supply_units = static_cast<int128>(state->assets[record.asset_id].supply_units) +
                                record.available_units + record.held_units;
    if (supply_units > wire::units_max) return refuse("the snapshot has an impossible balance");
    state->assets[record.asset_id].supply_units = static_cast<std::int64_t>(supply_units);
    state->accounts.balance(record.account_index, record.asset_id) = {record.available_units,
                                                                      record.held_units};
  }
  for (std::uint64_t count = 0; count < header.position_count; ++count) {
    PositionRecord record;
    if (!reader.read(record)) return refuse(cut_short);
    if (state->find_instrument(record.instrument_id) == nullptr || record.lots == 0 ||
        record.account_index >= state->accounts.count() || record.lots < -position_lots_max ||
        record.lots > position_lots_max ||
        state->position(record.instrument_id, record.account_index) != 0) {
      return refuse("the snapshot has an impossible position");
    }
    state->position(record.instrument_id, record.account_index) = record.lots;
  }
  if (header.client_id_count !=
      std::min<std::uint64_t>(header.order_counter, header.max_client_order_ids)) {
    return refuse("the snapshot miscounts its client order ids");
  }
  std::uint32_t other_slot;
  state->order_ids.begin_at(header.order_counter);
  for (std::uint64_t age = header.client_id_count; age > 0; --age) {
    ClientIdRecord record;
    if (!reader.read(record)) return refuse(cut_short);
    const OrderIds::Name name{record.client_order_id,
                              static_cast<std::uint32_t>(record.account_index)};
    if (record.account_index >= state->accounts.count() ||
        (record.client_order_id != 0 && state->find_name(name, other_slot))) {
      return refuse("the snapshot has an impossible client order id");
    }
    state->order_ids.put(header.order_counter - age + 1, name, no_slot);
  }
  if (header.transfer_id_count > header.max_transfer_ids) {
    return refuse("the snapshot has too many transfer ids");
  }
  for (std::uint64_t count = 0; count < header.transfer_id_count; ++count) {
    std::uint64_t transfer_id;
    if (!reader.read(transfer_id)) return refuse(cut_short);
    if (transfer_id == 0 || state->transfer_ids.contains(transfer_id)) {
      return refuse("the snapshot has an impossible transfer id");
    }
    state->transfer_ids.take(transfer_id);
  }
  if (const char* const wrong = state->read_trades(reader, header.trade_count); wrong != nullptr) {
    return refuse(wrong);
  }

  for (std::uint64_t count = 0; count < header.deadline_count; ++count) {
    DeadlineRecord record;
    if (!reader.read(record)) return refuse(cut_short);
    if (!state->take_deadline(record.kind, record.index, record.time_ns)) {
      return refuse("the snapshot has an impossible deadline");
    }
  }

  if (const char* const wrong = state->take_orders(reader, header.order_count); wrong != nullptr) {
    return refuse(wrong);
  }
  for (std::uint64_t count = 0; count < header.link_count; ++count) {
    LinkRecord record;
    if (!reader.read(record)) return refuse(cut_short);
    if (!state->take_link(record)) return refuse("the snapshot links orders that cannot be");
  }
  for (std::uint64_t count = 0; count < header.activating_count; ++count) {
    std::uint64_t order_id;
    if (!reader.read(order_id)) return refuse(cut_short);
    const std::uint32_t slot = state->find_order_id(order_id);
    if (slot == no_slot || state->orders[slot].is_pending == 0) {
      return refuse("the snapshot would place an order that is not pending");
    }
    state->find_instrument(state->orders[slot].instrument_id)
        ->activating.push(state->follower_links, slot);
  }
  if (!reader.is_at_end()) return refuse("the snapshot has bytes behind its records");
  if (const char* const broken = state->check(Scope::restored); broken != nullptr) {
    return refuse(broken);
  }
  return state;
}

}  // namespace tradepit::detail
