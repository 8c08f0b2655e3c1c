#pragma once
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <thread>

#include "tradepit/latency.hpp"
#include "tradepit/order_places.hpp"
#include "tradepit/wake_up.hpp"
#include "tradepit/wire.hpp"

/// The journal: every sequenced command with its events, in segment files that are zero-filled
/// before they are used (a sync of a block that exists already costs two thirds of one that does
/// not). A segment `<first seq, 20 digits>.journal` is a SegmentHeader, then JournalEntry items
/// without gaps, then zeros.
///
/// What is acknowledged was synced. A group of entries that was being written when the power went
/// may be torn; all of its entries carry one commit_first_seq, so that a torn last group can be
/// told from damage to something that was acknowledged. Damage to the last group alone looks the
/// same; a journal that was closed in order therefore leaves a file `closed` with its last seq and
/// digest, removed before anything is appended again.
namespace tradepit {

inline constexpr std::uint32_t journal_version = 1;
inline constexpr std::uint64_t segment_bytes_default = 64ULL << 20;
inline constexpr std::uint64_t segment_bytes_min = 16ULL << 20;
/// No entry is longer: a command, and as many events as one command can cause. A maker that is met
/// trades and ends what it is linked with, or is prevented and ends with what it is linked with;
/// then come what is triggered or activated, pegged, canceled by time and pulled, and the orders of
/// a list or of a mass quote.
inline constexpr std::uint64_t entry_bytes_max =
    sizeof(wire::JournalEntry) + wire::record_bytes_max + 4096 +
    static_cast<std::uint64_t>(wire::fills_per_command_max + 4) *
        std::max(sizeof(wire::Trade) + sizeof(wire::OrderCanceled),
                 sizeof(wire::SelfTradePrevented) + 3 * sizeof(wire::OrderCanceled)) +
    static_cast<std::uint64_t>(wire::triggers_per_command_max) * 2 *
        (sizeof(wire::OrderActivated) + sizeof(wire::OrderTriggered) +
         sizeof(wire::OrderCanceled)) +
    static_cast<std::uint64_t>(wire::pegged_orders_max) * sizeof(wire::OrderReplaced) +
    static_cast<std::uint64_t>(wire::cancels_per_command_max) * sizeof(wire::OrderCanceled) +
    (2 * wire::MassQuote::repeated_max + wire::NewOrderList::repeated_max) *
        (sizeof(wire::OrderAccepted) + sizeof(wire::OrderCanceled)) +
    static_cast<std::uint64_t>(wire::quote_protections_max) *
        (2 * wire::MassQuote::repeated_max * sizeof(wire::OrderCanceled) +
         sizeof(wire::QuoteProtectionChanged));

/// One journal entry, pointing into a buffer that the caller owns.
struct EntryView {
  wire::JournalEntry header;
  std::span<const std::byte> command;
  std::span<const std::byte> events;
  EntryPlace place = {};
};

/// Where in a journal reading begins: behind the entry `seq`, or at the start of it all.
struct JournalPosition {
  std::uint64_t seq = 0;
  std::uint64_t digest = 0;  ///< chain digest after that entry
  std::uint64_t segment_first_seq = 1;
  std::uint64_t next_offset = sizeof(wire::SegmentHeader);  ///< of the next entry, if it is here
};

/// Where a journal ends, or why it must not be used.
struct JournalEnd {
  std::string error;  ///< empty if the journal is sound; else names file, offset and seq
  std::uint64_t entry_count = 0;
  std::uint64_t last_seq = 0;
  std::uint64_t last_digest = 0;
  std::string segment_path;  ///< last segment; empty if there is none
  std::uint64_t segment_first_seq = 0;
  std::uint64_t segment_size = 0;
  std::uint64_t end_offset = 0;        ///< where the next entry goes
  std::uint64_t torn_bytes = 0;        ///< of a group that nothing proves synced, after end_offset
  std::uint64_t commit_first_seq = 0;  ///< of the last entry
  std::uint64_t commit_offset = 0;     ///< where its group begins, or the first entry would
};

/// Entries that follow each other, their checksums and seqs right. Returns how many of them are
/// accepted; if not all, `error` says what is wrong with the next.
using EntryVisitor =
    std::function<std::size_t(std::span<const EntryView> entries, std::string& error)>;

/// Reads a journal in order from `start` to its end. Changes nothing on disk. JournalEnd counts the
/// entries that were accepted.
[[nodiscard]] JournalEnd scan_journal_from(const std::string& directory, std::uint32_t shard_id,
                                           const JournalPosition& start, const EntryVisitor& visit);

/// Reads a whole journal, entry by entry. `visit` returns an error text to stop at the entry, or an
/// empty one.
[[nodiscard]] JournalEnd scan_journal(const std::string& directory, std::uint32_t shard_id,
                                      std::uint64_t genesis_digest,
                                      const std::function<std::string(const EntryView&)>& visit);

/// The seq that a journal begins with; 0 if it has no segment, or `error` says why it cannot be
/// read. Older seqs were in segments that are gone.
[[nodiscard]] std::uint64_t oldest_seq(const std::string& directory, std::string& error);

/// Empty if nothing says that the journal was closed in order anywhere but at `end`. If something
/// does, what looks like a torn last group was synced, and is damage. Changes nothing on disk.
[[nodiscard]] std::string check_closed_mark(const std::string& directory, const JournalEnd& end);

/// Zeroes what a torn group left behind `end`, durably; first the bytes are saved in a file
/// `torn-<seq>.bytes`, of which the newest few are kept. Returns an error text or an empty one.
[[nodiscard]] std::string cut_torn_tail(const JournalEnd& end);

struct JournalConfig {
  std::string directory;
  std::uint32_t shard_id = 0;
  std::uint64_t segment_bytes = segment_bytes_default;
  bool sync = true;  ///< false: committed means written, not durable
  /// Room that is kept for an entry. Less than the constant is for tests whose commands are small:
  /// the segments may be, too.
  std::uint64_t entry_bytes_max = tradepit::entry_bytes_max;
  /// Is told where the entries of accepted orders stand, on the owner's thread, if it is set.
  OrderPlaces* places = nullptr;
};

struct JournalCounters {
  std::atomic<std::uint64_t> bytes{0};
  LatencyHistogram commits;  ///< from the append of a group's first entry until it is committed
  LatencyHistogram syncs;    ///< the writing and syncing of a group
};

/// Appends to a journal with group commit.
///
/// One thread owns append, hand_over and can_append. It collects entries in one buffer while the
/// journal's own thread writes and syncs the other; the buffers are exchanged by the owner, so no
/// lock is taken. A third thread zero-fills the next segment ahead of need.
class JournalWriter {
 public:
  /// `end` is what scan_journal found, its torn tail cut.
  JournalWriter(JournalConfig config, const JournalEnd& end, std::uint64_t genesis_digest);
  ~JournalWriter();
  JournalWriter(const JournalWriter&) = delete;
  JournalWriter& operator=(const JournalWriter&) = delete;

