#pragma once

namespace tradepit {

/// Wakes whoever polls `fd()` for input. Notifications that nobody has cleared yet are one. An
/// eventfd where there are any, else a pipe.
class WakeUp {
 public:
  WakeUp() noexcept;
  ~WakeUp();
  WakeUp(const WakeUp&) = delete;
  WakeUp& operator=(const WakeUp&) = delete;

  /// False if the system has no file descriptor left.
  [[nodiscard]] bool is_open() const noexcept { return fd_ >= 0; }
  [[nodiscard]] int fd() const noexcept { return fd_; }
  /// Any thread.
  void notify() noexcept;
  /// The thread that polls.
  void clear() noexcept;

 private:
  int fd_ = -1;
  int notify_fd_ = -1;  // the same, but for a pipe
};

}  // namespace tradepit
