#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "tradepit/recovery.hpp"
#include "tradepit/snapshot_file.hpp"

namespace tradepit {

/// A second engine that follows a journal behind the live one: it replays every entry, compares it
/// with what was recorded, and writes snapshots. Changes nothing but snapshot files.
class Replica {
 public:
  enum class Outcome {
    up_to_date,    ///< everything up to the asked seq was replayed and is the same
    more,          ///< some was; ask again
    may_snapshot,  ///< stands before an entry that proves everything before it durable
    diverged,      ///< error(): the journal is damaged, or says something else than a replay
    failed,        ///< error(): the journal cannot be read at present
  };

  Replica(std::string directory, const EngineConfig& config);

  /// Starts from the newest snapshot that can be used: `more`, `diverged` or `failed`. Once, before
  /// anything else.
  [[nodiscard]] Outcome open();

  /// Replays some of the entries up to `last_seq_max`, which must be committed. From
  /// `snapshot_seq_min` on it stops where a snapshot may be taken: before an entry that opens a
  /// group, which is written only after everything before it was synced. The next call goes on.
  [[nodiscard]] Outcome advance(std::uint64_t last_seq_max, std::uint64_t snapshot_seq_min);

  /// Writes and verifies a snapshot of where advance() said may_snapshot, and removes all but the
  /// two newest that are sound. Returns an error text or an empty one.
  [[nodiscard]] std::string write_snapshot(std::uint64_t free_bytes_min);

  [[nodiscard]] std::uint64_t seq() const noexcept { return engine_->seq(); }
  [[nodiscard]] std::uint64_t digest() const noexcept { return engine_->digest(); }
  [[nodiscard]] const std::string& error() const noexcept { return error_; }
  /// Snapshots that open() could not use.
  [[nodiscard]] const std::vector<std::string>& refusals() const noexcept { return refusals_; }
  /// Seqs of the snapshots that are sound and kept, the older first; two at most.
  [[nodiscard]] const std::vector<std::uint64_t>& kept() const noexcept { return kept_; }

 private:
  /// What an error text means; `more` if there is none.
  [[nodiscard]] Outcome failure(std::string error);
  [[nodiscard]] std::string read_batch(std::uint64_t last_seq_max);

  std::string directory_;
  EngineConfig config_;
  std::unique_ptr<Engine> engine_;
  OrderPlaces places_;
  JournalReader reader_;
  std::string batch_;               // entries point into it
  std::vector<EntryView> entries_;  // of the batch
  std::size_t next_ = 0;            // in entries_
  SnapshotPlace place_;             // of the last entry replayed
  ByteBuffer scratch_;
  std::vector<std::string> refusals_;
  std::vector<std::uint64_t> kept_;
  std::string error_;
};

}  // namespace tradepit
