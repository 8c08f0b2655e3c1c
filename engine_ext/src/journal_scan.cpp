#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "journal_files.hpp"
#include "tradepit/crc32c.hpp"
#include "tradepit/journal.hpp"

namespace tradepit {
namespace {

using detail::errno_text;

constexpr std::uint64_t seek_chunk_bytes = 1ULL << 20;

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

/// Reads the entry at the start of `bytes`; false if it is not a whole, sound one.
bool read_entry(std::span<const std::byte> bytes, EntryView& entry) noexcept {
  if (bytes.size() < sizeof(wire::JournalEntry)) return false;
  std::memcpy(&entry.header, bytes.data(), sizeof entry.header);
  const std::uint64_t length = entry.header.length;
  if (!detail::is_entry_length(length, bytes.size())) return false;
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
  return "damaged journal: " + path + " offset " + std::to_string(offset) + " seq " +
         std::to_string(seq) + ": " + what;
}

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

}  // namespace

JournalEnd scan_journal(const std::string& directory, std::uint32_t shard_id,
                        std::uint64_t genesis_digest,
                        const std::function<std::string(const EntryView&)>& visit) {
  JournalEnd end;
  end.last_digest = genesis_digest;
  std::vector<detail::SegmentFile> segments;
  end.error = detail::list_segments(directory, segments);
  for (std::size_t index = 0; end.error.empty() && index < segments.size(); ++index) {
    const std::string& path = segments[index].path;
    const bool is_last = index + 1 == segments.size();
    const MappedFile file(path);
    end.error = file.error;
    if (!end.error.empty()) return end;
    const auto bytes = file.bytes();
    if (bytes.size() < sizeof(wire::SegmentHeader)) {
      end.error = damage(path, 0, segments[index].first_seq, "shorter than a segment header");
      return end;
    }
    wire::SegmentHeader header;
    std::memcpy(&header, bytes.data(), sizeof header);
    end.error = detail::check_segment_header(header, path, shard_id, segments[index].first_seq);
    if (!end.error.empty()) return end;
    if (header.size_bytes != bytes.size()) {
      end.error = damage(path, 0, header.first_seq,
                         "has " + std::to_string(bytes.size()) + " bytes, and was made with " +
                             std::to_string(header.size_bytes));
      return end;
    }
    if (header.first_seq != end.last_seq + 1) {
      end.error = damage(path, 0, header.first_seq,
                         "the entries from seq " + std::to_string(end.last_seq + 1) +
                             " on are missing before this segment");
      return end;
    }
    if (header.digest != end.last_digest) {
      end.error =
          damage(path, 0, header.first_seq, "the digest does not continue the segment before");
      return end;
    }
    std::uint64_t offset = sizeof header;
    end.commit_offset = offset;
    EntryView entry;
    while (read_entry(bytes.subspan(offset), entry)) {
      const std::uint64_t expected_seq = end.last_seq + 1;
      if (entry.header.seq != expected_seq) {
        end.error = damage(path, offset, expected_seq,
                           "holds seq " + std::to_string(entry.header.seq) + " instead");
        return end;
      }
      if (const std::string refusal = visit(entry); !refusal.empty()) {
        end.error = damage(path, offset, expected_seq, refusal);
        return end;
      }
      end.last_seq = expected_seq;
      end.last_digest = entry.header.digest;
      end.commit_first_seq = entry.header.commit_first_seq;
      if (end.commit_first_seq == expected_seq) end.commit_offset = offset;
      ++end.entry_count;
      offset += entry.header.length;
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
    end.segment_size = bytes.size();
    end.end_offset = offset;
    end.torn_bytes = used_bytes;
  }
  return end;
}

std::string cut_torn_tail(const JournalEnd& end) {
  if (end.torn_bytes == 0) return "";
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
  if (after == segments.begin()) {
    return "the journal in " + directory_ + " does not hold seq " + std::to_string(next_seq);
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
