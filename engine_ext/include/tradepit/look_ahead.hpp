#pragma once
#include <cstddef>
#include <cstring>
#include <span>

#include "tradepit/engine.hpp"
#include "tradepit/lazy_array.hpp"

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
    // Records that were passed while there were few orders are passed here too.
    while (seen_count_ < done_count_ + distance[0]) {
      aheads_[seen_count_ % aheads_max] = look_at_next();
      ++seen_count_;
    }
    for (int stage = 1; stage < stages; ++stage) {
      engine_->prefetch(aheads_[(done_count_ + distance[stage]) % aheads_max], stage);
    }
  }

 private:
  /// An order and its neighbours in a cache of one megabyte.
  static constexpr std::uint64_t open_orders_min = 4'000;
  static constexpr int stages = 4;
  static constexpr std::size_t distance[stages] = {16, 10, 6, 3};
  static constexpr std::size_t aheads_max = 32;
  static constexpr std::size_t next_records_bytes = 512;

  [[nodiscard]] Engine::Ahead look_at_next() noexcept {
    const auto rest = records_.subspan(offset_);
    wire::Header header;
    if (rest.size() < sizeof header) return {};
    std::memcpy(&header, rest.data(), sizeof header);
    if (header.length < sizeof header || header.length > rest.size()) {
      offset_ = records_.size();
      return {};
    }
    if (rest.size() > next_records_bytes) prefetch_memory(rest.data() + next_records_bytes);
    offset_ += header.length;
    return engine_->look_at(rest.first(header.length));
  }

  const Engine* engine_;
  std::span<const std::byte> records_;
  std::size_t done_count_ = 0;
  std::size_t seen_count_ = 0;
  std::size_t offset_ = 0;
  Engine::Ahead aheads_[aheads_max];
};

}  // namespace tradepit
