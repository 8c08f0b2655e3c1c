#pragma once
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tradepit/wire.hpp"

/// What the journal's writer, reader and scanner share about its files.
namespace tradepit::detail {

/// The file calls that the journal makes, as a table: a test puts a disk of its own in their place,
/// one that tears, forgets and refuses. Each does what Linux's call of its name does, errno
/// included, but for the last four.
struct DiskApi {
  int (*open)(const char* path, int flags, mode_t mode);
  int (*close)(int file);
  ssize_t (*pread)(int file, void* into, std::size_t size, off_t offset);
  ssize_t (*pwrite)(int file, const void* from, std::size_t size, off_t offset);
  int (*fdatasync)(int file);
  int (*fsync)(int file);
  int (*posix_fallocate)(int file, off_t offset, off_t size);
  int (*rename)(const char* from, const char* to);
  int (*unlink)(const char* path);
  int (*sync_directory)(const char* path);
  /// The names in a folder, none if it is missing. Returns an error text or an empty one.
  std::string (*list_directory)(const std::string& path, std::vector<std::string>& names);
  /// A file's bytes for reading; nullptr with errno set, or with `size` 0 if the file is empty.
  const std::byte* (*map)(const char* path, std::size_t& size);
  void (*unmap)(const std::byte* bytes, std::size_t size);
};

extern const DiskApi system_disk;
/// What the journal uses. Only a simulation changes it, before it opens a journal.
inline const DiskApi* disk = &system_disk;

/// "what path: reason", the reason from errno.
[[nodiscard]] std::string errno_text(const std::string& what, const std::string& path);

[[nodiscard]] std::string segment_path(const std::string& directory, std::uint64_t first_seq);

struct SegmentFile {
  std::string path;
  std::uint64_t first_seq;
};

/// The segments of a folder by first seq. An unreadable folder is an error text; a missing one is
/// an empty list.
[[nodiscard]] std::string list_segments(const std::string& directory,
                                        std::vector<SegmentFile>& out);

/// Empty if the header opens a segment of this shard that starts at `first_seq`.
[[nodiscard]] std::string check_segment_header(const wire::SegmentHeader& header,
                                               const std::string& path, std::uint32_t shard_id,
                                               std::uint64_t first_seq);

[[nodiscard]] wire::SegmentHeader make_segment_header(std::uint32_t shard_id,
                                                      std::uint64_t first_seq, std::uint64_t digest,
                                                      std::uint64_t size_bytes);

/// True if the length of an entry can be one, given the bytes that are left in its segment.
[[nodiscard]] bool is_entry_length(std::uint64_t length, std::uint64_t bytes_left) noexcept;

/// Reads exactly `size` bytes; false on an error or the end of the file.
[[nodiscard]] bool read_at(int file, void* into, std::uint64_t size, std::uint64_t offset) noexcept;
/// Writes exactly `size` bytes; false with errno set.
[[nodiscard]] bool write_at(int file, const void* from, std::uint64_t size,
                            std::uint64_t offset) noexcept;
/// Makes a change of names in a folder durable.
[[nodiscard]] bool sync_directory(const std::string& directory) noexcept;

}  // namespace tradepit::detail
