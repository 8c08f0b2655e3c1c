#include "tradepit/sessions.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace tradepit {
namespace {

/// Takes the same time whether and wherever the keys differ.
bool is_same_key(const std::uint8_t (&left)[32], const std::uint8_t (&right)[32]) noexcept {
  std::uint8_t difference = 0;
  for (std::size_t index = 0; index < 32; ++index) {
    difference = static_cast<std::uint8_t>(difference | (left[index] ^ right[index]));
  }
  return difference == 0;
}

/// True for the ids that libzmq gives to peers that have none: a zero byte and a counter.
bool is_assigned(std::string_view routing_id) noexcept {
  return routing_id.size() == 5 && routing_id[0] == 0;
}

}  // namespace

SessionTable::SessionTable(std::vector<ApiKey> keys, std::uint32_t session_counter)
    : keys_(std::move(keys)), sessions_(sessions_max), session_counter_(session_counter) {
  for (std::uint32_t index = sessions_max; index > 0; --index) free_.push_back(index - 1);
}

std::uint32_t SessionTable::find_or_add(std::string_view routing_id) {
  if (const auto found = by_routing_id_.find(routing_id); found != by_routing_id_.end()) {
    sessions_[found->second].last_used = turn_;
    return found->second;
  }
  if (free_.empty()) {
    const auto oldest =
        std::min_element(sessions_.begin(), sessions_.end(), [](const auto& a, const auto& b) {
          return std::pair(a.is_logged_on, a.last_used) < std::pair(b.is_logged_on, b.last_used);
        });
    remove(static_cast<std::uint32_t>(oldest - sessions_.begin()));
  }
  const std::uint32_t index = free_.back();
  free_.pop_back();
  Session& session = sessions_[index];
  session.routing_id = routing_id;
  session.last_used = turn_;
  session.is_in_use = true;
  session.unsent_bytes = std::make_shared<std::atomic<std::uint64_t>>(0);
  by_routing_id_.emplace(session.routing_id, index);
  ++in_use_count_;
  return index;
}

void SessionTable::remove(std::uint32_t index) {
  Session& session = sessions_[index];
  unsubscribe(index);
  untie(index);
  by_routing_id_.erase(session.routing_id);
  const std::uint32_t generation = session.generation + 1;
  session = Session{};
  session.generation = generation;
  free_.push_back(index);
  --in_use_count_;
}

void SessionTable::log_off(std::uint32_t index) {
  unsubscribe(index);
  untie(index);
  sessions_[index].is_logged_on = false;
  sessions_[index].is_operator = false;
  sessions_[index].waiting_bytes =
      0;  // what waits is of the generation that ends here: it is dropped
  ++sessions_[index].generation;
}

void SessionTable::tie(std::uint32_t index) {
  Session& session = sessions_[index];
  if (session.is_tied || (session.session_id & wire::tied_session_bit) == 0) return;
  session.is_tied = true;
  session.silent_probe_count = 0;
  tied_.push_back(index);
}

void SessionTable::untie(std::uint32_t index) {
  Session& session = sessions_[index];
  if (!session.is_tied) return;
  session.is_tied = false;
  std::erase(tied_, index);
  ended_.push_back({.account_id = session.account_id, .session_id = session.session_id});
}

void SessionTable::unsubscribe(std::uint32_t index) {
  Session& session = sessions_[index];
  if (!session.receives_reports) return;
  const auto found = subscribers_.find(session.account_id);
  std::erase(found->second, index);
  if (found->second.empty()) subscribers_.erase(found);
  session.receives_reports = false;
}

wire::Reason SessionTable::log_on(std::uint32_t index, const wire::Logon& logon) {
  if ((logon.flags & ~wire::logon_flag::known) != 0) return wire::Reason::invalid_flags;
  bool is_valid = false;
  for (const ApiKey& key : keys_) {
    const bool is_same = is_same_key(key.bytes, logon.key);
    const bool is_for_account =
        key.is_operator ? logon.account_id == 0 : logon.account_id == key.account_id;
    is_valid = is_valid || (is_same && is_for_account);
  }
  if (!is_valid) return wire::Reason::wrong_key;
  Session& session = sessions_[index];
  if (!is_assigned(session.routing_id)) return wire::Reason::not_authorized;
  if (session_counter_ + 1 == wire::tied_session_bit) return wire::Reason::busy;
  unsubscribe(index);
  untie(index);
  session.session_id = ++session_counter_;
  if ((logon.flags & wire::logon_flag::cancel_on_disconnect) != 0) {
    session.session_id |= static_cast<std::uint32_t>(wire::tied_session_bit);
  }
  session.is_logged_on = true;
  session.account_id = logon.account_id;
  session.is_operator = logon.account_id == 0;
  session.receives_reports =
      !session.is_operator && (logon.flags & wire::logon_flag::receive_reports) != 0;
  if (session.receives_reports) {
    const auto others = subscribers(session.account_id);
    if (others.size() >= subscribers_per_account_max) {
      remove(*std::min_element(others.begin(), others.end(), [&](auto a, auto b) {
        return sessions_[a].last_used < sessions_[b].last_used;
      }));
    }
    subscribers_[session.account_id].push_back(index);
  }
  return wire::Reason::none;
}

wire::Reason SessionTable::authorize(const Session& session, wire::MessageType type,
                                     std::uint64_t account_id) noexcept {
  if (!session.is_logged_on) return wire::Reason::not_logged_on;
  if (session.is_operator) return wire::Reason::none;
  if (wire::is_administrative(type)) return wire::Reason::not_authorized;
  switch (type) {
    case wire::MessageType::status_query:
    case wire::MessageType::instruments_query:
    case wire::MessageType::book_query:
      return wire::Reason::none;
    default:
      return account_id == session.account_id ? wire::Reason::none : wire::Reason::not_authorized;
  }
}

std::span<const std::uint32_t> SessionTable::subscribers(std::uint64_t account_id) const noexcept {
  if (subscribers_.empty()) return {};
  const auto found = subscribers_.find(account_id);
  if (found == subscribers_.end()) return {};
  return found->second;
}

void Outbox::push(const Item& item, std::span<const std::byte> bytes) {
  const auto* const at = reinterpret_cast<const std::byte*>(&item);
  items_.insert(items_.end(), at, at + sizeof item);
  items_.insert(items_.end(), bytes.begin(), bytes.end());
}

}  // namespace tradepit
