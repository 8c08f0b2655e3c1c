// Measures the floor, the book alone and the whole engine; prints one JSON object a line.
//
//   engine_bench near|deep [ROUNDS]     the flow of workload.hpp, on the floor, the book, the
//   engine engine_bench csv FILE [ROUNDS]      messages type,side,ioc,qty,seq,order_id,price_ticks
//
// Of ROUNDS runs the figure is the median; "best" stands beside it, for a shared machine.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "floor.hpp"
#include "flow.hpp"
#include "market.hpp"
#include "tradepit/book.hpp"
#include "tradepit/engine.hpp"
#include "tradepit/look_ahead.hpp"
#include "workload.hpp"

namespace {

using bench::account_count;
using bench::encode;
using bench::length_at;
using bench::opening;
using bench::read_csv;
using bench::Script;
using bench::seconds_now;
using bench::side_of;
using tradepit::ByteBuffer;
using tradepit::Engine;
using tradepit::EngineConfig;
using tradepit::LookAhead;
using workload::Command;
using workload::Kind;
namespace wire = tradepit::wire;

constexpr std::size_t output_bytes_max = 64 * 1024;

void print(const std::string& name, std::size_t command_count, std::vector<double> seconds,
           std::uint64_t fill_hash) {
  std::sort(seconds.begin(), seconds.end());
  const auto count = static_cast<double>(command_count);
  std::printf(
      "{\"name\": \"%s\", \"commands\": %zu, \"commands_per_s\": %.0f, \"commands_per_s_best\": "
      "%.0f, \"ns_per_command\": %.1f, \"rounds\": %zu, \"fill_hash\": \"%016lx\"}\n",
      name.c_str(), command_count, count / seconds[seconds.size() / 2], count / seconds.front(),
      1e9 * seconds[seconds.size() / 2] / count, seconds.size(), fill_hash);
  std::fflush(stdout);
}

/// The book alone, with a plain table from id to slot. Hashes the fills if `hash` is not null.
class BookRun {
 public:
  explicit BookRun(std::uint64_t id_max)
      : store_(2'000'000), book_(store_, 1), next_slot_by_id_(id_max + 1) {}

  /// Asks for what `commands` from `index` on will touch, a little ahead of each.
  void look_ahead(const std::vector<Command>& commands, std::size_t index) const {
    const auto at = [&](std::size_t distance) -> const Command& {
      return commands[std::min(index + distance, commands.size() - 1)];
    };
    next_slot_by_id_.prefetch(at(24).id);
    const Command& near = at(16);
    book_.prefetch(next_slot_by_id_[near.id] - 1);
    book_.prefetch_level(side_of(near), price_if_add(near));
    const Command& next = at(8);
    book_.prefetch_neighbours(store_.orders.any_if_none(next_slot_by_id_[next.id] - 1));
    book_.prefetch_tail(side_of(next), price_if_add(next));
  }

  void apply(const Command& command, workload::FillHash* hash) {
    if (command.kind != Kind::add) {
      book_.remove(next_slot_by_id_[command.id] - 1);
      next_slot_by_id_[command.id] = 0;
      if (command.kind == Kind::cancel) return;
    }
    const auto matched = book_.match(
        side_of(command), command.price_ticks, command.lots, 10'000,
        [&](std::uint32_t slot, std::int64_t price, std::int64_t lots, std::int64_t open_lots) {
          traded_lots_ += lots;
          if (hash != nullptr) hash->add(store_.orders[slot].tag, command.id, price, lots);
          if (open_lots == 0) next_slot_by_id_[store_.orders[slot].tag] = 0;
        });
    if (matched.open_lots == 0 || command.is_ioc) return;
    const std::uint32_t slot = store_.orders.take();
    store_.orders[slot].tag = static_cast<std::uint32_t>(command.id);
    next_slot_by_id_[command.id] = slot + 1;
    book_.rest(slot, side_of(command), command.price_ticks, matched.open_lots);
  }

 private:
  /// Others need not know a price; 0 stands for none, without a branch.
  static std::int64_t price_if_add(const Command& command) {
    return command.price_ticks & -static_cast<std::int64_t>(command.kind == Kind::add);
  }

