// The memory of client order ids, compared with one that is obviously right.
#include <cstdint>
#include <deque>
#include <random>

#include "check.hpp"
#include "tradepit/recent_names.hpp"

namespace {

using tradepit::OrderName;
using tradepit::RecentNames;

/// The names of the last orders, the youngest first.
class Model {
 public:
  explicit Model(std::size_t max_recent) : max_recent_(max_recent) {}

  void add(OrderName name) {
    names_.push_front(name);
    if (names_.size() > max_recent_) names_.pop_back();
    ++last_number_;
  }
  [[nodiscard]] OrderName name_of(std::uint64_t number) const {
    const std::uint64_t age = last_number_ - number;
    return age < names_.size() ? names_[age] : OrderName{};
  }
  [[nodiscard]] std::uint64_t find(OrderName name) const {
    for (std::size_t age = 0; age < names_.size(); ++age) {
      if (names_[age] == name) return last_number_ - age;
    }
    return 0;
  }

 private:
  std::size_t max_recent_;
  std::deque<OrderName> names_;
  std::uint64_t last_number_ = 0;
};

/// Whoever counts upward, whoever takes steps, whoever uses any id again, and some without one.
OrderName next_name(std::uint64_t number, std::mt19937_64& random) {
  const auto account = static_cast<std::uint32_t>(random() % 4);
  if (account == 0) return {number / 4 + 1, account};
  if (account == 1) return {(number + 1) * 8, account};
  if (account == 2) return {1 + random() % 500, account};
  return {random() % 2 == 0 ? 0 : 1 + random() % (1ULL << 62), account};
}

void compare(std::uint32_t max_recent, std::uint64_t order_count) {
  RecentNames names(max_recent);
  Model model(max_recent);
  std::mt19937_64 random(max_recent);
  const auto find = [&](OrderName name) {
    return names.find(name, [&](std::uint64_t number) { return model.name_of(number) == name; });
  };
  for (std::uint64_t number = 1; number <= order_count; ++number) {
    OrderName name = next_name(number, random);
    if (name.client_order_id != 0 && model.find(name) != 0) name = {};  // a name is used once
    names.advance();
    model.add(name);
    if (name.client_order_id != 0) {
      names.insert(name);
      CHECK(find(name) == number);
    }
    const OrderName other = random() % 2 == 0 ? model.name_of(number - random() % number)
                                              : next_name(1 + random() % number, random);
    if (other.client_order_id != 0) CHECK(find(other) == model.find(other));
  }
}

}  // namespace

TEST(the_names_of_the_last_orders_are_known_and_no_others) {
  compare(1, 2'000);
  compare(5, 5'000);
  compare(64, 10'000);
  compare(300, 10'000);
}
