#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>
#include <vector>

#include "journal_closed.hpp"
#include "journal_files.hpp"
#include "tradepit/crc32c.hpp"
#include "tradepit/journal.hpp"

namespace tradepit {
namespace {

using detail::errno_text;

constexpr std::uint64_t group_bytes_limit = 8ULL << 20;
constexpr std::uint64_t zero_chunk_bytes = 1ULL << 20;
constexpr auto prepare_retry = std::chrono::seconds(1);

/// Fills in the checksums of a group: done here, off the thread that orders wait for.
void seal_entries(std::byte* at, std::uint64_t size) noexcept {
  const std::byte* const end = at + size;
  constexpr std::size_t covered_from = offsetof(wire::JournalEntry, crc32c) + sizeof(std::uint32_t);
  while (at < end) {
    std::uint32_t length;
    std::memcpy(&length, at, sizeof length);
    const std::uint32_t crc = crc32c({at + covered_from, length - covered_from});
    std::memcpy(at + offsetof(wire::JournalEntry, crc32c), &crc, sizeof crc);
    at += length;
  }
}

}  // namespace

JournalWriter::JournalWriter(JournalConfig config, const JournalEnd& end,
                             std::uint64_t genesis_digest)
    : config_(std::move(config)),
      // Two groups fit into any segment, the one that is open included: the group that opens it and
      // the one collected meanwhile.
      group_bytes_max_(
          std::min(group_bytes_limit,
                   (std::min(config_.segment_bytes,
                             end.segment_path.empty() ? config_.segment_bytes : end.segment_size) -
                    sizeof(wire::SegmentHeader)) /
                       2)),
      segment_bytes_(end.segment_path.empty() ? config_.segment_bytes : end.segment_size),
      segment_first_seq_(end.segment_path.empty() ? end.last_seq + 1 : end.segment_first_seq),
      offset_(end.end_offset),
      open_path_(end.segment_path),
      written_digest_(end.segment_path.empty() ? genesis_digest : end.last_digest),
      start_seq_(end.last_seq),
      start_commit_offset_(end.commit_offset),
      committed_seq_(end.last_seq) {
  assert(group_bytes_max_ > config_.entry_bytes_max);
  for (Group& group : groups_) group.bytes = std::make_unique<std::byte[]>(group_bytes_max_);
}

JournalWriter::~JournalWriter() {
  close();
  if (file_ >= 0) detail::disk->close(file_);
}

std::string JournalWriter::open() {
  if (std::string error = open_files(); !error.empty()) return error;
  writer_ = std::thread([this] { run_writer(); });
  preparer_ = std::thread([this] { run_preparer(); });
  return "";
}

std::string JournalWriter::open_files() {
  if (!committed_.is_open() || !followed_.is_open())
    return "cannot make a wake-up: no file descriptor is left";
  detail::disk->unlink(next_path().c_str());  // left half prepared by an earlier run
  if (open_path_.empty()) {
    if (std::string error = make_segment(next_path()); !error.empty()) return error;
    const std::string path = detail::segment_path(config_.directory, start_seq_ + 1);
    const int file = detail::disk->open(next_path().c_str(), O_RDWR | O_CLOEXEC, 0);
    if (file < 0) return errno_text("open", next_path());
    std::string error = write_header(file, start_seq_ + 1);
    detail::disk->close(file);
    if (!error.empty()) return error;
    if (detail::disk->rename(next_path().c_str(), path.c_str()) != 0 ||
        !detail::sync_directory(config_.directory)) {
      return errno_text("name", path);
    }
    open_path_ = path;
    offset_ = sizeof(wire::SegmentHeader);
  }
  file_ = detail::disk->open(open_path_.c_str(), O_RDWR | O_CLOEXEC, 0);
  if (file_ < 0) return errno_text("open", open_path_);
  if (std::string error = detail::remove_closed_mark(config_.directory); !error.empty()) {
    return error;
  }
  return start_commit_offset_ == 0 || !config_.sync ? "" : write_again(start_commit_offset_);
}

/// Makes durable what the process before wrote last. It was read from memory, and may never reach
/// the disk: that process was killed before its sync, or its sync failed, after which the kernel
/// takes the pages for written and a sync alone writes nothing. Behind the last group are the zeros
/// that cut a torn one off.
std::string JournalWriter::write_again(std::uint64_t from_offset) const {
  const std::uint64_t size = std::min(offset_ + group_bytes_max_, segment_bytes_) - from_offset;
  const auto bytes = std::make_unique_for_overwrite<std::byte[]>(size);
  if (!detail::read_at(file_, bytes.get(), size, from_offset) ||
      !detail::write_at(file_, bytes.get(), size, from_offset) ||
      detail::disk->fdatasync(file_) != 0 || !detail::sync_directory(config_.directory)) {
    return errno_text("write again the end of", open_path_);
  }
  return "";
}

bool JournalWriter::can_append() const noexcept {
  if (active_->size + config_.entry_bytes_max > group_bytes_max_) return false;
  return offset_ + active_->size + config_.entry_bytes_max <= segment_bytes_ ||
         next_ready_.load(std::memory_order_acquire);
}

bool JournalWriter::is_storage_full() const noexcept {
  return !can_append() && active_->size + config_.entry_bytes_max <= group_bytes_max_ &&
         lacks_space();
}

void JournalWriter::append(std::uint64_t seq, std::uint64_t digest, std::uint32_t event_count,
                           std::span<const std::byte> command, std::span<const std::byte> events,
                           std::uint64_t order_count) noexcept {
  Group& group = *active_;
  if (group.entry_count == 0) {
    group.first_seq = seq;
    group.begun_ns = steady_ns();
  }
  wire::JournalEntry header;
  header.length = static_cast<std::uint32_t>(sizeof header + command.size() + events.size());
  header.seq = seq;
  header.commit_first_seq = group.first_seq;
  header.digest = digest;
  header.event_count = event_count;
  assert(header.length <= config_.entry_bytes_max &&
         group.size + header.length <= group_bytes_max_);
  std::byte* at = group.bytes.get() + group.size;
  std::memcpy(at, &header, sizeof header);
  std::memcpy(at + sizeof header, command.data(), command.size());
  std::memcpy(at + sizeof header + command.size(), events.data(), events.size());
  if (config_.places != nullptr) config_.places->collect(order_count, group.size);
  group.size += header.length;
  group.last_seq = seq;
  group.last_digest = digest;
  ++group.entry_count;
}

/// Owner: the collected group becomes the handed one. Requires an idle writer.
void JournalWriter::exchange() noexcept {
  handed_rotates_ = offset_ + active_->size > segment_bytes_;
  if (handed_rotates_) {
    offset_ = sizeof(wire::SegmentHeader);
    segment_bytes_ = config_.segment_bytes;
    segment_first_seq_ = active_->first_seq;
  }
  handed_offset_ = offset_;
  if (config_.places != nullptr) config_.places->settle({segment_first_seq_, offset_});
  offset_ += active_->size;
  std::swap(active_, handed_);
  active_->size = 0;
  active_->entry_count = 0;
}

void JournalWriter::hand_over() noexcept {
  if (active_->entry_count == 0 || busy_.load(std::memory_order_acquire)) return;
  if (has_failed()) return;
  exchange();
  busy_.store(true, std::memory_order_release);
  work_.fetch_add(1, std::memory_order_release);
  work_.notify_one();
}

void JournalWriter::commit_inline() noexcept {
  if (active_->entry_count == 0 || busy_.load(std::memory_order_acquire)) return;
  if (has_failed()) return;
  exchange();
  write_group();
}

void JournalWriter::write_group() noexcept {
  if (write_handed()) sync_handed();
}

bool JournalWriter::write_handed() noexcept {
  const Group& group = *handed_;
  seal_entries(group.bytes.get(), group.size);
  if (handed_rotates_ && !rotate()) return false;
  write_begun_ns_ = steady_ns();
  if (detail::write_at(file_, group.bytes.get(), group.size, handed_offset_)) return true;
  fail("write");
  return false;
}

void JournalWriter::sync_handed() noexcept {
  const Group& group = *handed_;
  // A failed sync is final: the kernel may have dropped the pages, so that a second one that
  // succeeds proves nothing.
  if (config_.sync && detail::disk->fdatasync(file_) != 0) return fail("sync");
  const std::int64_t now_ns = steady_ns();
  counters_.bytes.fetch_add(group.size, std::memory_order_relaxed);
  counters_.commits.record(now_ns - group.begun_ns);
  counters_.syncs.record(now_ns - write_begun_ns_);
  written_digest_ = group.last_digest;
  commit_times_.note(group.last_seq, now_ns);
  committed_seq_.store(group.last_seq, std::memory_order_release);
  followed_.notify();
}

bool JournalWriter::rotate() noexcept {
  assert(next_ready_.load(std::memory_order_acquire));  // can_append promised it
  const std::string path = detail::segment_path(config_.directory, handed_->first_seq);
  const int file = detail::disk->open(next_path().c_str(), O_RDWR | O_CLOEXEC, 0);
  open_path_ = path;
  if (file < 0 || !write_header(file, handed_->first_seq).empty() ||
      detail::disk->rename(next_path().c_str(), path.c_str()) != 0 ||
      !detail::sync_directory(config_.directory)) {
    if (file >= 0) detail::disk->close(file);
    fail("start segment");
    return false;
  }
  detail::disk->close(file_);
  file_ = file;
  next_ready_.store(false, std::memory_order_release);
  prepare_.fetch_add(1, std::memory_order_release);
  prepare_.notify_one();
  return true;
}

std::string JournalWriter::write_header(int file, std::uint64_t first_seq) const {
  const auto header = detail::make_segment_header(config_.shard_id, first_seq, written_digest_,
                                                  config_.segment_bytes);
  if (!detail::write_at(file, &header, sizeof header, 0) || detail::disk->fdatasync(file) != 0) {
    return errno_text("write the header of", next_path());
  }
  return "";
}

std::string JournalWriter::make_segment(const std::string& path) const {
  const int file = detail::disk->open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return errno_text("create", path);
  std::string error;
  const auto size = static_cast<off_t>(config_.segment_bytes);
  if (const int code = detail::disk->posix_fallocate(file, 0, size); code != 0) {
    errno = code;
    error = errno_text("reserve space for", path);
  }
  const std::vector<std::byte> zeros(zero_chunk_bytes);
  for (std::uint64_t offset = 0; error.empty() && offset < config_.segment_bytes;) {
    if (stop_.load(std::memory_order_acquire)) error = "stopped";
    const std::uint64_t size_now = std::min(zero_chunk_bytes, config_.segment_bytes - offset);
    if (!detail::write_at(file, zeros.data(), size_now, offset)) error = errno_text("fill", path);
    offset += size_now;
  }
  if (error.empty() && detail::disk->fsync(file) != 0) error = errno_text("sync", path);
  detail::disk->close(file);
  if (!error.empty()) detail::disk->unlink(path.c_str());
  return error;
}

void JournalWriter::run_writer() noexcept {
  std::uint32_t seen = 0;
  while (true) {
    work_.wait(seen, std::memory_order_acquire);
    seen = work_.load(std::memory_order_acquire);
    if (busy_.load(std::memory_order_acquire)) {
      write_group();
      busy_.store(false, std::memory_order_release);
      committed_.notify();
    }
    if (stop_.load(std::memory_order_acquire)) return;
  }
}

void JournalWriter::run_preparer() noexcept {
  std::uint32_t seen = prepare_.load(std::memory_order_acquire);
  while (!stop_.load(std::memory_order_acquire)) {
    if (!next_ready_.load(std::memory_order_acquire) && !prepare_next()) {
      std::this_thread::sleep_for(prepare_retry);
      continue;
    }
    prepare_.wait(seen, std::memory_order_acquire);
    seen = prepare_.load(std::memory_order_acquire);
  }
}

bool JournalWriter::prepare_next() noexcept {
  const bool made = make_segment(next_path()).empty();
  next_no_space_.store(!made, std::memory_order_release);
  next_ready_.store(made, std::memory_order_release);
  committed_.notify();  // the owner may be waiting for room
  return made;
}

void JournalWriter::fail(const std::string& what) noexcept {
  error_ = errno_text(what, open_path_);
  failed_.store(true, std::memory_order_release);
  committed_.notify();
  followed_.notify();
}

void JournalWriter::close() noexcept {
  if (!writer_.joinable()) return;
  while (busy_.load(std::memory_order_acquire) && !has_failed()) {
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
  commit_inline();
  stop_.store(true, std::memory_order_release);
  work_.fetch_add(1, std::memory_order_release);
  work_.notify_one();
  prepare_.fetch_add(1, std::memory_order_release);
  prepare_.notify_one();
  writer_.join();
  preparer_.join();
  detail::disk->unlink(next_path().c_str());
  if (!config_.sync || has_failed()) return;
  // Without the mark the next start knows less, and that is all.
  (void)detail::write_closed_mark(config_.directory, committed_seq(), written_digest_);
}

}  // namespace tradepit
