#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tradepit/buffer.hpp"
#include "tradepit/engine.hpp"
#include "tradepit/journal.hpp"
#include "tradepit/latency.hpp"
#include "tradepit/replayed_answer.hpp"
#include "tradepit/sessions.hpp"
#include "tradepit/traces.hpp"
#include "tradepit/wake_up.hpp"
#include "tradepit/wire.hpp"
#include "tradepit/zmq_api.hpp"

namespace tradepit {

/// Reply bytes that one message may ask for; the requests after that are answered `busy`.
inline constexpr std::size_t reply_bytes_per_message_max = 4ULL << 20;
/// Waiting replies at which the socket is left alone until a commit has let some go.
inline constexpr std::size_t waiting_reply_bytes_max = 32ULL << 20;
/// A peer with more unread replies is answered `busy`.
inline constexpr std::uint64_t unsent_bytes_busy = 16ULL << 20;
/// What a peer may leave unread, and what all may together. Past that it has lost its session.
inline constexpr std::uint64_t unsent_bytes_per_session_max = 32ULL << 20;
inline constexpr std::uint64_t unsent_bytes_max = 256ULL << 20;
/// What a peer may leave unread in any case.
inline constexpr std::uint64_t unsent_bytes_per_session_min = 1ULL << 20;

/// Counters that other threads may read at any time.
struct HotLoopCounters {
  static constexpr std::size_t reasons_end = 128;  ///< above the highest wire::Reason

  std::atomic<std::uint64_t> messages_received{0};
  std::atomic<std::uint64_t> messages_sent{0};
  std::atomic<std::uint64_t> messages_dropped{
      0};  ///< of peers that abuse, or to peers that are gone
  std::atomic<std::uint64_t> commands{0};
  std::atomic<std::uint64_t> queries{0};
  std::atomic<std::uint64_t> trades{0};
  /// By reason. Refused records were not sequenced: malformed, not authorized, busy.
  std::atomic<std::uint64_t> refused_records[reasons_end]{};
  std::atomic<std::uint64_t> rejected_commands[reasons_end]{};
  std::atomic<std::uint64_t> replayed_answers{0};  ///< to orders that were sent again
  std::atomic<std::uint64_t> turns{0};             ///< at least one a second
  // As of the last turn.
  std::atomic<std::uint64_t> sessions{0};
  std::atomic<std::uint64_t> open_orders{0};
  std::atomic<std::uint64_t> book_levels{0};
  std::atomic<std::uint64_t> waiting_reply_bytes{0};
  std::atomic<std::uint64_t> unread_reply_bytes{0};
  std::atomic<std::uint64_t> sequenced_seq{0};
  std::atomic<bool> refuses_for_space{false};  ///< commands are answered `storage_full`
  // How long it takes. The first three are of the first command of a turn, and every 64th.
  LatencyHistogram receive;  ///< from taking a message until its first command enters the engine
  LatencyHistogram risk;     ///< the checks of an order
  LatencyHistogram match;    ///< the rest of it, or all of another command
  LatencyHistogram reply;    ///< from receiving a request until its answer is handed to the socket
};

struct HotLoopConfig {
  wire::Durability durability = wire::Durability::disk;
  void* router_socket = nullptr;
  void* feed_socket = nullptr;
  std::int64_t (*clock_ns)() = nullptr;  ///< the system's if there is none
};

/// Takes requests from a ROUTER socket, sequences and applies commands, appends them to the journal
/// and sends replies once their commit is durable. The only thread that orders wait for.
class HotLoop {
 public:
  HotLoop(const HotLoopConfig& config, const ZmqApi& zmq, std::vector<ApiKey> keys, Engine& engine,
          JournalWriter& journal);
  HotLoop(const HotLoop&) = delete;
  HotLoop& operator=(const HotLoop&) = delete;

  /// Runs on the calling thread until stop() or a failure. What was sequenced is committed and
  /// answered before it returns. Returns why it failed, or an empty text.
  [[nodiscard]] std::string run();
  /// Asks run() to return; any thread.
  void stop() noexcept;
  /// Everything up to `seq` is in the replicated stream as well; any thread. Answers of a loop
  /// whose durability is `replicated` wait for it.
  void note_replicated(std::uint64_t seq) noexcept;

  [[nodiscard]] const HotLoopCounters& counters() const noexcept { return counters_; }
  /// The traced commands since the last call; any thread.
  [[nodiscard]] std::vector<TracedCommand> take_traced() { return traced_.take(); }

 private:
  /// A simulation's, which takes one turn after the other.
  friend struct HotLoopSteps;

  struct InstrumentFeed {
    ByteBuffer trades;                          // and their changes, to be sent in this turn
    wire::TopOfBook top;                        // after the last command, committed or not
    wire::TopOfBook committed_top;              // to be sent in this turn, if has_top
    wire::AuctionIndicative auction;            // after the last command, committed or not
    wire::AuctionIndicative committed_auction;  // to be sent in this turn, if has_auction
    bool has_top = false;
    bool has_auction = false;
    bool is_listed = false;  // in changed_feeds_
  };
  enum class FeedKind : std::uint8_t { trade, top, auction };
  struct WaitingFeed {
    std::uint64_t seq;
    std::uint32_t instrument_id;
    FeedKind kind;
    wire::MarketTrade trade;  // or a MarketTradeChanged
    wire::TopOfBook top;
    wire::AuctionIndicative auction;
  };

