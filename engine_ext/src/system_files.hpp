#pragma once
#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>

/// Durable files, as each system offers them.
namespace tradepit::detail {

#if defined(__APPLE__)

/// On macOS fsync leaves the bytes in the disk's own cache.
inline int sync_all(int file) noexcept { return ::fcntl(file, F_FULLFSYNC); }
inline int sync_data(int file) noexcept { return sync_all(file); }

/// As posix_fallocate: 0 or an errno.
inline int reserve(int file, off_t offset, off_t size) noexcept {
  fstore_t store{F_ALLOCATEALL, F_PEOFPOSMODE, 0, offset + size, 0};
  if (::fcntl(file, F_PREALLOCATE, &store) == -1) return errno;
  return ::ftruncate(file, offset + size) == 0 ? 0 : errno;
}

#else

inline int sync_all(int file) noexcept { return ::fsync(file); }
inline int sync_data(int file) noexcept { return ::fdatasync(file); }
inline int reserve(int file, off_t offset, off_t size) noexcept {
  return ::posix_fallocate(file, offset, size);
}

#endif

}  // namespace tradepit::detail
