// Measures an engine with a million resting orders; prints one JSON object a line.
//
//   depth_bench [ORDERS]
//
// Memory a resting order, the time of single commands, cancels at two depths of one queue, and a
// snapshot and its restoration. Limits are the engine's defaults.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "market.hpp"
#include "tradepit/engine.hpp"

namespace {

using bench::account_count;
using tradepit::ByteBuffer;
using tradepit::Engine;
using tradepit::EngineConfig;
namespace wire = tradepit::wire;

constexpr std::int64_t mid_ticks = 100'000;
constexpr int timed_commands = 1'000'000;

double wall_ns() {
  return static_cast<double>(std::chrono::steady_clock::now().time_since_epoch().count());
}

/// An engine, a market, and orders at random prices on both sides that do not cross.
class Market {
 public:
  /// Room for as many orders is taken at once, so that it is not counted as the engine's.
  explicit Market(std::size_t orders_max) : engine_(EngineConfig{}), open_(orders_max + 1) {
    open_.clear();
    const ByteBuffer start = bench::opening(100);
    for (std::size_t at = 0; at < start.size(); at += bench::length_at(start.data() + at)) {
      send(start.data() + at);
    }
  }

  [[nodiscard]] wire::NewOrder order_at(std::int64_t distance_ticks) {
    ++order_count_;
    wire::NewOrder order;
    order.account_id = 1 + order_count_ % account_count;
    order.client_order_id = order_count_ / account_count + 1;
    order.side = order_count_ % 2 == 0 ? wire::Side::buy : wire::Side::sell;
    order.price_ticks =
        order.side == wire::Side::buy ? mid_ticks - distance_ticks : mid_ticks + distance_ticks;
    order.quantity_lots = 1 + static_cast<std::int64_t>(order_count_ % 100);
    order.instrument_id = 1;
    order.order_type = wire::OrderType::limit;
    order.time_in_force = wire::TimeInForce::gtc;
    open_.push_back(order_count_);
    return order;
  }
  [[nodiscard]] wire::NewOrder order_anywhere() {
    return order_at(1 + static_cast<std::int64_t>(random_() % 20'000));
  }

  /// A command to cancel an order that the caller then sends.
  [[nodiscard]] wire::CancelOrder cancel_of_any() {
    const std::size_t index = random_() % open_.size();
    wire::CancelOrder cancel;
    cancel.account_id = 1 + open_[index] % account_count;
    cancel.order_id = open_[index];
    open_[index] = open_.back();
    open_.pop_back();
    return cancel;
  }

  template <typename Record>
  void apply(const Record& record) {
    send(reinterpret_cast<const std::byte*>(&record));
  }
  template <typename Record>
  [[nodiscard]] double timed_ns(const Record& record) {
    const double begin = wall_ns();
    apply(record);
    return wall_ns() - begin;
  }

  [[nodiscard]] Engine& engine() { return engine_; }
  [[nodiscard]] std::size_t open_count() const { return open_.size(); }

 private:
  void send(const std::byte* record) {
    events_.clear();
    engine_.apply(record, events_, nullptr);
  }

  Engine engine_;
  ByteBuffer events_{1 << 16};
  std::vector<std::uint64_t> open_;
  std::uint64_t order_count_ = 0;
  std::mt19937_64 random_{1};
};

std::uint64_t resident_bytes() {
  std::ifstream status("/proc/self/statm");
  std::uint64_t total = 0;
  std::uint64_t resident = 0;
  status >> total >> resident;
  return resident * 4096;
}

void print_percentiles(const char* name, std::vector<double>& ns) {
  std::sort(ns.begin(), ns.end());
  const auto at = [&](double part) {
    return ns[static_cast<std::size_t>(part * static_cast<double>(ns.size() - 1))];
  };
  std::printf("{\"name\": \"%s\", \"p50_ns\": %.0f, \"p99_ns\": %.0f, \"p99_9_ns\": %.0f}\n", name,
              at(0.5), at(0.99), at(0.999));
}

/// Some 300 ns of arithmetic, which wait for no memory: what the machine itself adds to a command
/// of that length, by interrupts and by what else runs.
std::uint64_t compute(std::uint64_t value) {
  for (int count = 0; count < 250; ++count) value = value * 6'364'136'223'846'793'005 + 1;
  return value;
}

/// Single commands, one after the other, with nothing to look ahead at.
void measure_commands(Market& market) {
  std::vector<double> timer_ns;
  std::vector<double> machine_ns;
  volatile std::uint64_t value = 1;
  std::vector<double> new_ns;
  std::vector<double> cancel_ns;
  for (int count = 0; count < timed_commands / 2; ++count) {
    double begin = wall_ns();
    timer_ns.push_back(wall_ns() - begin);
    begin = wall_ns();
    value = compute(value);
    machine_ns.push_back(wall_ns() - begin);
    cancel_ns.push_back(market.timed_ns(market.cancel_of_any()));
    new_ns.push_back(market.timed_ns(market.order_anywhere()));
  }
  print_percentiles("the timer itself", timer_ns);
  print_percentiles("the machine, without memory", machine_ns);
  print_percentiles("cancel", cancel_ns);
  print_percentiles("new order", new_ns);
}

/// Cancels of random orders of one queue.
void measure_queue(std::size_t depth) {
  Market market(depth);
  while (market.open_count() < depth) market.apply(market.order_at(1));
  std::vector<double> ns;
  for (int count = 0; count < 200'000; ++count) {
    ns.push_back(market.timed_ns(market.cancel_of_any()));
    market.apply(market.order_at(1));
  }
  print_percentiles(("cancel, two queues of " + std::to_string(depth / 2)).c_str(), ns);
}

void measure_snapshot(const Engine& engine) {
  ByteBuffer snapshot;
  engine.snapshot(snapshot);  // the buffer has grown, the next one is written into it
  snapshot.clear();
  double begin = bench::seconds_now();
  engine.snapshot(snapshot);
  const double write_s = bench::seconds_now() - begin;
  const char* error = "";
  begin = bench::seconds_now();
  const std::unique_ptr<Engine> copy = Engine::restore(snapshot.bytes(), error);
  const double restore_s = bench::seconds_now() - begin;
  if (copy == nullptr) {
    std::fprintf(stderr, "depth_bench: %s\n", error);
    std::exit(1);
  }
  std::printf(
      "{\"name\": \"snapshot\", \"bytes\": %zu, \"snapshot_s\": %.3f, \"restore_s\": %.3f}\n",
      snapshot.size(), write_s, restore_s);
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t orders = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 1'000'000;
  {
    Market market(orders);
    const std::uint64_t before = resident_bytes();
    while (market.open_count() < orders) market.apply(market.order_anywhere());
    std::printf(
        "{\"name\": \"memory\", \"orders\": %zu, \"empty_bytes\": %zu, \"bytes_per_order\": "
        "%.1f}\n",
        orders, static_cast<std::size_t>(before),
        (static_cast<double>(resident_bytes() - before)) / static_cast<double>(orders));
    measure_commands(market);
    measure_snapshot(market.engine());
  }
  measure_queue(1'000);
  measure_queue(orders);
  return 0;
}