  /// Takes what has come, commits it and answers what is committed; then waits, if there is nothing
  /// else to do. Returns why it failed, or an empty text.
  [[nodiscard]] std::string turn();
  [[nodiscard]] bool drain_socket();
  void handle_message(std::string_view routing_id, std::span<const std::byte> payload,
                      bool has_extra_frames);
  /// Handles one record; returns false if the rest of the message cannot be read.
  bool handle_record(std::uint32_t session, std::span<const std::byte> message,
                     std::size_t& offset);
  void handle_command(std::uint32_t session, std::span<const std::byte> record,
                      wire::MessageType type, std::size_t offset);
  /// Ticks until nothing is due. False if the journal or the replies had no room for more.
  [[nodiscard]] bool pass_time();
  void handle_query(std::uint32_t session, std::span<const std::byte> record,
                    wire::MessageType type);
  void handle_logon(std::uint32_t session, std::span<const std::byte> record, std::size_t offset);
  /// Turns a TradeBusted or a TradeCorrected into market data.
  template <typename Event>
  void note_change(const Event& event, std::int64_t quantity_lots);
  /// Applies a command and appends it to the journal, which must have room.
  void sequence(std::span<const std::byte> record);
  void apply_measured(std::span<const std::byte> record) noexcept;
  void show_state() noexcept;
  /// A message has named the trace of its next command; that command was sequenced.
  void note_trace(std::span<const std::byte> record) noexcept;
  void pass_on_trace();
  /// Sequences a command and passes on what comes of it.
  void carry_out(std::span<const std::byte> record, wire::MessageType type, std::uint32_t session,
                 std::uint32_t request_id);
  /// Once a second: ends the tied sessions that are silent, and sends the others a ShardStatus.
  void probe_tied_sessions();
  /// Cancels the orders of tied sessions that have ended, about as many as one command may. False
  /// if the journal or the replies had no room.
  [[nodiscard]] bool end_sessions();
  /// Ends the tied sessions of the process before this one. Returns why it could not, or nothing.
  [[nodiscard]] std::string end_earlier_sessions();
  [[nodiscard]] wire::ShardStatus shard_status() const;
  void route_reports(std::uint32_t session, std::uint32_t request_id,
                     std::span<const std::byte> record);
  /// The order whose client order id the last command, a NewOrder that was refused, has; else 0.
  [[nodiscard]] std::uint64_t repeated_order() const noexcept;
  /// Queues the answer to an order that was sent again: what it is shows when it may leave.
  void answer_later(std::uint32_t session, std::span<const std::byte> record,
                    std::span<const std::byte> refusal, std::uint64_t order_id);
  /// What answers it: the first answer, or the refusal. The bytes hold until the next call.
  [[nodiscard]] std::span<const std::byte> answer_again(const Outbox::Item& item,
                                                        std::span<const std::byte> retry);
  void forward_events(std::uint32_t session, std::uint32_t request_id, wire::MessageType command);
  void note_tops(std::int64_t time_ns);
  void note_auctions(std::int64_t time_ns);
  void reply(std::uint32_t session, std::span<const std::byte> bytes);
  void reject(std::uint32_t session, std::uint32_t request_id, std::size_t offset,
              std::uint8_t record_type, wire::Reason reason, std::uint64_t seq = 0);
  void count_abuse(std::uint32_t session, wire::Reason reason) noexcept;
  void commit();
  /// The last command whose answer may leave.
  [[nodiscard]] std::uint64_t answerable_seq() const noexcept;
  void release(std::uint64_t committed_seq);
  void send_output(std::uint32_t session);
  [[nodiscard]] bool reads_too_little(const Session& session) const noexcept;
  [[nodiscard]] bool send_counted(const Session& session, std::span<const std::byte> bytes);
  void release_feed(std::uint64_t committed_seq);
  void note_time() noexcept;
  [[nodiscard]] long poll_timeout_ms() noexcept;
  [[nodiscard]] std::string wait_for_work(bool is_in_time);
  [[nodiscard]] bool has_room() const noexcept;

  HotLoopConfig config_;
  const ZmqApi& zmq_;
  Engine& engine_;
  JournalWriter& journal_;
  SessionTable sessions_;
  Outbox outbox_;
  ByteBuffer events_;
  ByteBuffer reports_;
  ByteBuffer answer_;
  ByteBuffer replayed_;
  EntryReader entries_;
  std::uint64_t waiting_retries_ = 0;  // in outbox_
  std::vector<std::uint32_t> with_output_;
  std::shared_ptr<std::atomic<std::uint64_t>> unsent_bytes_ =
      std::make_shared<std::atomic<std::uint64_t>>(0);  ///< of all sessions
  std::map<std::uint32_t, InstrumentFeed> feeds_;
  std::vector<WaitingFeed> waiting_feed_;
  std::vector<std::uint32_t> changed_feeds_;
  std::size_t message_reply_bytes_ = 0;
  std::int64_t now_ns_ = 0;
  int until_sample_ = 1;  // commands; at 0 one is measured
  TracedCommands traced_;
  TracedCommand trace_;        // what the message at hand has said of its next command
  std::int64_t taken_ns_ = 0;  // when the message at hand was, if its command is to be measured
  std::int64_t probed_ns_ = 0;
  WakeUp stop_wake_up_;
  std::atomic<bool> stop_{false};
  std::atomic<std::uint64_t> replicated_seq_{0};
  std::string error_;
  HotLoopCounters counters_;
};

}  // namespace tradepit
