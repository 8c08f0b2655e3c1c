// Fee tiers: who pays what, and schedules under which the house never pays.
#include <cstring>

#include "engine_rules.hpp"
#include "engine_state.hpp"

namespace tradepit::detail {

using wire::Reason;

/// Whether an instrument may charge `fees` to tier 0 and `tiers` to the others: no rebate is larger
/// than any taker fee, and the largest order, fee included, stays below units_max.
bool are_fees_sound(const wire::FeeTerms& fees, std::span<const wire::FeeTerms> tiers,
                    std::int64_t largest_notional) noexcept {
  std::int64_t rebate_ppm_max = 0;
  std::int64_t taker_fee_ppm_min = wire::fee_ppm_max;
  std::int64_t fee_ppm_max = 0;
  const auto admit = [&](const wire::FeeTerms& tier) {
    rebate_ppm_max = std::max(rebate_ppm_max, -std::int64_t{tier.maker_fee_ppm});
    taker_fee_ppm_min = std::min<std::int64_t>(taker_fee_ppm_min, tier.taker_fee_ppm);
    fee_ppm_max = std::max<std::int64_t>(fee_ppm_max, hold_fee_ppm(tier));
  };
  admit(fees);
  for (const wire::FeeTerms& tier : tiers) admit(tier);
  if (fee_ppm_max > wire::fee_ppm_max || rebate_ppm_max > taker_fee_ppm_min) return false;
  return static_cast<int128>(largest_notional) + fee_units(largest_notional, fee_ppm_max) <
         wire::units_max;
}

/// `command` points to the record, its tiers included.
void EngineState::set_fee_schedule(const std::byte* command) noexcept {
  wire::SetFeeSchedule schedule;
  std::memcpy(&schedule, command, sizeof schedule);
  Instrument* const instrument = find_instrument(schedule.instrument_id);
  if (instrument == nullptr) return reject_command(0, Reason::unknown_instrument);
  FeeTiers tiers;
  tiers.count = static_cast<std::uint32_t>((schedule.header.length - sizeof schedule) /
                                           sizeof tiers.items[0]);
  std::memcpy(tiers.items, command + sizeof schedule, tiers.count * sizeof tiers.items[0]);
  const wire::InstrumentChanged& terms = instrument->terms;
  if (!are_fees_sound(
          instrument->fees_of(0), tiers.set(),
          notional_units(terms.price_ticks_max, terms.quantity_lots_max, terms.tick_lot_units))) {
    return reject_command(0, Reason::invalid_fee_schedule);
  }
  instrument->fee_tiers = tiers;

  wire::FeeScheduleChanged event;
  event.header.length = static_cast<std::uint16_t>(sizeof event + tiers.set().size_bytes());
  event.seq = seq;
  event.time_ns = time_ns;
  event.instrument_id = schedule.instrument_id;
  emit(event);
  events_->append_bytes(std::as_bytes(tiers.set()));
}

}  // namespace tradepit::detail
