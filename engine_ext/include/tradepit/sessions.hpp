#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tradepit/buffer.hpp"
#include "tradepit/wire.hpp"

/// Who is connected to a shard, what each may do, and what is on its way to each.
namespace tradepit {

inline constexpr std::uint32_t sessions_max = 4096;
/// Sessions that get every report of one account: each of them multiplies what a trade costs.
inline constexpr std::size_t subscribers_per_account_max = 16;
inline constexpr std::uint32_t abuses_max = 16;  ///< then the peer's messages are dropped

/// An API key, and what it lets its holder do.
struct ApiKey {
  std::uint8_t bytes[32];
  std::uint64_t account_id;  ///< 0 for an operator
  bool is_operator;
};

/// A session that asked for cancel_on_disconnect and is gone.
struct EndedSession {
  std::uint64_t account_id;
  std::uint32_t session_id;
};

struct Session {
  std::string routing_id;
  std::uint64_t account_id = 0;
  std::uint64_t last_used = 0;   ///< turn of the loop: the least recently used session makes room
  std::uint32_t session_id = 0;  ///< given at logon
  std::uint32_t generation = 0;  ///< tells this session from the one that had its place before
  std::uint32_t abuse_count = 0;
  std::uint32_t silent_probe_count = 0;  ///< probes since its last message, if it is tied
  bool is_logged_on = false;
  bool is_operator = false;
  bool receives_reports = false;
  bool is_in_use = false;
  bool has_output = false;
  bool is_tied = false;  ///< asked for cancel_on_disconnect, and has sent an order
  /// Bytes that libzmq has not given to the network: its own limit counts messages, and they are of
  /// any size.
  std::shared_ptr<std::atomic<std::uint64_t>> unsent_bytes;
  std::uint64_t waiting_bytes = 0;  ///< of replies that wait for their commit
  ByteBuffer output;                ///< durable records that wait to be sent in this turn
};

/// Sessions by the routing id that ZeroMQ gives a connection. A reconnect is a new session.
class SessionTable {
 public:
  /// Session ids go on behind `session_counter`.
  SessionTable(std::vector<ApiKey> keys, std::uint32_t session_counter);

  /// The session of a peer, made if there is none: then the least recently used one gives way, one
  /// that has not logged on before any that has.
  [[nodiscard]] std::uint32_t find_or_add(std::string_view routing_id);
  [[nodiscard]] Session& operator[](std::uint32_t index) noexcept { return sessions_[index]; }
  void remove(std::uint32_t index);
  /// Ends what a Logon began; what waits for the session is not delivered any more.
  void log_off(std::uint32_t index);

  /// Logs the session on, or says why not. Every key is compared, each in constant time. A peer
  /// that chose its routing id may not: whoever connects with it next would have its session. An
  /// account's least recently used subscriber gives way to one too many. Each logon has a
  /// session_id of its own; when all are used up it is refused as busy.
  [[nodiscard]] wire::Reason log_on(std::uint32_t index, const wire::Logon& logon);
  /// THE account check: whether the session may send this record for that account.
  [[nodiscard]] static wire::Reason authorize(const Session& session, wire::MessageType type,
                                              std::uint64_t account_id) noexcept;
  /// Sessions that receive every report of an account.
  [[nodiscard]] std::span<const std::uint32_t> subscribers(std::uint64_t account_id) const noexcept;

  [[nodiscard]] std::uint32_t size() const noexcept { return in_use_count_; }
  /// To be called for each order that a session sends: its orders end with it, if it asked for
  /// that.
  void tie(std::uint32_t index);
  /// Sessions with tied orders.
  [[nodiscard]] std::span<const std::uint32_t> tied() const noexcept { return tied_; }
  /// Tied sessions that have ended, by whatever path: their orders are to be canceled.
  [[nodiscard]] std::vector<EndedSession>& ended() noexcept { return ended_; }
  void begin_turn() noexcept { ++turn_; }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
      return std::hash<std::string_view>{}(text);
    }
  };

  void unsubscribe(std::uint32_t index);
  void untie(std::uint32_t index);

  std::vector<ApiKey> keys_;
  std::vector<Session> sessions_;
  std::vector<std::uint32_t> free_;
  std::unordered_map<std::string, std::uint32_t, Hash, std::equal_to<>> by_routing_id_;
  std::unordered_map<std::uint64_t, std::vector<std::uint32_t>> subscribers_;
  std::vector<std::uint32_t> tied_;
  std::vector<EndedSession> ended_;
  std::uint32_t session_counter_;
  std::uint32_t in_use_count_ = 0;
  std::uint64_t turn_ = 0;
};

/// Replies that wait for their commit, first in, first out.
class Outbox {
 public:
  struct Item {
    std::uint64_t seq;     ///< may go once this is committed
    std::int64_t time_ns;  ///< when the request was received
    std::uint32_t session;
    std::uint32_t generation;
    std::uint32_t size;
    std::uint32_t is_retry = 0;  ///< its bytes are not what leaves
  };

  void push(const Item& item, std::span<const std::byte> bytes);

  /// Takes out what may go at `committed_seq`; `deliver(item, bytes)` sees it in order.
  template <typename Deliver>
  void release(std::uint64_t committed_seq, Deliver&& deliver) {
    while (head_ < items_.size()) {
      Item item;
      std::memcpy(&item, items_.data() + head_, sizeof item);
      if (item.seq > committed_seq) break;
      deliver(item, std::span<const std::byte>(items_.data() + head_ + sizeof item, item.size));
      head_ += sizeof item + item.size;
    }
    if (head_ == items_.size()) {
      items_.clear();
      head_ = 0;
    } else if (head_ > items_.size() / 2) {
      items_.erase(items_.begin(), items_.begin() + static_cast<std::ptrdiff_t>(head_));
      head_ = 0;
    }
  }

  [[nodiscard]] std::size_t waiting_bytes() const noexcept { return items_.size() - head_; }

 private:
  std::vector<std::byte> items_;
  std::size_t head_ = 0;
};

}  // namespace tradepit
