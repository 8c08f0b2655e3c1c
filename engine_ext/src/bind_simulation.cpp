// A matcher without threads, clock or sockets, for tests: the production engine, journal and hot
// loop, each step of theirs taken by whoever simulates the world around them.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cerrno>
#include <cstring>
#include <deque>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "bind_simulated_disk.hpp"
#include "tradepit/engine.hpp"
#include "tradepit/hot_loop.hpp"
#include "tradepit/journal.hpp"
#include "tradepit/zmq_api.hpp"

namespace py = pybind11;

namespace tradepit {

/// What the journal's threads do.
struct JournalSteps {
  static std::string open(JournalWriter& journal) { return journal.open_files(); }
  static bool needs_segment(const JournalWriter& journal) { return !journal.next_ready_; }
  static void prepare(JournalWriter& journal) { journal.prepare_next(); }
  /// Returns false, with nothing left to be synced, if it failed.
  static bool write(JournalWriter& journal) {
    if (!journal.write_handed()) journal.busy_ = false;
    return journal.busy_;
  }
  static void sync(JournalWriter& journal) {
    journal.sync_handed();
    journal.busy_ = false;
  }
  static void catch_up(JournalWriter& journal) {
    if (journal.busy_ && write(journal)) sync(journal);
    if (!journal.next_ready_) journal.prepare_next();
  }
};

struct HotLoopSteps {
  static std::string begin(HotLoop& loop) { return loop.end_earlier_sessions(); }
  static std::string turn(HotLoop& loop) { return loop.turn(); }
};

namespace {

using simulation::SimulatedDisk;
using Key = std::tuple<py::bytes, std::uint64_t, bool>;
using Message = std::pair<std::string, std::string>;  // routing id and payload

void raise_if(const std::string& error) {
  if (!error.empty()) throw std::runtime_error(error);
}

std::int64_t simulated_now_ns = 0;
/// The journal of a loop that begins, which does not return while it waits.
JournalWriter* beginning = nullptr;

/// A frame owns its bytes, or borrows them until `release`.
struct Frame {
  std::string own;
  const void* data = nullptr;
  std::size_t size = 0;
  void (*release)(void* data, void* hint) = nullptr;
  void* hint = nullptr;
  bool has_more = false;

  ~Frame() {
    if (release != nullptr) release(const_cast<void*>(data), hint);
  }
};

struct Socket {
  std::deque<std::pair<std::string, bool>> received;  // frames, and whether more follow
  std::vector<Message> sent;
  std::set<std::string> gone;
  std::string routing_id;
  const SimulatedDisk* disk = nullptr;

  int send(std::string bytes, bool has_more) {
    if (has_more) {
      routing_id = std::move(bytes);
      errno = EHOSTUNREACH;
      return gone.contains(routing_id) ? -1 : 0;
    }
    // Without power nothing leaves.
    if (!disk->is_cut()) sent.emplace_back(routing_id, std::move(bytes));
    return 0;
  }
};

Frame*& frame_of(ZmqMessage* message) { return *reinterpret_cast<Frame**>(message->opaque); }
Frame* frame_of(const ZmqMessage* message) { return frame_of(const_cast<ZmqMessage*>(message)); }

ZmqApi simulated_zmq() {
  ZmqApi zmq;
  zmq.msg_init = [](ZmqMessage* message) {
    frame_of(message) = nullptr;
    return 0;
  };
  zmq.msg_init_data = [](ZmqMessage* message, void* data, std::size_t size,
                         void (*release)(void*, void*), void* hint) {
    frame_of(message) =
        new Frame{.own = {}, .data = data, .size = size, .release = release, .hint = hint};
    return 0;
  };
  zmq.msg_send = [](ZmqMessage* message, void* socket, int flags) {
    const std::unique_ptr<Frame> frame(std::exchange(frame_of(message), nullptr));
    return static_cast<Socket*>(socket)->send(
        std::string(static_cast<const char*>(frame->data), frame->size),
        (flags & zmq_sndmore) != 0);
  };
  zmq.msg_recv = [](ZmqMessage* message, void* at, int) {
    Socket& socket = *static_cast<Socket*>(at);
    errno = EAGAIN;
    if (socket.received.empty()) return -1;
    auto frame = std::make_unique<Frame>();
    frame->own = std::move(socket.received.front().first);
    frame->has_more = socket.received.front().second;
    frame->data = frame->own.data();
    frame->size = frame->own.size();
    socket.received.pop_front();
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
    return static_cast<Socket*>(socket)->send(std::string(static_cast<const char*>(data), size),
                                              (flags & zmq_sndmore) != 0);
  };
  zmq.poll = [](ZmqPollItem* items, int count, long) {
    for (int index = 0; index < count; ++index) items[index].revents = 0;
    if (beginning != nullptr) JournalSteps::catch_up(*beginning);
    return 0;
  };
  zmq.error = [] { return errno; };
  return zmq;
}

const ZmqApi zmq_in_memory = simulated_zmq();

class SimulatedMatcher {
 public:
  SimulatedMatcher(const SimulatedDisk& disk, std::uint32_t shard_id, std::uint64_t segment_bytes,
                   std::uint64_t entry_bytes_room, const std::vector<Key>& keys)
      : engine_({.shard_id = shard_id,
                 .max_orders = 1U << 12,
                 .max_client_order_ids = 1U << 14,
                 .max_transfer_ids = 1U << 10,
                 .max_accounts = 1U << 6,
                 .max_instruments = 8,
                 .max_assets = 8,
                 .max_remembered_trades = 1U << 6}) {
    router_.disk = feed_.disk = &disk;
    journal_config_.directory = "/simulated";
    journal_config_.shard_id = shard_id;
    journal_config_.segment_bytes = segment_bytes;
    journal_config_.entry_bytes_max = entry_bytes_room;
    for (const auto& [bytes, account_id, is_operator] : keys) {
      ApiKey key{.bytes = {}, .account_id = account_id, .is_operator = is_operator};
      const std::string_view text = bytes;
      if (text.size() != sizeof key.bytes) throw py::value_error("a key has 32 bytes");
      std::memcpy(key.bytes, text.data(), sizeof key.bytes);
      keys_.push_back(key);
    }
  }

