#include "tradepit/replica.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "journal_files.hpp"
#include "journal_scan.hpp"

namespace tradepit {
namespace {

constexpr std::uint64_t batch_bytes = 1ULL << 20;
constexpr std::size_t snapshots_kept = 2;

}  // namespace

Replica::Replica(std::string directory, const EngineConfig& config)
    : directory_(std::move(directory)), config_(config), reader_(directory_, config.shard_id) {}

Replica::Outcome Replica::failure(std::string error) {
  error_ = std::move(error);
  if (error_.empty()) return Outcome::more;
  return detail::is_damage(error_) ? Outcome::diverged : Outcome::failed;
}

Replica::Outcome Replica::open() {
  std::string error = remove_unfinished_snapshots(directory_);
  if (!error.empty()) return failure(std::move(error));
  EngineStart start = start_engine(directory_, config_);
  refusals_ = std::move(start.refusals);
  if (!start.error.empty()) return failure(std::move(start.error));
  engine_ = std::move(start.engine);
  places_ = std::move(start.places);
  std::vector<SnapshotFile> files;
  error = list_snapshots(directory_, files);
  if (!error.empty()) return failure(std::move(error));
  for (const SnapshotFile& file : files) {
    if (kept_.size() == snapshots_kept || file.seq > start.snapshot_seq) continue;
    // The newest was restored just now.
    const std::string refusal =
        kept_.empty() ? std::string() : check_snapshot(directory_, file, config_);
    if (refusal.empty()) {
      kept_.insert(kept_.begin(), file.seq);
    } else {
      refusals_.push_back(file.path + ": " + refusal);
    }
  }
  return failure(reader_.seek(seq() + 1));
}

std::string Replica::read_batch(std::uint64_t last_seq_max) {
  entries_.clear();
  next_ = 0;
  std::string error;
  batch_ = reader_.next_batch(last_seq_max, batch_bytes, error);
  if (!error.empty() || batch_.empty()) return error;
  const auto bytes = std::as_bytes(std::span(batch_)).subspan(sizeof(wire::CommitBatchHeader));
  const std::uint64_t batch_offset = reader_.next_offset() - bytes.size();
  for (std::uint64_t at = 0; at < bytes.size();) {
    EntryView entry;
    const bool is_sound = detail::read_entry(bytes.subspan(at), entry);
    assert(is_sound);  // next_batch has read it
    entry.place = {reader_.segment_first_seq(), batch_offset + at};
    entries_.push_back(entry);
    at += entry.header.length;
  }
  return "";
}

Replica::Outcome Replica::advance(std::uint64_t last_seq_max, std::uint64_t snapshot_seq_min) {
  if (next_ == entries_.size()) {
    const Outcome outcome = failure(read_batch(last_seq_max));
    if (outcome != Outcome::more) return outcome;
    if (entries_.empty()) return Outcome::up_to_date;
  }
  const auto opens_group = [](const EntryView& entry) {
    return entry.header.commit_first_seq == entry.header.seq;
  };
  if (seq() >= snapshot_seq_min && opens_group(entries_[next_]) && place_.entry_offset != 0) {
    return Outcome::may_snapshot;
  }
  std::size_t until = next_ + 1;
  while (until < entries_.size() &&
         !(entries_[until].header.seq > snapshot_seq_min && opens_group(entries_[until]))) {
    ++until;
  }
  const auto wanted = std::span<const EntryView>(entries_).subspan(next_, until - next_);
  const std::size_t count = replay_entries(*engine_, places_, scratch_, wanted, error_);
  if (count < wanted.size()) {
    return failure(detail::damage(detail::segment_path(directory_, reader_.segment_first_seq()),
                                  wanted[count].place.offset, wanted[count].header.seq, error_));
  }
  next_ = until;
  const EntryView& last = entries_[until - 1];
  place_ = {.segment_first_seq = last.place.segment_first_seq,
            .entry_offset = last.place.offset,
            .next_offset = last.place.offset + last.header.length};
  return Outcome::more;
}

std::string Replica::write_snapshot(std::uint64_t free_bytes_min) {
  assert(place_.entry_offset != 0);
  if (std::string error =
          tradepit::write_snapshot(directory_, *engine_, places_, place_, free_bytes_min);
      !error.empty()) {
    return error;
  }
  kept_.push_back(seq());
  if (kept_.size() > snapshots_kept) kept_.erase(kept_.begin());
  return kept_.size() < snapshots_kept ? "" : remove_snapshots_before(directory_, kept_[0]);
}

}  // namespace tradepit
