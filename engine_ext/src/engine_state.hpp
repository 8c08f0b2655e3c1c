#pragma once
#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include "engine_instrument.hpp"
#include "engine_records.hpp"
#include "tradepit/accounts.hpp"
#include "tradepit/book.hpp"
#include "tradepit/deadlines.hpp"
#include "tradepit/digest.hpp"
#include "tradepit/engine.hpp"
#include "tradepit/id_memory.hpp"
#include "tradepit/order_list.hpp"
#include "tradepit/trade_memory.hpp"
#include "tradepit/units.hpp"

namespace tradepit::detail {

class SnapshotReader;

struct OrderRecord;  // of a snapshot
struct LinkRecord;
struct OrderListView;

/// Everything an engine knows. One method for each command; the bodies stand in engine_orders.cpp,
/// engine_judge.cpp, engine_matching.cpp, engine_stops.cpp, engine_pegs.cpp, engine_positions.cpp,
/// engine_endings.cpp, engine_time.cpp, engine_control.cpp, engine_busts.cpp, engine_quotes.cpp,
/// engine_admin.cpp, engine_fees.cpp, engine_ticks.cpp, engine_states.cpp, engine_auction.cpp,
/// engine_query.cpp, engine_snapshot.cpp, engine_restore.cpp and engine_check.cpp.
class EngineState {
 public:
  explicit EngineState(const EngineConfig& config);

  void apply(const std::byte* command, ByteBuffer& events, ByteBuffer* reports,
             const JudgedHook* on_judged) noexcept;
  [[nodiscard]] Engine::Ahead look_at(std::span<const std::byte> record) const noexcept;
  void prefetch(Engine::Ahead& ahead, int stage) const noexcept;
  void query(const std::byte* request, ByteBuffer& out) const noexcept;
  void snapshot(ByteBuffer& out) const;
  [[nodiscard]] static std::unique_ptr<EngineState> restore(std::span<const std::byte> snapshot,
                                                            const char*& error);
  /// What check() looks at: everything, or of an engine just restored what the bytes of its
  /// snapshot may have wrong. Links and indexes it has built itself.
  enum class Scope : std::uint8_t { all, restored };
  [[nodiscard]] const char* check(Scope scope = Scope::all) const;

  [[nodiscard]] const Instrument* find_instrument(std::uint32_t instrument_id) const noexcept {
    return instrument_id < instruments.size() ? instruments[instrument_id].get() : nullptr;
  }
  [[nodiscard]] Instrument* find_instrument(std::uint32_t instrument_id) noexcept {
    return instrument_id < instruments.size() ? instruments[instrument_id].get() : nullptr;
  }
  [[nodiscard]] const OrderTerms& terms_of(const Order& order) const noexcept {
    static constexpr OrderTerms none{};
    return order.terms_slot == no_slot ? none : order_terms[order.terms_slot];
  }
  [[nodiscard]] Auction auction_of(const Instrument& instrument) const noexcept;
  /// Lots that an account has bought of an instrument less those that it has sold. The accounts of
  /// one instrument stand together.
  [[nodiscard]] std::int64_t& position(std::uint32_t instrument_id,
                                       std::uint32_t account_index) noexcept {
    return positions[position_place(instrument_id, account_index)];
  }
  [[nodiscard]] std::int64_t position(std::uint32_t instrument_id,
                                      std::uint32_t account_index) const noexcept {
    return positions[position_place(instrument_id, account_index)];
  }
  [[nodiscard]] bool is_listed_asset(std::uint32_t asset_id) const noexcept {
    return asset_id >= 1 && asset_id < assets.size() && assets[asset_id].terms.asset_id != 0;
  }

  EngineConfig config;
  std::uint64_t seq = 0;
  std::uint64_t digest = digest_start;
  std::int64_t time_ns = 0;  // of the last command
  std::uint64_t order_counter = 0;
  std::uint64_t trade_counter = 0;
  std::uint32_t session_counter = 0;  // the highest session_number of an accepted order

