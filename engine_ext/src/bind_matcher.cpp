#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "tradepit/crc32c.hpp"
#include "tradepit/digest.hpp"
#include "tradepit/engine.hpp"
#include "tradepit/hot_loop.hpp"
#include "tradepit/journal.hpp"
#include "tradepit/latency.hpp"
#include "tradepit/recovery.hpp"
#include "tradepit/replayed_answer.hpp"
#include "tradepit/zmq_api.hpp"

namespace py = pybind11;

namespace tradepit {
namespace {

void raise_if(const std::string& error) {
  if (!error.empty()) throw std::runtime_error(error);
}

std::span<const std::byte> span_of(const py::bytes& data) {
  const std::string_view view = data;
  return {reinterpret_cast<const std::byte*>(view.data()), view.size()};
}

using Key = std::tuple<py::bytes, std::uint64_t, bool>;

/// What recover() did.
struct Recovery {
  std::uint64_t entry_count = 0;   ///< replayed
  std::uint64_t torn_bytes = 0;    ///< cut off
  std::uint64_t snapshot_seq = 0;  ///< where it began; 0 = at the journal's beginning
  std::vector<std::string> refusals;
};

/// A shard's engine, journal and hot loop, tied together for the process that runs them.
class MatcherCore {
 public:
  MatcherCore(std::string directory, std::uint32_t shard_id, int durability,
              std::uint64_t segment_bytes)
      : durability_(static_cast<wire::Durability>(durability)),
        engine_(EngineConfig{.shard_id = shard_id}) {
    if (segment_bytes < segment_bytes_min) {
      throw py::value_error("a segment needs at least " + std::to_string(segment_bytes_min) +
                            " bytes");
    }
    journal_config_ = {.directory = std::move(directory),
                       .shard_id = shard_id,
                       .segment_bytes = segment_bytes,
                       .sync = durability_ != wire::Durability::memory};
    genesis_digest_ = engine_.digest();
  }

  /// Brings the engine to where the journal ends, checks that it gives the events that were
  /// recorded, and opens the journal for what comes.
  Recovery recover() {
    const py::gil_scoped_release no_gil;
    EngineStart start = start_engine(journal_config_.directory, engine_.config());
    raise_if(start.error);
    engine_ = std::move(*start.engine);
    places_ = std::move(start.places);
    journal_config_.places = &places_;
    ByteBuffer events;
    const auto replay = [&](std::span<const EntryView> entries, std::string& error) {
      return replay_entries(engine_, places_, events, entries, error);
    };
    const JournalEnd end =
        scan_journal_from(journal_config_.directory, journal_config_.shard_id, start.next, replay);
    raise_if(end.error);
    // Without syncs a snapshot may well survive what it was made of.
    if (journal_config_.sync) {
      raise_if(check_snapshots_behind(journal_config_.directory, engine_.config(), end.last_seq));
    }
    raise_if(check_closed_mark(journal_config_.directory, end));
    raise_if(cut_torn_tail(end));
    journal_ = std::make_unique<JournalWriter>(journal_config_, end, genesis_digest_);
    raise_if(journal_->open());
    return {.entry_count = end.entry_count,
            .torn_bytes = end.torn_bytes,
            .snapshot_seq = start.snapshot_seq,
            .refusals = std::move(start.refusals)};
  }

  /// Serves orders on the calling thread until stop(). The sockets are addresses of libzmq sockets
  /// (pyzmq's Socket.underlying) that no other thread uses meanwhile.
  void run(std::uintptr_t router_socket, std::uintptr_t feed_socket, const std::string& libzmq_path,
           const std::vector<Key>& keys) {
    std::vector<ApiKey> api_keys;
    for (const auto& [bytes, account_id, is_operator] : keys) {
      ApiKey key{.bytes = {}, .account_id = account_id, .is_operator = is_operator};
      const auto span = span_of(bytes);
      if (span.size() != sizeof key.bytes) throw py::value_error("a key has 32 bytes");
      std::memcpy(key.bytes, span.data(), sizeof key.bytes);
      api_keys.push_back(key);
    }
    raise_if(zmq_.load(libzmq_path));
    const HotLoopConfig config{
        .durability = durability_,
        .router_socket = reinterpret_cast<void*>(router_socket),
        .feed_socket = reinterpret_cast<void*>(feed_socket),
    };
    loop_ = std::make_unique<HotLoop>(config, zmq_, std::move(api_keys), engine_, *journal_);
    if (is_stopped_) loop_->stop();
    loop_->note_replicated(replicated_seq_);
    const py::gil_scoped_release no_gil;
    raise_if(loop_->run());
  }

  void stop() {
    is_stopped_ = true;
    if (loop_) loop_->stop();
  }

