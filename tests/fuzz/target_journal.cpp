// The journal's scan and its follower on a segment of any bytes.
#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "commands.hpp"
#include "targets.hpp"
#include "tradepit/crc32c.hpp"
#include "tradepit/journal.hpp"

namespace fuzz {
namespace {

using wire::JournalEntry;
using wire::SegmentHeader;

constexpr std::uint64_t bytes_per_batch = 256;

/// A folder for one segment, removed at the end of the process.
struct Folder {
  std::string path;
  std::string segment;
  Folder() {
    path =
        std::filesystem::exists("/dev/shm") ? "/dev/shm" : std::filesystem::temp_directory_path();
    path += "/tradepit-fuzz-XXXXXX";
    REQUIRE(::mkdtemp(path.data()) != nullptr);
    segment = path + "/00000000000000000001.journal";
  }
  ~Folder() { std::filesystem::remove_all(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  void write(Input bytes) const {
    const int file = ::open(segment.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    REQUIRE(file >= 0);
    REQUIRE(::write(file, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
    ::close(file);
  }
};

/// Sets the header's size and all checksums right; an entry with an odd checksum keeps it, so that
/// there are torn and damaged ones too.
void repair(std::vector<std::byte>& bytes) {
  SegmentHeader header;
  std::memcpy(&header, bytes.data(), sizeof header);
  header.size_bytes = bytes.size();
  std::memcpy(bytes.data(), &header, sizeof header);
  header.crc32c = tradepit::crc32c(Input(bytes).first(offsetof(SegmentHeader, crc32c)));
  std::memcpy(bytes.data(), &header, sizeof header);
  for (std::size_t offset = sizeof header; offset + sizeof(JournalEntry) <= bytes.size();) {
    JournalEntry entry;
    std::memcpy(&entry, bytes.data() + offset, sizeof entry);
    if (entry.length < sizeof entry || entry.length > bytes.size() - offset) break;
    if ((entry.crc32c & 1) == 0) {
      constexpr std::size_t from = offsetof(JournalEntry, crc32c) + sizeof entry.crc32c;
      entry.crc32c = tradepit::crc32c(Input(bytes).subspan(offset + from, entry.length - from));
      std::memcpy(bytes.data() + offset, &entry, sizeof entry);
    }
    offset += (entry.length + 7) / 8 * 8;
  }
}

/// Follows the journal as the publisher does; every entry that the scan saw has to come.
void follow(const std::string& path, std::uint64_t last_seq) {
  if (last_seq == 0) return;
  tradepit::JournalReader reader(path, limits.shard_id);
  std::string error = reader.seek(1);
  while (error.empty() && reader.next_seq() <= last_seq) {
    const std::string batch = reader.next_batch(last_seq, bytes_per_batch, error);
    REQUIRE(!error.empty() || !batch.empty());
  }
  REQUIRE(error.empty());
}

}  // namespace

void journal(Input input) {
  if (input.size() < sizeof(SegmentHeader)) return;
  std::vector<std::byte> bytes(input.begin(), input.end());
  repair(bytes);
  static const Folder folder;
  folder.write(bytes);
  SegmentHeader header;
  std::memcpy(&header, bytes.data(), sizeof header);

  std::uint64_t seen_count = 0;
  unsigned seen_bytes = 0;
  const auto visit = [&](const tradepit::EntryView& entry) {
    ++seen_count;
    REQUIRE(entry.header.seq == seen_count);
    for (const std::byte byte : entry.command) seen_bytes += static_cast<unsigned>(byte);
    for (const std::byte byte : entry.events) seen_bytes += static_cast<unsigned>(byte);
    return std::string();
  };
  const tradepit::JournalEnd end =
      tradepit::scan_journal(folder.path, limits.shard_id, header.digest, visit);
  if (!end.error.empty()) return;
  REQUIRE(end.entry_count == seen_count && end.last_seq == seen_count);
  REQUIRE(end.end_offset + end.torn_bytes <= bytes.size());
  follow(folder.path, end.last_seq);

  REQUIRE(tradepit::cut_torn_tail(end).empty());
  seen_count = 0;
  const tradepit::JournalEnd again =
      tradepit::scan_journal(folder.path, limits.shard_id, header.digest, visit);
  REQUIRE(again.error.empty() && again.torn_bytes == 0 && again.last_seq == end.last_seq);
}

}  // namespace fuzz
