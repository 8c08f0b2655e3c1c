#pragma once
#include <cstddef>
#include <string>

/// libzmq's C functions, looked up at run time in the libzmq that the process has loaded already.
/// pyzmq's wheel brings the library without its header, and two copies of libzmq in one process
/// must never see each other's sockets. Signatures and constants: zmq.h of libzmq 4.3.
namespace tradepit {

inline constexpr int zmq_dontwait = 1;
inline constexpr int zmq_sndmore = 2;
inline constexpr short zmq_pollin = 1;

/// zmq_msg_t: 64 opaque bytes, aligned like a pointer; stable since libzmq 4.1.
struct alignas(alignof(void*)) ZmqMessage {
  unsigned char opaque[64];
};

struct ZmqPollItem {
  void* socket;
  int fd;
  short events;
  short revents;
};

struct ZmqApi {
  int (*msg_init)(ZmqMessage*) = nullptr;
  int (*msg_init_data)(ZmqMessage*, void* data, std::size_t size,
                       void (*release)(void* data, void* hint), void* hint) = nullptr;
  int (*msg_send)(ZmqMessage*, void* socket, int flags) = nullptr;
  int (*msg_recv)(ZmqMessage*, void* socket, int flags) = nullptr;
  int (*msg_close)(ZmqMessage*) = nullptr;
  void* (*msg_data)(ZmqMessage*) = nullptr;
  std::size_t (*msg_size)(const ZmqMessage*) = nullptr;
  int (*msg_more)(const ZmqMessage*) = nullptr;
  int (*send)(void* socket, const void* data, std::size_t size, int flags) = nullptr;
  int (*poll)(ZmqPollItem*, int count, long timeout_ms) = nullptr;
  int (*error)() = nullptr;

  /// Finds the functions in the library at `path`, or in what it links to; it must be loaded
  /// already. Returns an error text or an empty one.
  [[nodiscard]] std::string load(const std::string& path);
};

}  // namespace tradepit
