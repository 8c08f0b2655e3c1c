#include "tradepit/hot_loop.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "hot_loop_detail.hpp"
#include "tradepit/look_ahead.hpp"
#include "tradepit/wire_check.hpp"

namespace tradepit {
namespace {

using detail::bytes_of;
using detail::count;
using detail::count_reason;
using detail::load;
using detail::nobody;
using detail::RecordBuffer;

constexpr int messages_per_turn_max = 64;
constexpr int messages_per_hand_over = 8;
/// A group up to this size, with nothing else to do, is synced on this thread: handing it to the
/// journal's thread would cost two wake-ups.
constexpr std::uint64_t inline_commit_entries_max = 4;
constexpr long poll_timeout_ms_max = 1000;
constexpr int commands_per_sample = 64;

constexpr std::size_t time_offset = offsetof(wire::NewOrder, time_ns);
constexpr std::size_t command_account_offset = offsetof(wire::NewOrder, account_id);
constexpr std::size_t query_account_offset = offsetof(wire::BalancesQuery, account_id);
static_assert(offsetof(wire::Debit, time_ns) == time_offset);
static_assert(offsetof(wire::SetAsset, time_ns) == time_offset);
static_assert(offsetof(wire::SetInstrument, time_ns) == time_offset);
static_assert(offsetof(wire::SetAccount, time_ns) == time_offset);
static_assert(offsetof(wire::SetFeeSchedule, time_ns) == time_offset);
static_assert(offsetof(wire::SetTickTable, time_ns) == time_offset);
static_assert(offsetof(wire::SetTradingState, time_ns) == time_offset);
static_assert(offsetof(wire::SetCalendar, time_ns) == time_offset);
static_assert(offsetof(wire::Tick, time_ns) == time_offset);
static_assert(offsetof(wire::NewOrderList, time_ns) == time_offset);
static_assert(offsetof(wire::NewOrderList, account_id) == command_account_offset);
static_assert(offsetof(wire::CancelOrder, account_id) == command_account_offset);
static_assert(offsetof(wire::ReplaceOrder, account_id) == command_account_offset);
static_assert(offsetof(wire::MassCancel, account_id) == command_account_offset);
static_assert(offsetof(wire::KillSwitch, account_id) == command_account_offset);
static_assert(offsetof(wire::CancelAfter, account_id) == command_account_offset);
static_assert(offsetof(wire::MassQuote, account_id) == command_account_offset);
static_assert(offsetof(wire::SetQuoteProtection, account_id) == command_account_offset);
static_assert(offsetof(wire::OrderQuery, account_id) == query_account_offset);
static_assert(offsetof(wire::OpenOrdersQuery, account_id) == query_account_offset);

/// Where a command that places orders carries the session that sent it; 0 for any other.
constexpr std::size_t session_offset_of(wire::MessageType type) noexcept {
  switch (type) {
    case wire::MessageType::new_order:
      return offsetof(wire::NewOrder, session_id);
    case wire::MessageType::mass_quote:
      return offsetof(wire::MassQuote, session_id);
    case wire::MessageType::new_order_list:
      return offsetof(wire::NewOrderList, session_id);
    default:
      return 0;
  }
}

/// One frame of a message, given back to libzmq at the end of its scope.
class Frame {
 public:
  Frame(const ZmqApi& zmq, void* socket) noexcept : zmq_(zmq) {
    zmq_.msg_init(&message_);
    do {
      received_ = zmq_.msg_recv(&message_, socket, zmq_dontwait) >= 0;
    } while (!received_ && zmq_.error() == EINTR);
  }
  ~Frame() { zmq_.msg_close(&message_); }
  Frame(const Frame&) = delete;
  Frame& operator=(const Frame&) = delete;

  [[nodiscard]] bool received() const noexcept { return received_; }
  [[nodiscard]] bool has_more() const noexcept { return zmq_.msg_more(&message_) != 0; }
  [[nodiscard]] std::span<const std::byte> bytes() noexcept {
    return {static_cast<const std::byte*>(zmq_.msg_data(&message_)), zmq_.msg_size(&message_)};
  }

