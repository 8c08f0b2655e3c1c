#include "journal_scan.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "journal_closed.hpp"
#include "journal_files.hpp"
#include "tradepit/crc32c.hpp"
#include "tradepit/journal.hpp"

namespace tradepit {
namespace detail {
namespace {
constexpr std::string_view damage_prefix = "damaged journal: ";
}

bool read_entry(std::span<const std::byte> bytes, EntryView& entry) noexcept {
  if (bytes.size() < sizeof(wire::JournalEntry)) return false;
  std::memcpy(&entry.header, bytes.data(), sizeof entry.header);
  const std::uint64_t length = entry.header.length;
  if (!is_entry_length(length, bytes.size())) return false;
  constexpr std::size_t covered_from =
      offsetof(wire::JournalEntry, crc32c) + sizeof entry.header.crc32c;
  if (crc32c(bytes.subspan(covered_from, length - covered_from)) != entry.header.crc32c) {
    return false;
  }
  const auto body = bytes.subspan(sizeof entry.header, length - sizeof entry.header);
  wire::Header command;
  std::memcpy(&command, body.data(), sizeof command);
  if (command.length < sizeof command || command.length > body.size()) return false;
  entry.command = body.first(command.length);
  entry.events = body.subspan(command.length);
  return true;
}

std::string damage(const std::string& path, std::uint64_t offset, std::uint64_t seq,
                   const std::string& what) {
  return std::string(damage_prefix) + path + " offset " + std::to_string(offset) + " seq " +
         std::to_string(seq) + ": " + what;
}

bool is_damage(const std::string& error) noexcept { return error.starts_with(damage_prefix); }

std::string missing(std::uint64_t first_seq, std::uint64_t last_seq) {
  if (first_seq == last_seq) return "seq " + std::to_string(first_seq) + " is missing";
  return "seqs " + std::to_string(first_seq) + " to " + std::to_string(last_seq) + " are missing";
}

}  // namespace detail

namespace {

using detail::damage;
using detail::errno_text;
using detail::read_entry;

constexpr std::uint64_t seek_chunk_bytes = 1ULL << 20;
constexpr std::size_t entries_per_visit = 512;

/// A file mapped for reading.
class MappedFile {
 public:
  explicit MappedFile(const std::string& path) {
    errno = 0;
    data_ = detail::disk->map(path.c_str(), size_);
    if (data_ == nullptr && errno != 0) error = errno_text("map", path);
  }
  ~MappedFile() {
    if (data_ != nullptr) detail::disk->unmap(data_, size_);
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  [[nodiscard]] std::span<const std::byte> bytes() const noexcept {
    return {data_, data_ == nullptr ? 0 : size_};
  }

  std::string error;

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

/// True if an entry of a later commit than the one that was being written at `seq` follows: what
/// stands before it was synced, so an unsound entry there is damage and not a torn write.
bool is_followed_by_later_commit(std::span<const std::byte> tail, std::uint64_t seq) noexcept {
  EntryView entry;
  for (std::size_t offset = 8; offset + sizeof(wire::JournalEntry) <= tail.size(); offset += 8) {
    std::uint64_t candidate_seq;
    std::memcpy(&candidate_seq, tail.data() + offset + offsetof(wire::JournalEntry, seq),
                sizeof candidate_seq);
    if (candidate_seq <= seq || candidate_seq - seq > tail.size()) continue;
    if (read_entry(tail.subspan(offset), entry) && entry.header.commit_first_seq > seq) return true;
  }
  return false;
}

/// Asks for a file's bytes before they are needed.
void read_ahead(const std::string& path) noexcept {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return;  // who opens it next says why
  ::posix_fadvise(file, 0, 0, POSIX_FADV_WILLNEED);
  ::close(file);
}

/// Empty if the bytes are a whole segment of this shard.
std::string check_segment(const std::string& path, std::span<const std::byte> bytes,
                          std::uint32_t shard_id, std::uint64_t first_seq) {
  if (bytes.size() < sizeof(wire::SegmentHeader)) {
    return damage(path, 0, first_seq, "shorter than a segment header");
  }
  wire::SegmentHeader header;
  std::memcpy(&header, bytes.data(), sizeof header);
  std::string error = detail::check_segment_header(header, path, shard_id, first_seq);
  if (error.empty() && header.size_bytes != bytes.size()) {
    error = damage(path, 0, first_seq,
                   "has " + std::to_string(bytes.size()) + " bytes, and was made with " +
                       std::to_string(header.size_bytes));
  }
  return error;
}

}  // namespace

JournalEnd scan_journal_from(const std::string& directory, std::uint32_t shard_id,
                             const JournalPosition& start, const EntryVisitor& visit) {
  JournalEnd end;
  end.last_seq = start.seq;
  end.last_digest = start.digest;
  std::vector<detail::SegmentFile> segments;
  end.error = detail::list_segments(directory, segments);
  if (!end.error.empty()) return end;
  std::erase_if(segments, [&](const auto& file) {
    return start.seq > 0 && file.first_seq < start.segment_first_seq;
  });
  if (start.seq > 0 && (segments.empty() || segments[0].first_seq != start.segment_first_seq)) {
    end.error = damage(detail::segment_path(directory, start.segment_first_seq), 0,
                       start.segment_first_seq, "the segment is missing");
    return end;
  }
  const auto batch = std::make_unique<std::array<EntryView, entries_per_visit>>();
  for (std::size_t index = 0; index < segments.size(); ++index) {
    const std::string& path = segments[index].path;
    const bool is_last = index + 1 == segments.size();
    const bool is_inside = index == 0 && start.seq > 0;
    const MappedFile file(path);
    end.error = file.error;
    if (!end.error.empty()) return end;
    if (!is_last) read_ahead(segments[index + 1].path);
    const auto bytes = file.bytes();
    end.error = check_segment(path, bytes, shard_id, segments[index].first_seq);
    if (!end.error.empty()) return end;
    wire::SegmentHeader header;
    std::memcpy(&header, bytes.data(), sizeof header);
    if (!is_inside && header.first_seq != end.last_seq + 1) {
      end.error = damage(path, 0, header.first_seq,
                         "the entries from seq " + std::to_string(end.last_seq + 1) +
                             " on are missing before this segment");
      return end;
    }
    if (!is_inside && header.digest != end.last_digest) {
      end.error =
          damage(path, 0, header.first_seq, "the digest does not continue the segment before");
      return end;
    }
    std::uint64_t offset = is_inside ? start.next_offset : sizeof header;
    if (offset > bytes.size()) {
      end.error = damage(path, offset, end.last_seq + 1, "behind the end of the segment");
      return end;
    }
    end.commit_offset = offset;
    for (std::size_t count = entries_per_visit; count == entries_per_visit;) {
      std::string wrong_seq;
      std::uint64_t read_offset = offset;
      for (count = 0; count < entries_per_visit; ++count) {
        EntryView& entry = (*batch)[count];
        if (!read_entry(bytes.subspan(read_offset), entry)) break;
        if (entry.header.seq != end.last_seq + 1 + count) {
          wrong_seq = "holds seq " + std::to_string(entry.header.seq) + " instead";
          break;
        }
        entry.place = {segments[index].first_seq, read_offset};
        read_offset += entry.header.length;
      }
      const auto entries = std::span<const EntryView>(batch->data(), count);
      const std::size_t accepted = entries.empty() ? 0 : visit(entries, end.error);
      for (const EntryView& entry : entries.first(accepted)) {
        end.last_seq = entry.header.seq;
        end.last_digest = entry.header.digest;
        end.commit_first_seq = entry.header.commit_first_seq;
        if (end.commit_first_seq == end.last_seq) end.commit_offset = offset;
        offset += entry.header.length;
      }
      end.entry_count += accepted;
      if (accepted == count) end.error = wrong_seq;
      if (!end.error.empty()) {
        end.error = damage(path, offset, end.last_seq + 1, end.error);
        return end;
      }
    }
    const auto tail = bytes.subspan(offset);
    const auto is_zero = [](std::byte byte) { return byte == std::byte{0}; };
    const auto last_used = std::find_if_not(tail.rbegin(), tail.rend(), is_zero);
    const auto used_bytes = static_cast<std::uint64_t>(tail.rend() - last_used);
    if (used_bytes > 0) {
      const std::uint64_t seq = end.last_seq + 1;
      if (!is_last || is_followed_by_later_commit(tail, seq)) {
        end.error = damage(path, offset, seq, "the entry is not sound, and later ones follow it");
        return end;
      }
    }
    end.segment_path = path;
    end.segment_first_seq = segments[index].first_seq;
    end.segment_size = bytes.size();
    end.end_offset = offset;
    end.torn_bytes = used_bytes;
  }
  return end;
}

JournalEnd scan_journal(const std::string& directory, std::uint32_t shard_id,
                        std::uint64_t genesis_digest,
                        const std::function<std::string(const EntryView&)>& visit) {
  const auto visit_each = [&](std::span<const EntryView> entries, std::string& error) {
    std::size_t count = 0;
    while (count < entries.size() && error.empty()) {
      error = visit(entries[count]);
      if (error.empty()) ++count;
    }
    return count;
  };
  return scan_journal_from(directory, shard_id, {.digest = genesis_digest}, visit_each);
}

std::uint64_t oldest_seq(const std::string& directory, std::string& error) {
  std::vector<detail::SegmentFile> segments;
  error = detail::list_segments(directory, segments);
  return segments.empty() ? 0 : segments[0].first_seq;
}

std::string cut_torn_tail(const JournalEnd& end) {
  if (end.torn_bytes == 0) return "";
  if (std::string error = detail::save_torn_tail(end); !error.empty()) return error;
  const int file = detail::disk->open(end.segment_path.c_str(), O_WRONLY | O_CLOEXEC, 0);
  if (file < 0) return errno_text("open", end.segment_path);
  const std::vector<std::byte> zeros(end.torn_bytes);
  std::string error;
  if (!detail::write_at(file, zeros.data(), zeros.size(), end.end_offset) ||
      detail::disk->fsync(file) != 0) {
    error = errno_text("cut the torn tail of", end.segment_path);
  }
  detail::disk->close(file);
  return error;
}

JournalReader::JournalReader(std::string directory, std::uint32_t shard_id)
    : directory_(std::move(directory)), shard_id_(shard_id) {}

JournalReader::~JournalReader() {
  if (file_ >= 0) detail::disk->close(file_);
}

std::string JournalReader::open_segment(const std::string& path) {
  if (file_ >= 0) detail::disk->close(file_);
  file_ = detail::disk->open(path.c_str(), O_RDONLY | O_CLOEXEC, 0);
  wire::SegmentHeader header;
  if (file_ < 0 || !detail::read_at(file_, &header, sizeof header, 0)) {
    return errno_text("read", path);
  }
  path_ = path;
  segment_first_seq_ = header.first_seq;
  segment_size_ = header.size_bytes;
  offset_ = sizeof header;
  digest_ = header.digest;
  return detail::check_segment_header(header, path, shard_id_, header.first_seq);
}

std::string JournalReader::seek(std::uint64_t next_seq) {
  std::vector<detail::SegmentFile> segments;
  if (std::string error = detail::list_segments(directory_, segments); !error.empty()) return error;
  const auto after = std::find_if(segments.begin(), segments.end(),
                                  [=](const auto& file) { return file.first_seq > next_seq; });
  if (segments.empty()) return "the journal in " + directory_ + " has no segment";
  if (after == segments.begin()) {
    return "the journal in " + directory_ + " begins with seq " +
           std::to_string(segments[0].first_seq) + ": " +
           detail::missing(next_seq, segments[0].first_seq - 1);
  }
  const detail::SegmentFile& segment = *(after - 1);
  if (std::string error = open_segment(segment.path); !error.empty()) return error;
  next_seq_ = segment.first_seq;
  std::string chunk;
  for (std::uint64_t chunk_offset = 0; next_seq_ < next_seq;) {
    wire::JournalEntry header;
    const std::uint64_t left = segment_size_ - offset_;
    if (offset_ + sizeof header > chunk_offset + chunk.size()) {
      chunk_offset = offset_;
      chunk.resize(std::min(left, seek_chunk_bytes));
      if (!detail::read_at(file_, chunk.data(), chunk.size(), offset_)) {
        return errno_text("read", path_);
      }
    }
    if (left >= sizeof header) {
      std::memcpy(&header, chunk.data() + (offset_ - chunk_offset), sizeof header);
    }
    if (!detail::is_entry_length(header.length, left) || header.seq != next_seq_) {
      return damage(path_, offset_, next_seq_, "no entry where one was committed");
    }
    offset_ += header.length;
    digest_ = header.digest;
    ++next_seq_;
  }
  return "";
}

std::string JournalReader::next_batch(std::uint64_t last_seq_max, std::uint64_t bytes_max,
                                      std::string& error) {
  error.clear();
  if (next_seq_ > last_seq_max) return "";
  wire::JournalEntry header{};
  if (segment_size_ - offset_ < sizeof header ||
      !detail::read_at(file_, &header, sizeof header, offset_) || header.length == 0) {
    // The segment is used up: the next one is named after the seq that we want.
    const std::string path = detail::segment_path(directory_, next_seq_);
    error = path == path_ ? damage(path, offset_, next_seq_, "no entry where one was committed")
                          : open_segment(path);
    if (error.empty() && !detail::read_at(file_, &header, sizeof header, offset_)) {
      error = errno_text("read", path_);
    }
    if (!error.empty()) return "";
  }
  const std::uint64_t left = segment_size_ - offset_;
  const std::uint64_t chunk = std::min(left, std::max<std::uint64_t>(bytes_max, header.length));
  wire::CommitBatchHeader batch;
  std::string out(sizeof batch + chunk, '\0');
  const char* const entries = out.data() + sizeof batch;
  if (!detail::read_at(file_, out.data() + sizeof batch, chunk, offset_)) {
    error = errno_text("read", path_);
    return "";
  }
  batch.first_seq = next_seq_;
  std::uint64_t used = 0;
  while (next_seq_ <= last_seq_max && chunk - used >= sizeof header) {
    std::memcpy(&header, entries + used, sizeof header);
    if (header.length == 0) break;  // the end of the segment
    if (header.seq != next_seq_ || !detail::is_entry_length(header.length, left - used)) {
      error = damage(path_, offset_ + used, next_seq_, "no entry where one was committed");
      return "";
    }
    if (header.length > chunk - used) break;
    EntryView entry;
    if (!read_entry(std::as_bytes(std::span(entries + used, header.length)), entry)) {
      error = damage(path_, offset_ + used, next_seq_, "the entry is not sound");
      return "";
    }
    used += header.length;
    batch.last_digest = digest_ = header.digest;
    ++next_seq_;
  }
  offset_ += used;
  out.resize(sizeof batch + used);
  std::memcpy(batch.magic, "TPCB", sizeof batch.magic);
  batch.version = journal_version;
  batch.shard_id = shard_id_;
  batch.last_seq = next_seq_ - 1;
  batch.entry_count = static_cast<std::uint32_t>(next_seq_ - batch.first_seq);
  std::memcpy(out.data(), &batch, sizeof batch);
  return out;
}

}  // namespace tradepit
