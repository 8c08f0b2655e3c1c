// The hot loop's way out: reports find their sessions, and what is durable leaves for them and the
// feed.
#include <algorithm>
#include <cstring>
#include <memory>

#include "hot_loop_detail.hpp"
#include "tradepit/hot_loop.hpp"

namespace tradepit {
namespace {

using detail::bytes_of;
using detail::count;
using detail::load;

/// A larger buffer goes back after use: there are thousands of sessions.
constexpr std::size_t kept_output_bytes_max = 16 * 1024;

/// Bytes on their way through libzmq, counted until it lets them go.
struct CountedBytes {
  std::shared_ptr<std::atomic<std::uint64_t>> of_session;
  std::shared_ptr<std::atomic<std::uint64_t>> of_all;
  std::uint64_t size;
  std::unique_ptr<std::byte[]> bytes;

  /// Called by libzmq, on any of its threads.
  static void release(void*, void* hint) {
    const std::unique_ptr<CountedBytes> own(static_cast<CountedBytes*>(hint));
    own->of_session->fetch_sub(own->size, std::memory_order_relaxed);
    own->of_all->fetch_sub(own->size, std::memory_order_relaxed);
  }
};

}  // namespace

/// Reports about the command's own order go to who sent it; every report goes to the sessions
/// that subscribe to its account.
void HotLoop::route_reports(std::uint32_t session, std::uint32_t request_id,
                            std::span<const std::byte> record) {
  const std::byte* at = reports_.data();
  const std::byte* const end = at + reports_.size();
  const std::byte* own_begin = nullptr;  // a run of reports that answer, sent as one
  const auto flush_own = [&](const std::byte* own_end) {
    if (own_begin != nullptr) {
      const std::span own(own_begin, static_cast<std::size_t>(own_end - own_begin));
      const std::uint64_t repeated = repeated_order();
      if (repeated == 0) {
        reply(session, own);
      } else {
        answer_later(session, record, own, repeated);
      }
    }
    own_begin = nullptr;
  };
  for (; at < end; at += sizeof(wire::ExecutionReport)) {
    const bool is_answer = request_id != 0 && load<wire::Header>(at).request_id == request_id;
    if (is_answer && own_begin == nullptr) own_begin = at;
    if (!is_answer) flush_own(at);
    const auto account_id = load<std::uint64_t>(at + offsetof(wire::ExecutionReport, account_id));
    const auto subscribers = sessions_.subscribers(account_id);
    if (subscribers.empty()) continue;
    auto report = load<wire::ExecutionReport>(at);
    report.header.request_id = 0;
    report.flags = 0;
    for (const std::uint32_t subscriber : subscribers) {
      if (is_answer && subscriber == session) continue;
      reply(subscriber, bytes_of(report));
    }
  }
  flush_own(end);
}

void HotLoop::release(std::uint64_t committed_seq) {
  const std::int64_t now = config_.clock_ns();
  outbox_.release(committed_seq, [&](const Outbox::Item& item, std::span<const std::byte> bytes) {
    if (item.is_retry != 0) --waiting_retries_;
    Session& session = sessions_[item.session];
    if (session.generation != item.generation) return;  // the peer is gone
    session.waiting_bytes -= item.size;
    if (item.is_retry != 0) bytes = answer_again(item, bytes);
    if (session.output.size() + bytes.size() > static_cast<std::size_t>(wire::message_bytes_max)) {
      send_output(item.session);
      if (session.generation != item.generation) return;  // it went just now
    }
    if (!session.has_output) with_output_.push_back(item.session);
    session.has_output = true;
    session.output.append_bytes(bytes);
    counters_.reply.record(now - item.time_ns);
  });
  for (const std::uint32_t session : with_output_) send_output(session);
  with_output_.clear();
  release_feed(committed_seq);
  show_state();
}

/// Of what is not counted as it happens.
void HotLoop::show_state() noexcept {
  const auto show = [](std::atomic<std::uint64_t>& at, std::uint64_t value) {
    at.store(value, std::memory_order_relaxed);
  };
  show(counters_.sessions, sessions_.size());
  show(counters_.open_orders, engine_.open_order_count());
  show(counters_.book_levels, engine_.book_level_count());
  show(counters_.waiting_reply_bytes, outbox_.waiting_bytes());
  show(counters_.unread_reply_bytes, unsent_bytes_->load(std::memory_order_relaxed));
  counters_.refuses_for_space.store(journal_.is_storage_full(), std::memory_order_relaxed);
}

/// Sends what a session has collected, in messages of at most message_bytes_max, cut between
/// records. A peer that is gone, or that does not read, loses its session.
void HotLoop::send_output(std::uint32_t index) {
  Session& session = sessions_[index];
  if (!session.is_in_use || !session.has_output) return;
  auto left = session.output.bytes();
  bool is_sent = true;
  bool is_reading = true;
  while (!left.empty() && is_sent) {
    std::size_t size = 0;
    while (size < left.size()) {
      const std::size_t record = load<wire::Header>(left.data() + size).length;
      if (size + record > static_cast<std::size_t>(wire::message_bytes_max)) break;
      size += record;
    }
    is_reading = !reads_too_little(session);
    is_sent = is_reading && send_counted(session, left.first(size));
    left = left.subspan(size);
    count(is_sent ? counters_.messages_sent : counters_.messages_dropped);
  }
  session.has_output = false;
  if (session.output.size() > kept_output_bytes_max) {
    session.output = ByteBuffer();
  } else {
    session.output.clear();
  }
  if (!is_reading) {
    sessions_.log_off(index);  // not removed: a new session would be given as much again
  } else if (!is_sent) {
    sessions_.remove(index);
  }
}

bool HotLoop::reads_too_little(const Session& session) const noexcept {
  const std::uint64_t own = session.unsent_bytes->load(std::memory_order_relaxed);
  return own > unsent_bytes_per_session_max ||
         (own > unsent_bytes_per_session_min &&
          unsent_bytes_->load(std::memory_order_relaxed) > unsent_bytes_max);
}

bool HotLoop::send_counted(const Session& session, std::span<const std::byte> bytes) {
  if (zmq_.send(config_.router_socket, session.routing_id.data(), session.routing_id.size(),
                zmq_sndmore | zmq_dontwait) < 0) {
    return false;
  }
  auto counted = std::make_unique<CountedBytes>();
  counted->of_session = session.unsent_bytes;
  counted->of_all = unsent_bytes_;
  counted->size = bytes.size();
  counted->bytes = std::make_unique_for_overwrite<std::byte[]>(bytes.size());
  std::memcpy(counted->bytes.get(), bytes.data(), bytes.size());
  counted->of_session->fetch_add(bytes.size(), std::memory_order_relaxed);
  counted->of_all->fetch_add(bytes.size(), std::memory_order_relaxed);
  ZmqMessage message;
  CountedBytes* const hint = counted.release();
  zmq_.msg_init_data(&message, hint->bytes.get(), bytes.size(), &CountedBytes::release, hint);
  if (zmq_.msg_send(&message, config_.router_socket, zmq_dontwait) >= 0) return true;
  zmq_.msg_close(&message);
  return false;
}

/// Records the new top of each book that the last command changed.
void HotLoop::note_tops(std::int64_t time_ns) {
  for (const std::uint32_t instrument_id : engine_.touched_instruments()) {
    const Top top = engine_.top_of_book(instrument_id);
    wire::TopOfBook& last = feeds_[instrument_id].top;
    if (top == Top{last.bid_price_ticks, last.bid_quantity_lots, last.ask_price_ticks,
                   last.ask_quantity_lots}) {
      continue;
    }
    last.seq = engine_.seq();
    last.time_ns = time_ns;
    last.bid_price_ticks = top.bid_price_ticks;
    last.bid_quantity_lots = top.bid_quantity_lots;
    last.ask_price_ticks = top.ask_price_ticks;
    last.ask_quantity_lots = top.ask_quantity_lots;
    last.instrument_id = instrument_id;
    waiting_feed_.push_back({.seq = last.seq,
                             .instrument_id = instrument_id,
                             .kind = FeedKind::top,
                             .trade = {},
                             .top = last,
                             .auction = {}});
  }
}

/// Records what the auctions would do that the last command changed.
void HotLoop::note_auctions(std::int64_t time_ns) {
  for (const std::uint32_t instrument_id : engine_.touched_instruments()) {
    const Indicative now = engine_.indicative(instrument_id);
    wire::AuctionIndicative& last = feeds_[instrument_id].auction;
    if (now == Indicative{last.indicative_price_ticks, last.executable_lots, last.imbalance_lots,
                          last.imbalance_side}) {
      continue;
    }
    last.seq = engine_.seq();
    last.time_ns = time_ns;
    last.indicative_price_ticks = now.price_ticks;
    last.executable_lots = now.executable_lots;
    last.imbalance_lots = now.imbalance_lots;
    last.imbalance_side = now.imbalance_side;
    last.instrument_id = instrument_id;
    waiting_feed_.push_back({.seq = last.seq,
                             .instrument_id = instrument_id,
                             .kind = FeedKind::auction,
                             .trade = {},
                             .top = {},
                             .auction = last});
  }
}

void HotLoop::release_feed(std::uint64_t committed_seq) {
  if (waiting_feed_.empty()) return;
  const auto first_waiting =
      std::find_if(waiting_feed_.begin(), waiting_feed_.end(),
                   [=](const WaitingFeed& item) { return item.seq > committed_seq; });
  for (auto item = waiting_feed_.begin(); item != first_waiting; ++item) {
    InstrumentFeed& feed = feeds_[item->instrument_id];
    if (!feed.is_listed) changed_feeds_.push_back(item->instrument_id);
    feed.is_listed = true;
    if (item->kind == FeedKind::top) {
      feed.committed_top = item->top;
      feed.has_top = true;
    } else if (item->kind == FeedKind::auction) {
      feed.committed_auction = item->auction;
      feed.has_auction = true;
    } else {
      feed.trades.append(item->trade);
    }
  }
  waiting_feed_.erase(waiting_feed_.begin(), first_waiting);
  for (const std::uint32_t instrument_id : changed_feeds_) {
    InstrumentFeed& feed = feeds_[instrument_id];
    if (feed.has_top) feed.trades.append(feed.committed_top);
    if (feed.has_auction) feed.trades.append(feed.committed_auction);
    const std::uint8_t topic[4] = {static_cast<std::uint8_t>(instrument_id >> 24),
                                   static_cast<std::uint8_t>(instrument_id >> 16),
                                   static_cast<std::uint8_t>(instrument_id >> 8),
                                   static_cast<std::uint8_t>(instrument_id)};
    // A subscriber that does not keep up loses messages, and sees it from the seqs.
    if (zmq_.send(config_.feed_socket, topic, sizeof topic, zmq_sndmore | zmq_dontwait) >= 0) {
      zmq_.send(config_.feed_socket, feed.trades.data(), feed.trades.size(), zmq_dontwait);
    }
    feed.trades.clear();
    feed.has_top = false;
    feed.has_auction = false;
    feed.is_listed = false;
  }
  changed_feeds_.clear();
}

}  // namespace tradepit
