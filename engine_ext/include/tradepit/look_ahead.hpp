#pragma once
#include <cstddef>
#include <cstring>
#include <span>

#include "tradepit/engine.hpp"

namespace tradepit {

/// Goes ahead of the command at work through a run of records, and asks for the memory that they
/// will touch. Pays where many orders are open; with few, everything is in the cache anyway and
/// asking would cost a little.
class LookAhead {
 public:
  /// `records` may be any bytes, and outlive this.
  LookAhead(const Engine& engine, std::span<const std::byte> records) noexcept
      : engine_(&engine), records_(records) {}

  /// To be called before each record is applied.
  void step() noexcept {
    ++done_count_;
    if (engine_->open_order_count() < open_orders_min) return;
    for (int stage = 0; stage < Engine::prefetch_stages; ++stage) {
      // Records that were passed while there were few orders are passed here too.
      while (seen_count_[stage] < done_count_ + distance[stage]) {
        ++seen_count_[stage];
        look_at_next(stage);
      }
    }
  }

 private:
  /// An order and its neighbours in a cache of one megabyte.
  static constexpr std::uint64_t open_orders_min = 4'000;
  static constexpr std::size_t distance[Engine::prefetch_stages] = {16, 10, 6, 3};

  void look_at_next(int stage) noexcept {
    const auto rest = records_.subspan(offset_[stage]);
    wire::Header header;
    if (rest.size() < sizeof header) return;
    std::memcpy(&header, rest.data(), sizeof header);
    if (header.length < sizeof header || header.length > rest.size()) {
      offset_[stage] = records_.size();
      return;
    }
    engine_->prefetch(rest.first(header.length), stage);
    offset_[stage] += header.length;
  }

  const Engine* engine_;
  std::span<const std::byte> records_;
  std::size_t done_count_ = 0;
  std::size_t seen_count_[Engine::prefetch_stages] = {};
  std::size_t offset_[Engine::prefetch_stages] = {};
};

}  // namespace tradepit
