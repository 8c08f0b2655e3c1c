// Tick tables: which prices an order may name.
#include <cstring>

#include "engine_state.hpp"

namespace tradepit::detail {

using wire::Reason;

/// Whether the bands begin at rising prices and have possible steps.
bool TickTable::is_sound() const noexcept {
  std::int64_t from_above = 0;
  for (const wire::PriceBand& band : set()) {
    if (band.from_price_ticks <= from_above || band.from_price_ticks > wire::price_ticks_max ||
        band.step_ticks < 1 || band.step_ticks > wire::price_ticks_max) {
      return false;
    }
    from_above = band.from_price_ticks;
  }
  return true;
}

std::int64_t TickTable::step_at(std::int64_t price_ticks) const noexcept {
  std::int64_t step_ticks = 1;
  for (const wire::PriceBand& band : set()) {
    if (price_ticks < band.from_price_ticks) break;
    step_ticks = band.step_ticks;
  }
  return step_ticks;
}

std::int64_t Instrument::nearest_price(wire::Side side, std::int64_t price_ticks) const noexcept {
  const auto bands = tick_table.set();
  if (side == wire::Side::buy) {
    price_ticks = std::min(price_ticks, terms.price_ticks_max);
    for (std::size_t index = bands.size(); index > 0; --index) {
      const wire::PriceBand& band = bands[index - 1];
      if (price_ticks < band.from_price_ticks) continue;
      const std::int64_t multiple = price_ticks - price_ticks % band.step_ticks;
      if (multiple >= band.from_price_ticks) {
        price_ticks = multiple;
        break;
      }
      price_ticks = band.from_price_ticks - 1;
    }
    return price_ticks >= terms.price_ticks_min ? price_ticks : 0;
  }
  price_ticks = std::max(price_ticks, terms.price_ticks_min);
  for (std::size_t index = 0; index < bands.size(); ++index) {
    if (price_ticks < bands[index].from_price_ticks) break;
    const std::int64_t step = bands[index].step_ticks;
    const bool is_last = index + 1 == bands.size();
    if (!is_last && price_ticks >= bands[index + 1].from_price_ticks) continue;
    price_ticks = (price_ticks + step - 1) / step * step;
    if (is_last || price_ticks < bands[index + 1].from_price_ticks) break;
    price_ticks = bands[index + 1].from_price_ticks;  // its band decides
  }
  return price_ticks <= terms.price_ticks_max ? price_ticks : 0;
}

/// `command` points to the record, its bands included.
void EngineState::set_tick_table(const std::byte* command) noexcept {
  wire::SetTickTable record;
  std::memcpy(&record, command, sizeof record);
  Instrument* const instrument = find_instrument(record.instrument_id);
  if (instrument == nullptr) return reject_command(0, Reason::unknown_instrument);
  TickTable table;
  table.count =
      static_cast<std::uint32_t>((record.header.length - sizeof record) / sizeof table.items[0]);
  std::memcpy(table.items, command + sizeof record, table.count * sizeof table.items[0]);
  if (!table.is_sound()) return reject_command(0, Reason::invalid_tick_table);
  instrument->tick_table = table;

  wire::TickTableChanged event;
  event.header.length = static_cast<std::uint16_t>(sizeof event + table.set().size_bytes());
  event.seq = seq;
  event.time_ns = time_ns;
  event.instrument_id = record.instrument_id;
  emit(event);
  events_->append_bytes(std::as_bytes(table.set()));
}

}  // namespace tradepit::detail
