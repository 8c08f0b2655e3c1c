#pragma once
#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <vector>

/// How long things take, counted by the thread that measures and read by any other.
namespace tradepit {

/// A clock for durations, which nobody sets.
[[nodiscard]] inline std::int64_t steady_ns() noexcept {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

/// Where a duration is counted. HdrHistogram's layout: below 128 ns a cell a nanosecond, then 128
/// cells from each power of two to the next, so that a cell is less than 1 % of its value wide.
namespace latency_cells {

inline constexpr int octave_bits = 7;
inline constexpr std::uint64_t per_octave = 1ULL << octave_bits;
inline constexpr int bits_max = 34;  ///< what takes 17 s or longer is in the last cell
inline constexpr std::size_t count = (bits_max - octave_bits + 1) * per_octave;

[[nodiscard]] constexpr std::size_t of(std::uint64_t ns) noexcept {
  ns = std::min<std::uint64_t>(ns, (1ULL << bits_max) - 1);
  if (ns < per_octave) return static_cast<std::size_t>(ns);
  const int shift = static_cast<int>(std::bit_width(ns)) - octave_bits - 1;
  return static_cast<std::size_t>(shift) * per_octave + static_cast<std::size_t>(ns >> shift);
}

/// The shortest duration that is beyond the cell.
[[nodiscard]] constexpr std::uint64_t end_ns(std::size_t cell) noexcept {
  if (cell < 2 * per_octave) return cell + 1;
  const std::size_t shift = cell / per_octave - 1;
  return (per_octave + cell % per_octave + 1) << shift;
}

static_assert(of((1ULL << bits_max) - 1) == count - 1 && end_ns(count - 1) == 1ULL << bits_max);

}  // namespace latency_cells

/// Bounds of the buckets that are shown, in nanoseconds: powers of two and the values halfway to
/// the next from 1 us to 1 s, powers of two to 8.6 s. Each is the end of a cell.
inline constexpr auto latency_bounds_ns = [] {
  constexpr int first_bits = 10, halves_until_bits = 30, last_bits = 33;
  constexpr std::size_t size =
      2 * (halves_until_bits - first_bits) + (last_bits - halves_until_bits) + 1;
  std::array<std::uint64_t, size> bounds{};
  std::size_t at = 0;
  for (int bits = first_bits; bits <= last_bits; ++bits) {
    bounds[at++] = 1ULL << bits;
    if (bits < halves_until_bits) bounds[at++] = 3ULL << (bits - 1);
  }
  return bounds;
}();

/// What a histogram had counted at one moment.
struct LatencySnapshot {
  std::vector<std::uint64_t> cells;  ///< of latency_cells
  std::uint64_t sum_ns = 0;

  [[nodiscard]] std::uint64_t total() const noexcept;
  /// How many were shorter than each of latency_bounds_ns.
  [[nodiscard]] std::vector<std::uint64_t> bucket_counts() const;
  /// No more than this took the share `quantile` of what was counted after `earlier`; 0 if nothing
  /// was. Never too low, and less than 1 % too high.
  [[nodiscard]] std::uint64_t quantile_ns(const LatencySnapshot& earlier, double quantile) const;
};

/// Counts durations. One thread records at a time; any may read meanwhile.
class LatencyHistogram {
 public:
  void record(std::int64_t duration_ns) noexcept {
    const auto ns = static_cast<std::uint64_t>(std::max<std::int64_t>(duration_ns, 0));
    add(cells_[latency_cells::of(ns)], 1);
    add(sum_ns_, ns);
  }
  [[nodiscard]] LatencySnapshot snapshot() const;

 private:
  static void add(std::atomic<std::uint64_t>& counter, std::uint64_t by) noexcept {
    // One thread writes: no need for a locked instruction.
    counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
  }

  std::array<std::atomic<std::uint64_t>, latency_cells::count> cells_{};
  std::atomic<std::uint64_t> sum_ns_{0};
};

/// When the last commits were made. One thread notes at a time; any may ask meanwhile.
class CommitTimes {
 public:
  static constexpr std::uint64_t kept_count = 4096;

  void note(std::uint64_t last_seq, std::int64_t at_ns) noexcept;
  /// On the steady clock; 0 if it is too long ago, or was before this process.
  [[nodiscard]] std::int64_t of(std::uint64_t seq) const noexcept;

 private:
  struct Commit {
    std::atomic<std::uint64_t> last_seq{0};
    std::atomic<std::int64_t> at_ns{0};
  };

  std::array<Commit, kept_count> commits_{};
  std::atomic<std::uint64_t> count_{0};
};

}  // namespace tradepit
