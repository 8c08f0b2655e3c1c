// Looking ahead: which memory a command will touch. With a million open orders it is in no cache,
// and what the commands at hand need is then fetched all at once.
#include <array>
#include <cstddef>
#include <cstring>

#include "engine_state.hpp"

namespace tradepit::detail {
namespace {

constexpr int makers_looked_at = 2;

/// Where the fields of a command stand that tell what it will touch. A command comes as it likes: a
/// branch on its kind would be guessed wrong every other time. 0 is where a field stands that the
/// command does not have, and what is read there counts for nothing.
struct Fields {
  std::uint8_t size = 0;
  std::uint8_t order_id = 0;
  std::uint8_t client_order_id = 0;
  std::uint8_t price_ticks = 0;
  std::uint8_t instrument_id = 0;
  std::uint8_t side = 0;
  bool names_by_client_id = false;
};

constexpr std::array<Fields, 256> fields_of_type = [] {
  std::array<Fields, 256> fields{};
  fields[static_cast<std::size_t>(wire::MessageType::new_order)] = {
      .size = sizeof(wire::NewOrder),
      .order_id = offsetof(wire::NewOrder, replaces_order_id),
      .client_order_id = offsetof(wire::NewOrder, client_order_id),
      .price_ticks = offsetof(wire::NewOrder, price_ticks),
      .instrument_id = offsetof(wire::NewOrder, instrument_id),
      .side = offsetof(wire::NewOrder, side),
      .names_by_client_id = false};
  fields[static_cast<std::size_t>(wire::MessageType::cancel_order)] = {
      .size = sizeof(wire::CancelOrder),
      .order_id = offsetof(wire::CancelOrder, order_id),
      .client_order_id = offsetof(wire::CancelOrder, client_order_id),
      .names_by_client_id = true};
  fields[static_cast<std::size_t>(wire::MessageType::replace_order)] = {
      .size = sizeof(wire::ReplaceOrder),
      .order_id = offsetof(wire::ReplaceOrder, order_id),
      .client_order_id = offsetof(wire::ReplaceOrder, client_order_id),
      .names_by_client_id = true};
  return fields;
}();
constexpr std::size_t account_id_at = offsetof(wire::NewOrder, account_id);
static_assert(account_id_at == offsetof(wire::CancelOrder, account_id) &&
              account_id_at == offsetof(wire::ReplaceOrder, account_id));

/// The value at `offset`, or 0 for the offset 0.
template <typename Value>
Value value_at(const std::byte* record, std::uint8_t offset) noexcept {
  Value value;
  std::memcpy(&value, record + offset, sizeof value);
  return static_cast<Value>(value * static_cast<Value>(offset != 0));
}

}  // namespace

/// Finds out what the command names and asks for its ids.
Engine::Ahead EngineState::look_at(std::span<const std::byte> record) const noexcept {
  Engine::Ahead ahead;
  wire::Header header;
  if (record.size() < sizeof header) return ahead;
  std::memcpy(&header, record.data(), sizeof header);
  const Fields& fields = fields_of_type[header.type];
  if (fields.size == 0 || record.size() < fields.size) return ahead;
  const std::byte* const at = record.data();
  ahead.order_number = number_of(value_at<std::uint64_t>(at, fields.order_id));
  ahead.account_id = value_at<std::uint64_t>(at, account_id_at);
  ahead.client_order_id = value_at<std::uint64_t>(at, fields.client_order_id);
  const auto price_ticks = value_at<std::int64_t>(at, fields.price_ticks);
  const bool is_price = price_ticks >= 1 && price_ticks <= wire::price_ticks_max;
  ahead.price_ticks = price_ticks * static_cast<std::int64_t>(is_price);
  ahead.instrument_id = value_at<std::uint32_t>(at, fields.instrument_id);
  const bool is_sell = value_at<std::uint8_t>(at, fields.side) == 2;
  ahead.side = static_cast<wire::Side>(1 + static_cast<int>(is_sell));
  ahead.has_client_id_alone = fields.names_by_client_id && ahead.order_number == 0;

  order_ids.prefetch_number(ahead.order_number);
  const std::uint32_t account_index =
      ahead.account_id == 0 ? no_slot : accounts.find(ahead.account_id);
  if (account_index != no_slot) order_ids.prefetch({ahead.client_order_id, account_index});
  return ahead;
}

/// Stage 1 asks for an order and the level of a price, stage 2 for what taking the order out and
/// putting one there will touch; stage 3 goes on with the makers that a new order would meet. Where
/// a command names no order or no price, any will do.
void EngineState::prefetch(Engine::Ahead& ahead, int stage) const noexcept {
  if (stage == 1) {
    std::uint32_t slot = order_ids.guess(ahead.order_number);
    if (ahead.has_client_id_alone) {
      const std::uint32_t account_index = accounts.find(ahead.account_id);
      if (account_index != no_slot && ahead.client_order_id != 0) {
        slot = order_ids.guess(OrderIds::Name{ahead.client_order_id, account_index});
      }
    }
    ahead.order_slot = store.orders.any_if_none(slot);
    prefetch_slot(ahead.order_slot);
    store.prefetch_level(ahead.instrument_id, ahead.side, ahead.price_ticks);
    const Instrument* const named = find_instrument(ahead.instrument_id);
    const Instrument& instrument = named != nullptr ? *named : *no_instrument_;
    ahead.crosses = instrument.book.may_cross(ahead.side, ahead.price_ticks);
  } else if (stage == 2) {
    prefetch_closing(ahead.order_slot);
    store.prefetch_tail(ahead.instrument_id, ahead.side, ahead.price_ticks);
  }
  if (ahead.crosses) prefetch_makers(ahead, stage);
}

/// The first makers that a new order would meet, and what closing them will touch.
void EngineState::prefetch_makers(const Engine::Ahead& ahead, int stage) const noexcept {
  const Book& book = find_instrument(ahead.instrument_id)->book;
  const std::uint32_t best = book.best(opposite(ahead.side));
  if (best == no_slot) return;
  std::uint32_t maker_slot = book.level(best).head;
  for (int count = 0; count < makers_looked_at && maker_slot != no_slot; ++count) {
    if (stage == 1) return prefetch_slot(maker_slot);  // where the next one stands is not known yet
    const std::uint32_t next_slot = store.orders[maker_slot].next;
    if (stage == 2 && count == 0 && next_slot != no_slot) prefetch_slot(next_slot);
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
  if (is_in_cache() || instrument == nullptr) return;
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
  account_links.prefetch(store.orders.any_if_none(older_slot));
  account_links.prefetch(store.orders.any_if_none(younger_slot));
  const RestingOrder& resting = store.orders[order_slot];
  store.orders.prefetch(resting.next);
  store.orders.prefetch(resting.previous);
  store.levels.prefetch(resting.level);
}

}  // namespace tradepit::detail
