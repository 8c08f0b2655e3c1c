// The engine as a C++ program uses it, and what only C++ can see: its allocations.
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <random>
#include <vector>

#include "check.hpp"
#include "tradepit/engine.hpp"
#include "tradepit/wire_check.hpp"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define COUNTS_ALLOCATIONS 0  // the sanitizer owns malloc
#else
#define COUNTS_ALLOCATIONS 1
#endif

namespace {
std::uint64_t allocation_count = 0;
}

#if COUNTS_ALLOCATIONS
extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* data, std::size_t size);
void* malloc(std::size_t size) {
  ++allocation_count;
  return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) {
  ++allocation_count;
  return __libc_calloc(count, size);
}
void* realloc(void* data, std::size_t size) {
  ++allocation_count;
  return __libc_realloc(data, size);
}
}
#endif

namespace {

using tradepit::ByteBuffer;
using tradepit::Engine;
using tradepit::EngineConfig;
namespace wire = tradepit::wire;

constexpr std::uint64_t account_count = 20;

template <typename Record>
void send(Engine& engine, const Record& record, ByteBuffer& events, ByteBuffer* reports = nullptr) {
  const auto* const bytes = reinterpret_cast<const std::byte*>(&record);
  CHECK(tradepit::check_record({bytes, sizeof record}) == wire::Reason::none);
  engine.apply(bytes, events, reports);
}

void open_market(Engine& engine, ByteBuffer& events) {
  for (std::uint32_t asset_id = 1; asset_id <= 2; ++asset_id) {
    wire::SetAsset asset;
    asset.symbol[0] = 'A';
    asset.asset_id = asset_id;
    send(engine, asset, events);
  }
  for (std::uint32_t instrument_id = 1; instrument_id <= 3; ++instrument_id) {
    wire::SetInstrument instrument;
    instrument.symbol[0] = 'X';
    instrument.tick_size = 1;
    instrument.lot_size_units = 1;
    instrument.price_ticks_min = 1;
    instrument.price_ticks_max = 1 << 20;
    instrument.quantity_lots_min = 1;
    instrument.quantity_lots_max = 1 << 20;
    instrument.instrument_id = instrument_id;
    instrument.base_asset_id = 2;
    instrument.quote_asset_id = 1;
    instrument.maker_fee_ppm = 100;
    instrument.taker_fee_ppm = 500;
    instrument.trading_state = wire::TradingState::continuous;
    send(engine, instrument, events);
  }
  for (std::uint64_t account_id = 1; account_id <= account_count; ++account_id) {
    wire::SetAccount account;
    account.account_id = account_id;
    account.state = wire::AccountState::active;
    send(engine, account, events);
    for (std::uint32_t asset_id = 1; asset_id <= 2; ++asset_id) {
      wire::Credit credit;
      credit.account_id = account_id;
      credit.transfer_id = account_id * 2 + asset_id;
      credit.amount_units = 1LL << 50;
      credit.asset_id = asset_id;
      send(engine, credit, events);
    }
  }
}

/// One random command: mostly orders, then cancels, replaces and a rare mass cancel.
void send_random(Engine& engine, std::mt19937_64& random, std::uint64_t& client_order_id,
                 ByteBuffer& events, ByteBuffer* reports) {
  const std::uint64_t account_id = 1 + random() % account_count;
  const std::uint64_t some_order_id = 1 + random() % (client_order_id + 1);
  const std::uint64_t die = random() % 1'000;
  if (die < 600) {
    wire::NewOrder order;
    order.account_id = account_id;
    order.client_order_id = ++client_order_id;
    order.side = random() % 2 == 0 ? wire::Side::buy : wire::Side::sell;
    order.price_ticks = (order.side == wire::Side::buy ? 9'900 : 10'000) +
                        static_cast<std::int64_t>(random() % 120);
    order.quantity_lots = 1 + static_cast<std::int64_t>(random() % 50);
    order.instrument_id = 1 + static_cast<std::uint32_t>(random() % 3);
    order.order_type = wire::OrderType::limit;
    order.time_in_force = static_cast<wire::TimeInForce>(1 + random() % 3);
    send(engine, order, events, reports);
  } else if (die < 850) {
    wire::CancelOrder cancel;
    cancel.account_id = account_id;
    cancel.order_id = some_order_id;
    send(engine, cancel, events, reports);
  } else if (die < 999) {
    wire::ReplaceOrder replace;
    replace.account_id = account_id;
    replace.order_id = some_order_id;
    replace.quantity_lots = 1 + static_cast<std::int64_t>(random() % 50);
    send(engine, replace, events, reports);
  } else {
    wire::MassCancel cancel;
    cancel.account_id = account_id;
    send(engine, cancel, events, reports);
  }
}

}  // namespace

