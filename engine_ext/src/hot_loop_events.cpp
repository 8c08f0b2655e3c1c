// What the hot loop does with the events of a command: they are counted, become market data and
// answer.
#include <bit>
#include <cstring>

#include "hot_loop_detail.hpp"
#include "tradepit/hot_loop.hpp"

namespace tradepit {
namespace {

using detail::count;
using detail::count_reason;
using detail::load;
using detail::nobody;
using detail::RecordBuffer;

}  // namespace

template <typename Event>
void HotLoop::note_change(const Event& event, std::int64_t quantity_lots) {
  wire::MarketTradeChanged change;
  change.seq = event.seq;
  change.time_ns = event.time_ns;
  change.trade_id = event.trade_id;
  change.price_ticks = event.price_ticks;
  change.quantity_lots = quantity_lots;
  change.instrument_id = event.instrument_id;
  change.taker_side = event.taker_side;
  // It goes where trades go, and has their layout.
  waiting_feed_.push_back({.seq = event.seq,
                           .instrument_id = event.instrument_id,
                           .kind = FeedKind::trade,
                           .trade = std::bit_cast<wire::MarketTrade>(change),
                           .top = {},
                           .auction = {}});
}

/// Counts events, turns trades into market data and sends on the event that is an answer.
void HotLoop::forward_events(std::uint32_t session, std::uint32_t request_id,
                             wire::MessageType command) {
  const std::byte* at = events_.data();
  const std::byte* const end = at + events_.size();
  const std::byte* answer = nullptr;
  while (at < end) {
    const auto header = load<wire::Header>(at);
    switch (static_cast<wire::MessageType>(header.type)) {
      case wire::MessageType::trade: {
        const auto trade = load<wire::Trade>(at);
        WaitingFeed item{.seq = trade.seq,
                         .instrument_id = trade.instrument_id,
                         .kind = FeedKind::trade,
                         .trade = {},
                         .top = {},
                         .auction = {}};
        item.trade.seq = trade.seq;
        item.trade.time_ns = trade.time_ns;
        item.trade.trade_id = trade.trade_id;
        item.trade.price_ticks = trade.price_ticks;
        item.trade.quantity_lots = trade.quantity_lots;
        item.trade.instrument_id = trade.instrument_id;
        item.trade.taker_side = trade.taker_side;
        waiting_feed_.push_back(item);
        count(counters_.trades);
        break;
      }
      case wire::MessageType::trade_busted:
        note_change(load<wire::TradeBusted>(at), 0);
        answer = at;
        break;
      case wire::MessageType::trade_corrected: {
        const auto corrected = load<wire::TradeCorrected>(at);
        note_change(corrected, corrected.quantity_lots);
        answer = at;
        break;
      }
      case wire::MessageType::order_rejected:
        count_reason(counters_.rejected_commands, load<wire::OrderRejected>(at).reason);
        break;
      case wire::MessageType::order_list_rejected:
        count_reason(counters_.rejected_commands, load<wire::OrderListRejected>(at).reason);
        answer = at;
        break;
      case wire::MessageType::command_rejected: {
        const auto event = load<wire::CommandRejected>(at);
        count_reason(counters_.rejected_commands, event.reason);
        if (session == nobody) break;
        reject(session, request_id, 0, event.command_type, event.reason, event.seq);
        break;
      }
      default:
        if (wire::is_answer(command, static_cast<wire::MessageType>(header.type))) answer = at;
        break;
    }
    at += header.length;
  }
  if (session == nobody || answer == nullptr) return;
  RecordBuffer copy;
  const std::size_t length = load<wire::Header>(answer).length;
  std::memcpy(copy.bytes, answer, length);
  std::memcpy(copy.bytes + offsetof(wire::Header, request_id), &request_id, sizeof request_id);
  reply(session, {copy.bytes, length});
}

}  // namespace tradepit
