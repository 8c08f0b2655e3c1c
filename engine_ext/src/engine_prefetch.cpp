// Looking ahead: which memory a command will touch. With a million open orders it is in no cache,
// and what the commands at hand need is then fetched all at once.
#include <cstring>

#include "engine_state.hpp"

namespace tradepit::detail {
namespace {

constexpr int makers_looked_at = 2;
constexpr std::uint32_t orders_in_cache = 4'000;  // with what belongs to them

template <typename Record>
bool read_if(std::span<const std::byte> bytes, Record& record) noexcept {
  if (bytes.size() < sizeof record) return false;
  std::memcpy(&record, bytes.data(), sizeof record);
  return true;
}

}  // namespace

void EngineState::prefetch(std::span<const std::byte> record, int stage) const noexcept {
  wire::Header header;
  if (!read_if(record, header)) return;
  switch (static_cast<wire::MessageType>(header.type)) {
    case wire::MessageType::new_order: {
      wire::NewOrder command;
      if (read_if(record, command)) prefetch_new_order(command, stage);
      break;
    }
    case wire::MessageType::cancel_order: {
      wire::CancelOrder command;
      if (read_if(record, command)) {
        prefetch_order(command.account_id, command.order_id, command.client_order_id, stage);
      }
      break;
    }
    case wire::MessageType::replace_order: {
      wire::ReplaceOrder command;
      if (read_if(record, command)) {
        prefetch_order(command.account_id, command.order_id, command.client_order_id, stage);
      }
      break;
    }
    default:
      break;
  }
}

/// For a command that names an open order: its ids, the order, what taking it out will touch.
void EngineState::prefetch_order(std::uint64_t account_id, std::uint64_t order_id,
                                 std::uint64_t client_order_id, int stage) const noexcept {
  const std::uint64_t number = number_of(order_id);
  std::uint32_t slot = no_slot;
  if (order_id != 0) {
    if (stage == 0) {
      order_ids.prefetch(number);
      return;
    }
    slot = order_ids.guess(number);
  } else {
    const std::uint32_t account_index = account_id == 0 ? no_slot : accounts.find(account_id);
    if (account_index == no_slot || client_order_id == 0) return;
    const OrderIds::Name name{client_order_id, account_index};
    if (stage == 0) {
      order_ids.prefetch(name);
      return;
    }
    slot = order_ids.guess(name);
  }
  if (slot == no_slot) return;
  if (stage == 1) {
    orders.prefetch(slot);
    account_links.prefetch(slot);
    store.orders.prefetch(slot);
  } else if (stage == 2) {
    prefetch_closing(slot);
  }
}

/// For a new order: its name, its price, then the makers that it would meet and what closing them
/// will touch.
void EngineState::prefetch_new_order(const wire::NewOrder& command, int stage) const noexcept {
  const Instrument* const instrument = find_instrument(command.instrument_id);
  if (instrument == nullptr ||
      (command.side != wire::Side::buy && command.side != wire::Side::sell)) {
    return;
  }
  const Book& book = instrument->book;
  const bool has_level = command.price_ticks >= 1 && command.price_ticks <= wire::price_ticks_max;
  if (stage == 0) {
    const std::uint32_t account_index =
        command.account_id == 0 ? no_slot : accounts.find(command.account_id);
    if (account_index != no_slot && command.client_order_id != 0) {
      order_ids.prefetch(OrderIds::Name{command.client_order_id, account_index});
    }
    return;
  }
  if (has_level && !book.crosses(command.side, command.price_ticks)) {
    if (stage == 1) book.prefetch_level(command.side, command.price_ticks);
    if (stage == 2) book.prefetch_tail(command.side, command.price_ticks);
    return;
  }
  if (book.best(opposite(command.side)) == no_slot) return;
  const Level& level = book.level(book.best(opposite(command.side)));
  std::uint32_t maker_slot = level.head;
  for (int count = 0; count < makers_looked_at && maker_slot != no_slot; ++count) {
    if (stage == 1) {
      orders.prefetch(maker_slot);
      account_links.prefetch(maker_slot);
      store.orders.prefetch(maker_slot);
      return;  // where the next one stands is not known yet
    }
    const std::uint32_t next_slot = store.orders[maker_slot].next;
    if (stage == 2 && count == 0 && next_slot != no_slot) {
      orders.prefetch(next_slot);
      account_links.prefetch(next_slot);
      store.orders.prefetch(next_slot);
    }
    if (stage == 3 || count == 0) prefetch_closing(maker_slot);
    maker_slot = next_slot;
  }
}

/// Asks for what accepting an order will touch, while its checks run.
void EngineState::prefetch_placing(const wire::NewOrder& command, const Instrument* instrument,
                                   std::uint32_t account_index) const noexcept {
  if (command.client_order_id != 0) {
    order_ids.prefetch(OrderIds::Name{command.client_order_id, account_index});
  }
  if (store.orders.used_count() < orders_in_cache || instrument == nullptr) return;
  const std::uint32_t youngest_slot = accounts[account_index].youngest_order;
  if (youngest_slot != no_slot) account_links.prefetch(youngest_slot);
  if ((command.side == wire::Side::buy || command.side == wire::Side::sell) &&
      command.price_ticks >= 1 && command.price_ticks <= wire::price_ticks_max) {
    instrument->book.prefetch_level(command.side, command.price_ticks);
  }
}

/// Asks for what closing an order will touch: these misses then overlap instead of adding up.
void EngineState::prefetch_closing(std::uint32_t order_slot) const noexcept {
  const Order& order = orders[order_slot];
  order_ids.prefetch_closing(number_of(order.order_id), name_of(order));
  const auto [older_slot, younger_slot] = account_links[order_slot];
  if (older_slot != no_slot) account_links.prefetch(older_slot);
  if (younger_slot != no_slot) account_links.prefetch(younger_slot);
  const RestingOrder& resting = store.orders[order_slot];
  store.orders.prefetch(resting.next);
  store.orders.prefetch(resting.previous);
  store.levels.prefetch(resting.level);
}

}  // namespace tradepit::detail
