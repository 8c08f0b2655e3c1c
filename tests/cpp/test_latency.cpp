// Histograms of durations, against the durations themselves.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "check.hpp"
#include "tradepit/latency.hpp"

using namespace tradepit;

TEST(cells_follow_each_other_and_are_less_than_one_percent_wide) {
  std::uint64_t begin_ns = 0;
  for (std::size_t cell = 0; cell < latency_cells::count; ++cell) {
    const std::uint64_t end_ns = latency_cells::end_ns(cell);
    CHECK(latency_cells::of(begin_ns) == cell);
    CHECK(latency_cells::of(end_ns - 1) == cell);
    CHECK(end_ns - begin_ns == 1 || 100 * (end_ns - begin_ns) < begin_ns);
    begin_ns = end_ns;
  }
  CHECK(latency_cells::of(UINT64_MAX) == latency_cells::count - 1);
}

TEST(buckets_count_exactly_what_is_below_their_bounds) {
  const auto histogram = std::make_unique<LatencyHistogram>();
  std::mt19937_64 random(3);
  std::vector<std::uint64_t> durations;
  for (const std::uint64_t bound_ns : latency_bounds_ns) {
    durations.push_back(bound_ns - 1);
    durations.push_back(bound_ns);
  }
  for (int count = 0; count < 20'000; ++count) durations.push_back(random() >> (random() % 62));
  std::uint64_t sum_ns = 0;
  for (const std::uint64_t ns : durations) {
    if (ns > INT64_MAX) continue;
    histogram->record(static_cast<std::int64_t>(ns));
    sum_ns += ns;
  }
  std::erase_if(durations, [](std::uint64_t ns) { return ns > INT64_MAX; });
  const LatencySnapshot snapshot = histogram->snapshot();
  CHECK(snapshot.total() == durations.size());
  CHECK(snapshot.sum_ns == sum_ns);
  const auto counts = snapshot.bucket_counts();
  for (std::size_t index = 0; index < counts.size(); ++index) {
    const auto below = std::count_if(durations.begin(), durations.end(), [=](std::uint64_t ns) {
      return ns < latency_bounds_ns[index];
    });
    CHECK(counts[index] == static_cast<std::uint64_t>(below));
  }
}

TEST(quantiles_are_those_of_what_came_after_the_earlier_snapshot) {
  const auto histogram = std::make_unique<LatencyHistogram>();
  for (int count = 0; count < 1'000; ++count) histogram->record(5'000'000'000);
  const LatencySnapshot earlier = histogram->snapshot();
  CHECK(earlier.quantile_ns(earlier, 0.5) == 0);
  std::vector<std::int64_t> durations;
  std::mt19937_64 random(11);
  for (int count = 0; count < 10'000; ++count) {
    durations.push_back(static_cast<std::int64_t>(1'000 + random() % 100'000'000));
    histogram->record(durations.back());
  }
  std::sort(durations.begin(), durations.end());
  const LatencySnapshot later = histogram->snapshot();
  for (const double quantile : {0.001, 0.5, 0.99, 0.999, 1.0}) {
    const auto rank = static_cast<std::size_t>(quantile * 10'000) - 1;
    const auto exact_ns = static_cast<std::uint64_t>(durations[rank]);
    const std::uint64_t found_ns = later.quantile_ns(earlier, quantile);
    CHECK(found_ns >= exact_ns && (found_ns - exact_ns) * 100 <= exact_ns);
  }
  histogram->record(-7);  // a clock that was set back
  CHECK(histogram->snapshot().quantile_ns(later, 1.0) == 0);
  CHECK(histogram->snapshot().total() == later.total() + 1);
}

TEST(commit_times_are_known_of_the_last_commits_alone) {
  const auto times = std::make_unique<CommitTimes>();
  CHECK(times->of(1) == 0);
  std::uint64_t seq = 0;
  for (std::int64_t commit = 1; commit <= 100; ++commit) times->note(seq += 10, commit);
  CHECK(times->of(1) == 1 && times->of(10) == 1 && times->of(11) == 2 && times->of(1'000) == 100);
  CHECK(times->of(1'001) == 0);
  for (std::int64_t commit = 101; commit <= 10'000; ++commit) times->note(seq += 10, commit);
  CHECK(times->of(1'000) == 0);
  CHECK(times->of(seq) == 10'000);
  const std::uint64_t oldest = seq / 10 - CommitTimes::kept_count + 3;
  CHECK(times->of(10 * oldest) == static_cast<std::int64_t>(oldest));
}