  BookStore store;
  LazyArray<Order> orders;                // by slot of store.orders
  LazyArray<AccountLinks> account_links;  // by slot of store.orders
  Pool<OrderTerms> order_terms;           // one more than orders: the taker's
  Accounts accounts;
  OrderIds order_ids;
  TransferIds transfer_ids;
  TradeMemory trades;  // the last of trade_counter
  Deadlines deadlines;
  LazyArray<std::int64_t> positions;  // net lots of all trades, see position()
  // Links of the lists that instruments have, by slot of store.orders: those by time in force, and
  // those of orders whose price follows others.
  LazyArray<ListLinks> time_links;
  LazyArray<ListLinks> follower_links;
  LazyArray<Contingency> contingencies;                  // by slot of store.orders
  std::vector<Asset> assets;                             // by asset_id; [0] is unused
  std::vector<std::unique_ptr<Instrument>> instruments;  // by instrument_id; null = not listed

  // About the last command.
  std::uint32_t event_count = 0;
  std::vector<std::uint32_t> touched_instruments;

 private:
  // Snapshots.
  void list_orders(const Book& book, wire::Side side, std::vector<std::uint32_t>& slots) const;
  [[nodiscard]] const char* take_orders(SnapshotReader& reader, std::uint64_t count);
  [[nodiscard]] const char* take_order(const OrderRecord& record, const OrderTerms& own,
                                       std::uint32_t& slot) noexcept;
  void link_to_account(std::uint32_t order_slot, std::uint32_t account_index) noexcept;

  [[nodiscard]] bool take_link(const LinkRecord& record) noexcept;

  // Orders.
  void new_order(const wire::NewOrder& command) noexcept;
  void refuse_order(const wire::NewOrder& command, wire::Reason reason) noexcept;
  [[nodiscard]] Order accept(const wire::NewOrder& command, std::uint32_t account_index,
                             const Placing& placing, const Instrument& instrument,
                             bool is_pending) noexcept;
  [[nodiscard]] Placed place(const wire::NewOrder& command, std::uint32_t account_index,
                             const Placing& placing, Instrument& instrument) noexcept;
  [[nodiscard]] std::uint32_t keep(const Order& order) noexcept;

