#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "tradepit/buffer.hpp"
#include "tradepit/deadlines.hpp"
#include "tradepit/wire.hpp"

namespace tradepit {

/// Limits of one shard, fixed for its life: what the engine refuses depends on them, so a replay
/// must use the same ones. Memory is reserved for all of them and touched as it is used.
struct EngineConfig {
  std::uint32_t shard_id = 0;
  std::uint32_t max_orders = 1U << 20;            ///< open at one time
  std::uint32_t max_client_order_ids = 1U << 20;  ///< of the last orders accepted; not used again
  std::uint32_t max_transfer_ids = 1U << 20;      ///< remembered; an older id would apply again
  std::uint32_t max_accounts = 1U << 16;          ///< the house not counted
  std::uint32_t max_instruments = 1U << 10;       ///< the largest instrument_id
  std::uint32_t max_assets = 1U << 6;             ///< the largest asset_id
  std::uint32_t max_remembered_trades =
      static_cast<std::uint32_t>(wire::trades_remembered);  ///< that can be busted or corrected

  friend bool operator==(const EngineConfig&, const EngineConfig&) = default;
};

/// No limit may be larger.
inline constexpr std::uint32_t engine_limit_max = 1U << 30;

/// Best prices of an instrument; a side without orders has price and quantity 0.
struct Top {
  std::int64_t bid_price_ticks = 0;
  std::int64_t bid_quantity_lots = 0;
  std::int64_t ask_price_ticks = 0;
  std::int64_t ask_quantity_lots = 0;

  friend bool operator==(const Top&, const Top&) = default;
};

/// What an auction would do if it ended now; all zero if nothing would trade.
struct Indicative {
  std::int64_t price_ticks = 0;
  std::int64_t executable_lots = 0;
  std::int64_t imbalance_lots = 0;
  wire::Side imbalance_side{};

  friend bool operator==(const Indicative&, const Indicative&) = default;
};

/// Is told when a command has passed its checks, or was refused by them, before it matches; see
/// Engine::apply. It must not look at the engine.
struct JudgedHook {
  void (*call)(void* context) noexcept = nullptr;
  void* context = nullptr;
};

namespace detail {
class EngineState;
}

/// One shard: its books, accounts and funds. A pure function of its commands: no clock, no
/// randomness, no I/O; the same commands give the same event bytes on every machine. Not thread
/// safe. Allocates when constructed and for administrative commands, not while it trades (the
/// buffers that it is given grow until they are large enough).
class Engine {
 public:
  /// Each limit of `config` must lie between 1 and engine_limit_max, and shard_id below 2^15.
  explicit Engine(const EngineConfig& config);
  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;
  ~Engine();

  /// Applies one command as seq() + 1. `command` points to a record that check_record() passed and
  /// that is_command() holds for. Appends its events to `events` (their request_id is 0).
  ///
  /// If `reports` is not null, appends one ExecutionReport for each party of each order event: for
  /// a trade the taker's, then the maker's. Reports about the orders that the command names or
  /// places answer it: they carry its request_id, and of a command about one order the last one
  /// ReportFlag `last`. All others carry request_id 0, also those of what the command's trades
  /// trigger. MassCancel is answered with a report for each order, none of them `last`: the
  /// MassCanceled event ends the answer. So do MassQuoted and OrderListPlaced those of a MassQuote
  /// and a NewOrderList. What BustTrade and CorrectTrade report to the parties answers nobody, nor
  /// does what a Tick reports.
  /// Administrative commands make no reports: their event is the answer.
  ///
  /// `on_judged`, if there is one, is called at most once: by a NewOrder, a NewOrderList, a
  /// MassQuote, and a ReplaceOrder. It is for whoever measures; nothing depends on it.
  void apply(const std::byte* command, ByteBuffer& events, ByteBuffer* reports,
             const JudgedHook* on_judged = nullptr) noexcept;

  /// What a command that is to come will touch, as far as it is known yet.
  struct Ahead {
    std::uint64_t order_number = 0;  // of the order that it names; 0 = none
    std::uint64_t account_id = 0;
    std::uint64_t client_order_id = 0;
    std::int64_t price_ticks = 0;
    std::uint32_t instrument_id = 0;
    std::uint32_t order_slot = 0;
    wire::Side side = wire::Side::buy;
    bool has_client_id_alone = false;  // of the order that it names
    bool crosses = false;
  };

