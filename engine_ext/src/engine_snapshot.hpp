#pragma once
// The layout of a snapshot.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

#include "engine_state.hpp"

namespace tradepit::detail {

inline constexpr char snapshot_magic[8] = {'T', 'P', 'S', 'N', 'A', 'P', 'S', 'T'};
inline constexpr std::uint32_t snapshot_version = 22;

// A snapshot is this header, then as many records of each kind, in this order, as it counts.
struct SnapshotHeader {
  char magic[8];
  std::uint64_t checksum;  // chain digest over everything behind this field
  std::uint64_t size_bytes;
  std::uint32_t version;
  std::uint32_t shard_id;
  std::uint32_t max_orders;
  std::uint32_t max_client_order_ids;
  std::uint32_t max_transfer_ids;
  std::uint32_t max_accounts;
  std::uint32_t max_instruments;
  std::uint32_t max_assets;
  std::uint32_t max_remembered_trades;
  std::uint32_t reserved;
  std::uint64_t seq;
  std::uint64_t digest;
  std::int64_t time_ns;
  std::uint64_t order_counter;
  std::uint64_t trade_counter;
  std::uint64_t session_counter;
  std::uint64_t asset_count;       // wire::AssetChanged, by asset_id
  std::uint64_t instrument_count;  // wire::InstrumentChanged and InstrumentRecord, by instrument_id
  std::uint64_t account_count;     // AccountRecord, by index, the house included
  std::uint64_t balance_count;     // BalanceRecord, not zero, by account index and asset_id
  std::uint64_t position_count;    // PositionRecord, not zero, by instrument and account index
  std::uint64_t client_id_count;   // ClientIdRecord, of the last orders accepted
  std::uint64_t transfer_id_count;  // std::uint64_t, oldest first
  std::uint64_t trade_count;        // RememberedTrade, oldest first
  std::uint64_t deadline_count;     // DeadlineRecord, by kind and number; not those of orders
  // OrderRecord, by instrument, side, price, age; the stops and then those that wait for the
  // closing auction last.
  std::uint64_t order_count;  // those that are pending behind all others, by account and age
  std::uint64_t link_count;   // LinkRecord, by account index and age
  std::uint64_t
      activating_count;  // std::uint64_t, order ids, by instrument, the first to come first
};

struct InstrumentRecord {
  std::int64_t change_end_time_ns;
  std::int64_t due_ns;               // its deadline; 0 if it has none
  std::int64_t uncross_price_ticks;  // 0 = no auction is being carried out
  std::uint32_t change_state;
  std::uint32_t change_next_state;
  std::int64_t last_price_ticks;
  std::int64_t reached_low_ticks;
  std::int64_t reached_high_ticks;
  std::uint32_t fee_tier_count;    // as many wire::FeeTerms follow
  std::uint32_t price_band_count;  // as many wire::PriceBand follow
  std::int64_t entry_due_ns;       // never_ns if none is
  std::uint64_t entry_count;       // as many wire::CalendarEntry follow
  std::uint64_t protection_count;  // as many QuoteProtection follow
};

struct AccountRecord {
  std::uint64_t account_id;
  std::uint64_t changed_seq;
  std::uint64_t trade_group;
  std::uint32_t state;
  std::uint16_t fee_tier;
  std::uint16_t is_killed;
};

struct DeadlineRecord {
  std::uint64_t kind;
  std::uint64_t index;  // an instrument_id, or an account's
  std::int64_t time_ns;
};

struct BalanceRecord {
  std::uint32_t account_index;
  std::uint32_t asset_id;
  std::int64_t available_units;
  std::int64_t held_units;
};

struct PositionRecord {
  std::uint32_t instrument_id;
  std::uint32_t account_index;
  std::int64_t lots;
};

struct ClientIdRecord {
  std::uint64_t client_order_id;
  std::uint64_t account_index;
};

struct OrderRecord {
  std::uint64_t order_id;
  std::uint64_t client_order_id;
  std::int64_t price_ticks;
  std::int64_t quantity_lots;
  std::int64_t filled_lots;
  std::int64_t shown_lots;  // in the book
  std::uint32_t account_index;
  std::uint32_t instrument_id;
  std::uint32_t session_id;
  std::int32_t maker_fee_ppm;
  std::uint32_t taker_fee_ppm;
  std::uint8_t side;
  std::uint8_t order_type;
  std::uint8_t time_in_force;
  std::uint8_t flags;
  std::uint8_t self_trade_prevention;
  std::uint8_t is_waiting;
  std::uint8_t has_terms;  // an OrderTerms follows
  std::uint8_t is_linked;
  std::uint8_t is_pending;
  std::uint8_t is_backed;
  std::uint8_t reserved[2];
};

struct LinkRecord {
  std::uint64_t order_id;
  std::uint64_t first_id;  // of Contingency; 0 = none
  std::uint64_t second_id;
};

template <typename Record>
constexpr bool is_snapshot_record =
    std::is_trivially_copyable_v<Record> && std::has_unique_object_representations_v<Record> &&
    sizeof(Record) % 8 == 0;
static_assert(is_snapshot_record<SnapshotHeader> && is_snapshot_record<AccountRecord> &&
              is_snapshot_record<BalanceRecord> && is_snapshot_record<PositionRecord> &&
              is_snapshot_record<DeadlineRecord> && is_snapshot_record<ClientIdRecord> &&
              is_snapshot_record<OrderRecord> && is_snapshot_record<LinkRecord> &&
              is_snapshot_record<OrderTerms>);

// Order and trade ids keep 48 bits for their count: half of them is more than a shard can use up.
inline constexpr std::uint64_t counts_end = std::uint64_t{1} << 47;
inline constexpr std::size_t checked_from = offsetof(SnapshotHeader, size_bytes);

inline constexpr char cut_short[] = "the snapshot ends before its records do";

/// Reads records one after the other; it never reads past the end.
class SnapshotReader {
 public:
  explicit SnapshotReader(std::span<const std::byte> bytes) noexcept : rest_(bytes) {}

  template <typename Record>
  [[nodiscard]] bool read(Record& record) noexcept {
    if (rest_.size() < sizeof record) return false;
    std::memcpy(&record, rest_.data(), sizeof record);
    rest_ = rest_.subspan(sizeof record);
    return true;
  }
  /// A look at what stands `offset_bytes` further on; false if that is behind the end.
  template <typename Record>
  [[nodiscard]] bool peek(std::size_t offset_bytes, Record& record) const noexcept {
    if (rest_.size() < offset_bytes + sizeof record) return false;
    std::memcpy(&record, rest_.data() + offset_bytes, sizeof record);
    return true;
  }
  [[nodiscard]] bool is_at_end() const noexcept { return rest_.empty(); }

 private:
  std::span<const std::byte> rest_;
};

}  // namespace tradepit::detail
