#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <span>

#include "tradepit/hot_loop.hpp"

/// What the hot loop's files share.
namespace tradepit::detail {

/// Who asked for what the matcher itself sequences.
inline constexpr std::uint32_t nobody = sessions_max;

template <typename T>
[[nodiscard]] T load(const std::byte* at) noexcept {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

template <typename T>
[[nodiscard]] std::span<const std::byte> bytes_of(const T& record) noexcept {
  return {reinterpret_cast<const std::byte*>(&record), sizeof record};
}

[[nodiscard]] inline std::int64_t clock_ns() noexcept {
  timespec time{};
  ::clock_gettime(CLOCK_REALTIME, &time);
  return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

inline void count(std::atomic<std::uint64_t>& counter, std::uint64_t by = 1) noexcept {
  // One thread writes: no need for a locked instruction.
  counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}

inline void count_reason(std::atomic<std::uint64_t>* by_reason, wire::Reason reason) noexcept {
  const auto index = static_cast<std::size_t>(reason);
  if (index < HotLoopCounters::reasons_end) count(by_reason[index]);
}

/// Large enough for any record, aligned for its fields.
struct alignas(8) RecordBuffer {
  std::byte bytes[wire::record_bytes_max];
};

}  // namespace tradepit::detail
