#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "tradepit/wire.hpp"

/// What the journal's writer, reader and scanner share about its files.
namespace tradepit::detail {

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