  /// Ask for memory that a command will touch when it is applied, so that it need not wait for it
  /// then: first look_at(), whose `record` may be any bytes, then the stages from 1 on. Each needs
  /// what the one before has asked for, and time to get it: see LookAhead. They change nothing.
  [[nodiscard]] Ahead look_at(std::span<const std::byte> record) const noexcept;
  void prefetch(Ahead& ahead, int stage) const noexcept;

  /// Answers BookQuery, OrderQuery, OpenOrdersQuery, BalancesQuery or InstrumentsQuery with the
  /// records that schema.toml names, request_id echoed. A refusal is one Reject record with
  /// ReportFlag `last` and offset_bytes 0. `request` passed check_record().
  void query(const std::byte* request, ByteBuffer& out) const noexcept;

  [[nodiscard]] std::uint64_t seq() const noexcept;     ///< of the last command; 0 at first
  [[nodiscard]] std::uint64_t digest() const noexcept;  ///< chain digest at seq()
  [[nodiscard]] std::int64_t time_ns() const noexcept;  ///< of the last command; 0 at first
  /// When a Tick is due: apply one with this time or a later one, before any other command of such
  /// a time. Not later than time_ns() if the last Tick left something over; never_ns without any.
  [[nodiscard]] std::int64_t next_deadline_ns() const noexcept;
  [[nodiscard]] std::uint64_t open_order_count() const noexcept;
  /// Price levels with orders, of all books and both sides.
  [[nodiscard]] std::uint64_t book_level_count() const noexcept;
  /// The highest session_id, without tied_session_bit, of all orders ever accepted.
  [[nodiscard]] std::uint32_t session_counter() const noexcept;
  /// Whether an open order was sent by a session with tied_session_bit. Walks all of them.
  [[nodiscard]] bool has_tied_orders() const noexcept;
  [[nodiscard]] std::uint32_t account_count() const noexcept;  ///< the house not counted
  /// Of an account by the order in which it was opened, from 1 to account_count(); 0 is the house.
  [[nodiscard]] std::uint64_t account_id(std::uint32_t index) const noexcept;
  [[nodiscard]] const EngineConfig& config() const noexcept;

  /// About the last command.
  [[nodiscard]] std::uint32_t last_event_count() const noexcept;
  /// Orders accepted so far: the number of the last one, which its order_id ends with.
  [[nodiscard]] std::uint64_t order_count() const noexcept;
  /// Instruments whose book the last command changed, each once.
  [[nodiscard]] std::span<const std::uint32_t> touched_instruments() const noexcept;

  /// All zero for an unknown instrument.
  [[nodiscard]] Top top_of_book(std::uint32_t instrument_id) const noexcept;

  /// All zero for an instrument that is in no auction state.
  [[nodiscard]] Indicative indicative(std::uint32_t instrument_id) const noexcept;

  /// Funds of an account in its asset's smallest unit; zeros where there are none.
  struct Funds {
    std::int64_t available_units = 0;
    std::int64_t held_units = 0;
  };
  [[nodiscard]] Funds funds(std::uint64_t account_id, std::uint32_t asset_id) const noexcept;

  /// Appends the whole state. Equal states give equal bytes. The size is a multiple of 8.
  void snapshot(ByteBuffer& out) const;

  /// The engine that wrote `snapshot`, or null and a sentence in `error` (a literal). It goes on
  /// exactly as the original does; its limits are those of the original.
  [[nodiscard]] static std::unique_ptr<Engine> restore(std::span<const std::byte> snapshot,
                                                       const char*& error);

  /// Verifies every invariant, slowly: books, indexes, holds, conservation of funds. Null, or what
  /// is broken.
  [[nodiscard]] const char* check() const;

 private:
  explicit Engine(std::unique_ptr<detail::EngineState> state) noexcept;

  std::unique_ptr<detail::EngineState> state_;
};

}  // namespace tradepit
