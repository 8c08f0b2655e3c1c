#pragma once
// A NewOrderList as the engine reads it.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "tradepit/wire.hpp"

namespace tradepit::detail {

/// The command, and each of its orders as a NewOrder.
struct OrderListView {
  explicit OrderListView(const std::byte* bytes) noexcept {
    std::memcpy(&command, bytes, sizeof command);
    count = static_cast<std::uint32_t>((command.header.length - sizeof command) /
                                       sizeof(wire::ListedOrder));
    for (std::uint32_t index = 0; index < count; ++index) {
      wire::ListedOrder item;
      std::memcpy(&item, bytes + sizeof command + index * sizeof item, sizeof item);
      wire::NewOrder& order = all[index];
      order.time_ns = command.time_ns;
      order.account_id = command.account_id;
      order.instrument_id = command.instrument_id;
      order.session_id = command.session_id;
      order.client_order_id = item.client_order_id;
      order.price_ticks = item.price_ticks;
      order.quantity_lots = item.quantity_lots;
      order.trigger_price_ticks = item.trigger_price_ticks;
      order.display_quantity_lots = item.display_quantity_lots;
      order.minimum_quantity_lots = item.minimum_quantity_lots;
      order.quote_budget_units = item.quote_budget_units;
      order.expire_time_ns = item.expire_time_ns;
      order.offset_ticks = item.offset_ticks;
      order.side = item.side;
      order.order_type = item.order_type;
      order.time_in_force = item.time_in_force;
      order.flags = item.flags;
      order.self_trade_prevention = item.self_trade_prevention;
      order.peg_reference = item.peg_reference;
      order.trail_offset_bps = item.trail_offset_bps;
    }
  }

  [[nodiscard]] std::span<const wire::NewOrder> orders() const noexcept {
    return std::span(all).first(count);
  }

  wire::NewOrderList command;
  std::uint32_t count = 0;
  std::array<wire::NewOrder, wire::NewOrderList::repeated_max> all;
};

}  // namespace tradepit::detail
