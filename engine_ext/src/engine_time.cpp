// What happens because time passes. Only a Tick does any of it, so that a replay needs no clock.
#include "engine_rules.hpp"
#include "engine_state.hpp"

namespace tradepit::detail {
namespace {

/// Deadlines of one time come by kind, then by what never changes of their owner.
std::uint64_t rank_of(DeadlineKind kind, std::uint64_t number) noexcept {
  return static_cast<std::uint64_t>(kind) << 48 | (number & ((std::uint64_t{1} << 48) - 1));
}

}  // namespace

/// Sets the deadline of an order that has a slot.
void EngineState::expect_expiry(std::uint32_t order_slot) noexcept {
  const Order& order = orders[order_slot];
  if (order.time_in_force != wire::TimeInForce::gtd) return;
  deadlines.set(order_slot, terms_of(order).expire_time_ns,
                rank_of(DeadlineKind::order_expiry, order.order_id));
}

void EngineState::expect_state(const Instrument& instrument, std::int64_t due_ns) noexcept {
  deadlines.set(deadline_owner(instrument), due_ns,
                rank_of(DeadlineKind::trading_state, instrument.terms.instrument_id));
}

void EngineState::tick() noexcept {
  wire::Ticked ended;
  ended.seq = seq;
  ended.time_ns = time_ns;
  while (deadlines.size() > 0 && deadlines.first_ns() <= time_ns &&
         ended.canceled_count < cancels_max) {
    const std::uint32_t owner = deadlines.first().owner;
    if (owner > config.max_orders) {
      // A change of state may have many events: it has a Tick for itself.
      if (ended.canceled_count == 0) advance(*find_instrument(owner - config.max_orders));
      break;
    }
    cancel(owner, wire::CancelReason::expired, false);
    ++ended.canceled_count;
  }
  const std::int64_t next_ns = deadlines.first_ns();
  ended.next_deadline_ns = next_ns == never_ns ? 0 : next_ns;
  emit(ended);
}

}  // namespace tradepit::detail
