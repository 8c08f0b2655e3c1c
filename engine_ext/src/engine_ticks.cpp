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
