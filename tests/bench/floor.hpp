#pragma once
// What a matching engine costs at least: levels in an array by tick, a bitmap of the occupied ones,
// nodes in a pool, a table from dense ids to nodes. It has no rules, no checks and one fixed band
// of prices: the baseline for the book in docs/performance.md, not a product.
#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "tradepit/lazy_array.hpp"
#include "workload.hpp"

namespace bench {

/// Bits of the band's ticks in three heights: each bit above says that a word below is not empty.
class TickSet {
 public:
  static constexpr std::size_t tick_count = 64 * 64 * 64;
  static constexpr std::size_t none = tick_count;

  void insert(std::size_t tick) {
    ticks_[tick >> 6] |= bit(tick);
    words_[tick >> 12] |= bit(tick >> 6);
    top_ |= bit(tick >> 12);
  }
  void erase(std::size_t tick) {
    if ((ticks_[tick >> 6] &= ~bit(tick)) != 0) return;
    if ((words_[tick >> 12] &= ~bit(tick >> 6)) != 0) return;
    top_ &= ~bit(tick >> 12);
  }
  [[nodiscard]] std::size_t above(std::size_t tick) const {
    if (const auto bits = ticks_[tick >> 6] & higher(tick)) return lowest(tick >> 6, bits);
    tick >>= 6;
    std::uint64_t bits = words_[tick >> 6] & higher(tick);
    if (bits == 0) {
      const auto tops = top_ & higher(tick >> 6);
      if (tops == 0) return none;
      tick = lowest(0, tops) << 6;
      bits = words_[tick >> 6];
    }
    const std::size_t word = lowest(tick >> 6, bits);
    return lowest(word, ticks_[word]);
  }
  [[nodiscard]] std::size_t below(std::size_t tick) const {
    if (const auto bits = ticks_[tick >> 6] & lower(tick)) return highest(tick >> 6, bits);
    tick >>= 6;
    std::uint64_t bits = words_[tick >> 6] & lower(tick);
    if (bits == 0) {
      const auto tops = top_ & lower(tick >> 6);
      if (tops == 0) return none;
      tick = highest(0, tops) << 6;
      bits = words_[tick >> 6];
    }
    const std::size_t word = highest(tick >> 6, bits);
    return highest(word, ticks_[word]);
  }

 private:
  static std::uint64_t bit(std::size_t tick) { return std::uint64_t{1} << (tick & 63); }
  static std::uint64_t lower(std::size_t tick) { return bit(tick) - 1; }
  static std::uint64_t higher(std::size_t tick) { return ~(bit(tick) | lower(tick)); }
  static std::size_t lowest(std::size_t word, std::uint64_t bits) {
    return word << 6 | static_cast<std::size_t>(std::countr_zero(bits));
  }
  static std::size_t highest(std::size_t word, std::uint64_t bits) {
    return word << 6 | static_cast<std::size_t>(63 - std::countl_zero(bits));
  }

  std::array<std::uint64_t, 64 * 64> ticks_{};
  std::array<std::uint64_t, 64> words_{};
  std::uint64_t top_ = 0;
};

class FloorRun {
 public:
  explicit FloorRun(std::uint64_t id_max)
      : nodes_(2'000'000), levels_(TickSet::tick_count), node_by_id_(id_max + 1) {
    best_[1] = TickSet::none;
  }

  /// Asks for what `commands` from `index` on will touch, a little ahead of each.
  void look_ahead(const std::vector<workload::Command>& commands, std::size_t index) const {
    const auto at = [&](std::size_t distance) -> const workload::Command& {
      return commands[std::min(index + distance, commands.size() - 1)];
    };
    node_by_id_.prefetch(at(24).id);
    const workload::Command& near = at(16);
    if (near.kind == workload::Kind::add) {
      levels_.prefetch(static_cast<std::size_t>(near.price_ticks));
    } else {
      nodes_.prefetch(node_by_id_[near.id]);
    }
    const workload::Command& next = at(8);
    if (next.kind == workload::Kind::add) {
      nodes_.prefetch(levels_[static_cast<std::size_t>(next.price_ticks)].tail);
    } else {
      const Node& node = nodes_[node_by_id_[next.id]];
      nodes_.prefetch(node.next);
      nodes_.prefetch(node.previous);
      levels_.prefetch(node.tick);
    }
  }

  void apply(const workload::Command& command, workload::FillHash* hash) {
    if (command.kind != workload::Kind::add) {
      take_out(node_by_id_[command.id]);
      if (command.kind == workload::Kind::cancel) return;
    }
    const auto limit = static_cast<std::size_t>(command.price_ticks);
    std::uint32_t lots = command.lots;
    const unsigned other = 1U - command.side;
    while (lots > 0 && (other == 1 ? best_[1] <= limit : best_[0] != 0 && best_[0] >= limit)) {
      const std::size_t tick = best_[other];
      const std::uint32_t maker = levels_[tick].head;
      const std::uint32_t traded = std::min(lots, nodes_[maker].lots);
      lots -= traded;
      nodes_[maker].lots -= traded;
      if (hash != nullptr) {
        hash->add(nodes_[maker].id, command.id, static_cast<std::int64_t>(tick), traded);
      }
      if (nodes_[maker].lots == 0) take_out(maker);
    }
    if (lots != 0 && !command.is_ioc) rest(command, limit, lots);
  }

 private:
  struct Node {
    std::uint64_t id;
    std::uint32_t lots;
    std::uint32_t next;  // 0 = none
    std::uint32_t previous;
    std::uint32_t tick;
    std::uint32_t side;
    std::uint32_t unused;
  };
  struct Level {
    std::uint32_t head;
    std::uint32_t tail;
  };

  void rest(const workload::Command& command, std::size_t tick, std::uint32_t lots) {
    std::uint32_t slot = free_;
    if (slot == 0) {
      slot = ++fresh_;
    } else {
      free_ = nodes_[slot].next;
    }
    Level& level = levels_[tick];
    const std::uint32_t side = command.side;
    nodes_[slot] = {command.id, lots, 0, level.tail, static_cast<std::uint32_t>(tick), side, 0};
    node_by_id_[command.id] = slot;
    if (level.tail != 0) {
      nodes_[level.tail].next = slot;
    } else {
      level.head = slot;
      sides_[side].insert(tick);
      best_[side] = side == 0 ? std::max(best_[0], tick) : std::min(best_[1], tick);
    }
    level.tail = slot;
  }

  void take_out(std::uint32_t slot) {
    Node& node = nodes_[slot];
    Level& level = levels_[node.tick];
    (node.previous != 0 ? nodes_[node.previous].next : level.head) = node.next;
    (node.next != 0 ? nodes_[node.next].previous : level.tail) = node.previous;
    if (level.head == 0) {
      sides_[node.side].erase(node.tick);
      if (best_[node.side] == node.tick) {
        const std::size_t next =
            node.side == 0 ? sides_[0].below(node.tick) : sides_[1].above(node.tick);
        best_[node.side] = next == TickSet::none && node.side == 0 ? 0 : next;
      }
    }
    node_by_id_[node.id] = 0;
    node.next = free_;
    free_ = slot;
  }

  tradepit::LazyArray<Node> nodes_;
  tradepit::LazyArray<Level> levels_;
  tradepit::LazyArray<std::uint32_t> node_by_id_;
  TickSet sides_[2];
  std::size_t best_[2] = {0, 0};  // no bids: 0, no asks: TickSet::none
  std::uint32_t free_ = 0;
  std::uint32_t fresh_ = 0;
};

}  // namespace bench
