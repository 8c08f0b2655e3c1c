#include "journal_closed.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <vector>

#include "journal_files.hpp"
#include "journal_scan.hpp"
#include "tradepit/crc32c.hpp"

namespace tradepit {
namespace detail {
namespace {

constexpr std::string_view closed_name = "/closed";
constexpr std::size_t closed_size_max = 128;
constexpr std::string_view torn_prefix = "torn-";
constexpr std::string_view torn_suffix = ".bytes";
constexpr std::size_t torn_files_kept = 4;

std::string closed_path(const std::string& directory) {
  return directory + std::string(closed_name);
}

/// The mark's text, for people too; its checksum is part of it, so that it is compared as a whole.
std::string closed_text(std::uint64_t seq, std::uint64_t digest) {
  char line[closed_size_max];
  std::snprintf(line, sizeof line, "seq=%" PRIu64 " digest=%016" PRIx64, seq, digest);
  const std::string text = line;
  const std::uint32_t crc = crc32c({reinterpret_cast<const std::byte*>(text.data()), text.size()});
  std::snprintf(line, sizeof line, " crc32c=%08" PRIx32 "\n", crc);
  return text + line;
}

/// Writes a whole file and its name, durably. Returns false with errno set.
bool write_file(const std::string& path, const void* bytes, std::uint64_t size,
                const std::string& directory) {
  const std::string unfinished = path + ".tmp";
  const int file = disk->open(unfinished.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return false;
  const bool is_written = write_at(file, bytes, size, 0) && disk->fsync(file) == 0;
  int code = errno;
  disk->close(file);
  if (is_written && disk->rename(unfinished.c_str(), path.c_str()) == 0) {
    return sync_directory(directory);
  }
  if (is_written) code = errno;
  disk->unlink(unfinished.c_str());
  errno = code;
  return false;
}

/// The saved tails of a folder, the oldest first: their names sort as their seqs do.
std::string list_torn(const std::string& directory, std::vector<std::string>& names) {
  std::vector<std::string> found;
  if (std::string error = disk->list_directory(directory, found); !error.empty()) return error;
  for (const std::string& name : found) {
    if (name.starts_with(torn_prefix) && name.ends_with(torn_suffix)) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return "";
}

}  // namespace

std::string write_closed_mark(const std::string& directory, std::uint64_t seq,
                              std::uint64_t digest) {
  const std::string text = closed_text(seq, digest);
  const std::string path = closed_path(directory);
  return write_file(path, text.data(), text.size(), directory) ? "" : errno_text("write", path);
}

std::string remove_closed_mark(const std::string& directory) {
  const std::string path = closed_path(directory);
  if (disk->unlink(path.c_str()) != 0) return errno == ENOENT ? "" : errno_text("remove", path);
  return sync_directory(directory) ? "" : errno_text("sync", directory);
}

std::string save_torn_tail(const JournalEnd& end) {
  const std::string directory = end.segment_path.substr(0, end.segment_path.rfind('/'));
  std::vector<std::string> names;
  if (std::string error = list_torn(directory, names); !error.empty()) return error;
  char stem[64];
  std::snprintf(stem, sizeof stem, "torn-%020" PRIu64, end.last_seq + 1);
  std::string name = stem + std::string(torn_suffix);
  // The same seq may be torn again: by another cut, or by one while the first was being zeroed.
  // `.bytes` sorts before `.c001.bytes`, and so on.
  int number = -1;
  for (const std::string& other : names) {
    if (!other.starts_with(stem)) continue;
    number = std::max(number, 0);
    int other_number = 0;
    if (std::sscanf(other.c_str() + std::strlen(stem), ".c%d", &other_number) == 1) {
      number = std::max(number, other_number);
    }
  }
  if (number >= 0) {
    char more[32];
    std::snprintf(more, sizeof more, ".c%03d", number + 1);
    name = stem + std::string(more) + std::string(torn_suffix);
  }
  const std::string path = directory + "/" + name;
  std::vector<std::byte> bytes(end.torn_bytes);
  const int file = disk->open(end.segment_path.c_str(), O_RDONLY | O_CLOEXEC, 0);
  const bool is_read = file >= 0 && read_at(file, bytes.data(), bytes.size(), end.end_offset);
  std::string error = is_read ? "" : errno_text("read the torn tail of", end.segment_path);
  if (file >= 0) disk->close(file);
  if (!error.empty()) return error;
  if (!write_file(path, bytes.data(), bytes.size(), directory)) {
    // A shard that crashed with a full disk must come back, if only to refuse orders.
    return errno == ENOSPC || errno == EDQUOT ? "" : errno_text("save", path);
  }
  names.push_back(name);
  std::sort(names.begin(), names.end());
  for (std::size_t index = 0; index + torn_files_kept < names.size(); ++index) {
    disk->unlink((directory + "/" + names[index]).c_str());  // an old one that stays harms nobody
  }
  return "";
}

}  // namespace detail

std::string check_closed_mark(const std::string& directory, const JournalEnd& end) {
  const std::string path = detail::closed_path(directory);
  const int file = detail::disk->open(path.c_str(), O_RDONLY | O_CLOEXEC, 0);
  if (file < 0) return errno == ENOENT ? "" : detail::errno_text("open", path);
  char text[detail::closed_size_max] = {};
  ssize_t size = 0;
  do {
    size = detail::disk->pread(file, text, sizeof text - 1, 0);
  } while (size < 0 && errno == EINTR);
  std::string error = size < 0 ? detail::errno_text("read", path) : "";
  detail::disk->close(file);
  if (!error.empty()) return error;
  std::uint64_t seq = 0;
  std::uint64_t digest = 0;
  if (std::sscanf(text, "seq=%" SCNu64 " digest=%" SCNx64, &seq, &digest) != 2 ||
      detail::closed_text(seq, digest) != text) {
    return detail::damage(path, 0, end.last_seq + 1, "not the mark of a journal that was closed");
  }
  if (seq == end.last_seq && digest == end.last_digest) return "";
  const std::string place =
      end.segment_path.empty() ? detail::segment_path(directory, 1) : end.segment_path;
  std::string what = "the journal was closed in order behind seq " + std::to_string(seq);
  if (seq > end.last_seq) {
    what += ", and ends behind seq " + std::to_string(end.last_seq) + ": " +
            detail::missing(end.last_seq + 1, seq);
  } else if (seq < end.last_seq) {
    what += ", and goes on to seq " + std::to_string(end.last_seq);
  } else {
    what += " with another digest";
  }
  return detail::damage(
      place, end.end_offset, end.last_seq + 1,
      what + " (" + path + " says so; delete it only if you know why the journal ends elsewhere)");
}

}  // namespace tradepit
