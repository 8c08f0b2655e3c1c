#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tradepit/engine.hpp"
#include "tradepit/journal.hpp"

/// Snapshot files: `<seq, 20 digits>.snapshot` beside the journal's segments, a SnapshotFileHeader,
/// the engine's snapshot, and where the journal holds its recent orders. A file gets its name once
/// its bytes were synced, read back, restored and compared; until then it is called
/// `<seq>.snapshot.tmp`.
namespace tradepit {

inline constexpr std::uint32_t snapshot_file_version = 2;

struct SnapshotFile {
  std::string path;
  std::uint64_t seq;
};

/// The snapshots of a folder, newest first; temporary ones are not among them. An unreadable folder
/// is an error text; a missing one is an empty list.
[[nodiscard]] std::string list_snapshots(const std::string& directory,
                                         std::vector<SnapshotFile>& out);

/// Where in the journal the entry with the snapshot's seq stands.
struct SnapshotPlace {
  std::uint64_t segment_first_seq = 0;
  std::uint64_t entry_offset = 0;
  std::uint64_t next_offset = 0;
};

/// Empty if the file is whole, of this shard and configuration, and stands on this journal: the
/// entry with its seq is there and has its digest. Does not restore it.
[[nodiscard]] std::string check_snapshot(const std::string& directory, const SnapshotFile& file,
                                         const EngineConfig& config);

/// The seq in a snapshot's header, if that is sound and of this shard and configuration; else 0.
/// The journal had that seq synced before the file was written, whatever has become of its body.
[[nodiscard]] std::uint64_t proven_seq(const SnapshotFile& file, const EngineConfig& config);

/// The engine of a snapshot that check_snapshot() would pass, or null and an error text. `places`
/// are its orders', `next` is where the journal goes on.
[[nodiscard]] std::unique_ptr<Engine> load_snapshot(const std::string& directory,
                                                    const SnapshotFile& file,
                                                    const EngineConfig& config, OrderPlaces& places,
                                                    JournalPosition& next, std::string& error);

/// Writes a snapshot of `engine` and its orders' places, durably, and verifies what was written:
/// restored from the file they give the same bytes. Returns an error text or an empty one; after an
/// error nothing of it is left. It leaves `free_bytes_min` of the disk free, or fails.
[[nodiscard]] std::string write_snapshot(const std::string& directory, const Engine& engine,
                                         const OrderPlaces& places, const SnapshotPlace& place,
                                         std::uint64_t free_bytes_min);

/// Removes what a writer that was killed left. Returns an error text or an empty one.
[[nodiscard]] std::string remove_unfinished_snapshots(const std::string& directory);

/// Removes all snapshots older than `seq`. Returns an error text or an empty one.
[[nodiscard]] std::string remove_snapshots_before(const std::string& directory, std::uint64_t seq);

}  // namespace tradepit
