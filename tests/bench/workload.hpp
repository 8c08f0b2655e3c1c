#pragma once
// The command stream on which matching engines are compared in docs/performance.md: one symbol,
// integer arithmetic only, the same bytes on every machine. A reference book inside makes sure that
// every cancel and replace names an order that rests.
#include <bit>
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <vector>

namespace workload {

enum class Kind : std::uint8_t { add = 0, cancel = 1, replace = 2 };

struct Command {
  std::uint64_t id;  // dense, from 1
  std::int64_t price_ticks;
  std::uint32_t lots;
  Kind kind;
  std::uint8_t side;  // 0 = buy, 1 = sell
  bool is_ioc;
  bool is_timed;  // the rest fills the book first
};

struct Shape {
  std::uint64_t seed;
  std::uint64_t resting_target;
  std::uint64_t command_count;
  std::int64_t mean_distance_ticks;  // of a geometric distribution; negative = uniform
  std::int64_t distance_ticks_max;
  std::uint64_t fill_hash;  // that every correct engine produces
};

inline constexpr Shape near_book{42, 3'000, 2'000'000, 60, 2'000, 0x4660a8bbe36c0528};
inline constexpr Shape deep_book{43, 1'000'000, 2'000'000, -1, 20'000, 0xb4d3cdfffda2255a};

/// FNV-1a over (maker id, taker id, price, lots) of every timed fill, in order.
class FillHash {
 public:
  void add(std::uint64_t maker, std::uint64_t taker, std::int64_t price, std::int64_t lots) {
    mix(maker);
    mix(taker);
    mix(static_cast<std::uint64_t>(price));
    mix(static_cast<std::uint64_t>(lots));
  }
  [[nodiscard]] std::uint64_t value() const { return hash_; }

 private:
  void mix(std::uint64_t value) {
    for (int shift = 0; shift < 64; shift += 8) {
      hash_ = (hash_ ^ ((value >> shift) & 255)) * 1099511628211U;
    }
  }
  std::uint64_t hash_ = 1469598103934665603U;
};

class Generator {
 public:
  explicit Generator(const Shape& shape) : shape_(shape) {
    std::uint64_t state = shape.seed;
    for (std::uint64_t& word : random_) {
      state += 0x9e3779b97f4a7c15U;
      std::uint64_t mixed = (state ^ (state >> 30)) * 0xbf58476d1ce4e5b9U;
      mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebU;
      word = mixed ^ (mixed >> 31);
    }
    resting_.resize(shape.resting_target + shape.command_count + 10);
  }

  [[nodiscard]] std::vector<Command> run() {
    for (std::uint64_t i = 0; i < shape_.resting_target; ++i) add_passive(below(2) != 0, false);
    for (std::uint64_t i = 0; i < shape_.command_count; ++i) step();
    return std::move(commands_);
  }

 private:
  struct Order {
    std::uint64_t id;
    std::uint32_t lots;
  };
  struct Resting {
    bool is_sell = false;
    std::int64_t price = 0;
    std::list<Order>::iterator place;
    std::size_t live_index = 0;
  };
  using Side = std::map<std::int64_t, std::list<Order>>;

  std::uint64_t random() {
    const std::uint64_t result = std::rotl(random_[1] * 5, 7) * 9;
    const std::uint64_t shifted = random_[1] << 17;
    random_[2] ^= random_[0];
    random_[3] ^= random_[1];
    random_[1] ^= random_[2];
    random_[0] ^= random_[3];
    random_[2] ^= shifted;
    random_[3] = std::rotl(random_[3], 45);
    return result;
  }
  std::uint64_t below(std::uint64_t bound) {
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::uint64_t>((static_cast<Wide>(random()) * bound) >> 64);
  }

  std::int64_t distance() {
    if (shape_.mean_distance_ticks < 0) {
      return static_cast<std::int64_t>(
          below(static_cast<std::uint64_t>(shape_.distance_ticks_max)));
    }
    const std::uint64_t draw = random() | 1;  // -log2 in fixed point, its fraction interpolated
    const int zeros = std::countl_zero(draw);
    const auto fraction = static_cast<std::int64_t>(((draw << zeros) << 1) >> 44);
    const std::int64_t log = (static_cast<std::int64_t>(zeros + 1) << 20) - fraction;
    const std::int64_t ticks = (log * shape_.mean_distance_ticks * 710) >> 30;
    return ticks > shape_.distance_ticks_max ? shape_.distance_ticks_max : ticks;
  }

  std::optional<std::int64_t> best(bool is_sell) const {
    const Side& side = sides_[is_sell];
    if (side.empty()) return std::nullopt;
    return is_sell ? side.begin()->first : side.rbegin()->first;
  }

  std::int64_t passive_price(bool is_sell) {
    const std::int64_t ticks = distance();
    const auto other = best(!is_sell);
    if (!is_sell) {
      const std::int64_t price = mid_ - 1 - ticks;
      return other && price >= *other ? *other - 1 : price;
    }
    const std::int64_t price = mid_ + 1 + ticks;
    return other && price <= *other ? *other + 1 : price;
  }

  void push(Kind kind, std::uint64_t id, bool is_sell, std::int64_t price, std::uint32_t lots,
            bool is_ioc, bool is_timed) {
    commands_.push_back({id, price, lots, kind, is_sell, is_ioc, is_timed});
  }

  void forget(std::uint64_t id) {
    const std::size_t index = resting_[id].live_index;
    live_[index] = live_.back();
    resting_[live_[index]].live_index = index;
    live_.pop_back();
  }

  void enter(std::uint64_t id, bool is_sell, std::int64_t price, std::uint32_t lots, bool is_ioc) {
    Side& others = sides_[!is_sell];
    for (auto other = best(!is_sell);
         lots > 0 && other && (is_sell ? *other >= price : *other <= price);
         other = best(!is_sell)) {
      const auto level = others.find(*other);
      std::list<Order>& queue = level->second;
      while (lots > 0 && !queue.empty()) {
        Order& maker = queue.front();
        const std::uint32_t traded = maker.lots < lots ? maker.lots : lots;
        maker.lots -= traded;
        lots -= traded;
        if (maker.lots == 0) {
          forget(maker.id);
          queue.pop_front();
        }
      }
      if (queue.empty()) others.erase(level);
    }
    if (lots == 0 || is_ioc) return;
    std::list<Order>& queue = sides_[is_sell][price];
    queue.push_back({id, lots});
    resting_[id] = {is_sell, price, --queue.end(), live_.size()};
    live_.push_back(id);
  }

  void take_out(std::uint64_t id) {
    const Resting& order = resting_[id];
    Side& side = sides_[order.is_sell];
    const auto level = side.find(order.price);
    level->second.erase(order.place);
    if (level->second.empty()) side.erase(level);
    forget(id);
  }

  void add_passive(bool is_sell, bool is_timed) {
    const std::int64_t price = passive_price(is_sell);
    const auto lots = static_cast<std::uint32_t>(1 + below(100));
    push(Kind::add, ++last_id_, is_sell, price, lots, false, is_timed);
    enter(last_id_, is_sell, price, lots, false);
  }

  void add_marketable() {
    const bool is_sell = below(2) != 0;
    int levels_wanted = 1;
    while (levels_wanted < 5 && below(2) != 0) ++levels_wanted;
    std::int64_t limit = 0;
    std::uint64_t available = 0;
    std::uint64_t before_last = 0;
    int levels = 0;
    const auto visit = [&](std::int64_t price, const std::list<Order>& queue) {
      limit = price;
      for (const Order& order : queue) available += order.lots;
      if (levels < levels_wanted - 1) before_last = available;
      ++levels;
    };
    const Side& others = sides_[!is_sell];
    if (is_sell) {
      for (auto it = others.rbegin(); it != others.rend() && levels < levels_wanted; ++it) {
        visit(it->first, it->second);
      }
    } else {
      for (auto it = others.begin(); it != others.end() && levels < levels_wanted; ++it) {
        visit(it->first, it->second);
      }
    }
    if (levels == 0) limit = mid_;
    const bool is_deep = shape_.mean_distance_ticks < 0;
    std::uint64_t lots;
    if (!is_deep && below(4) == 0) {
      lots = before_last + 1 + below(available - before_last + 20);
    } else {
      lots = 1 + below(is_deep ? 400 : 150);
    }
    if (lots > 5000) lots = 5000;
    const bool is_ioc = below(2) != 0;
    push(Kind::add, ++last_id_, is_sell, limit, static_cast<std::uint32_t>(lots), is_ioc, true);
    enter(last_id_, is_sell, limit, static_cast<std::uint32_t>(lots), is_ioc);
  }

  void step() {
    if (below(50) == 0) mid_ += below(2) != 0 ? 1 : -1;
    const auto target = static_cast<std::int64_t>(shape_.resting_target);
    std::int64_t lean = (target - static_cast<std::int64_t>(live_.size())) * 1'000'000 / target;
    if (target > 100'000) lean *= 20;
    if (lean > 400'000) lean = 400'000;
    if (lean < -400'000) lean = -400'000;
    const auto draw = static_cast<std::int64_t>(below(1'000'000));
    if (live_.size() < 50) {
      add_passive(below(2) != 0, true);
    } else if (draw < 80'000) {
      add_marketable();
    } else if (draw < 100'000) {
      const std::uint64_t id = live_[below(live_.size())];
      const bool is_sell = resting_[id].is_sell;
      take_out(id);
      const std::int64_t price = passive_price(is_sell);
      const auto lots = static_cast<std::uint32_t>(1 + below(100));
      push(Kind::replace, id, is_sell, price, lots, false, true);
      enter(id, is_sell, price, lots, false);
    } else if (draw < 550'000 + lean / 2) {
      add_passive(below(2) != 0, true);
    } else {
      const std::uint64_t id = live_[below(live_.size())];
      push(Kind::cancel, id, resting_[id].is_sell, resting_[id].price, 0, false, true);
      take_out(id);
    }
  }

  Shape shape_;
  std::uint64_t random_[4];
  Side sides_[2];
  std::vector<Resting> resting_;
  std::vector<std::uint64_t> live_;
  std::vector<Command> commands_;
  std::int64_t mid_ = 100'000;
  std::uint64_t last_id_ = 0;
};

}  // namespace workload
