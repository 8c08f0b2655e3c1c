// The golden bytes of every record, as tests/vectors/wire.json has them.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "check.hpp"
#include "tradepit/wire_check.hpp"

namespace {

namespace wire = tradepit::wire;

/// One line of the file: the value behind `"name": `, a number as its 64 bits.
std::uint64_t number(const std::string& line, const std::string& name) {
  const std::size_t at = line.find("\"" + name + "\": ");
  CHECK(at != std::string::npos);
  const char* const text = line.c_str() + at + name.size() + 4;
  return *text == '-' ? static_cast<std::uint64_t>(std::strtoll(text, nullptr, 10))
                      : std::strtoull(text, nullptr, 10);
}

std::vector<std::byte> bytes_of(const std::string& line) {
  const std::string key = "\"hex\": \"";
  std::size_t at = line.find(key);
  CHECK(at != std::string::npos);
  std::vector<std::byte> bytes;
  for (at += key.size(); line[at] != '"'; at += 2) {
    bytes.push_back(static_cast<std::byte>(std::strtoul(line.substr(at, 2).c_str(), nullptr, 16)));
  }
  return bytes;
}

template <typename Record>
Record record_of(const std::vector<std::byte>& bytes) {
  CHECK(bytes.size() == sizeof(Record));
  Record record;
  std::memcpy(&record, bytes.data(), sizeof record);
  CHECK(record.header.type == static_cast<std::uint8_t>(Record::type));
  return record;
}

#define CHECK_FIELD(record, field) \
  CHECK(static_cast<std::uint64_t>(record.field) == number(line, #field))

}  // namespace

TEST(golden_bytes_are_read_as_the_schema_says) {
  std::ifstream file(check::vectors_path());
  CHECK(file.good());
  int count = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.size() < 3) continue;
    ++count;
    const std::vector<std::byte> bytes = bytes_of(line);
    CHECK(tradepit::check_record(bytes) == wire::Reason::none);
    wire::Header header;
    std::memcpy(&header, bytes.data(), sizeof header);
    CHECK(header.request_id == number(line, "request_id"));
    const auto type = static_cast<wire::MessageType>(header.type);
    if (type == wire::MessageType::new_order) {
      const auto record = record_of<wire::NewOrder>(bytes);
      CHECK_FIELD(record, time_ns);
      CHECK_FIELD(record, account_id);
      CHECK_FIELD(record, client_order_id);
      CHECK_FIELD(record, price_ticks);
      CHECK_FIELD(record, quantity_lots);
      CHECK_FIELD(record, trigger_price_ticks);
      CHECK_FIELD(record, instrument_id);
      CHECK_FIELD(record, side);
      CHECK_FIELD(record, order_type);
      CHECK_FIELD(record, time_in_force);
      CHECK_FIELD(record, flags);
      CHECK_FIELD(record, self_trade_prevention);
    } else if (type == wire::MessageType::trade) {
      const auto record = record_of<wire::Trade>(bytes);
      CHECK_FIELD(record, seq);
      CHECK_FIELD(record, trade_id);
      CHECK_FIELD(record, notional_units);
      CHECK_FIELD(record, base_units);
      CHECK_FIELD(record, maker_order_id);
      CHECK_FIELD(record, taker_account_id);
      CHECK_FIELD(record, maker_fee_units);
      CHECK_FIELD(record, taker_remaining_lots);
      CHECK_FIELD(record, taker_side);
    } else if (type == wire::MessageType::execution_report) {
      const auto record = record_of<wire::ExecutionReport>(bytes);
      CHECK_FIELD(record, order_id);
      CHECK_FIELD(record, filled_lots);
      CHECK_FIELD(record, trade_quantity_lots);
      CHECK_FIELD(record, reason);
      CHECK_FIELD(record, kind);
      CHECK_FIELD(record, liquidity);
      CHECK_FIELD(record, cancel_reason);
      CHECK_FIELD(record, flags);
    } else if (type == wire::MessageType::set_instrument) {
      const auto record = record_of<wire::SetInstrument>(bytes);
      CHECK(std::memcmp(record.symbol, "BTC-USD.\xc3\xa9\0", 11) == 0);
      CHECK_FIELD(record, tick_size);
      CHECK_FIELD(record, quantity_lots_max);
      CHECK_FIELD(record, taker_fee_ppm);
      CHECK_FIELD(record, price_decimals);
      CHECK_FIELD(record, trading_state);
    }
  }
  CHECK(count == 69);
}