  // Lists of orders, and orders that depend on others.
  void new_order_list(const std::byte* bytes) noexcept;
  [[nodiscard]] wire::Reason judge_list(const OrderListView& list, std::uint32_t account_index,
                                        std::span<Placing> placings,
                                        std::uint32_t& index) const noexcept;
  [[nodiscard]] wire::Reason judge_together(const OrderListView& list, std::uint32_t account_index,
                                            const Instrument& instrument,
                                            std::uint32_t& index) const noexcept;
  void place_each(const OrderListView& list, std::uint32_t account_index, Instrument& instrument,
                  wire::OrderListPlaced& ended) noexcept;
  void place_linked(const OrderListView& list, std::uint32_t account_index,
                    std::span<const Placing> placings, Instrument& instrument) noexcept;
  [[nodiscard]] std::uint32_t accept_pending(const wire::NewOrder& command,
                                             std::uint32_t account_index, const Placing& placing,
                                             const Instrument& instrument,
                                             bool is_pending) noexcept;
  void place_stop_leg(std::uint32_t stop_slot, const Placed& limit_leg,
                      Instrument& instrument) noexcept;
  void wait_or_trigger(std::uint32_t order_slot, Instrument& instrument) noexcept;
  void trigger_one(std::uint32_t order_slot, std::int64_t reached_ticks,
                   Instrument& instrument) noexcept;
  void activate(std::uint32_t order_slot, Instrument& instrument) noexcept;
  [[nodiscard]] bool is_placeable(const Order& order, const Instrument& instrument) const noexcept;
  [[nodiscard]] Placed enter_activated(std::uint32_t order_slot, Instrument& instrument) noexcept;
  void begin_activated(std::uint32_t order_slot) noexcept;
  void part_with_linked(std::uint32_t order_slot) noexcept;
  void end_linked(std::uint32_t order_slot) noexcept;
  void leave_sibling(std::uint32_t order_slot) noexcept;
  [[nodiscard]] bool is_first_of_list(std::uint32_t order_slot) const noexcept {
    return orders[order_slot].is_pending == 0 &&
           orders[contingencies[order_slot].first].is_pending != 0;
  }
  [[nodiscard]] std::uint32_t younger_not_linked(std::uint32_t order_slot) const noexcept;
  [[nodiscard]] bool is_pair(std::uint32_t left_slot, std::uint32_t right_slot) const noexcept;
  [[nodiscard]] const char* check_contingencies(Scope scope) const;
  void cancel_order(const wire::CancelOrder& command) noexcept;
  void replace_order(const wire::ReplaceOrder& command) noexcept;
  void mass_cancel(const wire::MassCancel& command) noexcept;
  void set_trading_state(const wire::SetTradingState& command) noexcept;
  void change_state(Instrument& instrument, const StateChange& change) noexcept;
  void enter_state(Instrument& instrument) noexcept;
  void advance(Instrument& instrument) noexcept;
  void trip_breaker(Instrument& instrument) noexcept;
  void begin_uncross(Instrument& instrument) noexcept;
  [[nodiscard]] bool go_on_uncrossing(Instrument& instrument) noexcept;
  void uncross_one(Instrument& instrument) noexcept;
  void release_part(const Order& order, std::int64_t lots_before,
                    const Instrument& instrument) noexcept;
  /// Of its next state.
  [[nodiscard]] std::uint64_t deadline_owner(const Instrument& instrument) const noexcept {
    return deadline_owner(DeadlineKind::trading_state, instrument.terms.instrument_id);
  }
  [[nodiscard]] std::uint64_t calendar_owner(const Instrument& instrument) const noexcept {
    return deadline_owner(DeadlineKind::calendar, instrument.terms.instrument_id);
  }
  void set_calendar(const std::byte* command) noexcept;
  void follow_calendar(Instrument& instrument) noexcept;
  void expect_entry(const Instrument& instrument, std::int64_t due_ns) noexcept;
  void expect_state(const Instrument& instrument, std::int64_t due_ns) noexcept;
  void session_ended(const wire::SessionEnded& command) noexcept;
  void kill_switch(const wire::KillSwitch& command) noexcept;
  void cancel_after(const wire::CancelAfter& command) noexcept;
  template <typename IsMeant>
  void sweep(std::uint64_t account_id, IsMeant is_meant, wire::CancelReason reason) noexcept;
  [[nodiscard]] bool cancel_all(std::uint32_t account_index, wire::CancelReason reason,
                                std::uint32_t& canceled_count) noexcept;
  [[nodiscard]] bool kill(std::uint32_t account_index, std::uint32_t& canceled_count) noexcept;
  void report_timer(std::uint32_t account_index, std::int64_t deadline_ns) noexcept;
  [[nodiscard]] bool is_killed(std::uint32_t account_index) const noexcept {
    return accounts[Accounts::house].is_killed || accounts[account_index].is_killed;
  }
  /// Whether a command that cancels many may go on; what ends with others counts too.
  [[nodiscard]] bool may_cancel(std::uint32_t canceled_count) const noexcept {
    return canceled_count + linked_count_ < wire::cancels_per_command_max;
  }
  void tick() noexcept;
  void enlist(std::uint32_t order_slot) noexcept;
  void delist(std::uint32_t order_slot) noexcept;
  void end_day(Instrument& instrument) noexcept;
  void change_auction(const Instrument& instrument) noexcept;
  void begin_closing(Instrument& instrument) noexcept;
  [[nodiscard]] std::uint32_t next_for_closing(const Instrument& instrument) const noexcept;
  [[nodiscard]] bool end_auction(Instrument& instrument, std::uint32_t& canceled_count) noexcept;
  [[nodiscard]] const char* check_deadlines(std::uint64_t order_count) const noexcept;
  [[nodiscard]] const char* check_lists(const Instrument& instrument) const noexcept;
  [[nodiscard]] const char* check_positions() const;
  [[nodiscard]] const char* check_recent_names() const noexcept;
  [[nodiscard]] const char* check_accounts(std::uint64_t order_count) const noexcept;
  /// Every open order, as long as `visit(slot)` finds nothing broken: by account and age, or of an
  /// engine just restored as they stand in memory.
  template <typename Visit>
  [[nodiscard]] const char* for_each_open(Scope scope, Visit visit) const {
    if (scope == Scope::restored) {
      for (std::uint32_t slot = 0; slot < store.orders.used_count(); ++slot) {
        if (const char* const broken = visit(slot); broken != nullptr) return broken;
      }
      return nullptr;
    }
    for (std::uint32_t index = 0; index < accounts.count(); ++index) {
      for (std::uint32_t slot = accounts[index].oldest_order; slot != no_slot;
           slot = account_links[slot].younger) {
        if (const char* const broken = visit(slot); broken != nullptr) return broken;
      }
    }
    return nullptr;
  }
  [[nodiscard]] bool meet(const Deadlines::Entry& due, std::uint32_t& canceled_count) noexcept;
  [[nodiscard]] std::uint64_t deadline_owner(DeadlineKind kind, std::uint64_t index) const noexcept;
  /// A deadline for what the next Tick goes on with.
  [[nodiscard]] std::int64_t due_now_ns() const noexcept {
    return std::clamp<std::int64_t>(time_ns, 1, never_ns - 1);
  }
  void set_deadline(DeadlineKind kind, std::uint64_t index, std::int64_t at_ns) noexcept;
  [[nodiscard]] bool take_deadline(std::uint64_t kind_number, std::uint64_t index,
                                   std::int64_t at_ns) noexcept;
  void clear_deadline(DeadlineKind kind, std::uint64_t index) noexcept {
    deadlines.clear(deadline_owner(kind, index));
  }
  [[nodiscard]] wire::Reason judge(const wire::NewOrder& command, const Instrument* instrument,
                                   std::uint32_t account_index, Placing& placing) const noexcept;
  [[nodiscard]] wire::Reason judge_fields(const wire::NewOrder& command,
                                          const Instrument& instrument) const noexcept;
  [[nodiscard]] wire::Reason judge_trading(const wire::NewOrder& command,
                                           const Instrument& instrument, const Taking& taking,
                                           const Placing& placing) const noexcept;
  [[nodiscard]] wire::Reason judge_following(const wire::NewOrder& command,
                                             const Instrument& instrument,
                                             Placing& placing) const noexcept;
  [[nodiscard]] wire::Reason judge(const Order& changed, const Order& order,
                                   const Instrument& instrument) const noexcept;
  [[nodiscard]] bool can_pay(const Placing& placing, const Instrument& instrument,
                             const Taking& taking) const noexcept;
  [[nodiscard]] std::int64_t lots_for(std::int64_t budget_units, const Instrument& instrument,
                                      Taking taking) const noexcept;
  [[nodiscard]] std::int64_t available_units(const Taking& taking,
                                             const Instrument& instrument) const noexcept;
  template <typename Visit>
  void walk(const Taking& taking, const Instrument& instrument, Visit visit) const noexcept;
  [[nodiscard]] std::uint32_t find_order(std::uint32_t account_index, std::uint64_t order_id,
                                         std::uint64_t client_order_id) const noexcept;
  /// The number of an order at its acceptance, without the shard.
  [[nodiscard]] static std::uint64_t number_of(std::uint64_t order_id) noexcept {
    return number_of_id(order_id);
  }
  [[nodiscard]] static OrderIds::Name name_of(const Order& order) noexcept {
    return {order.client_order_id, order.account_index};
  }
  /// The slot of the open order with this id, or no_slot.
  [[nodiscard]] std::uint32_t find_order_id(std::uint64_t order_id) const noexcept {
    const std::uint32_t order_slot = order_ids.find(
        number_of(order_id), [&](std::uint32_t slot) { return number_of(orders[slot].order_id); });
    if (order_slot == no_slot) return no_slot;
    account_links.prefetch(order_slot);  // at the same time as the order
    store.orders.prefetch(order_slot);
    return orders[order_slot].order_id == order_id ? order_slot : no_slot;
  }
  /// Whether a client order id, not 0, is taken, and the slot of its open order, or no_slot.
  [[nodiscard]] bool find_name(OrderIds::Name name, std::uint32_t& order_slot) const noexcept {
    return order_ids.find(name, order_slot,
                          [&](std::uint32_t slot) { return name_of(orders[slot]); });
  }
  [[nodiscard]] std::uint64_t order_with_id_of(const wire::NewOrder& command) const noexcept;
  [[nodiscard]] Book::Meeting meeting(wire::SelfTradePrevention mode, std::uint32_t taker_index,
                                      std::uint32_t maker_slot) const noexcept;
  /// How many makers the command may meet yet, by all of its takers together: its events must fit
  /// one journal entry.
  [[nodiscard]] std::uint32_t fills_left() const noexcept {
    constexpr auto count_max = static_cast<std::uint32_t>(wire::fills_per_command_max);
    return count_max - std::min(met_count_, count_max);
  }
  [[nodiscard]] wire::CancelReason trade(Order& taker, Instrument& instrument) noexcept;
  [[nodiscard]] bool prevent(Order& taker, std::uint32_t maker_slot,
                             Instrument& instrument) noexcept;
  [[nodiscard]] std::int64_t settle(Order& taker, std::uint32_t maker_slot,
                                    std::int64_t price_ticks, std::int64_t traded_lots,
                                    std::int64_t shown_lots, Instrument& instrument) noexcept;
  void enter(std::uint32_t order_slot, Instrument& instrument) noexcept;
  [[nodiscard]] wire::CancelReason trade_pro_rata(Order& taker, std::int64_t limit_ticks,
                                                  std::uint32_t count_max,
                                                  Instrument& instrument) noexcept;
  template <typename Visit>
  void walk_pro_rata(const Taking& taking, std::int64_t limit_ticks, const Instrument& instrument,
                     Visit visit) const noexcept;
  [[nodiscard]] wire::CancelReason trade_one_by_one(Order& taker, std::int64_t limit_ticks,
                                                    std::uint32_t count_max,
                                                    Instrument& instrument) noexcept;
  void match(Order& taker, std::int64_t limit_ticks, std::int64_t lots_max, std::uint32_t fills,
             Instrument& instrument) noexcept;
  void rest(std::uint32_t order_slot, Instrument& instrument) noexcept;
  void wait(std::uint32_t order_slot, Instrument& instrument) noexcept;
  void end_waiting(std::uint32_t order_slot, std::int64_t reached_price_ticks) noexcept;
  void report_triggered(Order& order, std::int64_t reached_price_ticks) noexcept;
  void trigger_reached(Instrument& instrument) noexcept;
  [[nodiscard]] bool follow_trades(Instrument& instrument) noexcept;
  [[nodiscard]] Book& book_of(const Order& order, Instrument& instrument) noexcept {
    if (order.is_waiting == 0) return instrument.book;
    return order.time_in_force == wire::TimeInForce::at_the_close ? instrument.closing
                                                                  : instrument.stops;
  }

