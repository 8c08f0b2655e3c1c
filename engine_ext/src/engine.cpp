#include "tradepit/engine.hpp"

#include <cassert>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "engine_rules.hpp"
#include "engine_state.hpp"

namespace tradepit {
namespace detail {
namespace {

template <typename Record>
Record read_as(const std::byte* bytes) noexcept {
  Record record;
  std::memcpy(&record, bytes, sizeof record);
  return record;
}

/// Of an instrument that nobody can name.
wire::InstrumentChanged no_terms() noexcept {
  wire::InstrumentChanged terms;
  terms.instrument_id = Instrument::instruments_end - 1;
  return terms;
}

}  // namespace

EngineState::EngineState(const EngineConfig& limits)
    : config(limits),
      store(limits.max_orders),
      orders(limits.max_orders),
      account_links(limits.max_orders),
      order_terms(limits.max_orders + 1),
      accounts(limits.max_accounts, limits.max_assets),
      order_ids(limits.max_client_order_ids, limits.max_orders,
                std::size_t{limits.max_accounts} + 1),
      transfer_ids(limits.max_transfer_ids),
      trades(limits.max_remembered_trades),
      deadlines(
          deadline_owner(DeadlineKind::auction_over, std::uint64_t{limits.max_instruments} + 1)),
      positions((std::size_t{limits.max_instruments} + 1) * (std::size_t{limits.max_accounts} + 1),
                /*has_large_pages=*/false),
      time_links(limits.max_orders),
      follower_links(limits.max_orders),
      contingencies(limits.max_orders),
      assets(std::size_t{limits.max_assets} + 1),
      instruments(std::size_t{limits.max_instruments} + 1),
      walk_positions_(limits.max_accounts),
      no_instrument_(std::make_unique<Instrument>(store, no_terms())) {
  assert(limits.shard_id < (1U << 15));
  assert(limits.max_orders >= 1 && limits.max_client_order_ids >= 1);
  assert(limits.max_transfer_ids >= 1 && limits.max_accounts >= 1);
  assert(limits.max_instruments >= 1 && limits.max_assets >= 1);
  assert(limits.max_remembered_trades >= 1);
  assert(limits.max_instruments < Instrument::instruments_end);
  touched_instruments.reserve(limits.max_instruments);
}

void EngineState::apply(const std::byte* command, ByteBuffer& events, ByteBuffer* reports,
                        const JudgedHook* on_judged) noexcept {
  const auto header = read_as<wire::Header>(command);
  ++seq;
  const std::size_t events_begin = events.size();
  // Every command begins with its time.
  std::memcpy(&time_ns, command + sizeof header, sizeof time_ns);
  event_count = 0;
  met_count_ = 0;
  linked_count_ = 0;
  touched_instruments.clear();
  events_ = &events;
  reports_ = reports;
  on_judged_ = on_judged;
  request_id_ = header.request_id;
  command_type_ = header.type;
  last_answer_offset_ = 0;
  newest_before_ = make_id(config.shard_id, order_counter);

  bool is_about_one_order = false;
  switch (static_cast<wire::MessageType>(header.type)) {
    case wire::MessageType::new_order:
      new_order(read_as<wire::NewOrder>(command));
      is_about_one_order = true;
      break;
    case wire::MessageType::new_order_list:
      new_order_list(command);
      break;
    case wire::MessageType::cancel_order:
      cancel_order(read_as<wire::CancelOrder>(command));
      is_about_one_order = true;
      break;
    case wire::MessageType::replace_order:
      replace_order(read_as<wire::ReplaceOrder>(command));
      is_about_one_order = true;
      break;
    case wire::MessageType::mass_cancel:
      mass_cancel(read_as<wire::MassCancel>(command));
      break;
    case wire::MessageType::set_asset:
      set_asset(read_as<wire::SetAsset>(command));
      break;
    case wire::MessageType::set_instrument:
      set_instrument(read_as<wire::SetInstrument>(command));
      break;
    case wire::MessageType::set_account:
      set_account(read_as<wire::SetAccount>(command));
      break;
    case wire::MessageType::credit:
      credit(read_as<wire::Credit>(command));
      break;
    case wire::MessageType::debit:
      debit(read_as<wire::Debit>(command));
      break;
    case wire::MessageType::set_fee_schedule:
      set_fee_schedule(command);
      break;
    case wire::MessageType::set_tick_table:
      set_tick_table(command);
      break;
    case wire::MessageType::set_calendar:
      set_calendar(command);
      break;
    case wire::MessageType::set_trading_state:
      set_trading_state(read_as<wire::SetTradingState>(command));
      break;
    case wire::MessageType::session_ended:
      session_ended(read_as<wire::SessionEnded>(command));
      break;
    case wire::MessageType::kill_switch:
      kill_switch(read_as<wire::KillSwitch>(command));
      break;
    case wire::MessageType::cancel_after:
      cancel_after(read_as<wire::CancelAfter>(command));
      break;
    case wire::MessageType::mass_quote:
      mass_quote(command);
      break;
    case wire::MessageType::set_quote_protection:
      set_quote_protection(read_as<wire::SetQuoteProtection>(command));
      break;
    case wire::MessageType::bust_trade:
      bust_trade(read_as<wire::BustTrade>(command));
      break;
    case wire::MessageType::correct_trade:
      correct_trade(read_as<wire::CorrectTrade>(command));
      break;
    case wire::MessageType::tick:
      tick();
      break;
    default:
      assert(false && "only commands are applied");
  }
  if (has_due_protections_) {  // by the trades of an auction
    for (std::size_t index = 0; index < touched_instruments.size(); ++index) {
      has_due_protections_ = true;
      pull_quotes(*instruments[touched_instruments[index]]);
    }
  }
  for (const std::uint32_t instrument_id : touched_instruments) {
    Instrument& instrument = *instruments[instrument_id];
    if (!instrument.pegged_orders.is_empty() && instrument.is_continuous()) {
      follow_best_prices(instrument);
    }
  }
  assert(event_count > 0);
  digest = chain_digest(digest, events.bytes().subspan(events_begin));
  if (is_about_one_order && reports != nullptr) {
    std::byte* const last = reports->data() + last_answer_offset_ - sizeof(wire::ExecutionReport);
    last[offsetof(wire::ExecutionReport, flags)] = std::byte{wire::report_flag::last};
  }
}

wire::ExecutionReport EngineState::report_of(const Order& order,
                                             wire::ExecutionKind kind) const noexcept {
  wire::ExecutionReport report;
  report.seq = seq;
  report.time_ns = time_ns;
  report.order_id = order.order_id;
  report.account_id = accounts[order.account_index].account_id;
  report.client_order_id = order.client_order_id;
  report.price_ticks = order.price_ticks;
  report.quantity_lots = order.quantity_lots;
  report.filled_lots = order.filled_lots;
  report.remaining_lots = order.open_lots();
  report.instrument_id = order.instrument_id;
  report.kind = kind;
  if (order.terms_slot != no_slot) {
    const OrderTerms& own = order_terms[order.terms_slot];
    report.trigger_price_ticks = own.trigger_price_ticks;
    report.display_quantity_lots = own.display_quantity_lots;
    report.expire_time_ns = own.expire_time_ns;
    report.offset_ticks = own.offset_ticks;
    if (own.resting_ticks != 0) report.price_ticks = own.resting_ticks;
    report.trail_offset_bps = own.trail_offset_bps;
    report.peg_reference = own.peg_reference;
  }
  report.status = order.is_waiting != 0    ? wire::OrderStatus::waiting
                  : order.filled_lots == 0 ? wire::OrderStatus::open
                  : order.open_lots() == 0 ? wire::OrderStatus::filled
                                           : wire::OrderStatus::partially_filled;
  report.side = order.side;
  report.order_type = order.order_type;
  report.time_in_force = order.time_in_force;
  report.order_flags = order.flags;
  report.self_trade_prevention = order.self_trade_prevention;
  report.command_type = command_type_;
  return report;
}

void EngineState::answer(wire::ExecutionReport report) noexcept {
  if (is_cascade_) {
    reports_->append(report);
    return;
  }
  report.header.request_id = request_id_;
  reports_->append(report);
  last_answer_offset_ = reports_->size();
}

/// A report that nobody asked for, unless it is of an order that the command itself has placed:
/// that one's sender is to hear of it in the answer.
void EngineState::tell(const wire::ExecutionReport& report) noexcept {
  if (report.order_id > newest_before_) {
    answer(report);
  } else {
    reports_->append(report);
  }
}

/// `event` and `report` hold what is particular to the command; the rest is filled in here.
void EngineState::reject_order(wire::OrderRejected event, wire::ExecutionReport report) noexcept {
  event.seq = seq;
  event.time_ns = time_ns;
  event.command_type = command_type_;
  emit(event);
  if (reports_ == nullptr) return;
  report.seq = seq;
  report.time_ns = time_ns;
  report.account_id = event.account_id;
  report.reason = event.reason;
  report.kind = wire::ExecutionKind::rejected;
  report.command_type = command_type_;
  answer(report);
}

void EngineState::reject_command(std::uint64_t account_id, wire::Reason reason) noexcept {
  wire::CommandRejected event;
  event.seq = seq;
  event.time_ns = time_ns;
  event.account_id = account_id;
  event.reason = reason;
  event.command_type = command_type_;
  emit(event);
}

}  // namespace detail

Engine::Engine(const EngineConfig& config)
    : state_(std::make_unique<detail::EngineState>(config)) {}
Engine::Engine(std::unique_ptr<detail::EngineState> state) noexcept : state_(std::move(state)) {}
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;
Engine::~Engine() = default;

void Engine::apply(const std::byte* command, ByteBuffer& events, ByteBuffer* reports,
                   const JudgedHook* on_judged) noexcept {
  state_->apply(command, events, reports, on_judged);
#ifdef TRADEPIT_CHECKED
  if (const char* const broken = check(); broken != nullptr) {
    std::fprintf(stderr, "seq %" PRIu64 ": %s\n", seq(), broken);
    std::abort();
  }
#endif
}
Engine::Ahead Engine::look_at(std::span<const std::byte> record) const noexcept {
  return state_->look_at(record);
}
void Engine::prefetch(Ahead& ahead, int stage) const noexcept { state_->prefetch(ahead, stage); }
void Engine::query(const std::byte* request, ByteBuffer& out) const noexcept {
  state_->query(request, out);
}
std::uint64_t Engine::seq() const noexcept { return state_->seq; }
std::int64_t Engine::time_ns() const noexcept { return state_->time_ns; }
std::int64_t Engine::next_deadline_ns() const noexcept { return state_->deadlines.first_ns(); }
std::uint64_t Engine::digest() const noexcept { return state_->digest; }
std::uint32_t Engine::session_counter() const noexcept { return state_->session_counter; }

bool Engine::has_tied_orders() const noexcept {
  for (std::uint32_t index = 0; index < state_->accounts.count(); ++index) {
    std::uint32_t slot = state_->accounts[index].oldest_order;
    for (; slot != no_slot; slot = state_->account_links[slot].younger) {
      if ((state_->orders[slot].session_id & wire::tied_session_bit) != 0) return true;
    }
  }
  return false;
}

std::uint64_t Engine::open_order_count() const noexcept {
  return state_->store.orders.used_count();
}
std::uint64_t Engine::book_level_count() const noexcept {
  return state_->store.levels.used_count();
}
std::uint32_t Engine::account_count() const noexcept { return state_->accounts.count() - 1; }
std::uint64_t Engine::account_id(std::uint32_t index) const noexcept {
  return state_->accounts[index].account_id;
}
const EngineConfig& Engine::config() const noexcept { return state_->config; }
std::uint64_t Engine::order_count() const noexcept { return state_->order_counter; }
std::uint32_t Engine::last_event_count() const noexcept { return state_->event_count; }
std::span<const std::uint32_t> Engine::touched_instruments() const noexcept {
  return state_->touched_instruments;
}

Top Engine::top_of_book(std::uint32_t instrument_id) const noexcept {
  const detail::Instrument* const instrument =
      std::as_const(*state_).find_instrument(instrument_id);
  Top top;
  if (instrument == nullptr) return top;
  const Book& book = instrument->book;
  if (const std::uint32_t bid = book.best(wire::Side::buy); bid != no_slot) {
    top.bid_price_ticks = book.level(bid).price_ticks;
    top.bid_quantity_lots = book.level(bid).open_lots;
  }
  if (const std::uint32_t ask = book.best(wire::Side::sell); ask != no_slot) {
    top.ask_price_ticks = book.level(ask).price_ticks;
    top.ask_quantity_lots = book.level(ask).open_lots;
  }
  return top;
}

Indicative Engine::indicative(std::uint32_t instrument_id) const noexcept {
  const detail::Instrument* const instrument =
      std::as_const(*state_).find_instrument(instrument_id);
  if (instrument == nullptr || !instrument->is_auction()) return {};
  const detail::Auction auction = state_->auction_of(*instrument);
  return {auction.price_ticks, auction.volume_lots, std::abs(auction.surplus_lots),
          auction.surplus_side()};
}

Engine::Funds Engine::funds(std::uint64_t account_id, std::uint32_t asset_id) const noexcept {
  const std::uint32_t index = state_->accounts.find(account_id);
  if (index == no_slot || asset_id == 0 || asset_id > state_->config.max_assets) return {};
  const Balance& balance = std::as_const(state_->accounts).balance(index, asset_id);
  return {balance.available_units, balance.held_units};
}

void Engine::snapshot(ByteBuffer& out) const { state_->snapshot(out); }

std::unique_ptr<Engine> Engine::restore(std::span<const std::byte> snapshot, const char*& error) {
  std::unique_ptr<detail::EngineState> state = detail::EngineState::restore(snapshot, error);
  if (state == nullptr) return nullptr;
  return std::unique_ptr<Engine>(new Engine(std::move(state)));
}

const char* Engine::check() const { return state_->check(); }

}  // namespace tradepit
