#pragma once
#include <cstdint>
#include <type_traits>
#include <utility>

#include "tradepit/lazy_array.hpp"
#include "tradepit/wire.hpp"

namespace tradepit {

/// What changing a trade later needs to know of it.
struct RememberedTrade {
  std::uint64_t seq;  // of the command that made it
  std::int64_t price_ticks;
  std::int64_t quantity_lots;
  std::uint64_t maker_order_id;
  std::uint64_t taker_order_id;
  std::uint32_t maker_index;  // of the account
  std::uint32_t taker_index;
  std::uint32_t instrument_id;
  std::int32_t maker_fee_ppm;
  std::uint32_t taker_fee_ppm;
  wire::Side taker_side;
  std::uint8_t is_busted;
  std::uint8_t unused[2];
};
static_assert(sizeof(RememberedTrade) == 64, "a trade writes one cache line");
static_assert(std::has_unique_object_representations_v<RememberedTrade>, "snapshots hold it");

/// The last trades of a shard, in a ring. Trades are numbered from 1.
class TradeMemory {
 public:
  explicit TradeMemory(std::uint32_t capacity) noexcept : trades_(capacity) {}

  /// How many of `count` trades are remembered.
  [[nodiscard]] std::uint64_t remembered_count(std::uint64_t count) const noexcept {
    return count < trades_.count() ? count : trades_.count();
  }

  /// The trade with this number out of `count`, or null.
  [[nodiscard]] const RememberedTrade* find(std::uint64_t number,
                                            std::uint64_t count) const noexcept {
    if (number == 0 || number > count || count - number >= trades_.count()) return nullptr;
    return &trades_[(number - 1) % trades_.count()];
  }
  [[nodiscard]] RememberedTrade* find(std::uint64_t number, std::uint64_t count) noexcept {
    return const_cast<RememberedTrade*>(std::as_const(*this).find(number, count));
  }

  /// The place of the next trade, with stale contents.
  [[nodiscard]] RememberedTrade& next() noexcept {
    RememberedTrade& place = trades_[next_];
    if (++next_ == trades_.count()) next_ = 0;
    return place;
  }

  /// After this many trades nothing is remembered.
  void begin_at(std::uint64_t count) noexcept { next_ = count % trades_.count(); }

 private:
  LazyArray<RememberedTrade> trades_;
  std::size_t next_ = 0;
};

}  // namespace tradepit
