#pragma once
// Streams of commands for the fuzz targets: reading them from any bytes, and changing them.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <vector>

#include "tradepit/engine.hpp"
#include "tradepit/wire_check.hpp"

#define REQUIRE(condition)                                                           \
  do {                                                                               \
    if (!(condition)) {                                                              \
      std::fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                  \
    }                                                                                \
  } while (false)

namespace fuzz {

namespace wire = tradepit::wire;

/// Small, so that pools and memories of ids run full: those of the property test's LIMITS.
inline constexpr tradepit::EngineConfig limits{.shard_id = 3,
                                               .max_orders = 14,
                                               .max_client_order_ids = 5,
                                               .max_transfer_ids = 12,
                                               .max_accounts = 4,
                                               .max_instruments = 3,
                                               .max_assets = 3,
                                               .max_remembered_trades = 6};

/// SplitMix64: the same numbers from the same seed everywhere.
class Random {
 public:
  explicit Random(std::uint64_t seed) noexcept : state_(seed) {}
  std::uint64_t next() noexcept {
    std::uint64_t value = (state_ += 0x9E3779B97F4A7C15);
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
    return value ^ (value >> 31);
  }
  std::uint64_t below(std::uint64_t end) noexcept { return next() % end; }

 private:
  std::uint64_t state_;
};

using Record = std::vector<std::byte>;

[[nodiscard]] wire::MessageType type_of(std::span<const std::byte> record) noexcept;
/// The bytes of the sound record at the front.
[[nodiscard]] std::size_t length_of(std::span<const std::byte> record) noexcept;

/// The sound commands in `bytes`, in their order. Each begins where the one before it ends, with
/// its header's type; version, length and reserved bytes are repaired, a last one that is cut short
/// is filled with zeros, and eight bytes that begin no command are passed over. A length that such
/// a record cannot have becomes the shortest.
[[nodiscard]] std::vector<Record> commands_in(std::span<const std::byte> bytes);

/// As commands_in, for queries too.
[[nodiscard]] std::vector<Record> requests_in(std::span<const std::byte> bytes);

/// Gives a few fields of the record values that such a field can have; one time in forty others.
/// Ids of orders are among the last that an engine gave, which had given `order_count`.
void change(Record& record, Random& random, std::uint64_t order_count);

/// A command with every field from change().
[[nodiscard]] Record make_command(Random& random, std::uint64_t order_count);

/// Changes, repeats, moves, adds or removes commands.
void change_stream(std::vector<Record>& commands, Random& random);

/// Applies commands to one engine, and to a second that is written to a snapshot and read back
/// before command `restore_at`: their events, snapshots and invariants must agree.
/// Returns how many commands there were.
std::uint64_t drive_twins(std::span<const Record> commands, std::size_t restore_at);

}  // namespace fuzz