  tradepit::BookStore store_;
  tradepit::Book book_;
  tradepit::LazyArray<std::uint32_t> next_slot_by_id_;  // the slot and 1; 0 = not open
  std::int64_t traded_lots_ = 0;
};

/// The flow once on a book of its own; how long it took. Fills are hashed if `hash` is not null.
template <typename Run>
double run_flow(const std::vector<Command>& commands, std::uint64_t id_max, bool looks_ahead,
                workload::FillHash* hash) {
  Run run(id_max);
  std::size_t index = 0;
  for (; !commands[index].is_timed; ++index) run.apply(commands[index], nullptr);
  const double begin = seconds_now();
  for (; index < commands.size(); ++index) {
    if (looks_ahead) run.look_ahead(commands, index);
    run.apply(commands[index], hash);
  }
  return seconds_now() - begin;
}

/// The floor and the book in turn, so that both meet the same disturbances.
void bench_books(const std::string& name, const std::vector<Command>& commands, int rounds,
                 std::uint64_t id_max) {
  struct Contestant {
    const char* name;
    double (*run)(const std::vector<Command>&, std::uint64_t, bool, workload::FillHash*);
    bool looks_ahead;
    std::vector<double> seconds;
    workload::FillHash hash;
  };
  Contestant contestants[] = {{"floor ", run_flow<bench::FloorRun>, false, {}, {}},
                              {"floor ", run_flow<bench::FloorRun>, true, {}, {}},
                              {"book ", run_flow<BookRun>, false, {}, {}},
                              {"book ", run_flow<BookRun>, true, {}, {}}};
  // Hashing is not timed, it has a run of its own.
  for (Contestant& each : contestants)
    (void)each.run(commands, id_max, each.looks_ahead, &each.hash);
  for (int round = 0; round < rounds; ++round) {
    for (Contestant& each : contestants) {
      each.seconds.push_back(each.run(commands, id_max, each.looks_ahead, nullptr));
    }
  }
  const auto timed = static_cast<std::size_t>(
      std::count_if(commands.begin(), commands.end(), [](const Command& c) { return c.is_timed; }));
  for (const Contestant& each : contestants) {
    print(each.name + name + (each.looks_ahead ? " looking ahead" : ""), timed, each.seconds,
          each.hash.value());
  }
}

void apply_all(Engine& engine, const ByteBuffer& bytes, std::size_t from, std::size_t to,
               ByteBuffer& events, ByteBuffer* reports) {
  LookAhead look_ahead(engine, bytes.bytes().subspan(from, to - from));
  for (std::size_t offset = from; offset < to; offset += length_at(bytes.data() + offset)) {
    look_ahead.step();
    if (events.size() > output_bytes_max) events.clear();
    if (reports != nullptr && reports->size() > output_bytes_max) reports->clear();
    engine.apply(bytes.data() + offset, events, reports);
  }
}

/// The whole flow once on an engine of its own: the hash of its fills, and how many orders stay
/// open.
struct Outcome {
  std::uint64_t fill_hash = 0;
  std::uint64_t open_count = 0;
};

Outcome outcome_of(const Script& script, const ByteBuffer& start) {
  Engine engine{EngineConfig{.max_orders = 1U << 21}};
  ByteBuffer events;
  workload::FillHash hash;
  apply_all(engine, start, 0, start.size(), events, nullptr);
  for (std::size_t offset = 0; offset < script.bytes.size();
       offset += length_at(script.bytes.data() + offset)) {
    events.clear();
    engine.apply(script.bytes.data() + offset, events, nullptr);
    if (offset < script.timed_from) continue;
    for (std::size_t at = 0; at < events.size(); at += length_at(events.data() + at)) {
      wire::Trade trade;
      if (length_at(events.data() + at) != sizeof trade) continue;
      std::memcpy(&trade, events.data() + at, sizeof trade);
      hash.add(script.id_by_order[trade.maker_order_id], script.id_by_order[trade.taker_order_id],
               trade.price_ticks, trade.quantity_lots);
    }
  }
  return {hash.value(), engine.open_order_count()};
}

/// Every round runs the whole flow on one engine, whose books are emptied in between. Rounds are
/// counted once the memory of client order ids is full: from then on no memory is new.
void bench_engine(const std::string& name, const std::vector<Command>& commands, int rounds,
                  bool has_reports) {
  const ByteBuffer start = opening(100);
  Engine engine{EngineConfig{.max_orders = 1U << 21}};
  ByteBuffer events(4 * output_bytes_max);
  ByteBuffer reports(4 * output_bytes_max);
  apply_all(engine, start, 0, start.size(), events, nullptr);
  std::vector<double> seconds;
  std::uint64_t first_order = 0;
  std::uint64_t first_name = 0;
  Outcome outcome;
  std::size_t timed_count = 0;
  bool is_warm = false;
  while (seconds.size() < static_cast<std::size_t>(rounds)) {
    const Script script = encode(commands, first_order, first_name);
    if (first_order == 0) outcome = outcome_of(script, start);
    first_order += script.id_by_order.size() - 1;
    first_name += script.id_by_order.size() / account_count + 1;
    timed_count = script.timed_count;
    ByteBuffer* const out = has_reports ? &reports : nullptr;
    apply_all(engine, script.bytes, 0, script.timed_from, events, out);
    const double begin = seconds_now();
    apply_all(engine, script.bytes, script.timed_from, script.bytes.size(), events, out);
    if (is_warm) seconds.push_back(seconds_now() - begin);
    // One refused order would shift the ids of all later ones, and their cancels with them.
    if (engine.open_order_count() != outcome.open_count) std::abort();
    is_warm = first_order > engine.config().max_client_order_ids;
    bench::drain(engine, [&](const std::byte* record) {
      events.clear();
      engine.apply(record, events, nullptr);
    });
  }
  print("engine " + name + (has_reports ? " with reports" : ""), timed_count, seconds,
        outcome.fill_hash);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  if (mode == "near" || mode == "deep") {
    const workload::Shape& shape = mode == "near" ? workload::near_book : workload::deep_book;
    const int rounds = argc > 2 ? std::atoi(argv[2]) : 3;
    const std::vector<Command> commands = workload::Generator(shape).run();
    const std::uint64_t id_max = shape.resting_target + shape.command_count;
    bench_books(mode, commands, rounds, id_max);
    if (argc <= 3) bench_engine(mode, commands, rounds, false);
    return 0;
  }
  if (mode == "csv" && argc > 2) {
    const int rounds = argc > 3 ? std::atoi(argv[3]) : 9;
    const std::vector<Command> commands = read_csv(argv[2]);
    bench_engine("csv", commands, rounds, false);
    bench_engine("csv", commands, rounds, true);
    return 0;
  }
  std::fprintf(stderr, "usage: engine_bench near|deep [ROUNDS [book]] | csv FILE [ROUNDS]\n");
  return 2;
}