  /// Everything up to `seq` is in the stream. Matters under durability `replicated` alone.
  void note_replicated(std::uint64_t seq) {
    // Elsewhere no answer waits for it: waking the hot thread would cost it time for nothing.
    if (durability_ != wire::Durability::replicated) return;
    replicated_seq_ = seq;
    if (loop_) loop_->note_replicated(seq);
  }

  [[nodiscard]] std::uint64_t committed_seq() const { return journal_->committed_seq(); }
  [[nodiscard]] int follower_fd() const { return journal_->followed().fd(); }
  void clear_follower_fd() { journal_->followed().clear(); }
  [[nodiscard]] std::uint64_t digest() const { return engine_.digest(); }
  [[nodiscard]] bool has_failed() const { return journal_->has_failed(); }

  [[nodiscard]] py::dict counters() const {
    py::dict out;
    out["journal_bytes"] = journal_->counters().bytes.load();
    out["committed_seq"] = journal_->committed_seq();
    out["sequenced_seq"] = journal_->committed_seq();
    out["lacks_space"] = journal_->lacks_space() ? 1 : 0;
    if (!loop_) return out;
    const HotLoopCounters& loop = loop_->counters();
    out["turns"] = loop.turns.load();
    out["messages_received"] = loop.messages_received.load();
    out["messages_sent"] = loop.messages_sent.load();
    out["messages_dropped"] = loop.messages_dropped.load();
    out["commands"] = loop.commands.load();
    out["queries"] = loop.queries.load();
    out["trades"] = loop.trades.load();
    out["replayed_answers"] = loop.replayed_answers.load();
    out["sessions"] = loop.sessions.load();
    out["open_orders"] = loop.open_orders.load();
    out["book_levels"] = loop.book_levels.load();
    out["waiting_reply_bytes"] = loop.waiting_reply_bytes.load();
    out["unread_reply_bytes"] = loop.unread_reply_bytes.load();
    out["sequenced_seq"] = std::max(loop.sequenced_seq.load(), journal_->committed_seq());
    out["refuses_for_space"] = loop.refuses_for_space.load() ? 1 : 0;
    return out;
  }

  /// By reason: of records that were refused, and of commands that were rejected.
  [[nodiscard]] std::pair<std::vector<std::uint64_t>, std::vector<std::uint64_t>> reasons() const {
    std::vector<std::uint64_t> refused(HotLoopCounters::reasons_end);
    std::vector<std::uint64_t> rejected(HotLoopCounters::reasons_end);
    for (std::size_t reason = 0; loop_ && reason < refused.size(); ++reason) {
      refused[reason] = loop_->counters().refused_records[reason].load();
      rejected[reason] = loop_->counters().rejected_commands[reason].load();
    }
    return {std::move(refused), std::move(rejected)};
  }

  void note_published(std::int64_t took_ns) { publish_.record(took_ns); }

  /// How long each stage has taken so far.
  [[nodiscard]] std::map<std::string, LatencySnapshot> stages() const {
    std::map<std::string, LatencySnapshot> out;
    if (loop_) {
      const HotLoopCounters& loop = loop_->counters();
      out["receive"] = loop.receive.snapshot();
      out["risk"] = loop.risk.snapshot();
      out["match"] = loop.match.snapshot();
      out["reply"] = loop.reply.snapshot();
    }
    out["journal"] = journal_->counters().commits.snapshot();
    out["sync"] = journal_->counters().syncs.snapshot();
    out["publish"] = publish_.snapshot();
    return out;
  }

  /// (seq, trace id, span id, received, sequenced) of each.
  [[nodiscard]] std::vector<
      std::tuple<std::uint64_t, py::bytes, py::bytes, std::int64_t, std::int64_t>>
  take_traced() {
    std::vector<std::tuple<std::uint64_t, py::bytes, py::bytes, std::int64_t, std::int64_t>> out;
    if (!loop_) return out;
    for (const TracedCommand& command : loop_->take_traced()) {
      const auto bytes = [](const auto& id) {
        return py::bytes(reinterpret_cast<const char*>(id.data()), id.size());
      };
      out.emplace_back(command.seq, bytes(command.trace_id), bytes(command.span_id),
                       command.received_ns, command.sequenced_ns);
    }
    return out;
  }

  /// When it was committed, on the monotonic clock; 0 if it is too long ago.
  [[nodiscard]] std::int64_t committed_ns(std::uint64_t seq) const {
    return journal_->commit_times().of(seq);
  }