  /// As MatcherCore::recover, and the beginning of the hot loop.
  std::tuple<std::uint64_t, std::uint64_t> recover(std::int64_t now_ns) {
    simulated_now_ns = now_ns;
    ByteBuffer events;
    const std::uint64_t genesis_digest = engine_.digest();
    places_ = OrderPlaces(engine_.config().max_client_order_ids);
    journal_config_.places = &places_;
    const auto replay = [&](const EntryView& entry) -> std::string {
      events.clear();
      engine_.apply(entry.command.data(), events, nullptr);
      const bool is_same = events.size() == entry.events.size() &&
                           std::memcmp(events.data(), entry.events.data(), events.size()) == 0 &&
                           engine_.digest() == entry.header.digest;
      places_.add(engine_.order_count(), entry.place);
      return is_same ? "" : "replaying the command gives other events than were recorded";
    };
    const JournalEnd end =
        scan_journal(journal_config_.directory, journal_config_.shard_id, genesis_digest, replay);
    raise_if(end.error);
    raise_if(check_closed_mark(journal_config_.directory, end));
    raise_if(cut_torn_tail(end));
    journal_ = std::make_unique<JournalWriter>(journal_config_, end, genesis_digest);
    raise_if(JournalSteps::open(*journal_));
    JournalSteps::prepare(*journal_);
    const HotLoopConfig config{.durability = wire::Durability::disk,
                               .router_socket = &router_,
                               .feed_socket = &feed_,
                               .clock_ns = [] { return simulated_now_ns; }};
    loop_ = std::make_unique<HotLoop>(config, zmq_in_memory, keys_, engine_, *journal_);
    beginning = journal_.get();
    const std::string error = HotLoopSteps::begin(*loop_);
    beginning = nullptr;
    raise_if(error);
    return {end.entry_count, end.torn_bytes};
  }

  void deliver(const std::string& routing_id, const std::string& payload) {
    router_.received.emplace_back(routing_id, true);
    router_.received.emplace_back(payload, false);
  }
  void disconnect(const std::string& routing_id) { router_.gone.insert(routing_id); }

  std::vector<std::pair<py::bytes, py::bytes>> turn(std::int64_t now_ns) {
    simulated_now_ns = now_ns;
    const std::string error = HotLoopSteps::turn(*loop_);
    feed_.sent.clear();
    std::vector<std::pair<py::bytes, py::bytes>> out;
    for (const auto& [routing_id, payload] : std::exchange(router_.sent, {})) {
      out.emplace_back(routing_id, payload);
    }
    if (error.empty()) return out;
    sent_before_failure_ = std::move(out);
    throw std::runtime_error(error);
  }
  [[nodiscard]] auto sent_before_failure() const { return sent_before_failure_; }