TEST(trading_does_not_allocate) {
  Engine engine(EngineConfig{.max_orders = 5'000, .max_client_order_ids = 10'000});
  ByteBuffer events(1 << 22);
  ByteBuffer reports(1 << 22);
  open_market(engine, events);
  std::mt19937_64 random(1);
  std::uint64_t client_order_id = 0;
  std::uint64_t before = 0;
  for (int step = 0; step < 250'000; ++step) {
    if (step == 50'000) before = allocation_count;
    events.clear();
    reports.clear();
    send_random(engine, random, client_order_id, events, &reports);
  }
  CHECK(allocation_count == before);
  CHECK(!COUNTS_ALLOCATIONS || before > 0);  // the counter works
  CHECK(engine.open_order_count() > 100);
  CHECK(engine.check() == nullptr);
}

TEST(the_same_commands_give_the_same_digest_and_a_snapshot_goes_on) {
  // Computed once; another compiler, optimization or sanitizer must come to the same.
  Engine engine(EngineConfig{.max_orders = 1'000, .max_client_order_ids = 500});
  std::unique_ptr<Engine> copy;
  ByteBuffer events;
  ByteBuffer copied_events;
  open_market(engine, events);
  std::mt19937_64 random(2);
  std::mt19937_64 copied_random(0);
  std::uint64_t client_order_id = 0;
  std::uint64_t copied_client_order_id = 0;
  for (int step = 0; step < 20'000; ++step) {
    events.clear();
    send_random(engine, random, client_order_id, events, nullptr);
    if (copy != nullptr) {
      copied_events.clear();
      send_random(*copy, copied_random, copied_client_order_id, copied_events, nullptr);
      CHECK(events.size() == copied_events.size());
      CHECK(std::memcmp(events.data(), copied_events.data(), events.size()) == 0);
    }
    if (step % 3'000 == 2'999) {
      CHECK(engine.check() == nullptr);
      ByteBuffer snapshot;
      engine.snapshot(snapshot);
      const char* error = nullptr;
      copy = Engine::restore(snapshot.bytes(), error);
      CHECK(copy != nullptr);
      copied_random = random;
      copied_client_order_id = client_order_id;
    }
  }
  CHECK(engine.digest() == copy->digest());
  std::printf("  digest %016lx\n", engine.digest());
}

TEST(whoever_measures_is_told_once_between_the_checks_and_the_matching_and_changes_nothing) {
  Engine plain(EngineConfig{.max_orders = 1'000});
  Engine measured(EngineConfig{.max_orders = 1'000});
  ByteBuffer events;
  open_market(plain, events);
  open_market(measured, events);
  struct Seen {
    const ByteBuffer* events;
    int calls = 0;
    bool has_events = false;
  } seen{.events = &events};
  const tradepit::JudgedHook hook{.call =
                                      [](void* context) noexcept {
                                        auto& at = *static_cast<Seen*>(context);
                                        ++at.calls;
                                        at.has_events |= at.events->size() != 0;
                                      },
                                  .context = &seen};
  const auto apply = [&](const auto& record, int calls) {
    send(plain, record, events);
    events.clear();
    seen.calls = 0;
    measured.apply(reinterpret_cast<const std::byte*>(&record), events, nullptr, &hook);
    CHECK(seen.calls == calls && !seen.has_events);
    CHECK(measured.digest() == plain.digest());
    events.clear();
  };
  wire::NewOrder order;
  order.account_id = 1;
  order.side = wire::Side::buy;
  order.price_ticks = 10'000;
  order.quantity_lots = 5;
  order.instrument_id = 1;
  order.order_type = wire::OrderType::limit;
  order.time_in_force = wire::TimeInForce::gtc;
  apply(order, 1);
  order.account_id = 2;
  order.side = wire::Side::sell;
  apply(order, 1);  // trades
  order.instrument_id = 99;
  apply(order, 1);  // is refused
  wire::CancelOrder cancel;
  cancel.account_id = 1;
  cancel.order_id = 1;
  apply(cancel, 0);
  wire::ReplaceOrder replace;
  replace.account_id = 1;
  replace.order_id = 77;
  apply(replace, 1);
}

TEST(a_record_is_checked_before_it_is_read) {
  wire::MassCancel record;
  const auto bytes = std::as_bytes(std::span{&record, 1});
  CHECK(tradepit::check_record(bytes) == wire::Reason::none);
  for (std::size_t size = 0; size < sizeof record; ++size) {
    CHECK(tradepit::check_record(bytes.first(size)) == wire::Reason::malformed);
  }
  record.reserved[1] = 1;
  CHECK(tradepit::check_record(bytes) == wire::Reason::malformed);
  record.reserved[1] = 0;
  record.header.length = 48;
  CHECK(tradepit::check_record(bytes) == wire::Reason::malformed);
  record.header.type = 200;
  CHECK(tradepit::check_record(bytes) == wire::Reason::unknown_type);
  record.header.version = 2;
  CHECK(tradepit::check_record(bytes) == wire::Reason::unsupported_version);
}
