#include "tradepit/latency.hpp"

#include <cmath>
#include <numeric>

namespace tradepit {

std::uint64_t LatencySnapshot::total() const noexcept {
  return std::accumulate(cells.begin(), cells.end(), std::uint64_t{0});
}

std::vector<std::uint64_t> LatencySnapshot::bucket_counts() const {
  std::vector<std::uint64_t> counts;
  counts.reserve(latency_bounds_ns.size());
  std::uint64_t shorter = 0;
  std::size_t cell = 0;
  for (const std::uint64_t bound_ns : latency_bounds_ns) {
    for (; cell < cells.size() && latency_cells::end_ns(cell) <= bound_ns; ++cell) {
      shorter += cells[cell];
    }
    counts.push_back(shorter);
  }
  return counts;
}

std::uint64_t LatencySnapshot::quantile_ns(const LatencySnapshot& earlier, double quantile) const {
  const std::uint64_t all = total() - earlier.total();
  if (all == 0) return 0;
  const auto wanted = static_cast<std::uint64_t>(std::ceil(quantile * static_cast<double>(all)));
  std::uint64_t seen = 0;
  for (std::size_t cell = 0; cell < cells.size(); ++cell) {
    seen += cells[cell] - (earlier.cells.empty() ? 0 : earlier.cells[cell]);
    if (seen >= std::max<std::uint64_t>(wanted, 1)) return latency_cells::end_ns(cell) - 1;
  }
  return latency_cells::end_ns(latency_cells::count - 1) - 1;
}

LatencySnapshot LatencyHistogram::snapshot() const {
  LatencySnapshot out;
  out.sum_ns = sum_ns_.load(std::memory_order_relaxed);
  out.cells.reserve(cells_.size());
  for (const auto& cell : cells_) out.cells.push_back(cell.load(std::memory_order_relaxed));
  return out;
}

void CommitTimes::note(std::uint64_t last_seq, std::int64_t at_ns) noexcept {
  const std::uint64_t index = count_.load(std::memory_order_relaxed);
  Commit& commit = commits_[index % kept_count];
  // Who sees one of these sees count_ as it was before them, too.
  commit.last_seq.store(last_seq, std::memory_order_release);
  commit.at_ns.store(at_ns, std::memory_order_release);
  count_.store(index + 1, std::memory_order_release);
}

std::int64_t CommitTimes::of(std::uint64_t seq) const noexcept {
  const std::uint64_t end = count_.load(std::memory_order_acquire);
  // The oldest place may be written to at this moment.
  const std::uint64_t begin = end < kept_count ? 0 : end - kept_count + 1;
  std::uint64_t low = begin, high = end;
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    if (commits_[middle % kept_count].last_seq.load(std::memory_order_acquire) < seq) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  // In front of the first that is kept, it may have been committed by one that is not.
  if (low == end || (low == begin && begin != 0)) return 0;
  const std::int64_t at_ns = commits_[low % kept_count].at_ns.load(std::memory_order_acquire);
  const std::uint64_t now_end = count_.load(std::memory_order_relaxed);
  return now_end - low < kept_count ? at_ns : 0;  // else it was overwritten meanwhile
}

}  // namespace tradepit
