// The hot loop between clients, the journal's threads, a follower and whoever reads its counters.
// Under the thread sanitizer, this is what shows that they may run at once.
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "check.hpp"
#include "fake_zmq.hpp"
#include "tradepit/hot_loop.hpp"

namespace {

using namespace tradepit;

constexpr std::uint32_t shard_id = 4;
constexpr std::uint64_t client_count = 3;
constexpr std::uint32_t requests_per_client = 1'500;
constexpr std::uint32_t window = 100;  // requests of a client that wait for their answers

struct Folder {
  std::string path;
  Folder() {
    std::string pattern = std::filesystem::temp_directory_path() / "tradepit-loop-XXXXXX";
    CHECK(::mkdtemp(pattern.data()) != nullptr);
    path = pattern;
  }
  ~Folder() { std::filesystem::remove_all(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
};

template <typename Record>
std::string text_of(Record record, std::uint32_t request_id) {
  record.header.request_id = request_id;
  return {reinterpret_cast<const char*>(&record), sizeof record};
}

/// The operator's key is that of account 0.
std::vector<ApiKey> keys() {
  std::vector<ApiKey> out;
  for (std::uint64_t account_id = 0; account_id <= client_count; ++account_id) {
    ApiKey key{};
    key.bytes[0] = static_cast<std::uint8_t>(7 + account_id);
    key.account_id = account_id;
    key.is_operator = account_id == 0;
    out.push_back(key);
  }
  return out;
}

std::string logon(std::uint64_t account_id, std::uint32_t request_id) {
  wire::Logon record;
  record.account_id = account_id;
  record.key[0] = static_cast<std::uint8_t>(7 + account_id);
  record.flags = account_id == 0 ? 0 : wire::logon_flag::receive_reports;
  return text_of(record, request_id);
}

/// Assets, an instrument, and accounts with funds: one message.
std::string opening() {
  std::string out = logon(0, 1);
  std::uint32_t request_id = 1;
  for (std::uint32_t asset_id = 1; asset_id <= 2; ++asset_id) {
    wire::SetAsset asset;
    asset.symbol[0] = 'A';
    asset.asset_id = asset_id;
    wire::TraceContext trace;
    trace.span_id[7] = static_cast<std::uint8_t>(asset_id);
    out += text_of(trace, ++request_id);
    out += text_of(asset, request_id);
  }
  wire::SetInstrument instrument;
  instrument.symbol[0] = 'X';
  instrument.tick_size = instrument.lot_size_units = 1;
  instrument.price_ticks_min = instrument.quantity_lots_min = 1;
  instrument.price_ticks_max = instrument.quantity_lots_max = 1'000;
  instrument.instrument_id = 1;
  instrument.base_asset_id = 2;
  instrument.quote_asset_id = 1;
  instrument.trading_state = wire::TradingState::continuous;
  out += text_of(instrument, ++request_id);
  for (std::uint64_t account_id = 1; account_id <= client_count; ++account_id) {
    wire::SetAccount account;
    account.account_id = account_id;
    account.state = wire::AccountState::active;
    out += text_of(account, ++request_id);
    for (std::uint32_t asset_id = 1; asset_id <= 2; ++asset_id) {
      wire::Credit credit;
      credit.account_id = account_id;
      credit.transfer_id = account_id * 2 + asset_id;
      credit.amount_units = 1LL << 40;
      credit.asset_id = asset_id;
      out += text_of(credit, ++request_id);
    }
  }
  return out;
}

/// As libzmq assigns them: a zero byte and a number.
std::string routing_id_of(std::uint64_t account_id) {
  return {'\0', '\0', '\0', '\0', static_cast<char>(account_id)};
}

wire::NewOrder order_of(std::uint64_t account_id, std::uint32_t number) {
  wire::NewOrder order;
  order.account_id = account_id;
  order.client_order_id = number;
  order.side = number % 2 == 0 ? wire::Side::buy : wire::Side::sell;
  order.price_ticks = 95 + static_cast<std::int64_t>((number * 7 + account_id) % 11);
  order.quantity_lots = 1 + number % 5;
  order.instrument_id = 1;
  order.order_type = wire::OrderType::limit;
  order.time_in_force = wire::TimeInForce::gtc;
  return order;
}

/// Every seventh is an order that was sent before, most of them.
std::string request_of(std::uint64_t account_id, std::uint32_t request_id) {
  if (request_id % 10 == 0) return text_of(wire::StatusQuery{}, request_id);
  if (request_id % 97 == 0) {
    wire::MassCancel cancel;
    cancel.account_id = account_id;
    return text_of(cancel, request_id);
  }
  const std::uint32_t number = request_id % 7 == 0 ? request_id / 7 * 2 - 1 : request_id;
  return text_of(order_of(account_id, number), request_id);
}

/// The last record of the answer to a request: the one that has the flag, or is the only one.
bool ends_answer(const std::byte* at, const wire::Header& header) {
  if (header.request_id == 0) return false;
  if (static_cast<wire::MessageType>(header.type) != wire::MessageType::execution_report) {
    return true;
  }
  wire::ExecutionReport report;
  std::memcpy(&report, at, sizeof report);
  return (report.flags & wire::report_flag::last) != 0;
}

std::uint32_t answers_in(const fake_zmq::Frame& frame) {
  std::uint32_t count = 0;
  const auto* at = static_cast<const std::byte*>(frame.data);
  for (const std::byte* const end = at + frame.size; at < end;) {
    wire::Header header;
    std::memcpy(&header, at, sizeof header);
    CHECK(static_cast<wire::MessageType>(header.type) != wire::MessageType::reject);
    if (ends_answer(at, header)) ++count;
    at += header.length;
  }
  return count;
}

}  // namespace

TEST(clients_the_loop_the_journal_and_its_readers_run_at_once) {
  const Folder folder;
  Engine engine(EngineConfig{.shard_id = shard_id, .max_orders = 10'000});
  const std::uint64_t genesis_digest = engine.digest();
  OrderPlaces places(engine.config().max_client_order_ids);
  JournalWriter journal({.directory = folder.path,
                         .shard_id = shard_id,
                         .segment_bytes = segment_bytes_min,
                         .sync = false,
                         .places = &places},
                        JournalEnd{.error = {}, .last_digest = genesis_digest, .segment_path = {}},
                        genesis_digest);
  CHECK(journal.open().empty());
  const ZmqApi zmq = fake_zmq::api();
  fake_zmq::Socket router;
  fake_zmq::Socket feed;
  HotLoop loop(
      {.durability = wire::Durability::disk, .router_socket = &router, .feed_socket = &feed}, zmq,
      keys(), engine, journal);
  std::string error = "not run";
  std::thread matching([&] { error = loop.run(); });

  std::atomic<bool> is_over{false};
  std::atomic<std::uint32_t> answered[client_count + 1] = {};
  std::thread network([&] {  // takes what is sent, and lets go of its bytes
    while (!is_over.load()) {
      for (const fake_zmq::Message& message : router.take_sent()) {
        answered[static_cast<std::size_t>(message.routing_id.back())] +=
            answers_in(*message.payload);
      }
      (void)feed.take_sent();
      std::this_thread::yield();
    }
  });
  std::vector<TracedCommand> traced;
  std::thread observer([&] {
    std::uint64_t seen = 0;
    while (!is_over.load()) {
      CHECK(loop.counters().commands.load() >= seen);
      seen = loop.counters().commands.load();
      (void)journal.counters().commits.snapshot();
      (void)loop.counters().reply.snapshot();
      (void)loop.counters().match.snapshot();
      (void)journal.commit_times().of(seen);
      for (const TracedCommand& command : loop.take_traced()) traced.push_back(command);
      CHECK(!journal.has_failed());
      std::this_thread::yield();
    }
  });
  std::thread follower([&] {
    JournalReader reader(folder.path, shard_id);
    CHECK(reader.seek(1).empty());
    while (!is_over.load()) {
      std::string broken;
      (void)reader.next_batch(journal.committed_seq(), 64 * 1024, broken);
      CHECK(broken.empty());
      std::this_thread::yield();
    }
  });

  router.push(routing_id_of(0), opening());
  while (answered[0].load() < 4 + client_count * 3) std::this_thread::yield();
  std::vector<std::thread> clients;
  for (std::uint64_t account_id = 1; account_id <= client_count; ++account_id) {
    clients.emplace_back([&, account_id] {
      const std::string routing_id = routing_id_of(account_id);
      router.push(routing_id, logon(account_id, 1));
      for (std::uint32_t request_id = 2; request_id <= requests_per_client; ++request_id) {
        router.push(routing_id, request_of(account_id, request_id));
        while (answered[account_id].load() + window < request_id) std::this_thread::yield();
      }
      while (answered[account_id].load() < requests_per_client) std::this_thread::yield();
    });
  }
  for (std::thread& client : clients) client.join();
  loop.stop();
  matching.join();
  is_over = true;
  network.join();
  observer.join();
  CHECK(traced.size() <= 2);  // fewer if they were taken while one came
  for (const TracedCommand& command : traced) {
    CHECK(command.seq == command.span_id[7]);  // the first two commands, an asset each
    CHECK(command.received_ns <= command.sequenced_ns);
  }
  follower.join();
  CHECK(error.empty());
  CHECK(engine.check() == nullptr);
  CHECK(journal.committed_seq() == engine.seq());
  CHECK(loop.counters().replayed_answers.load() > requests_per_client / 10);

  Engine replayed(EngineConfig{.shard_id = shard_id, .max_orders = 10'000});
  ByteBuffer events;
  const JournalEnd end =
      scan_journal(folder.path, shard_id, genesis_digest, [&](const EntryView& entry) {
        events.clear();
        replayed.apply(entry.command.data(), events, nullptr);
        return std::string(replayed.digest() == entry.header.digest ? "" : "another digest");
      });
  CHECK(end.error.empty() && end.last_seq == engine.seq());
  CHECK(replayed.digest() == engine.digest());
}
