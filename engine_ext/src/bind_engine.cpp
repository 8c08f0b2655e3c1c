// Engine as a Python class.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "tradepit/engine.hpp"
#include "tradepit/look_ahead.hpp"
#include "tradepit/wire_check.hpp"

namespace py = pybind11;

namespace tradepit {
namespace {

std::span<const std::byte> as_span(std::string_view data) {
  return std::as_bytes(std::span{data.data(), data.size()});
}

py::bytes as_bytes(const ByteBuffer& buffer) {
  return {reinterpret_cast<const char*>(buffer.data()), buffer.size()};
}

/// Offsets of the records, all of them sound and of the family that `is_allowed` tells.
template <typename IsAllowed>
std::vector<std::size_t> split(std::string_view data, IsAllowed is_allowed) {
  std::vector<std::size_t> offsets;
  for (std::size_t offset = 0; offset < data.size();) {
    const auto rest = as_span(data).subspan(offset);
    wire::Header header{};
    wire::Reason reason = check_record(rest);
    if (reason == wire::Reason::none) {
      std::memcpy(&header, rest.data(), sizeof header);
      if (!is_allowed(static_cast<wire::MessageType>(header.type))) {
        reason = wire::Reason::unknown_type;
      }
    }
    if (reason != wire::Reason::none) {
      throw py::value_error("byte " + std::to_string(offset) + ": reason " +
                            std::to_string(static_cast<int>(reason)));
    }
    offsets.push_back(offset);
    offset += header.length;
  }
  return offsets;
}

bool is_engine_query(wire::MessageType type) {
  return type == wire::MessageType::instruments_query || type == wire::MessageType::book_query ||
         type == wire::MessageType::order_query || type == wire::MessageType::open_orders_query ||
         type == wire::MessageType::balances_query;
}

void apply(Engine& engine, std::string_view commands, ByteBuffer& events, ByteBuffer* reports) {
  const std::vector<std::size_t> offsets = split(commands, wire::is_command);
  const py::gil_scoped_release unlocked;
  LookAhead look_ahead(engine, as_span(commands));
  for (const std::size_t offset : offsets) {
    look_ahead.step();
    engine.apply(as_span(commands).data() + offset, events, reports);
  }
}

using BookLevel = std::tuple<std::int64_t, std::int64_t, std::uint32_t>;

std::pair<std::vector<BookLevel>, std::vector<BookLevel>> book_of(const Engine& engine,
                                                                  std::uint32_t instrument_id,
                                                                  std::uint32_t levels) {
  wire::BookQuery query;
  query.instrument_id = instrument_id;
  query.levels_max = levels;
  ByteBuffer answer;
  engine.query(reinterpret_cast<const std::byte*>(&query), answer);
  std::pair<std::vector<BookLevel>, std::vector<BookLevel>> sides;
  for (std::size_t offset = 0; offset < answer.size();) {
    wire::Header header;
    std::memcpy(&header, answer.data() + offset, sizeof header);
    if (header.type == static_cast<std::uint8_t>(wire::MessageType::reject)) {
      throw py::value_error("unknown instrument, or levels not from 1 to 500");
    }
    if (header.type == static_cast<std::uint8_t>(wire::MessageType::book_level)) {
      wire::BookLevel level;
      std::memcpy(&level, answer.data() + offset, sizeof level);
      (level.side == wire::Side::buy ? sides.first : sides.second)
          .emplace_back(level.price_ticks, level.quantity_lots, level.order_count);
    }
    offset += header.length;
  }
  return sides;
}

std::unique_ptr<Engine> make_engine(std::uint32_t shard_id, std::uint32_t max_orders,
                                    std::uint32_t client_order_ids, std::uint32_t transfer_ids,
                                    std::uint32_t max_accounts, std::uint32_t max_instruments,
                                    std::uint32_t max_assets, std::uint32_t remembered_trades) {
  for (const std::uint32_t limit : {max_orders, client_order_ids, transfer_ids, max_accounts,
                                    max_instruments, max_assets, remembered_trades}) {
    if (limit < 1 || limit > engine_limit_max) {
      throw py::value_error("every limit must lie between 1 and 2^30");
    }
  }
  if (shard_id >= (1U << 15)) throw py::value_error("shard_id must be below 32768");
  if (max_instruments >= (1U << 19)) throw py::value_error("max_instruments must be below 2^19");
  return std::make_unique<Engine>(EngineConfig{.shard_id = shard_id,
                                               .max_orders = max_orders,
                                               .max_client_order_ids = client_order_ids,
                                               .max_transfer_ids = transfer_ids,
                                               .max_accounts = max_accounts,
                                               .max_instruments = max_instruments,
                                               .max_assets = max_assets,
                                               .max_remembered_trades = remembered_trades});
}

}  // namespace

void bind_engine(py::module_& module) {
  const EngineConfig defaults;
  py::class_<Engine>(module, "Engine")
      .def(py::init(&make_engine), py::kw_only(), py::arg("shard_id") = defaults.shard_id,
           py::arg("max_orders") = defaults.max_orders,
           py::arg("client_order_ids") = defaults.max_client_order_ids,
           py::arg("transfer_ids") = defaults.max_transfer_ids,
           py::arg("max_accounts") = defaults.max_accounts,
           py::arg("max_instruments") = defaults.max_instruments,
           py::arg("max_assets") = defaults.max_assets,
           py::arg("remembered_trades") = defaults.max_remembered_trades)
      .def(
          "apply",
          [](Engine& engine, const py::bytes& commands) {
            ByteBuffer events;
            apply(engine, std::string_view(commands), events, nullptr);
            return as_bytes(events);
          },
          py::arg("commands"))
      .def(
          "apply_with_reports",
          [](Engine& engine, const py::bytes& commands) {
            ByteBuffer events;
            ByteBuffer reports;
            apply(engine, std::string_view(commands), events, &reports);
            return std::pair(as_bytes(events), as_bytes(reports));
          },
          py::arg("commands"))
      .def(
          "query",
          [](const Engine& engine, const py::bytes& requests) {
            const std::string_view data(requests);
            ByteBuffer answers;
            for (const std::size_t offset : split(data, is_engine_query)) {
              engine.query(as_span(data).data() + offset, answers);
            }
            return as_bytes(answers);
          },
          py::arg("requests"))
      .def_property_readonly("seq", &Engine::seq)
      .def_property_readonly("digest", &Engine::digest)
      .def_property_readonly("next_deadline_ns",
                             [](const Engine& engine) -> std::optional<std::int64_t> {
                               if (engine.next_deadline_ns() == never_ns) return std::nullopt;
                               return engine.next_deadline_ns();
                             })
      .def_property_readonly("open_order_count", &Engine::open_order_count)
      .def_property_readonly("session_counter", &Engine::session_counter)
      .def_property_readonly("has_tied_orders", &Engine::has_tied_orders)
      .def_property_readonly("account_count", &Engine::account_count)
      .def_property_readonly("account_ids",
                             [](const Engine& engine) {
                               std::vector<std::uint64_t> ids;
                               for (std::uint32_t index = 0; index <= engine.account_count();
                                    ++index) {
                                 ids.push_back(engine.account_id(index));
                               }
                               return ids;
                             })
      .def_property_readonly("shard_id",
                             [](const Engine& engine) { return engine.config().shard_id; })
      .def_property_readonly("touched_instruments",
                             [](const Engine& engine) {
                               const auto touched = engine.touched_instruments();
                               return std::vector<std::uint32_t>(touched.begin(), touched.end());
                             })
      .def("book", &book_of, py::arg("instrument_id"), py::arg("levels") = 500)
      .def(
          "indicative",
          [](const Engine& engine, std::uint32_t instrument_id) {
            const Indicative now = engine.indicative(instrument_id);
            return std::tuple(now.price_ticks, now.executable_lots, now.imbalance_lots,
                              static_cast<int>(now.imbalance_side));
          },
          py::arg("instrument_id"))
      .def(
          "top_of_book",
          [](const Engine& engine, std::uint32_t instrument_id) {
            const Top top = engine.top_of_book(instrument_id);
            return std::tuple(top.bid_price_ticks, top.bid_quantity_lots, top.ask_price_ticks,
                              top.ask_quantity_lots);
          },
          py::arg("instrument_id"))
      .def(
          "balance",
          [](const Engine& engine, std::uint64_t account_id, std::uint32_t asset_id) {
            const Engine::Funds funds = engine.funds(account_id, asset_id);
            return std::pair(funds.available_units, funds.held_units);
          },
          py::arg("account_id"), py::arg("asset_id"))
      .def("snapshot",
           [](const Engine& engine) {
             ByteBuffer out;
             {
               const py::gil_scoped_release unlocked;
               engine.snapshot(out);
             }
             return as_bytes(out);
           })
      .def_static(
          "restore",
          [](const py::bytes& data) {
            const std::string_view view(data);
            const char* error = "";
            std::unique_ptr<Engine> engine;
            {
              const py::gil_scoped_release unlocked;
              engine = Engine::restore(as_span(view), error);
            }
            if (engine == nullptr) throw py::value_error(error);
            return engine;
          },
          py::arg("data"))
      .def("check", [](const Engine& engine) {
        const char* broken = nullptr;
        {
          const py::gil_scoped_release unlocked;
          broken = engine.check();
        }
        if (broken != nullptr) {
          PyErr_SetString(PyExc_AssertionError, broken);
          throw py::error_already_set();
        }
      });
}

}  // namespace tradepit
