#include "tradepit/recovery.hpp"

#include <algorithm>
#include <cstring>

#include "journal_scan.hpp"
#include "tradepit/snapshot_file.hpp"

namespace tradepit {
namespace {

// With fewer orders everything is in the cache anyway (look_ahead.hpp).
constexpr std::uint64_t open_orders_min = 4'000;
constexpr int stages = 4;
constexpr std::size_t distance[stages] = {48, 32, 20, 10};
constexpr std::size_t aheads_max = 64;

}  // namespace

EngineStart start_engine(const std::string& directory, const EngineConfig& config) {
  EngineStart start;
  std::vector<SnapshotFile> snapshots;
  start.error = list_snapshots(directory, snapshots);
  if (!start.error.empty()) return start;
  for (const SnapshotFile& file : snapshots) {
    std::string refusal;
    start.engine = load_snapshot(directory, file, config, start.places, start.next, refusal);
    if (start.engine != nullptr) {
      start.snapshot_seq = file.seq;
      return start;
    }
    start.refusals.push_back(file.path + ": " + refusal);
  }
  const std::uint64_t first_seq = oldest_seq(directory, start.error);
  if (start.error.empty() && first_seq > 1) {
    start.error =
        "the journal in " + directory + " begins with seq " + std::to_string(first_seq) +
        ", and no snapshot that can be used goes as far: " + detail::missing(1, first_seq - 1);
  } else if (start.error.empty() && first_seq == 0 && !snapshots.empty()) {
    start.error = "the journal in " + directory +
                  " is gone, its snapshots are not: " + detail::missing(1, snapshots[0].seq);
  }
  for (const std::string& refusal : start.refusals) {
    if (!start.error.empty()) start.error += "; " + refusal;
  }
  if (!start.error.empty()) return start;
  start.engine = std::make_unique<Engine>(config);
  start.places = OrderPlaces(config.max_client_order_ids);
  start.next = {.digest = start.engine->digest()};
  return start;
}

std::string check_snapshots_behind(const std::string& directory, const EngineConfig& config,
                                   std::uint64_t last_seq) {
  std::vector<SnapshotFile> snapshots;
  if (std::string error = list_snapshots(directory, snapshots); !error.empty()) return error;
  for (const SnapshotFile& file : snapshots) {
    const std::uint64_t seq = proven_seq(file, config);
    if (seq <= last_seq) continue;
    return "the journal in " + directory + " ends at seq " + std::to_string(last_seq) + ", and " +
           file.path + " was made of seq " + std::to_string(seq) +
           ", which was synced: " + detail::missing(last_seq + 1, seq) +
           ". Bring the missing segments back, or rebuild the journal from the stream; only to "
           "give up those commands for good, move the snapshots that are ahead away";
  }
  return "";
}

std::size_t replay_entries(Engine& engine, OrderPlaces& places, ByteBuffer& scratch,
                           std::span<const EntryView> entries, std::string& error) {
  Engine::Ahead aheads[aheads_max];
  std::size_t seen_count = 0;
  for (std::size_t index = 0; index < entries.size(); ++index) {
    if (engine.open_order_count() >= open_orders_min) {
      seen_count = std::max(seen_count, index);
      for (const std::size_t until = std::min(entries.size(), index + 1 + distance[0]);
           seen_count < until; ++seen_count) {
        aheads[seen_count % aheads_max] = engine.look_at(entries[seen_count].command);
      }
      for (int stage = 1; stage < stages; ++stage) {
        const std::size_t at = index + distance[stage];
        if (at < seen_count) engine.prefetch(aheads[at % aheads_max], stage);
      }
    }
    const EntryView& entry = entries[index];
    scratch.clear();
    engine.apply(entry.command.data(), scratch, nullptr);
    const bool is_same = scratch.size() == entry.events.size() &&
                         std::memcmp(scratch.data(), entry.events.data(), scratch.size()) == 0 &&
                         engine.digest() == entry.header.digest;
    if (!is_same) {
      error = "replaying the command gives other events than were recorded";
      return index;
    }
    places.add(engine.order_count(), entry.place);
  }
  return entries.size();
}

}  // namespace tradepit