  // Orders that follow other prices.
  [[nodiscard]] std::int64_t best_unpegged_ticks(const Book& book, wire::Side side,
                                                 std::uint32_t gone_slot) const noexcept;
  [[nodiscard]] std::int64_t pegged_ticks(const Instrument& instrument, const Order& order,
                                          const OrderTerms& own,
                                          std::uint32_t gone_slot) const noexcept;
  void rest_pegged(std::uint32_t order_slot, std::int64_t price_ticks,
                   Instrument& instrument) noexcept;
  void follow_best_prices(Instrument& instrument) noexcept;
  /// Where the order rests.
  [[nodiscard]] std::int64_t resting_ticks(const Order& order) const noexcept {
    return order.order_type == wire::OrderType::pegged ? terms_of(order).resting_ticks
                                                       : order.price_ticks;
  }

  // Positions.
  [[nodiscard]] std::size_t position_place(std::uint32_t instrument_id,
                                           std::uint32_t account_index) const noexcept {
    return std::size_t{instrument_id} * (std::size_t{config.max_accounts} + 1) + account_index;
  }
  void move_positions(const Order& taker, const Order& maker, std::int64_t lots) noexcept;
  void undo_positions(const RememberedTrade& trade, std::int64_t lots) noexcept;
  /// How many lots of this side would make the account's position smaller.
  [[nodiscard]] std::int64_t reducible_lots(std::uint32_t instrument_id,
                                            std::uint32_t account_index,
                                            wire::Side side) const noexcept;
  /// How many lots of an order may trade now.
  [[nodiscard]] std::int64_t tradable_lots(const Order& order) const noexcept {
    if ((order.flags & wire::order_flag::reduce_only) == 0) return order.open_lots();
    return std::min(order.open_lots(),
                    reducible_lots(order.instrument_id, order.account_index, order.side));
  }
  [[nodiscard]] bool is_spent(const Order& order) const noexcept {
    return order.open_lots() > 0 && tradable_lots(order) == 0;
  }
  [[nodiscard]] std::int64_t whole_lots(const Level& level) const noexcept;
  /// After an order has lost open lots: it keeps its place, and an iceberg holds back less first.
  void show_at_most_open(std::uint32_t order_slot, Instrument& instrument) noexcept {
    instrument.book.resize(
        order_slot, std::min(store.orders[order_slot].open_lots, orders[order_slot].open_lots()));
  }
  void release_hold(const Order& order, const Instrument& instrument) noexcept;
  void close(std::uint32_t order_slot) noexcept;
  void cancel(std::uint32_t order_slot, wire::CancelReason reason, bool is_answer = true) noexcept;
  void report_canceled(const Order& order, wire::CancelReason reason,
                       bool is_answer = true) noexcept;
  [[nodiscard]] std::uint32_t take_terms(const wire::NewOrder& command,
                                         std::int64_t trigger_price_ticks) noexcept;
  void release_terms(const Order& order) noexcept {
    if (order.terms_slot != no_slot) order_terms.release(order.terms_slot);
  }
  void touch(Instrument& instrument) noexcept;