  /// Opens or makes the segment and starts the threads. Returns an error text or an empty one.
  [[nodiscard]] std::string open();

  /// True while an entry of any size fits without waiting for the disk.
  [[nodiscard]] bool can_append() const noexcept;
  /// True if there is no room because the disk has none.
  [[nodiscard]] bool is_storage_full() const noexcept;
  /// True while the next segment cannot be made; any thread. There may be room in this one.
  [[nodiscard]] bool lacks_space() const noexcept {
    return next_no_space_.load(std::memory_order_acquire);
  }
  /// Adds an entry to the group that is being collected. Requires can_append(). `order_count`:
  /// orders accepted so far, this entry's included; for the places alone.
  void append(std::uint64_t seq, std::uint64_t digest, std::uint32_t event_count,
              std::span<const std::byte> command, std::span<const std::byte> events,
              std::uint64_t order_count = 0) noexcept;
  /// Gives the collected group to the disk if the disk is idle; cheap if it is not.
  void hand_over() noexcept;
  /// As hand_over, but writes and syncs on the calling thread: saves two wake-ups for a group that
  /// is small while nothing else waits.
  void commit_inline() noexcept;

  [[nodiscard]] bool is_idle() const noexcept { return !busy_.load(std::memory_order_acquire); }
  [[nodiscard]] std::uint64_t pending_entries() const noexcept { return active_->entry_count; }
  [[nodiscard]] std::uint64_t committed_seq() const noexcept {
    return committed_seq_.load(std::memory_order_acquire);
  }
  [[nodiscard]] bool has_failed() const noexcept { return failed_.load(std::memory_order_acquire); }
  /// Why it failed; meaningful once has_failed().
  [[nodiscard]] const std::string& error() const noexcept { return error_; }
  [[nodiscard]] const JournalCounters& counters() const noexcept { return counters_; }
  /// When a command was committed; any thread.
  [[nodiscard]] const CommitTimes& commit_times() const noexcept { return commit_times_; }
  [[nodiscard]] const JournalConfig& config() const noexcept { return config_; }
  /// Notified after each commit by the journal's thread, and on failure.
  [[nodiscard]] WakeUp& committed() noexcept { return committed_; }
  /// For a reader that follows the journal: notified after every commit.
  [[nodiscard]] WakeUp& followed() noexcept { return followed_; }