 private:
  wire::Durability durability_;
  Engine engine_;
  OrderPlaces places_;
  JournalConfig journal_config_;
  std::uint64_t genesis_digest_ = 0;
  std::unique_ptr<JournalWriter> journal_;
  ZmqApi zmq_;
  std::unique_ptr<HotLoop> loop_;
  LatencyHistogram publish_;  // Python's threads alone, under the GIL
  bool is_stopped_ = false;
  std::uint64_t replicated_seq_ = 0;  // Python's threads alone, under the GIL
};

py::bytes next_batch(JournalReader& reader, std::uint64_t last_seq_max, std::uint64_t bytes_max) {
  std::string error;
  std::string batch;
  {
    const py::gil_scoped_release no_gil;
    batch = reader.next_batch(last_seq_max, bytes_max, error);
  }
  raise_if(error);
  return py::bytes(batch);
}

}  // namespace

void bind_matcher(py::module_& module) {
  module.def(
      "chain_digest",
      [](std::uint64_t digest, const py::bytes& events) {
        const auto bytes = span_of(events);
        if (bytes.size() % 8 != 0) throw py::value_error("events have whole words");
        return chain_digest(digest, bytes);
      },
      py::arg("digest"), py::arg("events"));
  module.def(
      "replayed_answer",
      [](const py::bytes& command, const py::bytes& events, const py::bytes& retry,
         std::uint64_t order_id) {
        const auto bytes = span_of(retry);
        wire::NewOrder again;
        if (bytes.size() != sizeof again) throw py::value_error("a retry is a NewOrder");
        std::memcpy(&again, bytes.data(), sizeof again);
        ByteBuffer reports;
        (void)replay_answer({.header = {}, .command = span_of(command), .events = span_of(events)},
                            again, order_id, reports);
        return py::bytes(reinterpret_cast<const char*>(reports.data()), reports.size());
      },
      py::arg("command"), py::arg("events"), py::arg("retry"), py::arg("order_id"));
  module.def(
      "crc32c", [](const py::bytes& data) { return crc32c(span_of(data)); }, py::arg("data"));

  py::class_<Recovery>(module, "Recovery")
      .def_readonly("entry_count", &Recovery::entry_count)
      .def_readonly("torn_bytes", &Recovery::torn_bytes)
      .def_readonly("snapshot_seq", &Recovery::snapshot_seq)
      .def_readonly("refusals", &Recovery::refusals);

  module.attr("LATENCY_BOUNDS_NS") =
      py::tuple(py::cast(std::vector(latency_bounds_ns.begin(), latency_bounds_ns.end())));
  py::class_<LatencySnapshot>(module, "LatencySnapshot")
      .def(py::init<>())
      .def_readonly("sum_ns", &LatencySnapshot::sum_ns)
      .def_property_readonly("total", &LatencySnapshot::total)
      .def("bucket_counts", &LatencySnapshot::bucket_counts)
      .def("quantile_ns", &LatencySnapshot::quantile_ns, py::arg("earlier"), py::arg("quantile"));

  py::class_<MatcherCore>(module, "MatcherCore")
      .def(py::init<std::string, std::uint32_t, int, std::uint64_t>(), py::arg("directory"),
           py::arg("shard_id"), py::arg("durability"), py::arg("segment_bytes"))
      .def("recover", &MatcherCore::recover)
      .def("run", &MatcherCore::run, py::arg("router_socket"), py::arg("feed_socket"),
           py::arg("libzmq_path"), py::arg("keys"))
      .def("stop", &MatcherCore::stop)
      .def("note_replicated", &MatcherCore::note_replicated, py::arg("seq"))
      .def("counters", &MatcherCore::counters)
      .def("reasons", &MatcherCore::reasons)
      .def("stages", &MatcherCore::stages)
      .def("note_published", &MatcherCore::note_published, py::arg("took_ns"))
      .def("take_traced", &MatcherCore::take_traced)
      .def("committed_ns", &MatcherCore::committed_ns, py::arg("seq"))
      .def_property_readonly("committed_seq", &MatcherCore::committed_seq)
      .def_property_readonly("follower_fd", &MatcherCore::follower_fd)
      .def("clear_follower_fd", &MatcherCore::clear_follower_fd)
      .def_property_readonly("has_failed", &MatcherCore::has_failed)
      .def_property_readonly("digest", &MatcherCore::digest);

  py::class_<JournalReader>(module, "JournalReader")
      .def(py::init<std::string, std::uint32_t>(), py::arg("directory"), py::arg("shard_id"))
      .def(
          "seek",
          [](JournalReader& reader, std::uint64_t next_seq) {
            const py::gil_scoped_release no_gil;
            raise_if(reader.seek(next_seq));
          },
          py::arg("next_seq"))
      .def("next_batch", &next_batch, py::arg("last_seq_max"), py::arg("bytes_max"))
      .def_property_readonly("next_seq", &JournalReader::next_seq)
      .def_property_readonly("oldest_seq",
                             [](const JournalReader& reader) {
                               std::string error;
                               const std::uint64_t seq = reader.oldest_seq(error);
                               raise_if(error);
                               return seq;
                             })
      .def_property_readonly("digest", &JournalReader::digest);
}

}  // namespace tradepit
