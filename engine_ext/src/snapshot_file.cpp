#include "tradepit/snapshot_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string_view>

#include "journal_files.hpp"
#include "journal_scan.hpp"
#include "system_files.hpp"
#include "tradepit/crc32c.hpp"
#include "tradepit/digest.hpp"

namespace tradepit {
namespace {

using detail::errno_text;
using wire::SnapshotFileHeader;

constexpr char magic[8] = {'T', 'P', 'S', 'N', 'A', 'P', 0, 0};
constexpr std::string_view suffix = ".snapshot";
constexpr std::string_view unfinished_suffix = ".snapshot.tmp";
constexpr std::size_t name_digits = 20;
// A sync of one piece is short, so that the journal's own sync never waits for a whole snapshot.
constexpr std::uint64_t piece_bytes = 4ULL << 20;

/// Closes a file at the end of the scope.
class File {
 public:
  File(const std::string& path, int flags) noexcept : number_(::open(path.c_str(), flags, 0600)) {}
  ~File() {
    if (number_ >= 0) ::close(number_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  [[nodiscard]] int number() const noexcept { return number_; }

 private:
  int number_;
};

std::string snapshot_path(const std::string& directory, std::uint64_t seq) {
  char name[64];
  std::snprintf(name, sizeof name, "/%020" PRIu64, seq);
  return directory + name + std::string(suffix);
}

std::uint32_t header_crc(const SnapshotFileHeader& header) noexcept {
  return crc32c(
      {reinterpret_cast<const std::byte*>(&header), offsetof(SnapshotFileHeader, crc32c)});
}

/// What a snapshot means depends on these: a replay from it must use the same.
std::uint64_t configuration_hash(const EngineConfig& config) noexcept {
  const std::uint64_t parts[] = {config.max_orders,
                                 config.max_client_order_ids,
                                 config.max_transfer_ids,
                                 config.max_accounts,
                                 config.max_instruments,
                                 config.max_assets,
                                 config.max_remembered_trades,
                                 journal_version,
                                 wire::version};
  return chain_digest(digest_start, std::as_bytes(std::span(parts)));
}

/// Files named after a seq, with this suffix.
std::string list_files(const std::string& directory, std::string_view wanted,
                       std::vector<SnapshotFile>& out) {
  namespace fs = std::filesystem;
  std::error_code code;
  out.clear();
  if (!fs::exists(directory, code)) return code ? "read " + directory + ": " + code.message() : "";
  fs::directory_iterator entries(directory, code);
  if (code) return "read " + directory + ": " + code.message();
  for (const fs::directory_entry& entry : entries) {
    const std::string name = entry.path().filename().string();
    if (name.size() != name_digits + wanted.size() || !name.ends_with(wanted)) continue;
    std::uint64_t seq = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name_digits, seq);
    if (error != std::errc{} || end != name.data() + name_digits) continue;
    out.push_back({entry.path().string(), seq});
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.seq > b.seq; });
  return "";
}

/// Empty if the journal's entry that the header names is there and sound, and says the same.
std::string check_place(const std::string& directory, const SnapshotFileHeader& header) {
  const std::string seq = "seq " + std::to_string(header.seq);
  const std::string path = detail::segment_path(directory, header.segment_first_seq);
  const File file(path, O_RDONLY | O_CLOEXEC);
  wire::SegmentHeader segment;
  if (file.number() < 0 || !detail::read_at(file.number(), &segment, sizeof segment, 0)) {
    return "the journal does not hold " + seq + ": " + errno_text("read", path);
  }
  if (std::string error =
          detail::check_segment_header(segment, path, header.shard_id, header.segment_first_seq);
      !error.empty()) {
    return error;
  }
  const std::uint64_t length = header.next_offset - header.entry_offset;
  std::vector<std::byte> bytes;
  EntryView entry;
  if (header.entry_offset < sizeof segment || header.next_offset > segment.size_bytes ||
      !detail::is_entry_length(length, segment.size_bytes)) {
    return "the journal does not hold " + seq + " where the snapshot says";
  }
  bytes.resize(length);
  if (!detail::read_at(file.number(), bytes.data(), length, header.entry_offset)) {
    return errno_text("read", path);
  }
  if (!detail::read_entry(bytes, entry) || entry.header.length != length ||
      entry.header.seq != header.seq) {
    return "the journal does not hold " + seq + ": " + path + " offset " +
           std::to_string(header.entry_offset) + " has no such entry";
  }
  if (entry.header.digest != header.digest) {
    return "the journal has another digest at " + seq + ": it is of another history";
  }
  return "";
}

/// Reads and checks header, place and body; `body` is what the engine wrote, then the places.
std::string read_snapshot(const std::string& directory, const SnapshotFile& file,
                          const EngineConfig& config, SnapshotFileHeader& header,
                          ByteBuffer& body) {
  const File opened(file.path, O_RDONLY | O_CLOEXEC);
  struct stat status{};
  if (opened.number() < 0 || ::fstat(opened.number(), &status) != 0) {
    return errno_text("open", file.path);
  }
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (size < sizeof header) return "shorter than its header";
  if (!detail::read_at(opened.number(), &header, sizeof header, 0)) {
    return errno_text("read", file.path);
  }
  if (std::memcmp(header.magic, magic, sizeof magic) != 0) return "not a snapshot file";
  if (header.crc32c != header_crc(header)) return "the header's checksum is wrong";
  if (header.version != snapshot_file_version) {
    return "has format " + std::to_string(header.version) + ", this is " +
           std::to_string(snapshot_file_version);
  }
  if (header.shard_id != config.shard_id) {
    return "belongs to shard " + std::to_string(header.shard_id) + ", not " +
           std::to_string(config.shard_id);
  }
  if (header.configuration != configuration_hash(config)) {
    return "was made with other limits or another version";
  }
  if (header.seq != file.seq) return "holds seq " + std::to_string(header.seq);
  if (header.body_bytes != size - sizeof header || header.places_bytes > header.body_bytes) {
    return "has " + std::to_string(size) + " bytes, and was made with " +
           std::to_string(sizeof header + header.body_bytes);
  }
  if (std::string error = check_place(directory, header); !error.empty()) return error;
  ::posix_fadvise(opened.number(), 0, 0, POSIX_FADV_SEQUENTIAL);
  body.clear();
  if (!detail::read_at(opened.number(), body.extend(header.body_bytes), header.body_bytes,
                       sizeof header)) {
    return errno_text("read", file.path);
  }
  return crc32c(body.bytes()) == header.body_crc32c ? "" : "the checksum is wrong";
}

std::unique_ptr<Engine> restore_snapshot(const std::string& directory, const SnapshotFile& file,
                                         const EngineConfig& config, SnapshotFileHeader& header,
                                         ByteBuffer& body, OrderPlaces& places,
                                         std::string& error) {
  error = read_snapshot(directory, file, config, header, body);
  if (!error.empty()) return nullptr;
  const char* refusal = nullptr;
  const std::uint64_t engine_bytes = header.body_bytes - header.places_bytes;
  std::unique_ptr<Engine> engine = Engine::restore(body.bytes().first(engine_bytes), refusal);
  if (engine == nullptr) {
    error = refusal;
  } else if (engine->config() != config || engine->seq() != header.seq ||
             engine->digest() != header.digest) {
    error = "what it holds is not what its header says";
    engine = nullptr;
  } else if (places = OrderPlaces(config.max_client_order_ids);
             !places.load(body.bytes().subspan(engine_bytes), engine->order_count())) {
    error = "the places of its orders are not sound";
    engine = nullptr;
  }
  return engine;
}

/// Writes a whole file, piece by piece, each synced. Returns an error text or an empty one.
std::string write_file(const std::string& path, const SnapshotFileHeader& header,
                       std::span<const std::byte> body) {
  const File file(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC);
  if (file.number() < 0) return errno_text("create", path);
  if (!detail::write_at(file.number(), &header, sizeof header, 0)) {
    return errno_text("write", path);
  }
  for (std::uint64_t done = 0; done < body.size();) {
    const std::uint64_t count = std::min<std::uint64_t>(piece_bytes, body.size() - done);
    if (!detail::write_at(file.number(), body.data() + done, count, sizeof header + done)) {
      return errno_text("write", path);
    }
    if (detail::sync_data(file.number()) != 0) return errno_text("sync", path);
    done += count;
  }
  return ::fsync(file.number()) == 0 ? "" : errno_text("sync", path);
}

/// Empty if an engine restored from the file gives the bytes that were written.
std::string verify_file(const std::string& directory, const SnapshotFile& file,
                        const EngineConfig& config, const ByteBuffer& written) {
  SnapshotFileHeader header;
  ByteBuffer read;
  OrderPlaces places;
  std::string error;
  const auto restored = restore_snapshot(directory, file, config, header, read, places, error);
  if (restored == nullptr) return "verify " + file.path + ": " + error;
  read.clear();
  restored->snapshot(read);
  places.save(read);
  const bool is_same =
      read.size() == written.size() && std::memcmp(read.data(), written.data(), read.size()) == 0;
  return is_same ? "" : "verify " + file.path + ": restoring it gives another state";
}

std::string remove_files(const std::string& directory, const std::vector<SnapshotFile>& files) {
  for (const SnapshotFile& file : files) {
    if (::unlink(file.path.c_str()) != 0) return errno_text("remove", file.path);
  }
  if (!files.empty() && !detail::sync_directory(directory)) return errno_text("sync", directory);
  return "";
}

}  // namespace

std::string list_snapshots(const std::string& directory, std::vector<SnapshotFile>& out) {
  return list_files(directory, suffix, out);
}

std::uint64_t proven_seq(const SnapshotFile& file, const EngineConfig& config) {
  const File opened(file.path, O_RDONLY | O_CLOEXEC);
  SnapshotFileHeader header;
  const bool is_ours =
      opened.number() >= 0 && detail::read_at(opened.number(), &header, sizeof header, 0) &&
      std::memcmp(header.magic, magic, sizeof magic) == 0 && header.crc32c == header_crc(header) &&
      header.shard_id == config.shard_id && header.version == snapshot_file_version &&
      header.configuration == configuration_hash(config);
  return is_ours ? header.seq : 0;
}

std::string check_snapshot(const std::string& directory, const SnapshotFile& file,
                           const EngineConfig& config) {
  SnapshotFileHeader header;
  ByteBuffer body;
  return read_snapshot(directory, file, config, header, body);
}

std::unique_ptr<Engine> load_snapshot(const std::string& directory, const SnapshotFile& file,
                                      const EngineConfig& config, OrderPlaces& places,
                                      JournalPosition& next, std::string& error) {
  SnapshotFileHeader header;
  ByteBuffer body;
  auto engine = restore_snapshot(directory, file, config, header, body, places, error);
  if (engine != nullptr) {
    next = {.seq = header.seq,
            .digest = header.digest,
            .segment_first_seq = header.segment_first_seq,
            .next_offset = header.next_offset};
  }
  return engine;
}

std::string write_snapshot(const std::string& directory, const Engine& engine,
                           const OrderPlaces& places, const SnapshotPlace& place,
                           std::uint64_t free_bytes_min) {
  ByteBuffer body;
  engine.snapshot(body);
  const std::size_t engine_bytes = body.size();
  places.save(body);
  const std::string path = snapshot_path(directory, engine.seq());
  const std::string unfinished = path + ".tmp";
  struct statvfs disk{};
  if (::statvfs(directory.c_str(), &disk) != 0) return errno_text("look at", directory);
  if (std::uint64_t{disk.f_bavail} * disk.f_frsize < body.size() + free_bytes_min) {
    errno = ENOSPC;
    return errno_text("write", path);
  }
  SnapshotFileHeader header;
  std::memcpy(header.magic, magic, sizeof magic);
  header.version = snapshot_file_version;
  header.shard_id = engine.config().shard_id;
  header.seq = engine.seq();
  header.digest = engine.digest();
  header.configuration = configuration_hash(engine.config());
  header.segment_first_seq = place.segment_first_seq;
  header.entry_offset = place.entry_offset;
  header.next_offset = place.next_offset;
  header.body_bytes = body.size();
  header.places_bytes = body.size() - engine_bytes;
  header.body_crc32c = crc32c(body.bytes());
  header.crc32c = header_crc(header);
  std::string error = write_file(unfinished, header, body.bytes());
  if (error.empty()) {
    error = verify_file(directory, {unfinished, engine.seq()}, engine.config(), body);
  }
  if (error.empty() && ::rename(unfinished.c_str(), path.c_str()) != 0) {
    error = errno_text("name", path);
  }
  if (!error.empty()) {
    ::unlink(unfinished.c_str());
    return error;
  }
  return detail::sync_directory(directory) ? "" : errno_text("sync", directory);
}

std::string remove_unfinished_snapshots(const std::string& directory) {
  std::vector<SnapshotFile> files;
  if (std::string error = list_files(directory, unfinished_suffix, files); !error.empty()) {
    return error;
  }
  return remove_files(directory, files);
}

std::string remove_snapshots_before(const std::string& directory, std::uint64_t seq) {
  std::vector<SnapshotFile> files;
  if (std::string error = list_snapshots(directory, files); !error.empty()) return error;
  std::erase_if(files, [=](const SnapshotFile& file) { return file.seq >= seq; });
  return remove_files(directory, files);
}

}  // namespace tradepit