  /// Commits what was appended, marks the journal as closed in order if all of it was synced, and
  /// stops the threads. Called by the owner.
  void close() noexcept;

 private:
  /// A simulation's, which does the threads' work itself, step by step.
  friend struct JournalSteps;

  struct Group {
    std::unique_ptr<std::byte[]> bytes;
    std::uint64_t size = 0;
    std::uint64_t first_seq = 0;
    std::uint64_t last_seq = 0;
    std::uint64_t last_digest = 0;
    std::uint64_t entry_count = 0;
    std::int64_t begun_ns = 0;  // when the first entry came
  };

  void exchange() noexcept;
  [[nodiscard]] std::string open_files();
  [[nodiscard]] std::string write_again(std::uint64_t from_offset) const;
  void write_group() noexcept;
  [[nodiscard]] bool write_handed() noexcept;
  void sync_handed() noexcept;
  bool prepare_next() noexcept;
  [[nodiscard]] bool rotate() noexcept;
  [[nodiscard]] std::string make_segment(const std::string& path) const;
  [[nodiscard]] std::string write_header(int file, std::uint64_t first_seq) const;
  void run_writer() noexcept;
  void run_preparer() noexcept;
  void fail(const std::string& what) noexcept;
  [[nodiscard]] std::string next_path() const { return config_.directory + "/next.segment"; }

  JournalConfig config_;
  std::uint64_t group_bytes_max_;
  Group groups_[2];
  Group* active_ = &groups_[0];      // the owner's
  Group* handed_ = &groups_[1];      // the writer's while busy_
  std::uint64_t segment_bytes_;      // owner: size of the segment that offset_ is in
  std::uint64_t segment_first_seq_;  // owner: of that segment
  std::uint64_t offset_;             // owner: where the next group goes
  bool handed_rotates_ = false;      // the handed group opens a new segment
  std::uint64_t handed_offset_ = 0;
  std::int64_t write_begun_ns_ = 0;

  int file_ = -1;
  std::string open_path_;
  std::uint64_t written_digest_;  // after everything written: goes into the next segment's header
  std::uint64_t start_seq_;
  std::uint64_t start_commit_offset_;
  std::atomic<bool> busy_{false};
  std::atomic<bool> stop_{false};
  std::atomic<bool> failed_{false};
  std::atomic<bool> next_ready_{false};
  std::atomic<bool> next_no_space_{false};
  std::atomic<std::uint32_t> work_{0};     // futex word of the writer thread
  std::atomic<std::uint32_t> prepare_{0};  // futex word of the preparer thread
  std::atomic<std::uint64_t> committed_seq_{0};
  JournalCounters counters_;
  CommitTimes commit_times_;
  std::string error_;
  WakeUp committed_;
  WakeUp followed_;
  std::thread writer_;
  std::thread preparer_;
};

/// Reads committed entries behind a writer, as commit batches.
class JournalReader {
 public:
  JournalReader(std::string directory, std::uint32_t shard_id);
  ~JournalReader();
  JournalReader(const JournalReader&) = delete;
  JournalReader& operator=(const JournalReader&) = delete;

  /// Makes `next_seq` the next entry to be read. Returns an error text or an empty one. The entry
  /// itself need not have been written yet.
  [[nodiscard]] std::string seek(std::uint64_t next_seq);

  /// One commit batch of entries up to `last_seq_max`, at most `bytes_max` long unless its only
  /// entry is longer; empty if there is nothing to read. `error` is set if the bytes are not a
  /// journal's.
  [[nodiscard]] std::string next_batch(std::uint64_t last_seq_max, std::uint64_t bytes_max,
                                       std::string& error);

  [[nodiscard]] std::uint64_t next_seq() const noexcept { return next_seq_; }
  /// As the function of that name.
  [[nodiscard]] std::uint64_t oldest_seq(std::string& error) const {
    return tradepit::oldest_seq(directory_, error);
  }
  /// Chain digest after the entry before next_seq().
  [[nodiscard]] std::uint64_t digest() const noexcept { return digest_; }
  /// The segment that the last batch came from, or the one that seek() chose.
  [[nodiscard]] std::uint64_t segment_first_seq() const noexcept { return segment_first_seq_; }
  /// Behind the last entry of the last batch, in that segment.
  [[nodiscard]] std::uint64_t next_offset() const noexcept { return offset_; }

 private:
  [[nodiscard]] std::string open_segment(const std::string& path);

  std::string directory_;
  std::uint32_t shard_id_;
  std::uint64_t next_seq_ = 1;
  std::uint64_t digest_ = 0;
  std::uint64_t offset_ = 0;
  std::uint64_t segment_size_ = 0;
  std::uint64_t segment_first_seq_ = 0;
  std::string path_;
  int file_ = -1;
};

}  // namespace tradepit
