#include "tradepit/wake_up.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdint>

// TRADEPIT_PORTABLE: as on another system, to try that on this one.
#if defined(__linux__) && !defined(TRADEPIT_PORTABLE)
#include <sys/eventfd.h>

namespace tradepit {

WakeUp::WakeUp() noexcept : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), notify_fd_(fd_) {}

WakeUp::~WakeUp() {
  if (fd_ >= 0) ::close(fd_);
}

void WakeUp::notify() noexcept {
  const std::uint64_t one = 1;
  // EAGAIN would mean 2^64 - 2 unread wake-ups: the reader is awake in any case.
  [[maybe_unused]] const ssize_t written = ::write(notify_fd_, &one, sizeof one);
}

void WakeUp::clear() noexcept {
  std::uint64_t count;
  [[maybe_unused]] const ssize_t got = ::read(fd_, &count, sizeof count);
}

}  // namespace tradepit

#else

namespace tradepit {

WakeUp::WakeUp() noexcept {
  int ends[2];
  if (::pipe(ends) != 0) return;
  for (const int end : ends) {
    ::fcntl(end, F_SETFD, FD_CLOEXEC);
    ::fcntl(end, F_SETFL, O_NONBLOCK);
  }
  fd_ = ends[0];
  notify_fd_ = ends[1];
}

WakeUp::~WakeUp() {
  if (fd_ < 0) return;
  ::close(fd_);
  ::close(notify_fd_);
}

void WakeUp::notify() noexcept {
  const char one = 1;
  // EAGAIN means a pipe full of unread wake-ups: the reader is awake in any case.
  [[maybe_unused]] const ssize_t written = ::write(notify_fd_, &one, sizeof one);
}

void WakeUp::clear() noexcept {
  char bytes[4096];
  while (::read(fd_, bytes, sizeof bytes) == sizeof bytes) {
  }
}

}  // namespace tradepit

#endif
