// A second engine that follows a journal while it is written, its snapshots, and a restart from
// them.
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "check.hpp"
#include "tradepit/recovery.hpp"
#include "tradepit/replica.hpp"

namespace {

using namespace tradepit;

constexpr std::uint32_t shard_id = 3;
constexpr std::uint64_t never = ~std::uint64_t{0};
const EngineConfig config{.shard_id = shard_id};

struct Folder {
  std::string path;
  Folder() {
    std::string pattern = std::filesystem::temp_directory_path() / "tradepit-replica-XXXXXX";
    CHECK(::mkdtemp(pattern.data()) != nullptr);
    path = pattern;
  }
  ~Folder() { std::filesystem::remove_all(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
};

/// A live engine and its journal.
struct Live {
  Engine engine{config};
  JournalWriter journal;
  ByteBuffer events;

  explicit Live(const std::string& folder)
      : journal({.directory = folder,
                 .shard_id = shard_id,
                 .segment_bytes = segment_bytes_min,
                 .sync = true},
                JournalEnd{}, engine.digest()) {
    CHECK(journal.open().empty());
  }

  /// A group of commands that open accounts.
  void commit(std::uint64_t count) {
    for (; count > 0; --count) {
      wire::SetAccount command;
      command.account_id = engine.seq() + 1;
      command.state = wire::AccountState::active;
      const auto bytes = std::as_bytes(std::span(&command, 1));
      events.clear();
      engine.apply(bytes.data(), events, nullptr);
      journal.append(engine.seq(), engine.digest(), engine.last_event_count(), bytes,
                     events.bytes());
    }
    journal.commit_inline();
    CHECK(journal.committed_seq() == engine.seq());
  }
};

Replica::Outcome follow(Replica& replica, std::uint64_t last_seq, std::uint64_t snapshot_seq_min) {
  Replica::Outcome outcome{};
  do {
    outcome = replica.advance(last_seq, snapshot_seq_min);
  } while (outcome == Replica::Outcome::more);
  return outcome;
}

}  // namespace

TEST(a_replica_follows_takes_snapshots_and_a_restart_goes_on_from_the_newest) {
  const Folder folder;
  Live live(folder.path);
  Replica replica(folder.path, config);
  CHECK(replica.open() == Replica::Outcome::more);
  for (std::uint64_t count = 1; count <= 20; ++count) {
    live.commit(count);
    const std::uint64_t last_seq = live.journal.committed_seq();
    CHECK(follow(replica, last_seq, never) == Replica::Outcome::up_to_date);
    CHECK(replica.seq() == last_seq && replica.digest() == live.engine.digest());
    // Nothing proves yet that the group is on the disk; the next one does.
    CHECK(follow(replica, last_seq, last_seq) == Replica::Outcome::up_to_date);
    live.commit(1);
    CHECK(follow(replica, last_seq + 1, last_seq) == Replica::Outcome::may_snapshot);
    CHECK(replica.seq() == last_seq);
    CHECK(!replica.write_snapshot(never / 2).empty());  // there is no such disk
    CHECK(replica.write_snapshot(0).empty());
    CHECK(replica.kept().size() == (count == 1 ? 1 : 2) && replica.kept().back() == last_seq);
  }
  live.journal.close();

  EngineStart start = start_engine(folder.path, config);
  CHECK(start.error.empty() && start.refusals.empty());
  CHECK(start.snapshot_seq == replica.kept().back());
  ByteBuffer scratch;
  const JournalEnd end =
      scan_journal_from(folder.path, shard_id, start.next, [&](auto entries, std::string& error) {
        return replay_entries(*start.engine, start.places, scratch, entries, error);
      });
  CHECK(end.error.empty() && end.entry_count == 1);
  CHECK(start.engine->seq() == live.engine.seq());
  CHECK(start.engine->digest() == live.engine.digest());
  CHECK(start.engine->check() == nullptr);

  // Other limits: the snapshots are named and not used.
  EngineConfig other = config;
  other.max_orders /= 2;
  const EngineStart refused = start_engine(folder.path, other);
  CHECK(refused.error.empty() && refused.snapshot_seq == 0 && refused.refusals.size() == 2);
}
