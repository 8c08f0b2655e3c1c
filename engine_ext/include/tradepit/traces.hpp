#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <vector>

#include "tradepit/wire.hpp"

namespace tradepit {

/// A command that belongs to a trace, and what it went through.
struct TracedCommand {
  std::uint64_t seq = 0;
  std::int64_t received_ns = 0;   ///< by the matcher's clock
  std::int64_t sequenced_ns = 0;  ///< and this
  std::array<std::uint8_t, 16> trace_id{};
  std::array<std::uint8_t, 8> span_id{};
  std::uint32_t request_id = 0;
  bool is_set = false;
};

/// The last of them, from the thread that sequences to the one that publishes. The former never
/// waits: what comes while the latter takes, or too fast, is left out.
class TracedCommands {
 public:
  static constexpr std::size_t count_max = 256;

  TracedCommands() { waiting_.reserve(count_max); }

  void add(const TracedCommand& command) {
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (lock && waiting_.size() < count_max) waiting_.push_back(command);
  }
  [[nodiscard]] std::vector<TracedCommand> take() {
    std::vector<TracedCommand> out;
    out.reserve(count_max);
    const std::lock_guard lock(mutex_);
    out.swap(waiting_);
    return out;
  }

 private:
  std::mutex mutex_;
  std::vector<TracedCommand> waiting_;
};

}  // namespace tradepit