  void write() { is_written_ = JournalSteps::write(*journal_); }
  void sync() {
    JournalSteps::sync(*journal_);
    is_written_ = false;
  }
  void prepare() { JournalSteps::prepare(*journal_); }

  [[nodiscard]] bool is_writing() const { return !journal_->is_idle(); }
  [[nodiscard]] bool is_written() const { return is_written_; }
  [[nodiscard]] bool needs_segment() const { return JournalSteps::needs_segment(*journal_); }
  [[nodiscard]] bool has_requests() const { return !router_.received.empty(); }
  [[nodiscard]] bool has_pending() const { return journal_->pending_entries() > 0; }
  [[nodiscard]] bool has_failed() const { return journal_->has_failed(); }
  [[nodiscard]] std::uint64_t committed_seq() const { return journal_->committed_seq(); }
  [[nodiscard]] std::uint64_t seq() const { return engine_.seq(); }
  [[nodiscard]] std::uint64_t digest() const { return engine_.digest(); }
  [[nodiscard]] std::string check() const {
    const char* broken = engine_.check();
    return broken == nullptr ? "" : broken;
  }

 private:
  Engine engine_;
  OrderPlaces places_;
  JournalConfig journal_config_;
  std::vector<ApiKey> keys_;
  Socket router_;
  Socket feed_;
  std::unique_ptr<JournalWriter> journal_;
  std::unique_ptr<HotLoop> loop_;
  std::vector<std::pair<py::bytes, py::bytes>> sent_before_failure_;
  bool is_written_ = false;
};

}  // namespace

void bind_simulation(py::module_& module) {
  py::class_<SimulatedDisk>(module, "SimulatedDisk")
      .def(py::init<>())
      .def("install", &SimulatedDisk::install)
      .def_static("uninstall", &SimulatedDisk::uninstall)
      .def("cut_power", &SimulatedDisk::cut_power, py::arg("seed"), py::arg("keep_percent"),
           py::arg("in_order"))
      .def("cut_after", &SimulatedDisk::cut_after, py::arg("change_count"))
      .def("fail_sync_after", &SimulatedDisk::fail_sync_after, py::arg("sync_count"))
      .def("set_capacity", &SimulatedDisk::set_capacity, py::arg("capacity_bytes"))
      .def("flip_bit", &SimulatedDisk::flip_bit, py::arg("name"), py::arg("offset"), py::arg("bit"))
      .def("names", &SimulatedDisk::names)
      .def(
          "read",
          [](const SimulatedDisk& disk, const std::string& name, bool durable) {
            return py::bytes(disk.read(name, durable));
          },
          py::arg("name"), py::arg("durable") = false)
      .def_property_readonly("is_cut", &SimulatedDisk::is_cut)
      .def_property_readonly("sync_count", &SimulatedDisk::sync_count);

  py::class_<SimulatedMatcher>(module, "SimulatedMatcher")
      .def(py::init<const SimulatedDisk&, std::uint32_t, std::uint64_t, std::uint64_t,
                    const std::vector<Key>&>(),
           py::arg("disk"), py::arg("shard_id"), py::arg("segment_bytes"),
           py::arg("entry_bytes_room"), py::arg("keys"), py::keep_alive<1, 2>())
      .def("recover", &SimulatedMatcher::recover, py::arg("now_ns"))
      .def("deliver", &SimulatedMatcher::deliver, py::arg("routing_id"), py::arg("payload"))
      .def("disconnect", &SimulatedMatcher::disconnect, py::arg("routing_id"))
      .def("turn", &SimulatedMatcher::turn, py::arg("now_ns"))
      .def("write", &SimulatedMatcher::write)
      .def("sync", &SimulatedMatcher::sync)
      .def("prepare", &SimulatedMatcher::prepare)
      .def("check", &SimulatedMatcher::check)
      .def_property_readonly("sent_before_failure", &SimulatedMatcher::sent_before_failure)
      .def_property_readonly("is_writing", &SimulatedMatcher::is_writing)
      .def_property_readonly("is_written", &SimulatedMatcher::is_written)
      .def_property_readonly("needs_segment", &SimulatedMatcher::needs_segment)
      .def_property_readonly("has_requests", &SimulatedMatcher::has_requests)
      .def_property_readonly("has_pending", &SimulatedMatcher::has_pending)
      .def_property_readonly("has_failed", &SimulatedMatcher::has_failed)
      .def_property_readonly("committed_seq", &SimulatedMatcher::committed_seq)
      .def_property_readonly("seq", &SimulatedMatcher::seq)
      .def_property_readonly("digest", &SimulatedMatcher::digest);
}

}  // namespace tradepit
