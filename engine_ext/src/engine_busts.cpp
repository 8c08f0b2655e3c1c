// What an operator undoes or corrects after the fact: trades that the engine remembers.
#include <cassert>

#include "engine_rules.hpp"
#include "engine_snapshot.hpp"

namespace tradepit::detail {
namespace {

using wire::ExecutionKind;
using wire::Reason;
using wire::Side;

/// What a trade moves at this price and quantity, at the fee rates that it was made with. False if
/// that is more than any trade may.
bool amounts_of(const RememberedTrade& trade, std::int64_t price_ticks, std::int64_t quantity_lots,
                const wire::InstrumentChanged& terms, TradeAmounts& amounts) noexcept {
  const int128 price_quantity = static_cast<int128>(price_ticks) * quantity_lots;
  if (price_quantity > wire::units_max / terms.tick_lot_units) return false;
  const std::int64_t notional = static_cast<std::int64_t>(price_quantity) * terms.tick_lot_units;
  if (notional >= wire::units_max) return false;
  amounts.notional_units = notional;
  amounts.base_units = quantity_lots * terms.lot_size_units;
  amounts.taker_fee_units = fee_units(notional, trade.taker_fee_ppm);
  amounts.maker_fee_units =
      std::max(fee_units(notional, trade.maker_fee_ppm), -amounts.taker_fee_units);
  return true;
}

template <typename Event>
void describe(Event& event, const RememberedTrade& trade, std::uint64_t trade_id,
              const TradeAmounts& amounts, const Accounts& accounts) noexcept {
  event.trade_id = trade_id;
  event.trade_seq = trade.seq;
  event.price_ticks = trade.price_ticks;
  event.quantity_lots = trade.quantity_lots;
  event.notional_units = amounts.notional_units;
  event.base_units = amounts.base_units;
  event.maker_order_id = trade.maker_order_id;
  event.taker_order_id = trade.taker_order_id;
  event.maker_account_id = accounts[trade.maker_index].account_id;
  event.taker_account_id = accounts[trade.taker_index].account_id;
  event.maker_fee_units = amounts.maker_fee_units;
  event.taker_fee_units = amounts.taker_fee_units;
  event.instrument_id = trade.instrument_id;
  event.taker_side = trade.taker_side;
}

}  // namespace

Reason EngineState::find_trade(std::uint64_t trade_id, RememberedTrade*& trade) noexcept {
  trade = nullptr;
  if (trade_id >> id_number_bits == config.shard_id)
    trade = trades.find(number_of(trade_id), trade_counter);
  if (trade == nullptr) return Reason::unknown_trade;
  return trade->is_busted != 0 ? Reason::trade_already_busted : Reason::none;
}

/// Moves what a trade moves now instead of what it moved before. False, and nothing has changed, if
/// a party or the house does not have that available.
bool EngineState::change_funds(const RememberedTrade& trade, const TradeAmounts& before,
                               const TradeAmounts& after) noexcept {
  const wire::InstrumentChanged& terms = find_instrument(trade.instrument_id)->terms;
  const int128 notional = static_cast<int128>(after.notional_units) - before.notional_units;
  const int128 base = static_cast<int128>(after.base_units) - before.base_units;
  const int128 maker_fee = static_cast<int128>(after.maker_fee_units) - before.maker_fee_units;
  const int128 taker_fee = static_cast<int128>(after.taker_fee_units) - before.taker_fee_units;
  const int sign = trade.taker_side == Side::buy ? 1 : -1;
  struct Move {
    Balance* balance;
    int128 units;
  };
  Move moves[] = {
      {&accounts.balance(trade.taker_index, terms.base_asset_id), sign * base},
      {&accounts.balance(trade.taker_index, terms.quote_asset_id), -sign * notional - taker_fee},
      {&accounts.balance(trade.maker_index, terms.base_asset_id), -sign * base},
      {&accounts.balance(trade.maker_index, terms.quote_asset_id), sign * notional - maker_fee},
      {&accounts.balance(Accounts::house, terms.quote_asset_id), maker_fee + taker_fee},
  };
  if (trade.maker_index == trade.taker_index) {  // a trade with oneself moves the fees alone
    moves[0].units += moves[2].units;
    moves[1].units += moves[3].units;
    moves[2].units = moves[3].units = 0;
  }
  for (const Move& move : moves) {
    if (move.balance->available_units + move.units < 0) return false;
  }
  for (const Move& move : moves) {
    move.balance->available_units =
        static_cast<std::int64_t>(move.balance->available_units + move.units);
  }
  accounts[trade.maker_index].changed_seq = seq;
  accounts[trade.taker_index].changed_seq = seq;
  if (maker_fee + taker_fee != 0) accounts[Accounts::house].changed_seq = seq;
  return true;
}

/// Tells both parties how their trade stands; that answers nobody.
void EngineState::report_change(const RememberedTrade& trade, std::uint64_t trade_id,
                                const TradeAmounts& amounts, ExecutionKind kind) noexcept {
  if (reports_ == nullptr) return;
  const auto report_to = [&](bool is_taker) {
    wire::ExecutionReport report;
    report.seq = seq;
    report.time_ns = time_ns;
    report.order_id = is_taker ? trade.taker_order_id : trade.maker_order_id;
    report.account_id = accounts[is_taker ? trade.taker_index : trade.maker_index].account_id;
    report.trade_id = trade_id;
    report.trade_price_ticks = trade.price_ticks;
    report.trade_quantity_lots = trade.quantity_lots;
    report.fee_units = is_taker ? amounts.taker_fee_units : amounts.maker_fee_units;
    report.instrument_id = trade.instrument_id;
    report.kind = kind;
    report.side = is_taker ? trade.taker_side : opposite(trade.taker_side);
    report.liquidity = is_taker ? wire::Liquidity::taker : wire::Liquidity::maker;
    report.command_type = command_type_;
    reports_->append(report);
  };
  report_to(true);
  report_to(false);
}

void EngineState::bust_trade(const wire::BustTrade& command) noexcept {
  RememberedTrade* trade;
  if (const Reason reason = find_trade(command.trade_id, trade); reason != Reason::none) {
    return reject_command(0, reason);
  }
  TradeAmounts amounts;
  [[maybe_unused]] const bool is_possible =
      amounts_of(*trade, trade->price_ticks, trade->quantity_lots,
                 find_instrument(trade->instrument_id)->terms, amounts);
  assert(is_possible);
  if (!change_funds(*trade, amounts, {})) return reject_command(0, Reason::insufficient_funds);
  undo_positions(*trade, trade->quantity_lots);
  trade->is_busted = 1;

  wire::TradeBusted event;
  event.seq = seq;
  event.time_ns = time_ns;
  describe(event, *trade, command.trade_id, amounts, accounts);
  emit(event);
  report_change(*trade, command.trade_id, amounts, ExecutionKind::trade_busted);
}

void EngineState::correct_trade(const wire::CorrectTrade& command) noexcept {
  RememberedTrade* trade;
  if (const Reason reason = find_trade(command.trade_id, trade); reason != Reason::none) {
    return reject_command(0, reason);
  }
  const Instrument& instrument = *find_instrument(trade->instrument_id);
  const std::int64_t price_ticks =
      command.price_ticks == 0 ? trade->price_ticks : command.price_ticks;
  const std::int64_t quantity_lots =
      command.quantity_lots == 0 ? trade->quantity_lots : command.quantity_lots;
  const bool has_price = price_ticks != trade->price_ticks;
  TradeAmounts before;
  TradeAmounts after;
  if ((has_price && !instrument.is_price(price_ticks)) || quantity_lots < 1 ||
      quantity_lots > trade->quantity_lots ||
      (!has_price && quantity_lots == trade->quantity_lots) ||
      !amounts_of(*trade, price_ticks, quantity_lots, instrument.terms, after)) {
    return reject_command(0, Reason::invalid_correction);
  }
  [[maybe_unused]] const bool is_possible =
      amounts_of(*trade, trade->price_ticks, trade->quantity_lots, instrument.terms, before);
  assert(is_possible);
  if (!change_funds(*trade, before, after)) return reject_command(0, Reason::insufficient_funds);

  wire::TradeCorrected event;
  event.seq = seq;
  event.time_ns = time_ns;
  event.previous_price_ticks = trade->price_ticks;
  event.previous_quantity_lots = trade->quantity_lots;
  event.previous_notional_units = before.notional_units;
  event.previous_base_units = before.base_units;
  event.previous_maker_fee_units = before.maker_fee_units;
  event.previous_taker_fee_units = before.taker_fee_units;
  undo_positions(*trade, trade->quantity_lots - quantity_lots);
  trade->price_ticks = price_ticks;
  trade->quantity_lots = quantity_lots;
  describe(event, *trade, command.trade_id, after, accounts);
  emit(event);
  report_change(*trade, command.trade_id, after, ExecutionKind::trade_corrected);
}

/// Takes the trades that a snapshot remembers. What is wrong with them, or null.
const char* EngineState::read_trades(SnapshotReader& reader, std::uint64_t count) {
  if (count != trades.remembered_count(trade_counter)) return "the snapshot miscounts its trades";
  trades.begin_at(trade_counter - count);
  for (; count > 0; --count) {
    RememberedTrade trade;
    if (!reader.read(trade)) return cut_short;
    if (const char* const wrong = check_trade(trade); wrong != nullptr) return wrong;
    trades.next() = trade;
  }
  return nullptr;
}

/// What is wrong with a remembered trade, or null.
const char* EngineState::check_trade(const RememberedTrade& trade) const noexcept {
  static constexpr char impossible[] = "a remembered trade is impossible";
  const Instrument* const instrument = find_instrument(trade.instrument_id);
  const auto is_party = [&](std::uint32_t index) {
    return index != Accounts::house && index < accounts.count();
  };
  if (instrument == nullptr || !is_party(trade.maker_index) || !is_party(trade.taker_index) ||
      trade.seq == 0 || trade.seq > seq || trade.price_ticks < 1 ||
      trade.price_ticks > wire::price_ticks_max || trade.quantity_lots < 1 ||
      trade.quantity_lots > wire::quantity_lots_max ||
      static_cast<int128>(trade.quantity_lots) * instrument->terms.lot_size_units >=
          wire::units_max ||
      trade.maker_fee_ppm < -wire::fee_ppm_max || trade.maker_fee_ppm > wire::fee_ppm_max ||
      trade.taker_fee_ppm > wire::fee_ppm_max ||
      (trade.taker_side != Side::buy && trade.taker_side != Side::sell) || trade.is_busted > 1) {
    return impossible;
  }
  TradeAmounts amounts;
  const bool is_possible =
      amounts_of(trade, trade.price_ticks, trade.quantity_lots, instrument->terms, amounts);
  return is_possible ? nullptr : impossible;
}

/// What is wrong with the remembered trades, or null.
const char* EngineState::check_trades() const noexcept {
  for (std::uint64_t age = 0; age < trades.remembered_count(trade_counter); ++age) {
    const RememberedTrade& trade = *trades.find(trade_counter - age, trade_counter);
    if (const char* const wrong = check_trade(trade); wrong != nullptr) return wrong;
  }
  return nullptr;
}

}  // namespace tradepit::detail