 private:
  const ZmqApi& zmq_;
  ZmqMessage message_;
  bool received_ = false;
};

}  // namespace

HotLoop::HotLoop(const HotLoopConfig& config, const ZmqApi& zmq, std::vector<ApiKey> keys,
                 Engine& engine, JournalWriter& journal)
    : config_(config),
      zmq_(zmq),
      engine_(engine),
      journal_(journal),
      sessions_(std::move(keys), engine.session_counter()),
      entries_(journal.config().directory),
      now_ns_(engine.time_ns()) {
  if (config_.clock_ns == nullptr) config_.clock_ns = detail::clock_ns;
}

void HotLoop::stop() noexcept {
  stop_.store(true, std::memory_order_release);
  stop_wake_up_.notify();
}

std::string HotLoop::run() {
  if (!stop_wake_up_.is_open()) return "cannot make a wake-up";
  if (std::string error = end_earlier_sessions(); !error.empty()) return error;
  while (!stop_.load(std::memory_order_acquire)) {
    if (std::string error = turn(); !error.empty()) return error;
  }
  journal_.close();
  release(answerable_seq());
  return journal_.has_failed() ? "the journal failed: " + journal_.error() : "";
}

std::string HotLoop::turn() {
  count(counters_.turns);
  until_sample_ = 1;
  sessions_.begin_turn();
  const bool is_drained = drain_socket();
  note_time();
  probe_tied_sessions();
  const bool is_in_time = pass_time() && end_sessions();
  commit();
  if (journal_.has_failed()) return "the journal failed: " + journal_.error();
  if (!error_.empty()) return error_;
  // The commit may have found peers gone.
  const bool is_idle = !is_in_time || sessions_.ended().empty();
  return is_idle && (is_drained || !has_room()) ? wait_for_work(is_in_time) : "";
}

bool HotLoop::has_room() const noexcept {
  // A full disk is answered, not waited for.
  return (journal_.can_append() || journal_.is_storage_full()) &&
         outbox_.waiting_bytes() < waiting_reply_bytes_max;
}

/// Takes messages until there are none, the turn is long enough, or there is no room. True if the
/// socket has nothing more.
bool HotLoop::drain_socket() {
  for (int taken = 1; taken <= messages_per_turn_max && has_room(); ++taken) {
    Frame routing_id(zmq_, config_.router_socket);
    if (!routing_id.received()) {
      if (zmq_.error() != EAGAIN) error_ = "the order socket failed";
      return true;
    }
    count(counters_.messages_received);
    if (!routing_id.has_more()) continue;
    Frame payload(zmq_, config_.router_socket);
    const bool has_extra_frames = payload.has_more();
    for (bool more = has_extra_frames; more;) more = Frame(zmq_, config_.router_socket).has_more();
    const auto id = routing_id.bytes();
    handle_message({reinterpret_cast<const char*>(id.data()), id.size()}, payload.bytes(),
                   has_extra_frames);
    taken_ns_ = 0;
    if (taken % messages_per_hand_over == 0) journal_.hand_over();
  }
  return false;
}

void HotLoop::handle_message(std::string_view routing_id, std::span<const std::byte> payload,
                             bool has_extra_frames) {
  if (until_sample_ == 1) taken_ns_ = steady_ns();
  const std::uint32_t session = sessions_.find_or_add(routing_id);
  if (sessions_[session].abuse_count >= abuses_max) {
    count(counters_.messages_dropped);
    return;
  }
  sessions_[session].silent_probe_count = 0;
  note_time();
  message_reply_bytes_ = 0;
  trace_.is_set = false;
  if (has_extra_frames || payload.size() > static_cast<std::size_t>(wire::message_bytes_max)) {
    reject(session, 0, 0, 0, wire::Reason::message_too_large);
    return;
  }
  if (payload.empty()) reject(session, 0, 0, 0, wire::Reason::malformed);
  LookAhead look_ahead(engine_, payload);
  for (std::size_t offset = 0; offset < payload.size();) {
    look_ahead.step();
    if (!handle_record(session, payload, offset)) return;
  }
}

bool HotLoop::handle_record(std::uint32_t session, std::span<const std::byte> message,
                            std::size_t& offset) {
  const auto rest = message.subspan(offset);
  wire::Header header{};
  std::memcpy(&header, rest.data(), std::min(sizeof header, rest.size()));
  const wire::Reason reason = check_record(rest);
  if (reason != wire::Reason::none) {
    reject(session, header.request_id, offset, header.type, reason);
    return false;  // where the next record begins is anyone's guess
  }
  RecordBuffer buffer;
  const auto type = static_cast<wire::MessageType>(header.type);
  if ((!wire::is_command(type) && !wire::is_request(type)) || wire::is_internal(type)) {
    reject(session, header.request_id, offset, header.type, wire::Reason::unknown_type);
    return false;
  }
  std::memcpy(buffer.bytes, rest.data(), header.length);
  const std::span<const std::byte> record(buffer.bytes, header.length);
  const std::size_t record_offset = offset;
  offset += header.length;
  if (type == wire::MessageType::trace_context && sessions_[session].is_operator) {
    note_trace(record);
    return true;
  }
  if (header.request_id == 0) {
    // Without an id the answer could not be told from a report that nobody asked for.
    reject(session, 0, record_offset, header.type, wire::Reason::malformed);
    return true;
  }
  if (type == wire::MessageType::logon) {
    handle_logon(session, record, record_offset);
    return true;
  }
  const bool is_command = wire::is_command(type);
  std::uint64_t account_id = 0;
  if (is_command && !wire::is_administrative(type)) {
    account_id = load<std::uint64_t>(buffer.bytes + command_account_offset);
  } else if (type == wire::MessageType::order_query ||
             type == wire::MessageType::open_orders_query ||
             type == wire::MessageType::balances_query) {
    account_id = load<std::uint64_t>(buffer.bytes + query_account_offset);
  }
  wire::Reason refusal = SessionTable::authorize(sessions_[session], type, account_id);
  if (type == wire::MessageType::kill_switch && !sessions_[session].is_operator &&
      refusal == wire::Reason::none &&
      load<wire::KillSwitch>(buffer.bytes).state == wire::KillSwitchState::released) {
    refusal =
        wire::Reason::not_authorized;  // whoever stopped an account may not be the one to go on
  }
  const std::size_t session_at = session_offset_of(type);
  if (session_at != 0 && refusal == wire::Reason::none &&
      load<std::uint32_t>(buffer.bytes + session_at) != 0) {
    refusal = wire::Reason::invalid_session;
  }
  if (refusal != wire::Reason::none) {
    reject(session, header.request_id, record_offset, header.type, refusal);
  } else if (message_reply_bytes_ > reply_bytes_per_message_max ||
             sessions_[session].waiting_bytes +
                     sessions_[session].unsent_bytes->load(std::memory_order_relaxed) >
                 unsent_bytes_busy) {
    reject(session, header.request_id, record_offset, header.type, wire::Reason::busy);
  } else if (is_command) {
    std::memcpy(buffer.bytes + time_offset, &now_ns_, sizeof now_ns_);
    if (session_at != 0) {
      const std::uint32_t session_id = sessions_[session].session_id;
      std::memcpy(buffer.bytes + session_at, &session_id, sizeof session_id);
      sessions_.tie(session);
    }
    handle_command(session, record, type, record_offset);
  } else {
    handle_query(session, record, type);
  }
  return true;
}

void HotLoop::handle_logon(std::uint32_t session, std::span<const std::byte> record,
                           std::size_t offset) {
  const auto logon = load<wire::Logon>(record.data());
  const wire::Reason reason = sessions_.log_on(session, logon);
  if (reason != wire::Reason::none) {
    reject(session, logon.header.request_id, offset, logon.header.type, reason);
    return;
  }
  wire::LoggedOn answer;
  answer.header.request_id = logon.header.request_id;
  answer.account_id = logon.account_id;
  answer.seq = engine_.seq();
  answer.shard_id = engine_.config().shard_id;
  answer.session_id = sessions_[session].session_id;
  answer.durability = config_.durability;
  reply(session, bytes_of(answer));
}

void HotLoop::handle_query(std::uint32_t session, std::span<const std::byte> record,
                           wire::MessageType type) {
  count(counters_.queries);
  answer_.clear();
  if (type == wire::MessageType::status_query) {
    wire::ShardStatus status = shard_status();
    status.header.request_id = load<wire::Header>(record.data()).request_id;
    answer_.append(status);
  } else {
    engine_.query(record.data(), answer_);
  }
  reply(session, answer_.bytes());
}

void HotLoop::handle_command(std::uint32_t session, std::span<const std::byte> record,
                             wire::MessageType type, std::size_t offset) {
  const auto request_id = load<wire::Header>(record.data()).request_id;
  const bool is_in_time = pass_time();
  if (!journal_.can_append()) journal_.hand_over();
  if (!is_in_time || !journal_.can_append()) {
    // Only a message of many records gets here: the socket is not read without room.
    const wire::Reason reason =
        journal_.is_storage_full() ? wire::Reason::storage_full : wire::Reason::busy;
    reject(session, request_id, offset, static_cast<std::uint8_t>(type), reason);
    return;
  }
  carry_out(record, type, session, request_id);
  if (trace_.is_set && trace_.request_id == request_id) [[unlikely]]
    pass_on_trace();
}

void HotLoop::carry_out(std::span<const std::byte> record, wire::MessageType type,
                        std::uint32_t session, std::uint32_t request_id) {
  sequence(record);
  route_reports(session, request_id, record);
  forward_events(session, request_id, type);
  note_tops(now_ns_);
  note_auctions(now_ns_);
}

void HotLoop::sequence(std::span<const std::byte> record) {
  events_.clear();
  reports_.clear();
  if (--until_sample_ == 0) [[unlikely]] {
    until_sample_ = commands_per_sample;
    apply_measured(record);
  } else {
    engine_.apply(record.data(), events_, &reports_);
  }
  journal_.append(engine_.seq(), engine_.digest(), engine_.last_event_count(), record,
                  events_.bytes(), engine_.order_count());
  count(counters_.commands);
}

bool HotLoop::pass_time() {
  while (engine_.next_deadline_ns() <= now_ns_) {
    if (!journal_.can_append()) journal_.hand_over();
    if (!journal_.can_append() || outbox_.waiting_bytes() >= waiting_reply_bytes_max) return false;
    wire::Tick tick;
    tick.time_ns = now_ns_;
    carry_out(bytes_of(tick), wire::MessageType::tick, nobody, 0);
  }
  return true;
}

/// Queues bytes for a session; they leave once everything sequenced so far is committed, so that
/// no answer tells of a state that could be lost.
void HotLoop::reply(std::uint32_t session, std::span<const std::byte> bytes) {
  message_reply_bytes_ += bytes.size();
  sessions_[session].waiting_bytes += bytes.size();
  outbox_.push({.seq = engine_.seq(),
                .time_ns = now_ns_,
                .session = session,
                .generation = sessions_[session].generation,
                .size = static_cast<std::uint32_t>(bytes.size())},
               bytes);
}

void HotLoop::reject(std::uint32_t session, std::uint32_t request_id, std::size_t offset,
                     std::uint8_t record_type, wire::Reason reason, std::uint64_t seq) {
  wire::Reject record;
  record.header.request_id = request_id;
  record.seq = seq;
  record.offset_bytes = static_cast<std::uint32_t>(offset);
  record.reason = reason;
  record.record_type = record_type;
  record.flags = wire::report_flag::last;
  reply(session, bytes_of(record));
  if (seq == 0) {
    count_reason(counters_.refused_records, reason);
    count_abuse(session, reason);
  }
}

void HotLoop::count_abuse(std::uint32_t session, wire::Reason reason) noexcept {
  switch (reason) {
    case wire::Reason::malformed:
    case wire::Reason::unsupported_version:
    case wire::Reason::unknown_type:
    case wire::Reason::message_too_large:
    case wire::Reason::wrong_key:
      ++sessions_[session].abuse_count;
      break;
    default:
      break;
  }
}

void HotLoop::commit() {
  counters_.sequenced_seq.store(engine_.seq(), std::memory_order_relaxed);
  const std::uint64_t pending = journal_.pending_entries();
  if (config_.durability != wire::Durability::memory && pending > 0 &&
      pending <= inline_commit_entries_max) {
    journal_.commit_inline();
  } else {
    journal_.hand_over();
  }
  release(answerable_seq());
}

std::uint64_t HotLoop::answerable_seq() const noexcept {
  // The journal answers an order that was sent again, once it holds the first one.
  if (config_.durability == wire::Durability::memory && waiting_retries_ == 0) {
    return engine_.seq();
  }
  const std::uint64_t committed_seq = journal_.committed_seq();
  if (config_.durability != wire::Durability::replicated) return committed_seq;
  return std::min(committed_seq, replicated_seq_.load(std::memory_order_acquire));
}

void HotLoop::note_replicated(std::uint64_t seq) noexcept {
  replicated_seq_.store(seq, std::memory_order_release);
  journal_.committed().notify();
}

void HotLoop::note_time() noexcept { now_ns_ = std::max(now_ns_, config_.clock_ns()); }

/// Until the next deadline, rounded up so that it is over then.
long HotLoop::poll_timeout_ms() noexcept {
  const std::int64_t next_ns = engine_.next_deadline_ns();
  if (next_ns == never_ns) return poll_timeout_ms_max;
  note_time();
  const std::int64_t left_ms = (std::max(next_ns, now_ns_) - now_ns_) / 1'000'000 + 1;
  return static_cast<long>(std::min<std::int64_t>(left_ms, poll_timeout_ms_max));
}

/// `is_in_time`: nothing is due. Else there was no room for it, and a commit makes some.
std::string HotLoop::wait_for_work(bool is_in_time) {
  ZmqPollItem items[] = {
      {nullptr, journal_.committed().fd(), zmq_pollin, 0},
      {nullptr, stop_wake_up_.fd(), zmq_pollin, 0},
      {config_.router_socket, 0, zmq_pollin, 0},
  };
  const int count_polled = has_room() ? 3 : 2;
  if (zmq_.poll(items, count_polled, is_in_time ? poll_timeout_ms() : poll_timeout_ms_max) < 0 &&
      zmq_.error() != EINTR) {
    return "waiting on the order socket failed";
  }
  if (items[0].revents != 0) journal_.committed().clear();
  return "";
}

}  // namespace tradepit
