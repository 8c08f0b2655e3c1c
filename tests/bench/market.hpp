#pragma once
// What the engine's benchmarks share: a clock, and a market with rich accounts.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ctime>

#include "tradepit/buffer.hpp"
#include "tradepit/wire.hpp"

namespace bench {

using tradepit::ByteBuffer;
namespace wire = tradepit::wire;

inline constexpr std::uint32_t account_count = 100;

/// Processor time of this thread, so that what else runs on the machine counts only by the caches
/// that it takes.
inline double seconds_now() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

template <typename Record>
void credit(Record& record, std::uint64_t account_id, std::uint64_t transfer_id,
            std::uint32_t asset_id) {
  record.account_id = account_id;
  record.transfer_id = transfer_id;
  record.amount_units = wire::units_max / (account_count + 1);
  record.asset_id = asset_id;
}

/// Two assets, one instrument without fees below the order sizes of the flow, rich accounts.
inline ByteBuffer opening(std::uint32_t fee_ppm) {
  ByteBuffer bytes;
  for (std::uint32_t asset_id = 1; asset_id <= 2; ++asset_id) {
    wire::SetAsset asset;
    asset.symbol[0] = static_cast<char>('A' + asset_id);
    asset.asset_id = asset_id;
    bytes.append(asset);
  }
  wire::SetInstrument instrument;
  instrument.symbol[0] = 'X';
  instrument.tick_size = 1;
  instrument.lot_size_units = 1;
  instrument.price_ticks_min = 1;
  instrument.price_ticks_max = 1 << 30;
  instrument.quantity_lots_min = 1;
  instrument.quantity_lots_max = 1 << 24;
  instrument.instrument_id = 1;
  instrument.base_asset_id = 2;
  instrument.quote_asset_id = 1;
  instrument.maker_fee_ppm = 0;
  instrument.taker_fee_ppm = fee_ppm;
  instrument.trading_state = wire::TradingState::continuous;
  bytes.append(instrument);
  for (std::uint32_t account_id = 1; account_id <= account_count; ++account_id) {
    wire::SetAccount account;
    account.account_id = account_id;
    account.state = wire::AccountState::active;
    bytes.append(account);
    for (std::uint32_t asset_id = 1; asset_id <= 2; ++asset_id) {
      wire::Credit record;
      credit(record, account_id, account_id * 2 + asset_id, asset_id);
      bytes.append(record);
    }
  }
  return bytes;
}

inline std::size_t length_at(const std::byte* bytes) {
  wire::Header header;
  std::memcpy(&header, bytes, sizeof header);
  return header.length;
}

}  // namespace bench