  // Administration.
  void set_asset(const wire::SetAsset& command) noexcept;
  void set_instrument(const wire::SetInstrument& command) noexcept;
  void set_account(const wire::SetAccount& command) noexcept;
  void set_fee_schedule(const std::byte* command) noexcept;
  void set_tick_table(const std::byte* command) noexcept;
  struct Quotes;
  void mass_quote(const std::byte* record) noexcept;
  void set_quote_protection(const wire::SetQuoteProtection& command) noexcept;
  [[nodiscard]] wire::Reason judge_quotes(const wire::MassQuote& command,
                                          const Instrument* instrument, std::uint32_t account_index,
                                          const Quotes& quotes) const noexcept;
  [[nodiscard]] wire::Reason judge_quotes(const wire::MassQuote& command, Instrument& instrument,
                                          std::uint32_t account_index,
                                          Quotes& quotes) const noexcept;
  [[nodiscard]] std::int64_t best_of_others(const Instrument& instrument, wire::Side side,
                                            std::uint32_t account_index) const noexcept;
  void shrink_quote(std::uint32_t order_slot, std::int64_t lots, Instrument& instrument) noexcept;
  void report_protection(const QuoteProtection& protection, const Instrument& instrument,
                         std::uint32_t canceled_count, wire::QuoteProtectionState state) noexcept;
  void count_quote_fill(const Order& order, std::int64_t lots, Instrument& instrument) noexcept;
  void pull_quotes(Instrument& instrument) noexcept;
  [[nodiscard]] static const char* read_protections(SnapshotReader& reader, Instrument& instrument,
                                                    std::uint64_t count,
                                                    std::uint64_t account_count);
  void finish_trading(Instrument& instrument) noexcept;
  void bust_trade(const wire::BustTrade& command) noexcept;
  void correct_trade(const wire::CorrectTrade& command) noexcept;
  [[nodiscard]] wire::Reason find_trade(std::uint64_t trade_id, RememberedTrade*& trade) noexcept;
  [[nodiscard]] bool change_funds(const RememberedTrade& trade, const TradeAmounts& before,
                                  const TradeAmounts& after) noexcept;
  [[nodiscard]] const char* read_trades(SnapshotReader& reader, std::uint64_t count);
  [[nodiscard]] const char* check_trade(const RememberedTrade& trade) const noexcept;
  [[nodiscard]] const char* check_trades() const noexcept;
  void report_change(const RememberedTrade& trade, std::uint64_t trade_id,
                     const TradeAmounts& amounts, wire::ExecutionKind kind) noexcept;
  void credit(const wire::Credit& command) noexcept;
  void debit(const wire::Debit& command) noexcept;
  [[nodiscard]] wire::Reason judge(const wire::SetInstrument& command,
                                   std::int64_t& tick_lot_units) const noexcept;
  void transfer(std::uint32_t account_index, std::uint64_t account_id, std::uint64_t transfer_id,
                std::uint32_t asset_id, std::int64_t delta_units) noexcept;

