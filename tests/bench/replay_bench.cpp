// Measures a recovery; prints one JSON object a line.
//
//   replay_bench FILE [ROUNDS]      messages type,side,ioc,qty,seq,order_id,price_ticks
//
// Records the flow in a journal, several times over with mass cancels in between, then reads it
// back ROUNDS times as a matcher does that starts: every entry's checksum and seq are checked, its
// command is applied to an engine that was empty, and events and digest are compared with what was
// recorded. The figure is the median; the time is the thread's own, files are in the page cache.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "flow.hpp"
#include "market.hpp"
#include "tradepit/engine.hpp"
#include "tradepit/journal.hpp"

namespace {

using tradepit::ByteBuffer;
using tradepit::Engine;
using tradepit::EngineConfig;
using tradepit::EntryView;
using tradepit::JournalEnd;
using tradepit::JournalWriter;

constexpr int recorded_flows = 5;

void stop_if(const std::string& error) {
  if (error.empty()) return;
  std::fprintf(stderr, "replay_bench: %s\n", error.c_str());
  std::exit(1);
}

/// A directory of its own that goes with the program.
struct Folder {
  Folder()
      : path(std::filesystem::temp_directory_path() /
             ("replay_bench." + std::to_string(getpid()))) {
    std::filesystem::create_directory(path);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path); }
  std::filesystem::path path;
};

void record(const std::vector<workload::Command>& flow, const std::string& directory) {
  Engine engine{EngineConfig{}};
  JournalEnd empty;
  empty.last_digest = engine.digest();
  JournalWriter journal({.directory = directory, .sync = false}, empty, engine.digest());
  stop_if(journal.open());
  ByteBuffer events;
  const auto send = [&](const std::byte* command) {
    while (!journal.can_append()) {
      journal.hand_over();
      usleep(100);
    }
    events.clear();
    engine.apply(command, events, nullptr);
    journal.append(engine.seq(), engine.digest(), engine.last_event_count(),
                   {command, bench::length_at(command)}, events.bytes());
  };
  const auto send_all = [&](const ByteBuffer& bytes) {
    for (std::size_t at = 0; at < bytes.size(); at += bench::length_at(bytes.data() + at)) {
      send(bytes.data() + at);
    }
  };
  send_all(bench::opening(100));
  std::uint64_t first_order = 0;
  std::uint64_t first_name = 0;
  for (int count = 0; count < recorded_flows; ++count) {
    const bench::Script script = bench::encode(flow, first_order, first_name);
    first_order += script.id_by_order.size() - 1;
    first_name += script.id_by_order.size() / bench::account_count + 1;
    send_all(script.bytes);
    bench::drain(engine, send);
  }
  while (journal.committed_seq() != engine.seq()) {
    journal.hand_over();
    usleep(100);
    if (journal.has_failed()) stop_if(journal.error());
  }
  journal.close();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: replay_bench FILE [ROUNDS]\n");
    return 2;
  }
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 5;
  const Folder folder;
  record(bench::read_csv(argv[1]), folder.path);
  std::vector<double> seconds;
  std::uint64_t entry_count = 0;
  for (int round = 0; round < rounds; ++round) {
    Engine engine{EngineConfig{}};
    ByteBuffer events;
    // What the matcher does with each entry when it starts.
    const auto replay = [&](const EntryView& entry) -> std::string {
      events.clear();
      engine.apply(entry.command.data(), events, nullptr);
      const bool is_same = events.size() == entry.events.size() &&
                           std::memcmp(events.data(), entry.events.data(), events.size()) == 0 &&
                           engine.digest() == entry.header.digest;
      return is_same ? "" : "replaying the command gives other events than were recorded";
    };
    const double begin = bench::seconds_now();
    const JournalEnd end = tradepit::scan_journal(folder.path, 0, engine.digest(), replay);
    seconds.push_back(bench::seconds_now() - begin);
    stop_if(end.error);
    entry_count = end.entry_count;
  }
  std::sort(seconds.begin(), seconds.end());
  const auto count = static_cast<double>(entry_count);
  const double median = seconds[seconds.size() / 2];
  std::printf(
      "{\"name\": \"replay csv\", \"commands\": %lu, \"commands_per_s\": %.0f, "
      "\"commands_per_s_best\": %.0f, \"ns_per_command\": %.1f, \"rounds\": %d}\n",
      entry_count, count / median, count / seconds.front(), 1e9 * median / count, rounds);
  return 0;
}
