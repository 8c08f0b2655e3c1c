#include "journal_files.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "system_files.hpp"
#include "tradepit/crc32c.hpp"
#include "tradepit/journal.hpp"

namespace tradepit::detail {
namespace {

constexpr char magic[8] = {'T', 'P', 'J', 'R', 'N', 'L', 0, 0};
constexpr std::string_view suffix = ".journal";
constexpr std::size_t name_digits = 20;

std::uint32_t header_crc(const wire::SegmentHeader& header) noexcept {
  return crc32c(
      {reinterpret_cast<const std::byte*>(&header), offsetof(wire::SegmentHeader, crc32c)});
}

int sync_system_directory(const char* path) {
  const int file = ::open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return -1;
  const int result = sync_all(file);
  ::close(file);
  return result;
}

std::string list_system_directory(const std::string& path, std::vector<std::string>& names) {
  namespace fs = std::filesystem;
  std::error_code code;
  if (!fs::exists(path, code)) return code ? code.message() : "";
  fs::directory_iterator entries(path, code);
  if (code) return code.message();
  for (const fs::directory_entry& entry : entries) {
    names.push_back(entry.path().filename().string());
  }
  return "";
}

const std::byte* map_system_file(const char* path, std::size_t& size) {
  size = 0;
  const int file = ::open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return nullptr;
  struct stat status{};
  void* at = MAP_FAILED;
  if (::fstat(file, &status) == 0) {
    size = static_cast<std::size_t>(status.st_size);
    if (size > 0) at = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0);
  }
  const int code = errno;
  ::close(file);
  errno = code;
  if (at == MAP_FAILED) return nullptr;
  ::madvise(at, size, MADV_SEQUENTIAL);
  return static_cast<const std::byte*>(at);
}

void unmap_system_file(const std::byte* bytes, std::size_t size) {
  ::munmap(const_cast<std::byte*>(bytes), size);
}

}  // namespace

const DiskApi system_disk{
    .open = [](const char* path, int flags, mode_t mode) { return ::open(path, flags, mode); },
    .close = ::close,
    .pread = ::pread,
    .pwrite = ::pwrite,
    .fdatasync = sync_data,
    .fsync = sync_all,
    .posix_fallocate = reserve,
    .rename = ::rename,
    .unlink = ::unlink,
    .sync_directory = sync_system_directory,
    .list_directory = list_system_directory,
    .map = map_system_file,
    .unmap = unmap_system_file,
};

std::string errno_text(const std::string& what, const std::string& path) {
  const std::string reason = std::generic_category().message(errno);
  return what + " " + path + ": " + reason;
}

std::string segment_path(const std::string& directory, std::uint64_t first_seq) {
  char name[64];
  std::snprintf(name, sizeof name, "/%020" PRIu64 ".journal", first_seq);
  return directory + name;
}

std::string list_segments(const std::string& directory, std::vector<SegmentFile>& out) {
  out.clear();
  std::vector<std::string> names;
  if (const std::string error = disk->list_directory(directory, names); !error.empty()) {
    return "read " + directory + ": " + error;
  }
  for (const std::string& name : names) {
    if (name.size() != name_digits + suffix.size() || !name.ends_with(suffix)) continue;
    std::uint64_t first_seq = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name_digits, first_seq);
    if (error != std::errc{} || end != name.data() + name_digits) continue;
    out.push_back({directory + "/" + name, first_seq});
  }
  std::sort(out.begin(), out.end(),
            [](const auto& a, const auto& b) { return a.first_seq < b.first_seq; });
  return "";
}

wire::SegmentHeader make_segment_header(std::uint32_t shard_id, std::uint64_t first_seq,
                                        std::uint64_t digest, std::uint64_t size_bytes) {
  wire::SegmentHeader header;
  std::memcpy(header.magic, magic, sizeof magic);
  header.version = journal_version;
  header.shard_id = shard_id;
  header.first_seq = first_seq;
  header.digest = digest;
  header.size_bytes = size_bytes;
  header.crc32c = header_crc(header);
  return header;
}

std::string check_segment_header(const wire::SegmentHeader& header, const std::string& path,
                                 std::uint32_t shard_id, std::uint64_t first_seq) {
  const std::string at = "damaged journal: " + path + " offset 0: ";
  if (std::memcmp(header.magic, magic, sizeof magic) != 0) return at + "not a journal segment";
  if (header.crc32c != header_crc(header)) return at + "the segment header's checksum is wrong";
  if (header.version != journal_version) {
    return path + " has journal format " + std::to_string(header.version) + ", this is " +
           std::to_string(journal_version);
  }
  if (header.shard_id != shard_id) {
    return path + " belongs to shard " + std::to_string(header.shard_id) + ", not " +
           std::to_string(shard_id);
  }
  if (header.first_seq != first_seq) {
    return at + "begins at seq " + std::to_string(header.first_seq) + ", its name says " +
           std::to_string(first_seq);
  }
  return "";
}

bool is_entry_length(std::uint64_t length, std::uint64_t bytes_left) noexcept {
  return length % 8 == 0 && length >= sizeof(wire::JournalEntry) + sizeof(wire::Header) &&
         length <= entry_bytes_max && length <= bytes_left;
}

bool read_at(int file, void* into, std::uint64_t size, std::uint64_t offset) noexcept {
  auto* at = static_cast<std::byte*>(into);
  while (size > 0) {
    const ssize_t count = disk->pread(file, at, size, static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count == 0) errno = ENODATA;  // the end of the file
    if (count <= 0) return false;
    at += count;
    offset += static_cast<std::uint64_t>(count);
    size -= static_cast<std::uint64_t>(count);
  }
  return true;
}

bool write_at(int file, const void* from, std::uint64_t size, std::uint64_t offset) noexcept {
  const auto* at = static_cast<const std::byte*>(from);
  while (size > 0) {
    const ssize_t count = disk->pwrite(file, at, size, static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    at += count;
    offset += static_cast<std::uint64_t>(count);
    size -= static_cast<std::uint64_t>(count);
  }
  return true;
}

bool sync_directory(const std::string& directory) noexcept {
  return disk->sync_directory(directory.c_str()) == 0;
}

}  // namespace tradepit::detail
