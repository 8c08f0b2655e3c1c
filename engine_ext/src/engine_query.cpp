// Answers to queries. Nothing here changes the state.
#include <cassert>
#include <cstring>

#include "engine_state.hpp"

namespace tradepit::detail {
namespace {

using wire::Reason;

constexpr std::uint32_t open_orders_max = 400;  // a page stays within message_bytes_max

template <typename Record>
Record read_as(const std::byte* bytes) noexcept {
  Record record;
  std::memcpy(&record, bytes, sizeof record);
  return record;
}

/// A table of the instrument as it stands, if it has one; how many records that is.
template <typename Record, typename Item>
std::uint32_t append_table(const wire::Header& request, const Instrument& instrument,
                           std::span<const Item> items, ByteBuffer& out) noexcept {
  if (items.empty()) return 0;
  Record record;
  record.header.request_id = request.request_id;
  record.header.length = static_cast<std::uint16_t>(sizeof record + items.size_bytes());
  record.instrument_id = instrument.terms.instrument_id;
  out.append(record);
  out.append_bytes(std::as_bytes(items));
  return 1;
}

void refuse(const wire::Header& request, Reason reason, ByteBuffer& out) noexcept {
  wire::Reject reject;
  reject.header.request_id = request.request_id;
  reject.reason = reason;
  reject.record_type = request.type;
  reject.flags = wire::report_flag::last;
  out.append(reject);
}

void end(const wire::Header& request, std::uint64_t seq, std::uint64_t account_seq,
         std::uint32_t count, ByteBuffer& out) noexcept {
  wire::QueryEnd record;
  record.header.request_id = request.request_id;
  record.seq = seq;
  record.account_seq = account_seq;
  record.count = count;
  out.append(record);
}

}  // namespace

void EngineState::query(const std::byte* request, ByteBuffer& out) const noexcept {
  switch (static_cast<wire::MessageType>(read_as<wire::Header>(request).type)) {
    case wire::MessageType::instruments_query:
      return query_instruments(read_as<wire::InstrumentsQuery>(request), out);
    case wire::MessageType::book_query:
      return query_book(read_as<wire::BookQuery>(request), out);
    case wire::MessageType::order_query:
      return query_order(read_as<wire::OrderQuery>(request), out);
    case wire::MessageType::open_orders_query:
      return query_open_orders(read_as<wire::OpenOrdersQuery>(request), out);
    case wire::MessageType::balances_query:
      return query_balances(read_as<wire::BalancesQuery>(request), out);
    default:
      assert(false && "not a query that the engine answers");
  }
}

void EngineState::query_instruments(const wire::InstrumentsQuery& request,
                                    ByteBuffer& out) const noexcept {
  std::uint32_t count = 0;
  for (const Asset& asset : assets) {
    if (asset.terms.asset_id == 0) continue;
    wire::AssetChanged record = asset.terms;
    record.header.request_id = request.header.request_id;
    out.append(record);
    ++count;
  }
  for (const std::unique_ptr<Instrument>& instrument : instruments) {
    if (instrument == nullptr) continue;
    wire::InstrumentChanged record = instrument->terms;
    record.header.request_id = request.header.request_id;
    out.append(record);
    ++count;
    count += append_table<wire::FeeScheduleChanged>(request.header, *instrument,
                                                    instrument->fee_tiers.set(), out);
    count += append_table<wire::TickTableChanged>(request.header, *instrument,
                                                  instrument->tick_table.set(), out);
  }
  end(request.header, seq, 0, count, out);
}

void EngineState::query_book(const wire::BookQuery& request, ByteBuffer& out) const noexcept {
  const Instrument* const instrument = find_instrument(request.instrument_id);
  if (instrument == nullptr) return refuse(request.header, Reason::unknown_instrument, out);
  if (request.levels_max < 1 || request.levels_max > wire::book_levels_max) {
    return refuse(request.header, Reason::invalid_quantity, out);
  }
  std::uint32_t count = 0;
  for (const wire::Side side : {wire::Side::buy, wire::Side::sell}) {
    std::uint32_t side_count = 0;
    for (std::uint32_t level_slot = instrument->book.best(side);
         level_slot != no_slot && side_count < request.levels_max; ++side_count) {
      const Level& level = instrument->book.level(level_slot);
      wire::BookLevel record;
      record.header.request_id = request.header.request_id;
      record.price_ticks = level.price_ticks;
      record.quantity_lots = level.open_lots;
      record.order_count = level.order_count;
      record.instrument_id = request.instrument_id;
      record.side = side;
      out.append(record);
      level_slot = instrument->book.worse(level_slot);
    }
    count += side_count;
  }
  end(request.header, seq, 0, count, out);
}

wire::ExecutionReport EngineState::status_report(std::uint32_t order_slot) const noexcept {
  wire::ExecutionReport report = report_of(orders[order_slot], wire::ExecutionKind::status);
  report.command_type = 0;
  return report;
}

void EngineState::query_order(const wire::OrderQuery& request, ByteBuffer& out) const noexcept {
  const std::uint32_t account_index =
      request.account_id == 0 ? no_slot : accounts.find(request.account_id);
  if (account_index == no_slot) return refuse(request.header, Reason::unknown_account, out);
  const std::uint32_t order_slot =
      find_order(account_index, request.order_id, request.client_order_id);
  if (order_slot == no_slot) return refuse(request.header, Reason::unknown_order, out);
  wire::ExecutionReport report = status_report(order_slot);
  report.header.request_id = request.header.request_id;
  report.flags = wire::report_flag::last;
  out.append(report);
}

void EngineState::query_open_orders(const wire::OpenOrdersQuery& request,
                                    ByteBuffer& out) const noexcept {
  if (request.instrument_id != 0 && find_instrument(request.instrument_id) == nullptr) {
    return refuse(request.header, Reason::unknown_instrument, out);
  }
  const std::uint32_t account_index =
      request.account_id == 0 ? no_slot : accounts.find(request.account_id);
  if (account_index == no_slot) return refuse(request.header, Reason::unknown_account, out);
  if (request.count_max < 1 || request.count_max > open_orders_max) {
    return refuse(request.header, Reason::invalid_quantity, out);
  }
  const Account& account = accounts[account_index];
  // A page goes on behind its last order, or, if that has gone, from the oldest with a larger id.
  const std::uint32_t after_slot = find_order(account_index, request.after_order_id, 0);
  std::uint32_t slot =
      after_slot != no_slot ? account_links[after_slot].younger : account.oldest_order;
  std::uint32_t count = 0;
  for (; slot != no_slot && count < request.count_max; slot = account_links[slot].younger) {
    const Order& order = orders[slot];
    if (order.order_id <= request.after_order_id) continue;
    if (request.instrument_id != 0 && request.instrument_id != order.instrument_id) continue;
    wire::ExecutionReport report = status_report(slot);
    report.header.request_id = request.header.request_id;
    out.append(report);
    ++count;
  }
  end(request.header, seq, account.changed_seq, count, out);
}

void EngineState::query_balances(const wire::BalancesQuery& request,
                                 ByteBuffer& out) const noexcept {
  const std::uint32_t account_index = accounts.find(request.account_id);
  if (account_index == no_slot) return refuse(request.header, Reason::unknown_account, out);
  std::uint32_t count = 0;
  for (const Asset& asset : assets) {
    if (asset.terms.asset_id == 0) continue;
    const Balance& balance = accounts.balance(account_index, asset.terms.asset_id);
    wire::Balance record;
    record.header.request_id = request.header.request_id;
    record.account_id = request.account_id;
    record.available_units = balance.available_units;
    record.held_units = balance.held_units;
    record.asset_id = asset.terms.asset_id;
    out.append(record);
    ++count;
  }
  end(request.header, seq, accounts[account_index].changed_seq, count, out);
}

}  // namespace tradepit::detail
