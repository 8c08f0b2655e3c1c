// Trading calendars: states that begin at fixed times of the week.
#include <cstring>

#include "engine_state.hpp"

namespace tradepit::detail {
namespace {

using wire::Reason;
using wire::TradingState;

constexpr std::int64_t minute_ns = 60'000'000'000;
constexpr std::int64_t minutes_per_week = 7 * 24 * 60;
constexpr std::int64_t week_ns = minutes_per_week * minute_ns;
/// The epoch was a Thursday; weeks begin on Monday.
constexpr std::int64_t epoch_in_week_ns = std::int64_t{3} * 24 * 60 * minute_ns;

/// When the week of this time began.
int128 week_of(std::int64_t time_ns) noexcept {
  const int128 since_monday = static_cast<int128>(time_ns) + epoch_in_week_ns;
  int128 weeks = since_monday / week_ns;
  if (weeks * week_ns > since_monday) --weeks;
  return weeks * week_ns - epoch_in_week_ns;
}

}  // namespace

/// Whether the entries are of known states and at rising times.
bool Calendar::is_sound() const noexcept {
  std::int64_t after = -1;
  for (const wire::CalendarEntry& entry : set()) {
    if (entry.minute_of_week <= after || entry.minute_of_week >= minutes_per_week ||
        entry.trading_state < 1 ||
        entry.trading_state > static_cast<std::uint32_t>(TradingState::closed)) {
      return false;
    }
    after = entry.minute_of_week;
  }
  return true;
}

/// The entry that was the last one at this time. There must be one.
const wire::CalendarEntry& Calendar::last_at(std::int64_t time_ns) const noexcept {
  const int128 minute = (static_cast<int128>(time_ns) - week_of(time_ns)) / minute_ns;
  const wire::CalendarEntry* last = &items[count - 1];  // of the week before
  for (const wire::CalendarEntry& entry : set()) {
    if (entry.minute_of_week <= minute) last = &entry;
  }
  return *last;
}

/// When the next entry begins, or never_ns.
std::int64_t Calendar::next_after(std::int64_t time_ns) const noexcept {
  if (count == 0) return never_ns;
  const int128 week = week_of(time_ns);
  int128 next_ns = week + week_ns + items[0].minute_of_week * minute_ns;
  for (std::uint32_t index = count; index > 0; --index) {
    const int128 begin_ns = week + items[index - 1].minute_of_week * minute_ns;
    if (begin_ns > time_ns) next_ns = begin_ns;
  }
  return next_ns < never_ns ? static_cast<std::int64_t>(next_ns) : never_ns;
}

/// `command` points to the record, its entries included.
void EngineState::set_calendar(const std::byte* command) noexcept {
  wire::SetCalendar record;
  std::memcpy(&record, command, sizeof record);
  Instrument* const instrument = find_instrument(record.instrument_id);
  if (instrument == nullptr) return reject_command(0, Reason::unknown_instrument);
  Calendar calendar;
  calendar.count =
      static_cast<std::uint32_t>((record.header.length - sizeof record) / sizeof calendar.items[0]);
  std::memcpy(calendar.items, command + sizeof record, calendar.count * sizeof calendar.items[0]);
  if (!calendar.is_sound()) return reject_command(0, Reason::invalid_calendar);
  instrument->calendar = calendar;
  expect_entry(*instrument, calendar.next_after(time_ns));

  wire::CalendarChanged event;
  event.header.length = static_cast<std::uint16_t>(sizeof event + calendar.set().size_bytes());
  event.seq = seq;
  event.time_ns = time_ns;
  event.instrument_id = record.instrument_id;
  emit(event);
  events_->append_bytes(std::as_bytes(calendar.set()));
}

/// An entry of the calendar is due. Where time has passed several, the last one counts.
void EngineState::follow_calendar(Instrument& instrument) noexcept {
  if (instrument.uncross_price_ticks != 0) return advance(instrument);  // that comes first
  expect_entry(instrument, instrument.calendar.next_after(time_ns));
  const wire::CalendarEntry& entry = instrument.calendar.last_at(time_ns);
  change_state(instrument, {0, static_cast<TradingState>(entry.trading_state), TradingState{}});
}

}  // namespace tradepit::detail
