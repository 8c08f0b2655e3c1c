// Sessions that asked for cancel_on_disconnect: who is gone, and the end of their orders.
#include <cstring>

#include "hot_loop_detail.hpp"
#include "tradepit/hot_loop.hpp"

namespace tradepit {
namespace {

using detail::bytes_of;
using detail::load;
using detail::nobody;

/// Silence is counted in probes, not in time: a loop that stood still has read nobody's messages.
constexpr std::int64_t probe_interval_ns = 1'000'000'000;
constexpr std::uint32_t silent_probes_max = wire::tied_session_silence_ns_max / probe_interval_ns;

/// The event that ends a SessionEnded; all zero if the command was refused.
wire::MassCanceled end_of(std::span<const std::byte> events) {
  while (!events.empty()) {
    const auto header = load<wire::Header>(events.data());
    if (static_cast<wire::MessageType>(header.type) == wire::MessageType::mass_canceled) {
      return load<wire::MassCanceled>(events.data());
    }
    events = events.subspan(header.length);
  }
  return {};
}

}  // namespace

wire::ShardStatus HotLoop::shard_status() const {
  wire::ShardStatus status;
  status.seq = engine_.seq();
  status.committed_seq = journal_.committed_seq();
  status.digest = engine_.digest();
  status.time_ns = now_ns_;
  status.open_order_count = engine_.open_order_count();
  status.account_count = engine_.account_count();
  status.shard_id = engine_.config().shard_id;
  return status;
}

void HotLoop::probe_tied_sessions() {
  if (now_ns_ - probed_ns_ < probe_interval_ns || !has_room()) return;
  probed_ns_ = now_ns_;
  const wire::ShardStatus status = shard_status();
  for (std::size_t left = sessions_.tied().size(); left > 0; --left) {
    const std::uint32_t session = sessions_.tied()[left - 1];
    if (++sessions_[session].silent_probe_count > silent_probes_max) {
      sessions_.log_off(session);  // and so leaves tied()
    } else {
      reply(session, bytes_of(status));  // fails, and ends the session, if the peer is gone
    }
  }
}

bool HotLoop::end_sessions() {
  std::vector<EndedSession>& ended = sessions_.ended();
  for (std::int64_t left = wire::cancels_per_command_max; left > 0 && !ended.empty();) {
    if (!pass_time()) return false;
    if (!journal_.can_append()) journal_.hand_over();
    if (!journal_.can_append() || outbox_.waiting_bytes() >= waiting_reply_bytes_max) return false;
    wire::SessionEnded command;
    command.time_ns = now_ns_;
    command.account_id = ended.back().account_id;
    command.session_id = ended.back().session_id;
    carry_out(bytes_of(command), wire::MessageType::session_ended, nobody, 0);
    const wire::MassCanceled end = end_of(events_.bytes());
    if (end.remaining_count == 0) ended.pop_back();
    left -= end.canceled_count;
  }
  return true;
}

/// Before any request is taken, so that it meets no order of a session of this process.
std::string HotLoop::end_earlier_sessions() {
  if (engine_.has_tied_orders()) sessions_.ended().push_back({.account_id = 0, .session_id = 0});
  while (!sessions_.ended().empty() && !stop_.load(std::memory_order_acquire)) {
    note_time();
    const bool has_had_room = end_sessions();
    commit();
    if (journal_.has_failed()) return "the journal failed: " + journal_.error();
    if (has_had_room) continue;
    if (journal_.is_storage_full()) {
      return "no space to cancel the orders of sessions that ended with the process before";
    }
    if (std::string error = wait_for_work(false); !error.empty()) return error;
  }
  return "";
}

}  // namespace tradepit
