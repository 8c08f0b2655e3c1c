// Measures what measuring costs the engine; prints one JSON object a line.
//
//   observe_bench [ROUNDS]
//
// The flow of workload.hpp on three engines in turn: one that nobody measures, one of which every
// 64th command is measured as the hot loop does it (three readings of the clock and two cells), and
// one of which each is. The time is the thread's own; of ROUNDS runs the figure is the median.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <vector>

#include "flow.hpp"
#include "market.hpp"
#include "tradepit/engine.hpp"
#include "tradepit/latency.hpp"
#include "tradepit/look_ahead.hpp"
#include "workload.hpp"

namespace {

using bench::length_at;
using tradepit::ByteBuffer;
using tradepit::Engine;
using tradepit::EngineConfig;
using tradepit::JudgedHook;
using tradepit::LatencyHistogram;
using tradepit::steady_ns;

constexpr std::size_t output_bytes_max = 64 * 1024;

double thread_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

class Run {
 public:
  Run(const char* name, int commands_per_sample)
      : name_(name), commands_per_sample_(commands_per_sample) {
    const ByteBuffer start = bench::opening(100);
    apply(start.bytes());
  }

  void round(const bench::Script& script) {
    const auto all = script.bytes.bytes();
    apply(all.first(script.timed_from));
    const double begin = thread_seconds();
    apply(all.subspan(script.timed_from));
    seconds_.push_back(thread_seconds() - begin);
    timed_count_ = script.timed_count;
    bench::drain(engine_, [&](const std::byte* record) {
      events_.clear();
      engine_.apply(record, events_, nullptr);
    });
  }

  [[nodiscard]] double ns_per_command() {
    std::sort(seconds_.begin(), seconds_.end());
    return 1e9 * seconds_[seconds_.size() / 2] / static_cast<double>(timed_count_);
  }
  [[nodiscard]] const char* name() const { return name_; }
  [[nodiscard]] std::uint64_t sample_count() const { return match_->snapshot().total(); }

 private:
  void apply(std::span<const std::byte> records) {
    tradepit::LookAhead look_ahead(engine_, records);
    for (std::size_t at = 0; at < records.size(); at += length_at(records.data() + at)) {
      look_ahead.step();
      if (events_.size() > output_bytes_max) events_.clear();
      if (commands_per_sample_ != 0 && --until_sample_ == 0) {
        until_sample_ = commands_per_sample_;
        measure(records.data() + at);
      } else {
        engine_.apply(records.data() + at, events_, nullptr);
      }
    }
  }

  void measure(const std::byte* record) {
    const std::int64_t begin_ns = steady_ns();
    std::int64_t judged_ns = 0;
    const JudgedHook hook{
        .call = [](void* context) noexcept { *static_cast<std::int64_t*>(context) = steady_ns(); },
        .context = &judged_ns};
    engine_.apply(record, events_, nullptr, &hook);
    const std::int64_t end_ns = steady_ns();
    if (judged_ns == 0) judged_ns = begin_ns;
    risk_->record(judged_ns - begin_ns);
    match_->record(end_ns - judged_ns);
  }

  const char* name_;
  int commands_per_sample_;
  int until_sample_ = 1;
  Engine engine_{EngineConfig{.max_orders = 1U << 21}};
  ByteBuffer events_{4 * output_bytes_max};
  std::unique_ptr<LatencyHistogram> risk_ = std::make_unique<LatencyHistogram>();
  std::unique_ptr<LatencyHistogram> match_ = std::make_unique<LatencyHistogram>();
  std::vector<double> seconds_;
  std::size_t timed_count_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 5;
  const auto commands = workload::Generator(workload::near_book).run();
  Run runs[] = {{"not measured", 0}, {"every 64th measured", 64}, {"each measured", 1}};
  std::uint64_t first_order = 0, first_name = 0;
  for (int round = 0; round < rounds; ++round) {
    const bench::Script script = bench::encode(commands, first_order, first_name);
    for (Run& run : runs) run.round(script);
    first_order += script.id_by_order.size() - 1;
    first_name += script.id_by_order.size() / bench::account_count + 1;
  }
  const double plain_ns = runs[0].ns_per_command();
  for (Run& run : runs) {
    std::printf("{\"name\": \"%s\", \"ns_per_command\": %.1f, \"ratio\": %.3f, \"samples\": %lu}\n",
                run.name(), run.ns_per_command(), run.ns_per_command() / plain_ns,
                static_cast<unsigned long>(run.sample_count()));
  }
}
