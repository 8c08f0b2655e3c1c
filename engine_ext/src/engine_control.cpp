// What ends many orders at once: mass cancel, kill switch, dead-man timer, the end of a session.
#include "engine_rules.hpp"
#include "engine_state.hpp"

namespace tradepit::detail {
namespace {

using wire::CancelReason;
using wire::KillSwitchState;
using wire::Reason;
using wire::Side;

}  // namespace

/// Cancels what `is_meant` of an account (0 = of all), as far as one command may, and emits the
/// end.
template <typename IsMeant>
void EngineState::sweep(std::uint64_t account_id, IsMeant is_meant, CancelReason reason) noexcept {
  const bool is_asked_for = reason == CancelReason::mass_cancel;
  wire::MassCanceled ended;
  ended.seq = seq;
  ended.time_ns = time_ns;
  ended.account_id = account_id;
  const std::uint32_t begin = account_id == 0 ? 0 : accounts.find(account_id);
  const std::uint32_t end = account_id == 0 ? accounts.count() : begin + 1;
  for (std::uint32_t index = begin; index < end; ++index) {
    for (std::uint32_t slot = accounts[index].oldest_order; slot != no_slot;) {
      const Order& order = orders[slot];
      std::uint32_t younger_slot = account_links[slot].younger;
      if (is_meant(order)) {
        if (may_cancel(ended.canceled_count)) {
          younger_slot = younger_not_linked(slot);
          cancel(slot, reason, is_asked_for);
          ++ended.canceled_count;
        } else {
          ++ended.remaining_count;
        }
      }
      slot = younger_slot;
    }
  }
  emit(ended);
}

void EngineState::mass_cancel(const wire::MassCancel& command) noexcept {
  Reason reason = Reason::none;
  if (command.instrument_id != 0 && find_instrument(command.instrument_id) == nullptr) {
    reason = Reason::unknown_instrument;
  } else if (accounts.find(command.account_id) == no_slot) {
    reason = Reason::unknown_account;
  } else if (static_cast<std::uint8_t>(command.side) > static_cast<std::uint8_t>(Side::sell)) {
    reason = Reason::invalid_side;
  }
  if (reason != Reason::none) {
    reject_command(command.account_id, reason);
    return;
  }
  sweep(
      command.account_id,
      [&](const Order& order) {
        return (command.instrument_id == 0 || command.instrument_id == order.instrument_id) &&
               (command.session_id == 0 || command.session_id == order.session_id) &&
               (command.side == Side{} || command.side == order.side);
      },
      CancelReason::mass_cancel);
}

void EngineState::session_ended(const wire::SessionEnded& command) noexcept {
  if (accounts.find(command.account_id) == no_slot) {
    reject_command(command.account_id, Reason::unknown_account);
    return;
  }
  sweep(
      command.account_id,
      [&](const Order& order) {
        return command.session_id == 0 ? (order.session_id & wire::tied_session_bit) != 0
                                       : order.session_id == command.session_id;
      },
      CancelReason::disconnected);
}

/// Cancels an account's orders, oldest first, until cancels_max are canceled. True if none is left.
bool EngineState::cancel_all(std::uint32_t account_index, CancelReason reason,
                             std::uint32_t& canceled_count) noexcept {
  const Account& account = accounts[account_index];
  while (account.oldest_order != no_slot && may_cancel(canceled_count)) {
    cancel(account.oldest_order, reason, false);
    ++canceled_count;
  }
  return account.oldest_order == no_slot;
}

/// Cancels what a kill switch ends. True if nothing is left.
bool EngineState::kill(std::uint32_t account_index, std::uint32_t& canceled_count) noexcept {
  const bool is_shard = account_index == Accounts::house;
  const std::uint32_t end = is_shard ? accounts.count() : account_index + 1;
  for (std::uint32_t index = account_index; index < end; ++index) {
    if (!cancel_all(index, CancelReason::kill_switch, canceled_count)) return false;
  }
  return true;
}

void EngineState::kill_switch(const wire::KillSwitch& command) noexcept {
  const std::uint32_t account_index = accounts.find(command.account_id);
  if (account_index == no_slot) {
    reject_command(command.account_id, Reason::unknown_account);
    return;
  }
  if (command.state != KillSwitchState::engaged && command.state != KillSwitchState::released) {
    reject_command(command.account_id, Reason::invalid_kill_switch);
    return;
  }
  wire::KillSwitchChanged changed;
  changed.seq = seq;
  changed.time_ns = time_ns;
  changed.account_id = command.account_id;
  changed.state = command.state;
  accounts[account_index].is_killed = command.state == KillSwitchState::engaged;
  clear_deadline(DeadlineKind::kill_switch, account_index);
  if (accounts[account_index].is_killed && !kill(account_index, changed.canceled_count)) {
    set_deadline(DeadlineKind::kill_switch, account_index, due_now_ns());
  }
  emit(changed);
}

void EngineState::report_timer(std::uint32_t account_index, std::int64_t deadline_ns) noexcept {
  wire::CancelAfterChanged changed;
  changed.seq = seq;
  changed.time_ns = time_ns;
  changed.account_id = accounts[account_index].account_id;
  changed.deadline_ns = deadline_ns;
  emit(changed);
}

void EngineState::cancel_after(const wire::CancelAfter& command) noexcept {
  const std::uint32_t account_index =
      command.account_id == 0 ? no_slot : accounts.find(command.account_id);
  if (account_index == no_slot) {
    reject_command(command.account_id, Reason::unknown_account);
    return;
  }
  const std::int64_t now_ns = std::max<std::int64_t>(time_ns, 0);
  if (command.timeout_ns < 0 || command.timeout_ns > wire::cancel_after_ns_max ||
      command.timeout_ns >= never_ns - now_ns) {
    reject_command(command.account_id, Reason::invalid_timeout);
    return;
  }
  if (command.timeout_ns == 0) {
    clear_deadline(DeadlineKind::dead_man, account_index);
    report_timer(account_index, 0);
    return;
  }
  set_deadline(DeadlineKind::dead_man, account_index, now_ns + command.timeout_ns);
  report_timer(account_index, now_ns + command.timeout_ns);
}

}  // namespace tradepit::detail
