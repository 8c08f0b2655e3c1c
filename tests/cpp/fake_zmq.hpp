#pragma once
// ZeroMQ as the hot loop sees it, in a few lines that the thread sanitizer can follow: one ROUTER
// that clients of this process write to, whose sent messages another thread takes and lets go.
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "check.hpp"
#include "tradepit/zmq_api.hpp"

namespace fake_zmq {

using tradepit::ZmqMessage;

/// One frame; its bytes are the test's own, or the hot loop's until `release` is called.
struct Frame {
  std::string own;
  const void* data = nullptr;
  std::size_t size = 0;
  void (*release)(void* data, void* hint) = nullptr;
  void* hint = nullptr;
  bool has_more = false;

  explicit Frame(std::string bytes) : own(std::move(bytes)), data(own.data()), size(own.size()) {}
  Frame(const void* bytes, std::size_t count, void (*let_go)(void*, void*), void* with)
      : data(bytes), size(count), release(let_go), hint(with) {}
  ~Frame() {
    if (release != nullptr) release(const_cast<void*>(data), hint);
  }
  Frame(const Frame&) = delete;
  Frame& operator=(const Frame&) = delete;
};
using FramePointer = std::unique_ptr<Frame>;

struct Message {
  std::string routing_id;
  FramePointer payload;
};

class Socket {
 public:
  Socket() : wake_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) { CHECK(wake_fd_ >= 0); }
  ~Socket() { ::close(wake_fd_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  /// A client's side.
  void push(const std::string& routing_id, std::string payload) {
    auto id = std::make_unique<Frame>(routing_id);
    id->has_more = true;
    const std::scoped_lock lock(mutex_);
    received_.push_back(std::move(id));
    received_.push_back(std::make_unique<Frame>(std::move(payload)));
    const std::uint64_t one = 1;
    CHECK(::write(wake_fd_, &one, sizeof one) == sizeof one);
  }
  /// What the hot loop has sent since the last call.
  [[nodiscard]] std::vector<Message> take_sent() {
    const std::scoped_lock lock(mutex_);
    return std::exchange(sent_, {});
  }

  /// The hot loop's side.
  [[nodiscard]] FramePointer pop() {
    const std::scoped_lock lock(mutex_);
    if (received_.empty()) {
      std::uint64_t count;
      (void)!::read(wake_fd_, &count, sizeof count);
      return nullptr;
    }
    FramePointer frame = std::move(received_.front());
    received_.pop_front();
    return frame;
  }
  void send(FramePointer frame, bool has_more) {
    const std::scoped_lock lock(mutex_);
    if (has_more) {
      routing_id_.assign(static_cast<const char*>(frame->data), frame->size);
    } else {
      sent_.push_back({routing_id_, std::move(frame)});
    }
  }
  [[nodiscard]] int wake_fd() const { return wake_fd_; }

 private:
  std::mutex mutex_;
  std::deque<FramePointer> received_;
  std::vector<Message> sent_;
  std::string routing_id_;
  int wake_fd_;
};

/// A message holds a pointer to its frame.
inline Frame*& frame_of(ZmqMessage* message) { return *reinterpret_cast<Frame**>(message->opaque); }
inline Frame* frame_of(const ZmqMessage* message) {
  return frame_of(const_cast<ZmqMessage*>(message));
}

inline tradepit::ZmqApi api() {
  tradepit::ZmqApi zmq;
  zmq.msg_init = [](ZmqMessage* message) {
    frame_of(message) = nullptr;
    return 0;
  };
  zmq.msg_init_data = [](ZmqMessage* message, void* data, std::size_t size,
                         void (*release)(void*, void*), void* hint) {
    frame_of(message) = new Frame(data, size, release, hint);
    return 0;
  };
  zmq.msg_send = [](ZmqMessage* message, void* socket, int flags) {
    static_cast<Socket*>(socket)->send(FramePointer(std::exchange(frame_of(message), nullptr)),
                                       (flags & tradepit::zmq_sndmore) != 0);
    return 0;
  };
  zmq.msg_recv = [](ZmqMessage* message, void* socket, int) {
    FramePointer frame = static_cast<Socket*>(socket)->pop();
    errno = EAGAIN;
    if (frame == nullptr) return -1;
    frame_of(message) = frame.release();
    return 0;
  };
  zmq.msg_close = [](ZmqMessage* message) {
    delete std::exchange(frame_of(message), nullptr);
    return 0;
  };
  zmq.msg_data = [](ZmqMessage* message) { return const_cast<void*>(frame_of(message)->data); };
  zmq.msg_size = [](const ZmqMessage* message) { return frame_of(message)->size; };
  zmq.msg_more = [](const ZmqMessage* message) { return frame_of(message)->has_more ? 1 : 0; };
  zmq.send = [](void* socket, const void* data, std::size_t size, int flags) {
    static_cast<Socket*>(socket)->send(
        std::make_unique<Frame>(std::string(static_cast<const char*>(data), size)),
        (flags & tradepit::zmq_sndmore) != 0);
    return 0;
  };
  zmq.poll = [](tradepit::ZmqPollItem* items, int count, long timeout_ms) {
    std::vector<pollfd> fds;
    for (int index = 0; index < count; ++index) {
      const auto& item = items[index];
      const int file =
          item.socket == nullptr ? item.fd : static_cast<Socket*>(item.socket)->wake_fd();
      fds.push_back({file, POLLIN, 0});
    }
    const int ready = ::poll(fds.data(), fds.size(), static_cast<int>(timeout_ms));
    for (int index = 0; index < count; ++index) {
      items[index].revents = fds[static_cast<std::size_t>(index)].revents != 0 ? 1 : 0;
    }
    return ready;
  };
  zmq.error = [] { return errno; };
  return zmq;
}

}  // namespace fake_zmq
