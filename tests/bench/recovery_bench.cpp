// Makes a shard's folder with a deep book, and measures the steps of a recovery from it.
//
//   recovery_bench make FOLDER ORDERS COMMANDS   a journal: so many resting orders, a snapshot, so
//                                                many commands more
//   recovery_bench time FOLDER                   restores the snapshot and replays what follows
//
// Prints one JSON object.
#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "market.hpp"
#include "tradepit/recovery.hpp"
#include "tradepit/snapshot_file.hpp"

namespace {

using namespace tradepit;
using bench::account_count;

constexpr std::int64_t mid_ticks = 100'000;
constexpr std::int64_t depth_ticks = 20'000;
constexpr std::uint64_t group_commands = 200;

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void require(const std::string& error) {
  if (error.empty()) return;
  std::fprintf(stderr, "recovery_bench: %s\n", error.c_str());
  std::exit(1);
}

/// An engine with its journal, and a flow that keeps the number of resting orders.
class Shard {
 public:
  explicit Shard(const std::string& folder)
      : engine_(EngineConfig{}),
        journal_({.directory = folder,
                  .shard_id = 0,
                  .segment_bytes = segment_bytes_default,
                  .sync = false,
                  .places = &places_},
                 JournalEnd(), engine_.digest()) {
    require(journal_.open());
    const ByteBuffer start = bench::opening(100);
    for (std::size_t at = 0; at < start.size(); at += bench::length_at(start.data() + at)) {
      send(start.data() + at);
    }
  }

  [[nodiscard]] const Engine& engine() const noexcept { return engine_; }
  [[nodiscard]] const OrderPlaces& places() const noexcept { return places_; }

  void add(bool is_marketable) {
    wire::NewOrder order;
    ++order_count_;
    order.account_id = 1 + order_count_ % account_count;
    order.client_order_id = order_count_ / account_count + 1;
    order.side = random_() % 2 == 0 ? wire::Side::buy : wire::Side::sell;
    const auto distance = static_cast<std::int64_t>(random_() % depth_ticks) + 1;
    const std::int64_t away = is_marketable ? 5 : -distance;
    order.price_ticks = order.side == wire::Side::buy ? mid_ticks + away : mid_ticks - away;
    order.quantity_lots = 1 + static_cast<std::int64_t>(random_() % 100);
    order.instrument_id = 1;
    order.order_type = wire::OrderType::limit;
    order.time_in_force = is_marketable ? wire::TimeInForce::ioc : wire::TimeInForce::gtc;
    send(reinterpret_cast<const std::byte*>(&order));
    if (!is_marketable) open_.push_back(order_count_);
  }

  void cancel_any() {
    const std::size_t index = random_() % open_.size();
    wire::CancelOrder cancel;
    cancel.order_id = open_[index];  // shard 0: ids are counted from 1
    cancel.account_id = 1 + open_[index] % account_count;
    open_[index] = open_.back();
    open_.pop_back();
    send(reinterpret_cast<const std::byte*>(&cancel));
  }

  void step(std::uint64_t orders) {
    if (random_() % 100 < 8) return add(true);
    if (engine_.open_order_count() < orders + random_() % 200 - 100) return add(false);
    cancel_any();
  }

  void commit() {
    journal_.commit_inline();
    if (journal_.has_failed()) require(journal_.error());
  }

 private:
  void send(const std::byte* command) {
    while (!journal_.can_append()) {
      commit();
      if (journal_.can_append()) break;
      pollfd item{journal_.committed().fd(), POLLIN, 0};
      ::poll(&item, 1, 1000);
      journal_.committed().clear();
    }
    events_.clear();
    engine_.apply(command, events_, nullptr);
    journal_.append(engine_.seq(), engine_.digest(), engine_.last_event_count(),
                    {command, bench::length_at(command)}, events_.bytes(), engine_.order_count());
    if (engine_.seq() % group_commands == 0) commit();
  }

  Engine engine_;
  OrderPlaces places_{EngineConfig{}.max_client_order_ids};
  JournalWriter journal_;
  ByteBuffer events_;
  std::vector<std::uint64_t> open_;
  std::mt19937_64 random_{46};
  std::uint64_t order_count_ = 0;
};

/// Where the journal's last entry stands.
SnapshotPlace place_of(const std::string& folder, std::uint64_t seq) {
  JournalReader reader(folder, 0);
  require(reader.seek(seq));
  SnapshotPlace place{.segment_first_seq = reader.segment_first_seq(),
                      .entry_offset = reader.next_offset()};
  require(reader.seek(seq + 1));
  place.next_offset = reader.next_offset();
  return place;
}

void make(const std::string& folder, std::uint64_t orders, std::uint64_t commands) {
  std::filesystem::create_directories(folder);
  Shard shard(folder);
  while (shard.engine().open_order_count() < orders) shard.add(false);
  shard.commit();
  const std::uint64_t seq = shard.engine().seq();
  require(write_snapshot(folder, shard.engine(), shard.places(), place_of(folder, seq), 0));
  for (std::uint64_t count = 0; count < commands; ++count) shard.step(orders);
  shard.commit();
  std::printf("{\"resting_orders\": %lu, \"snapshot_seq\": %lu, \"seq\": %lu}\n",
              shard.engine().open_order_count(), seq, shard.engine().seq());
}

void time_steps(const std::string& folder) {
  const double begin = seconds();
  EngineStart start = start_engine(folder, EngineConfig{});
  require(start.error);
  const double restored = seconds();
  ByteBuffer scratch;
  const JournalEnd end =
      scan_journal_from(folder, 0, start.next, [&](auto entries, std::string& error) {
        return replay_entries(*start.engine, start.places, scratch, entries, error);
      });
  require(end.error);
  const double replayed = seconds();
  const JournalEnd again = scan_journal_from(
      folder, 0, start.next, [](auto entries, std::string&) { return entries.size(); });
  std::printf(
      "{\"restore_s\": %.3f, \"replay_s\": %.3f, \"scan_alone_s\": %.3f, \"entries\": %lu}\n",
      restored - begin, replayed - restored, seconds() - replayed, again.entry_count);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 2 ? argv[1] : "";
  if (mode == "make" && argc == 5) {
    make(argv[2], std::strtoull(argv[3], nullptr, 10), std::strtoull(argv[4], nullptr, 10));
  } else if (mode == "time") {
    time_steps(argv[2]);
  } else {
    std::fprintf(stderr, "see the top of recovery_bench.cpp\n");
    return 2;
  }
  return 0;
}
