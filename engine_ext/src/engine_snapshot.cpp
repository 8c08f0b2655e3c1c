// The state as bytes. Everything is written in an order that the commands determine, so equal
// states give equal bytes; slots of pools and places in hash tables are not part of it.
#include "engine_snapshot.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

namespace tradepit::detail {
namespace {

/// Orders that are asked for ahead: as many as the processor waits for at the same time.
constexpr std::size_t look_ahead = 16;

}  // namespace

/// The slots of a side's orders, by price and age. In a queue the next order is not known before
/// this one has come from memory: many queues are followed at once.
void EngineState::list_orders(const Book& book, wire::Side side,
                              std::vector<std::uint32_t>& slots) const {
  struct Queue {
    std::uint32_t slot;
    std::size_t place;
  };
  std::array<Queue, look_ahead> queues;
  std::size_t queue_count = 0;
  std::uint32_t level_slot = book.best(side);
  slots.clear();
  const auto begin_next = [&](Queue& queue) {
    if (level_slot == no_slot) return false;
    const Level& level = book.level(level_slot);
    queue = {level.head, slots.size()};
    store.orders.prefetch(level.head);
    slots.resize(slots.size() + level.order_count);
    level_slot = book.worse(level_slot);
    return true;
  };
  while (queue_count < queues.size() && begin_next(queues[queue_count])) ++queue_count;
  while (queue_count > 0) {
    for (std::size_t index = 0; index < queue_count; ++index) {
      Queue& queue = queues[index];
      slots[queue.place++] = queue.slot;
      queue.slot = store.orders[queue.slot].next;
      store.orders.prefetch(queue.slot);
      if (queue.slot == no_slot && !begin_next(queue)) queue = queues[--queue_count];
    }
  }
}

void EngineState::snapshot(ByteBuffer& out) const {
  const std::size_t begin = out.size();
  SnapshotHeader header{};
  std::memcpy(header.magic, snapshot_magic, sizeof header.magic);
  header.version = snapshot_version;
  header.shard_id = config.shard_id;
  header.max_orders = config.max_orders;
  header.max_client_order_ids = config.max_client_order_ids;
  header.max_transfer_ids = config.max_transfer_ids;
  header.max_accounts = config.max_accounts;
  header.max_instruments = config.max_instruments;
  header.max_assets = config.max_assets;
  header.max_remembered_trades = config.max_remembered_trades;
  header.seq = seq;
  header.digest = digest;
  header.time_ns = time_ns;
  header.order_counter = order_counter;
  header.trade_counter = trade_counter;
  header.session_counter = session_counter;
  out.append(header);  // again at the end, with the counts

  for (const Asset& asset : assets) {
    if (asset.terms.asset_id == 0) continue;
    out.append(asset.terms);
    ++header.asset_count;
  }
  for (const std::unique_ptr<Instrument>& instrument : instruments) {
    if (instrument == nullptr) continue;
    out.append(instrument->terms);
    const StateChange& change = instrument->change;
    const std::uint64_t owner = deadline_owner(*instrument);
    out.append(InstrumentRecord{
        change.end_time_ns, deadlines.has(owner) ? deadlines.time_of(owner) : 0,
        instrument->uncross_price_ticks, static_cast<std::uint32_t>(change.state),
        static_cast<std::uint32_t>(change.next_state), instrument->last_price_ticks,
        instrument->reached_low_ticks, instrument->reached_high_ticks, instrument->fee_tiers.count,
        instrument->tick_table.count,
        deadlines.has(calendar_owner(*instrument)) ? deadlines.time_of(calendar_owner(*instrument))
                                                   : never_ns,
        instrument->calendar.count, instrument->protection_count});
    out.append_bytes(std::as_bytes(instrument->fee_tiers.set()));
    out.append_bytes(std::as_bytes(instrument->tick_table.set()));
    out.append_bytes(std::as_bytes(instrument->calendar.set()));
    out.append_bytes(
        std::as_bytes(std::span(instrument->protections, instrument->protection_count)));
    ++header.instrument_count;
  }
  header.account_count = accounts.count();
  for (std::uint32_t index = 0; index < accounts.count(); ++index) {
    const Account& account = accounts[index];
    out.append(AccountRecord{account.account_id, account.changed_seq, account.trade_group,
                             static_cast<std::uint32_t>(account.state), account.fee_tier,
                             static_cast<std::uint16_t>(account.is_killed)});
  }
  for (std::uint32_t index = 0; index < accounts.count(); ++index) {
    for (std::uint32_t asset_id = 1; asset_id <= config.max_assets; ++asset_id) {
      if (!is_listed_asset(asset_id)) continue;
      const Balance& balance = accounts.balance(index, asset_id);
      if (balance.available_units == 0 && balance.held_units == 0) continue;
      out.append(BalanceRecord{index, asset_id, balance.available_units, balance.held_units});
      ++header.balance_count;
    }
  }
  for (const std::unique_ptr<Instrument>& instrument : instruments) {
    if (instrument == nullptr) continue;
    const std::uint32_t instrument_id = instrument->terms.instrument_id;
    for (std::uint32_t index = 0; index < accounts.count(); ++index) {
      const std::int64_t lots = position(instrument_id, index);
      if (lots == 0) continue;
      out.append(PositionRecord{instrument_id, index, lots});
      ++header.position_count;
    }
  }
  header.client_id_count = order_ids.recent_count();
  for (std::uint64_t age = header.client_id_count; age > 0; --age) {
    const OrderIds::Name name = order_ids.recent_name_of(order_counter - age + 1);
    out.append(ClientIdRecord{name.client_order_id, name.account_index});
  }
  header.transfer_id_count = transfer_ids.remembered_count();
  for (std::uint64_t age = 0; age < header.transfer_id_count; ++age) {
    out.append(transfer_ids.remembered(age));
  }
  header.trade_count = trades.remembered_count(trade_counter);
  for (std::uint64_t age = header.trade_count; age > 0; --age) {
    out.append(*trades.find(trade_counter - age + 1, trade_counter));
  }
  const std::pair<DeadlineKind, std::uint64_t> deadline_kinds[] = {
      {DeadlineKind::day_end, instruments.size()},
      {DeadlineKind::dead_man, accounts.count()},
      {DeadlineKind::kill_switch, accounts.count()},
      {DeadlineKind::closing_begins, instruments.size()},
      {DeadlineKind::auction_over, instruments.size()}};
  for (const auto& [kind, index_end] : deadline_kinds) {
    for (std::uint64_t index = 0; index < index_end; ++index) {
      const std::uint64_t owner = deadline_owner(kind, index);
      if (!deadlines.has(owner)) continue;
      out.append(DeadlineRecord{static_cast<std::uint64_t>(kind), index, deadlines.time_of(owner)});
      ++header.deadline_count;
    }
  }
  bool has_linked = false;
  const auto append_order = [&](std::uint32_t slot, std::int64_t shown_lots) {
    const Order& order = orders[slot];
    has_linked |= order.is_linked != 0;
    out.append(
        OrderRecord{.order_id = order.order_id,
                    .client_order_id = order.client_order_id,
                    .price_ticks = order.price_ticks,
                    .quantity_lots = order.quantity_lots,
                    .filled_lots = order.filled_lots,
                    .shown_lots = shown_lots,
                    .account_index = order.account_index,
                    .instrument_id = order.instrument_id,
                    .session_id = order.session_id,
                    .maker_fee_ppm = order.maker_fee_ppm,
                    .taker_fee_ppm = order.taker_fee_ppm,
                    .side = static_cast<std::uint8_t>(order.side),
                    .order_type = static_cast<std::uint8_t>(order.order_type),
                    .time_in_force = static_cast<std::uint8_t>(order.time_in_force),
                    .flags = order.flags,
                    .self_trade_prevention = static_cast<std::uint8_t>(order.self_trade_prevention),
                    .is_waiting = order.is_waiting,
                    .has_terms = static_cast<std::uint8_t>(order.terms_slot != no_slot),
                    .is_linked = order.is_linked,
                    .is_pending = order.is_pending,
                    .is_backed = order.is_backed,
                    .reserved = {}});
    if (order.terms_slot != no_slot) out.append(order_terms[order.terms_slot]);
    ++header.order_count;
  };
  std::vector<std::uint32_t> slots;
  for (const std::unique_ptr<Instrument>& instrument : instruments) {
    if (instrument == nullptr) continue;
    for (const Book* const book : {&instrument->book, &instrument->stops, &instrument->closing}) {
      for (const wire::Side side : {wire::Side::buy, wire::Side::sell}) {
        list_orders(*book, side, slots);
        for (std::size_t index = 0; index < slots.size(); ++index) {
          const std::uint32_t soon = slots[std::min(index + look_ahead, slots.size() - 1)];
          orders.prefetch(soon);
          store.orders.prefetch(soon);
          append_order(slots[index], store.orders[slots[index]].open_lots);
        }
      }
    }
  }
  const auto for_each_order = [&](auto visit) {
    for (std::uint32_t index = 0; index < accounts.count(); ++index) {
      for (std::uint32_t slot = accounts[index].oldest_order; slot != no_slot;
           slot = account_links[slot].younger) {
        visit(slot);
      }
    }
  };
  // Most engines have neither, and need not walk through all of memory for them.
  const bool has_pending = header.order_count != store.orders.used_count();
  if (has_pending) {
    for_each_order([&](std::uint32_t slot) {
      if (orders[slot].is_pending != 0) append_order(slot, orders[slot].open_lots());
    });
  }
  const auto id_of = [&](std::uint32_t slot) {
    return slot == no_slot ? std::uint64_t{0} : orders[slot].order_id;
  };
  if (has_linked) {
    for_each_order([&](std::uint32_t slot) {
      if (orders[slot].is_linked == 0) return;
      const auto [first, second] = contingencies[slot];
      out.append(LinkRecord{id_of(slot), id_of(first), id_of(second)});
      ++header.link_count;
    });
  }
  for (const std::unique_ptr<Instrument>& instrument : instruments) {
    if (instrument == nullptr) continue;
    for (std::uint32_t slot = instrument->activating.oldest; slot != no_slot;
         slot = follower_links[slot].younger) {
      out.append(id_of(slot));
      ++header.activating_count;
    }
  }

  header.size_bytes = out.size() - begin;
  std::byte* const data = out.data() + begin;
  std::memcpy(data, &header, sizeof header);
  header.checksum = chain_digest(
      digest_start,
      {data + checked_from, static_cast<std::size_t>(header.size_bytes) - checked_from});
  std::memcpy(data, &header, sizeof header);
}

}  // namespace tradepit::detail
