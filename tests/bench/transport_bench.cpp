/// Measures what the matcher stands on and the matcher itself, in one run of one program:
///
///   transport_bench echo LIBZMQ              raw ROUTER/DEALER echo of 56-byte messages
///   transport_bench sync FOLDER              pwrite + fdatasync of 4 KiB in a zero-filled file
///   transport_bench orders LIBZMQ ENDPOINT ACCOUNT KEY_HEX INSTRUMENT
///                                            orders to a running matcher, until the durable reply
///
/// Each prints one JSON object. Times are in microseconds, rates per second.
#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "tradepit/wire.hpp"
#include "tradepit/zmq_api.hpp"

namespace {

using namespace tradepit;
using Clock = std::chrono::steady_clock;

constexpr int zmq_dealer = 5;
constexpr int zmq_router = 6;
constexpr int zmq_linger = 17;
constexpr int zmq_sndhwm = 23;
constexpr int zmq_rcvhwm = 24;
constexpr int zmq_last_endpoint = 32;

struct Contexts {
  void* (*make)() = nullptr;
  int (*close)(void*) = nullptr;
  void* (*socket)(void*, int) = nullptr;
  int (*close_socket)(void*) = nullptr;
  int (*bind)(void*, const char*) = nullptr;
  int (*connect)(void*, const char*) = nullptr;
  int (*setsockopt)(void*, int, const void*, std::size_t) = nullptr;
  int (*getsockopt)(void*, int, void*, std::size_t*) = nullptr;
  int (*recv)(void*, void*, std::size_t, int) = nullptr;
};

ZmqApi zmq;
Contexts contexts;

[[noreturn]] void die(const std::string& what) {
  std::fprintf(stderr, "transport_bench: %s\n", what.c_str());
  std::exit(1);
}

void load_zmq(const char* path) {
  void* const library = ::dlopen(path, RTLD_NOW | RTLD_GLOBAL);
  if (library == nullptr) die(::dlerror());
  if (const std::string error = zmq.load(path); !error.empty()) die(error);
  const auto find = [&](const char* name, auto& function) {
    function =
        reinterpret_cast<std::remove_reference_t<decltype(function)>>(::dlsym(library, name));
    if (function == nullptr) die(name);
  };
  find("zmq_ctx_new", contexts.make);
  find("zmq_ctx_term", contexts.close);
  find("zmq_socket", contexts.socket);
  find("zmq_close", contexts.close_socket);
  find("zmq_bind", contexts.bind);
  find("zmq_connect", contexts.connect);
  find("zmq_setsockopt", contexts.setsockopt);
  find("zmq_getsockopt", contexts.getsockopt);
  find("zmq_recv", contexts.recv);
}

double us_since(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

double percentile(std::vector<double>& sorted, double fraction) {
  return sorted[static_cast<std::size_t>(fraction * static_cast<double>(sorted.size() - 1))];
}

std::string latency_json(std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  char text[160];
  std::snprintf(text, sizeof text, "{\"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f}",
                percentile(samples, 0.5), percentile(samples, 0.99), percentile(samples, 0.999));
  return text;
}

/// A socket that never drops for want of room: the benchmark bounds what is in flight.
void* open_socket(void* context, int kind) {
  void* const socket = contexts.socket(context, kind);
  const int zero = 0;
  for (const int option : {zmq_linger, zmq_sndhwm, zmq_rcvhwm}) {
    contexts.setsockopt(socket, option, &zero, sizeof zero);
  }
  return socket;
}

void* open_dealer(void* context, const char* endpoint) {
  void* const dealer = open_socket(context, zmq_dealer);
  if (contexts.connect(dealer, endpoint) != 0) die("cannot connect");
  return dealer;
}

/// Waits for one message, with a deadline; its size.
std::size_t receive(void* socket, std::vector<std::byte>& into) {
  ZmqPollItem item{socket, 0, zmq_pollin, 0};
  if (zmq.poll(&item, 1, 10'000) <= 0) die("no answer within 10 s");
  const int size = contexts.recv(socket, into.data(), into.size(), 0);
  if (size < 0) die("receive failed");
  return static_cast<std::size_t>(size);
}

/// As receive, but takes a message that is there already without asking whether there is one: for
/// many in flight.
std::size_t receive_next(void* socket, std::vector<std::byte>& into) {
  const int size = contexts.recv(socket, into.data(), into.size(), zmq_dontwait);
  return size < 0 ? receive(socket, into) : static_cast<std::size_t>(size);
}

void run_echo() {
  void* const context = contexts.make();
  void* const router = open_socket(context, zmq_router);
  char endpoint[256];
  std::size_t endpoint_size = sizeof endpoint;
  if (contexts.bind(router, "tcp://127.0.0.1:*") != 0 ||
      contexts.getsockopt(router, zmq_last_endpoint, endpoint, &endpoint_size) != 0) {
    die("cannot bind a port");
  }
  std::atomic<bool> stop{false};
  std::thread server([&] {
    std::vector<std::byte> id(256);
    std::vector<std::byte> body(65536);
    while (!stop.load()) {
      ZmqPollItem item{router, 0, zmq_pollin, 0};
      if (zmq.poll(&item, 1, 100) <= 0) continue;
      while (true) {
        const int id_size = contexts.recv(router, id.data(), id.size(), zmq_dontwait);
        if (id_size < 0) break;
        const int size = contexts.recv(router, body.data(), body.size(), 0);
        zmq.send(router, id.data(), static_cast<std::size_t>(id_size), zmq_sndmore);
        zmq.send(router, body.data(), static_cast<std::size_t>(size), 0);
      }
    }
  });
  void* const dealer = open_dealer(context, endpoint);
  std::vector<std::byte> message(sizeof(wire::NewOrder));
  std::vector<std::byte> answer(65536);
  std::vector<double> samples;
  for (int round = 0; round < 4000; ++round) {
    const auto start = Clock::now();
    zmq.send(dealer, message.data(), message.size(), 0);
    receive(dealer, answer);
    if (round >= 500) samples.push_back(us_since(start));
  }
  constexpr int total = 400'000;
  constexpr int window = 1024;
  const auto start = Clock::now();
  int sent = 0;
  for (; sent < window; ++sent) zmq.send(dealer, message.data(), message.size(), 0);
  for (int received = 0; received < total; ++received) {
    receive_next(dealer, answer);
    if (sent < total) zmq.send(dealer, message.data(), message.size(), 0), ++sent;
  }
  const double rate = total / us_since(start) * 1e6;
  std::printf("{\"echo\": %s, \"echo_1024_per_s\": %.0f}\n", latency_json(samples).c_str(), rate);
  stop.store(true);
  server.join();
  contexts.close_socket(dealer);
  contexts.close_socket(router);
  contexts.close(context);
}

void run_sync(const std::string& folder) {
  const std::string path = folder + "/sync.bench";
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
  if (file < 0) die("cannot write " + path);
  const std::vector<std::byte> zeros(16 << 20);
  const std::vector<std::byte> block(4096, std::byte{1});
  if (::pwrite(file, zeros.data(), zeros.size(), 0) < 0 || ::fsync(file) != 0) die("cannot fill");
  std::vector<double> samples;
  for (int round = 0; round < 2000; ++round) {
    const auto start = Clock::now();
    if (::pwrite(file, block.data(), block.size(), round * 4096) < 0 || ::fdatasync(file) != 0) {
      die("cannot sync");
    }
    if (round >= 200) samples.push_back(us_since(start));
  }
  ::close(file);
  ::unlink(path.c_str());
  std::printf("{\"fdatasync\": %s}\n", latency_json(samples).c_str());
}

/// A session with a matcher: sends resting limit orders and the cancels that take them out again.
class OrderSession {
 public:
  OrderSession(const char* endpoint, std::uint64_t account_id, const char* key_hex,
               std::uint32_t instrument_id)
      : account_id_(account_id), instrument_id_(instrument_id), answer_(1 << 20) {
    context_ = contexts.make();
    dealer_ = open_dealer(context_, endpoint);
    wire::Logon logon;
    logon.header.request_id = 1;
    logon.account_id = account_id;
    for (std::size_t index = 0; index < 32; ++index) {
      const char digits[3] = {key_hex[2 * index], key_hex[2 * index + 1], 0};
      logon.key[index] = static_cast<std::uint8_t>(std::strtoul(digits, nullptr, 16));
    }
    zmq.send(dealer_, &logon, sizeof logon, 0);
    receive(dealer_, answer_);
    wire::Header header;
    std::memcpy(&header, answer_.data(), sizeof header);
    if (header.type != static_cast<std::uint8_t>(wire::MessageType::logged_on))
      die("logon refused");
  }
  ~OrderSession() {
    contexts.close_socket(dealer_);
    contexts.close(context_);
  }
  OrderSession(const OrderSession&) = delete;
  OrderSession& operator=(const OrderSession&) = delete;

  /// Sends `count` orders in one message.
  void send(int count) {
    batch_.clear();
    for (int index = 0; index < count; ++index) {
      wire::NewOrder order;
      order.header.request_id = next_request_id_++;
      order.account_id = account_id_;
      order.client_order_id = 0;
      // Orders trade with one another as they come: the book stays small.
      order.side = (next_request_id_ & 1) != 0 ? wire::Side::buy : wire::Side::sell;
      order.price_ticks = 1000;
      order.quantity_lots = 1;
      order.instrument_id = instrument_id_;
      order.order_type = wire::OrderType::limit;
      order.time_in_force = wire::TimeInForce::gtc;
      const auto* const at = reinterpret_cast<const std::byte*>(&order);
      batch_.insert(batch_.end(), at, at + sizeof order);
    }
    zmq.send(dealer_, batch_.data(), batch_.size(), 0);
  }

  /// Receives one message; how many orders it acknowledges.
  int receive_acknowledged(bool many_in_flight) {
    const std::size_t size =
        many_in_flight ? receive_next(dealer_, answer_) : receive(dealer_, answer_);
    int acknowledged = 0;
    for (std::size_t offset = 0; offset < size;) {
      wire::Header header;
      std::memcpy(&header, answer_.data() + offset, sizeof header);
      if (header.type == static_cast<std::uint8_t>(wire::MessageType::reject)) die("order refused");
      if (header.type == static_cast<std::uint8_t>(wire::MessageType::execution_report)) {
        wire::ExecutionReport report;
        std::memcpy(&report, answer_.data() + offset, sizeof report);
        if (report.kind == wire::ExecutionKind::rejected) die("order rejected");
        if (header.request_id != 0 && (report.flags & wire::report_flag::last) != 0) ++acknowledged;
      }
      offset += header.length;
    }
    return acknowledged;
  }

 private:
  std::uint64_t account_id_;
  std::uint32_t instrument_id_;
  std::uint32_t next_request_id_ = 2;
  std::vector<std::byte> answer_;
  std::vector<std::byte> batch_;
  void* context_ = nullptr;
  void* dealer_ = nullptr;
};

double order_rate(OrderSession& session, int in_flight_max, int orders_per_message, int total) {
  const auto start = Clock::now();
  int sent = 0;
  int acknowledged = 0;
  while (acknowledged < total) {
    while (sent < total && sent - acknowledged + orders_per_message <= in_flight_max) {
      session.send(orders_per_message);
      sent += orders_per_message;
    }
    acknowledged += session.receive_acknowledged(true);
  }
  return total / us_since(start) * 1e6;
}

void run_orders(char** arguments) {
  OrderSession session(arguments[0], std::strtoull(arguments[1], nullptr, 10), arguments[2],
                       static_cast<std::uint32_t>(std::strtoul(arguments[3], nullptr, 10)));
  std::vector<double> samples;
  for (int round = 0; round < 4000; ++round) {
    const auto start = Clock::now();
    session.send(1);
    while (session.receive_acknowledged(false) == 0) {
    }
    if (round >= 500) samples.push_back(us_since(start));
  }
  order_rate(session, 1024, 64, 102'400);  // warm-up
  const double single = order_rate(session, 1024, 1, 512'000);
  const double by_64 = order_rate(session, 1024, 64, 1'024'000);
  std::printf(
      "{\"order\": %s, \"orders_1024_single_per_s\": %.0f, \"orders_1024_by_64_per_s\": %.0f}\n",
      latency_json(samples).c_str(), single, by_64);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  if (mode == "echo" && argc == 3) {
    load_zmq(argv[2]);
    run_echo();
  } else if (mode == "sync" && argc == 3) {
    run_sync(argv[2]);
  } else if (mode == "orders" && argc == 7) {
    load_zmq(argv[2]);
    run_orders(argv + 3);
  } else {
    die("usage: echo LIBZMQ | sync FOLDER | orders LIBZMQ ENDPOINT ACCOUNT KEY_HEX INSTRUMENT");
  }
}
