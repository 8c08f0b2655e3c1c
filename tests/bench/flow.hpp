#pragma once
// A flow of workload.hpp, or one from a file, as records of the engine.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <unordered_map>
#include <vector>

#include "market.hpp"
#include "tradepit/buffer.hpp"
#include "tradepit/engine.hpp"
#include "tradepit/wire.hpp"
#include "workload.hpp"

namespace bench {

using workload::Command;
using workload::Kind;

inline wire::Side side_of(const Command& command) {
  return command.side == 0 ? wire::Side::buy : wire::Side::sell;
}

/// Commands as records, in one run of bytes.
struct Script {
  ByteBuffer bytes;
  std::size_t timed_from = 0;
  std::size_t timed_count = 0;             // commands of the flow, however many records they take
  std::vector<std::uint64_t> id_by_order;  // flow id by the counter of our order id
};

/// A replace of the flow always loses its place, ours may keep it: it becomes a cancel and an
/// order. The engine has accepted `first_order` orders before, and `first_name` client order ids of
/// each account.
inline Script encode(const std::vector<Command>& commands, std::uint64_t first_order,
                     std::uint64_t first_name) {
  Script script;
  std::unordered_map<std::uint64_t, std::uint64_t> order_by_id;
  order_by_id.reserve(commands.size());
  script.id_by_order.push_back(0);
  bool is_timed = false;
  for (const Command& command : commands) {
    if (command.is_timed && !is_timed) {
      is_timed = true;
      script.timed_from = script.bytes.size();
    }
    script.timed_count += command.is_timed;
    if (command.kind != Kind::add) {
      wire::CancelOrder cancel;
      const auto found = order_by_id.find(command.id);
      const std::uint64_t order = found == order_by_id.end() ? 0 : found->second;
      cancel.account_id = order == 0 ? 1 : 1 + order % account_count;
      cancel.order_id = order == 0 ? 1ULL << 47 : first_order + order;
      script.bytes.append(cancel);
      if (command.kind == Kind::cancel) continue;
    }
    const std::uint64_t order = script.id_by_order.size();
    script.id_by_order.push_back(command.id);
    order_by_id[command.id] = order;
    wire::NewOrder record;
    record.account_id = 1 + order % account_count;
    // Each account counts its own orders.
    record.client_order_id = first_name + order / account_count + 1;
    record.price_ticks = command.price_ticks;
    record.quantity_lots = command.lots;
    record.instrument_id = 1;
    record.side = side_of(command);
    record.order_type = wire::OrderType::limit;
    record.time_in_force = command.is_ioc ? wire::TimeInForce::ioc : wire::TimeInForce::gtc;
    script.bytes.append(record);
  }
  return script;
}

/// The messages of a file: type,side,ioc,qty,seq,order_id,price_ticks.
inline std::vector<Command> read_csv(const char* path) {
  std::ifstream file(path);
  if (!file) {
    std::fprintf(stderr, "bench: cannot read %s\n", path);
    std::exit(1);
  }
  std::vector<Command> commands;
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    int type, side, ioc;
    unsigned lots;
    unsigned long seq, id;
    long price;
    if (std::sscanf(line.c_str(), "%d,%d,%d,%u,%lu,%lu,%ld", &type, &side, &ioc, &lots, &seq, &id,
                    &price) != 7) {
      std::fprintf(stderr, "bench: not a message: %s\n", line.c_str());
      std::exit(1);
    }
    commands.push_back({id, price, lots, static_cast<Kind>(type), static_cast<std::uint8_t>(side),
                        ioc != 0, true});
  }
  return commands;
}

/// Cancels all orders of a market whose accounts `apply(record)` reaches.
template <typename Apply>
void drain(const tradepit::Engine& engine, Apply apply) {
  for (std::uint64_t account_id = 1; account_id <= account_count; ++account_id) {
    wire::MassCancel cancel;
    cancel.account_id = account_id;
    for (std::uint64_t open = engine.open_order_count() + 1; open != engine.open_order_count();) {
      open = engine.open_order_count();
      apply(reinterpret_cast<const std::byte*>(&cancel));
    }
  }
  if (engine.open_order_count() != 0) std::abort();
}

}  // namespace bench
