// Assets, instruments, accounts and transfers.
#include <cstring>

#include "engine_rules.hpp"
#include "engine_state.hpp"

namespace tradepit::detail {
namespace {

using wire::Reason;

/// A symbol is 1 to 16 printable ASCII characters without spaces, padded with zeros.
bool is_symbol(const char (&symbol)[16]) noexcept {
  std::size_t length = 0;
  while (length < sizeof symbol && symbol[length] >= '!' && symbol[length] <= '~') ++length;
  for (std::size_t index = length; index < sizeof symbol; ++index) {
    if (symbol[index] != '\0') return false;
  }
  return length > 0;
}

bool is_range(std::int64_t low, std::int64_t high, std::int64_t high_max) noexcept {
  return low >= 1 && low <= high && high <= high_max;
}

}  // namespace

/// The command that leaves an instrument with these terms.
wire::SetInstrument command_of(const wire::InstrumentChanged& terms) noexcept {
  wire::SetInstrument command;
  std::memcpy(command.symbol, terms.symbol, sizeof command.symbol);
  command.tick_size = terms.tick_size;
  command.lot_size_units = terms.lot_size_units;
  command.price_ticks_min = terms.price_ticks_min;
  command.price_ticks_max = terms.price_ticks_max;
  command.quantity_lots_min = terms.quantity_lots_min;
  command.quantity_lots_max = terms.quantity_lots_max;
  command.instrument_id = terms.instrument_id;
  command.base_asset_id = terms.base_asset_id;
  command.quote_asset_id = terms.quote_asset_id;
  command.maker_fee_ppm = terms.maker_fee_ppm;
  command.taker_fee_ppm = terms.taker_fee_ppm;
  command.market_protection_ppm = terms.market_protection_ppm;
  command.price_decimals = terms.price_decimals;
  command.trading_state = terms.trading_state;
  command.allocation = terms.allocation;
  command.notional_units_min = terms.notional_units_min;
  command.notional_units_max = terms.notional_units_max;
  command.reference_price_ticks = terms.reference_price_ticks;
  command.static_collar_ppm = terms.static_collar_ppm;
  command.dynamic_collar_ppm = terms.dynamic_collar_ppm;
  command.breaker_ppm = terms.breaker_ppm;
  command.breaker_auction_ns = terms.breaker_auction_ns;
  return command;
}

void EngineState::set_asset(const wire::SetAsset& command) noexcept {
  const std::uint32_t asset_id = command.asset_id;
  const bool is_valid =
      asset_id >= 1 && asset_id < assets.size() && is_symbol(command.symbol) &&
      command.decimals <= wire::decimals_max &&
      (!is_listed_asset(asset_id) || assets[asset_id].terms.decimals == command.decimals);
  if (!is_valid) {
    reject_command(0, Reason::invalid_asset);
    return;
  }
  wire::AssetChanged& terms = assets[asset_id].terms;
  terms.seq = seq;
  terms.time_ns = time_ns;
  std::memcpy(terms.symbol, command.symbol, sizeof terms.symbol);
  terms.asset_id = asset_id;
  terms.decimals = command.decimals;
  emit(terms);
}

Reason EngineState::judge(const wire::SetInstrument& command,
                          std::int64_t& tick_lot_units) const noexcept {
  if (!is_listed_asset(command.base_asset_id) || !is_listed_asset(command.quote_asset_id)) {
    return Reason::unknown_asset;
  }
  const bool is_in_range =
      command.instrument_id >= 1 && command.instrument_id < instruments.size() &&
      command.base_asset_id != command.quote_asset_id && is_symbol(command.symbol) &&
      command.tick_size >= 1 && command.lot_size_units >= 1 &&
      is_range(command.price_ticks_min, command.price_ticks_max, wire::price_ticks_max) &&
      is_range(command.quantity_lots_min, command.quantity_lots_max, wire::quantity_lots_max) &&
      command.market_protection_ppm <= wire::market_protection_ppm_max &&
      command.price_decimals <= wire::decimals_max && command.notional_units_min >= 0 &&
      command.notional_units_max >= 0 &&
      (command.notional_units_max == 0 ||
       command.notional_units_min <= command.notional_units_max) &&
      command.static_collar_ppm <= millionths && command.dynamic_collar_ppm <= millionths &&
      command.breaker_ppm <= millionths && command.breaker_auction_ns >= 0 &&
      (command.breaker_ppm != 0) == (command.breaker_auction_ns != 0) &&
      command.reference_price_ticks >= 0 &&
      command.reference_price_ticks <= wire::price_ticks_max &&
      command.trading_state >= wire::TradingState::continuous &&
      command.trading_state <= wire::TradingState::closed &&
      command.allocation <= wire::Allocation::pro_rata;
  if (!is_in_range) return Reason::invalid_instrument;

  const Instrument* const listed = find_instrument(command.instrument_id);
  if (listed != nullptr) {
    const wire::InstrumentChanged& terms = listed->terms;
    if (terms.base_asset_id != command.base_asset_id ||
        terms.quote_asset_id != command.quote_asset_id || terms.tick_size != command.tick_size ||
        terms.lot_size_units != command.lot_size_units ||
        terms.price_decimals != command.price_decimals || terms.allocation != command.allocation) {
      return Reason::invalid_instrument;
    }
  }
  tick_lot_units = tick_lot_units_of(
      command.tick_size, command.lot_size_units, command.price_decimals,
      assets[command.base_asset_id].terms.decimals, assets[command.quote_asset_id].terms.decimals);
  if (tick_lot_units == 0) return Reason::invalid_instrument;

  // The largest order stays below units_max on either side. The bounds checked so far keep price
  // times quantity within 2^80; dividing first keeps the rest within 128 bits.
  const int128 price_quantity =
      static_cast<int128>(command.price_ticks_max) * command.quantity_lots_max;
  if (price_quantity > wire::units_max / tick_lot_units) return Reason::invalid_instrument;
  const int128 base_units = static_cast<int128>(command.quantity_lots_max) * command.lot_size_units;
  if (base_units >= wire::units_max) return Reason::invalid_instrument;
  const auto notional = static_cast<std::int64_t>(price_quantity * tick_lot_units);
  const std::span<const wire::FeeTerms> tiers =
      listed != nullptr ? listed->fee_tiers.set() : std::span<const wire::FeeTerms>{};
  return are_fees_sound({command.maker_fee_ppm, command.taker_fee_ppm}, tiers, notional)
             ? Reason::none
             : Reason::invalid_instrument;
}

void EngineState::set_instrument(const wire::SetInstrument& command) noexcept {
  std::int64_t tick_lot_units = 0;
  Reason reason = judge(command, tick_lot_units);
  Instrument* const listed = find_instrument(command.instrument_id);
  if (reason == Reason::none && listed != nullptr && listed->uncross_price_ticks != 0) {
    reason = Reason::auction_ending;
  }
  if (reason != Reason::none) {
    reject_command(0, reason);
    return;
  }
  wire::InstrumentChanged terms;
  terms.seq = seq;
  terms.time_ns = time_ns;
  std::memcpy(terms.symbol, command.symbol, sizeof terms.symbol);
  terms.tick_size = command.tick_size;
  terms.lot_size_units = command.lot_size_units;
  terms.tick_lot_units = tick_lot_units;
  terms.price_ticks_min = command.price_ticks_min;
  terms.price_ticks_max = command.price_ticks_max;
  terms.quantity_lots_min = command.quantity_lots_min;
  terms.quantity_lots_max = command.quantity_lots_max;
  terms.instrument_id = command.instrument_id;
  terms.base_asset_id = command.base_asset_id;
  terms.quote_asset_id = command.quote_asset_id;
  terms.maker_fee_ppm = command.maker_fee_ppm;
  terms.taker_fee_ppm = command.taker_fee_ppm;
  terms.market_protection_ppm = command.market_protection_ppm;
  terms.price_decimals = command.price_decimals;
  terms.trading_state = command.trading_state;
  terms.allocation = command.allocation;
  terms.notional_units_min = command.notional_units_min;
  terms.notional_units_max = command.notional_units_max;
  terms.reference_price_ticks = command.reference_price_ticks;
  if (command.reference_price_ticks == 0 && listed != nullptr) {
    terms.reference_price_ticks = listed->terms.reference_price_ticks;
  }
  terms.static_collar_ppm = command.static_collar_ppm;
  terms.dynamic_collar_ppm = command.dynamic_collar_ppm;
  terms.breaker_ppm = command.breaker_ppm;
  terms.breaker_auction_ns = command.breaker_auction_ns;
  emit(terms);
  if (listed == nullptr) {
    instruments[command.instrument_id] = std::make_unique<Instrument>(store, terms);
    return;
  }
  terms.trading_state = listed->terms.trading_state;
  listed->terms = terms;
  if (command.trading_state != terms.trading_state) {
    change_state(*listed, {0, command.trading_state, {}});
  }
}

void EngineState::set_account(const wire::SetAccount& command) noexcept {
  std::uint32_t index = accounts.find(command.account_id);
  Reason reason = Reason::none;
  if (index == no_slot && accounts.is_full()) {
    reason = Reason::too_many_accounts;
  } else if (command.account_id == 0 ||
             command.account_id > static_cast<std::uint64_t>(wire::account_id_max) ||
             command.trade_group > static_cast<std::uint64_t>(wire::account_id_max) ||
             command.fee_tier > wire::SetFeeSchedule::repeated_max ||
             (command.state != wire::AccountState::active &&
              command.state != wire::AccountState::suspended)) {
    reason = Reason::invalid_account;
  }
  if (reason != Reason::none) {
    reject_command(command.account_id, reason);
    return;
  }
  if (index == no_slot) {
    index = accounts.open(command.account_id, command.state);
  } else {
    accounts[index].state = command.state;
  }
  accounts[index].trade_group = command.trade_group;
  accounts[index].fee_tier = command.fee_tier;
  accounts[index].changed_seq = seq;
  wire::AccountChanged event;
  event.seq = seq;
  event.time_ns = time_ns;
  event.account_id = command.account_id;
  event.trade_group = command.trade_group;
  event.fee_tier = command.fee_tier;
  event.state = command.state;
  emit(event);
}

void EngineState::credit(const wire::Credit& command) noexcept {
  const std::uint32_t account_index = accounts.find(command.account_id);
  Reason reason = Reason::none;
  if (account_index == no_slot) {
    reason = Reason::unknown_account;
  } else if (command.transfer_id != 0 && transfer_ids.contains(command.transfer_id)) {
    reason = Reason::duplicate_transfer;
  } else if (!is_listed_asset(command.asset_id)) {
    reason = Reason::unknown_asset;
  } else if (command.amount_units < 1 ||
             command.amount_units > wire::units_max - assets[command.asset_id].supply_units ||
             command.transfer_id == 0 || (command.transfer_id >> 63) != 0) {
    reason = Reason::invalid_amount;
  }
  if (reason != Reason::none) {
    reject_command(command.account_id, reason);
    return;
  }
  accounts.balance(account_index, command.asset_id).receive(command.amount_units);
  transfer(account_index, command.account_id, command.transfer_id, command.asset_id,
           command.amount_units);
}

void EngineState::debit(const wire::Debit& command) noexcept {
  const std::uint32_t account_index = accounts.find(command.account_id);
  const bool is_asset = is_listed_asset(command.asset_id);
  Reason reason = Reason::none;
  if (account_index == no_slot) {
    reason = Reason::unknown_account;
  } else if (command.transfer_id != 0 && transfer_ids.contains(command.transfer_id)) {
    reason = Reason::duplicate_transfer;
  } else if (is_asset && accounts.balance(account_index, command.asset_id).available_units <
                             command.amount_units) {
    reason = Reason::insufficient_funds;
  } else if (!is_asset) {
    reason = Reason::unknown_asset;
  } else if (command.amount_units < 1 || command.transfer_id == 0 ||
             (command.transfer_id >> 63) != 0) {
    reason = Reason::invalid_amount;
  }
  if (reason != Reason::none) {
    reject_command(command.account_id, reason);
    return;
  }
  accounts.balance(account_index, command.asset_id).spend(command.amount_units);
  transfer(account_index, command.account_id, command.transfer_id, command.asset_id,
           -command.amount_units);
}

/// Records a transfer whose amount has been added to the balance.
void EngineState::transfer(std::uint32_t account_index, std::uint64_t account_id,
                           std::uint64_t transfer_id, std::uint32_t asset_id,
                           std::int64_t delta_units) noexcept {
  assets[asset_id].supply_units += delta_units;
  transfer_ids.take(transfer_id);
  accounts[account_index].changed_seq = seq;
  const Balance& balance = accounts.balance(account_index, asset_id);
  wire::BalanceChanged event;
  event.seq = seq;
  event.time_ns = time_ns;
  event.account_id = account_id;
  event.transfer_id = transfer_id;
  event.delta_units = delta_units;
  event.available_units = balance.available_units;
  event.held_units = balance.held_units;
  event.asset_id = asset_id;
  emit(event);
}

}  // namespace tradepit::detail