  // Looking ahead.
  /// With so few open orders, they and what belongs to them are in the cache.
  [[nodiscard]] bool is_in_cache() const noexcept { return store.orders.used_count() < 4'000; }
  void prefetch_placing(const wire::NewOrder& command, const Instrument* instrument,
                        std::uint32_t account_index) const noexcept;
  void prefetch_makers(const Engine::Ahead& ahead, int stage) const noexcept;
  void prefetch_closing(std::uint32_t order_slot) const noexcept;
  /// Asks for what stands under a slot of store.orders.
  void prefetch_slot(std::uint32_t order_slot) const noexcept {
    orders.prefetch(order_slot);
    account_links.prefetch(order_slot);
    store.orders.prefetch(order_slot);
  }

  // Queries.
  void query_instruments(const wire::InstrumentsQuery& request, ByteBuffer& out) const noexcept;
  void query_book(const wire::BookQuery& request, ByteBuffer& out) const noexcept;
  void query_order(const wire::OrderQuery& request, ByteBuffer& out) const noexcept;
  void query_open_orders(const wire::OpenOrdersQuery& request, ByteBuffer& out) const noexcept;
  void query_balances(const wire::BalancesQuery& request, ByteBuffer& out) const noexcept;
  [[nodiscard]] wire::ExecutionReport status_report(std::uint32_t order_slot) const noexcept;

  // Events and reports of the command at work.
  template <typename Event>
  void emit(const Event& event) noexcept {
    events_->append(event);
    ++event_count;
  }
  void reject_command(std::uint64_t account_id, wire::Reason reason) noexcept;
  void reject_order(wire::OrderRejected event, wire::ExecutionReport report) noexcept;
  [[nodiscard]] wire::ExecutionReport report_of(const Order& order,
                                                wire::ExecutionKind kind) const noexcept;
  /// Appends a report that answers the command (unless stop orders are being triggered).
  void answer(wire::ExecutionReport report) noexcept;
  void tell(const wire::ExecutionReport& report) noexcept;

  /// The checks are over, however they ended.
  void tell_judged() noexcept {
    if (on_judged_ != nullptr) [[unlikely]]
      on_judged_->call(on_judged_->context);
  }

  ByteBuffer* events_ = nullptr;
  ByteBuffer* reports_ = nullptr;
  const JudgedHook* on_judged_ = nullptr;
  std::uint32_t request_id_ = 0;
  std::uint32_t met_count_ = 0;       // makers that takers of the command met
  std::uint32_t linked_count_ = 0;    // orders that ended with others
  bool has_due_protections_ = false;  // whose quotes are to be pulled
  bool is_cascade_ = false;           // what happens now was triggered, and answers nobody
  mutable WalkPositions walk_positions_;
  std::unique_ptr<Instrument> no_instrument_;  // with empty books, to look ahead at
  std::uint8_t command_type_ = 0;
  std::uint64_t newest_before_ = 0;     // the last order id that was given out before the command
  std::size_t last_answer_offset_ = 0;  // in reports_, behind the report; 0 = none yet
};

}  // namespace tradepit::detail
