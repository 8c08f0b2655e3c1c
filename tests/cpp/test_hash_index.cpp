// The hash tables, against a map.
#include <cstdint>
#include <map>
#include <random>
#include <vector>

#include "check.hpp"
#include "tradepit/flat_table.hpp"
#include "tradepit/hash_index.hpp"

using tradepit::HashIndex;
using tradepit::no_slot;

TEST(a_hash_index_equals_a_map_also_when_full) {
  constexpr std::size_t max_entries = 40;
  HashIndex index(max_entries);
  std::map<std::uint32_t, std::uint64_t> key_by_value;
  std::vector<std::uint64_t> key_of(1'000);
  std::mt19937_64 random(7);
  std::uint64_t counter = 0;
  const auto find = [&](std::uint64_t key) {
    return index.find(HashIndex::hash_of(key, 1),
                      [&](std::uint32_t value) { return key_of[value] == key; });
  };
  for (int step = 0; step < 100'000; ++step) {
    const auto value = static_cast<std::uint32_t>(random() % key_of.size());
    const auto found = key_by_value.find(value);
    if (found != key_by_value.end()) {
      const std::uint32_t hash = HashIndex::hash_of(found->second, 1);
      CHECK(find(found->second) == value);
      index.erase(hash, value);
      CHECK(find(found->second) == no_slot);
      key_by_value.erase(value);
    } else if (key_by_value.size() < max_entries) {
      key_of[value] = ++counter;
      CHECK(find(counter) == no_slot);
      index.insert(HashIndex::hash_of(counter, 1), value);
      key_by_value[value] = counter;
    }
    CHECK(index.size() == key_by_value.size());
    if (step % 100 == 0) {
      for (const auto& [kept, key] : key_by_value) CHECK(find(key) == kept);
    }
  }
}

namespace {

struct Entry {
  using Key = std::uint64_t;
  static constexpr int run_bits = 4;
  std::uint64_t number = 0;
  std::uint64_t value = 0;
  [[nodiscard]] Key key() const noexcept { return number; }
  [[nodiscard]] static std::uint64_t home(Key key) noexcept {
    return tradepit::home_in_runs<run_bits>(key, 0);
  }
};

/// Adds and removes keys that are multiples of `step`, up to as many as the table takes.
void check_table(std::size_t max_entries, std::uint64_t step) {
  tradepit::FlatTable<Entry> table(max_entries);
  std::map<std::uint64_t, std::uint64_t> expected;
  std::mt19937_64 random(max_entries + step);
  for (std::uint64_t count = 1; count <= 20'000; ++count) {
    const std::uint64_t key = (1 + random() % (2 * max_entries)) * step;
    const auto found = expected.find(key);
    if (found != expected.end()) {
      CHECK(table.find(key)->value == found->second);
      table.erase(key);
      expected.erase(found);
    } else if (expected.size() < max_entries) {
      CHECK(table.find(key) == nullptr);
      table.insert({key, count});
      expected[key] = count;
    }
    CHECK(table.size() == expected.size());
    if (count % 100 != 0) continue;
    for (const auto& [kept, value] : expected) CHECK(table.find(kept)->value == value);
  }
}

}  // namespace

TEST(a_flat_table_equals_a_map_with_few_places_and_many) {
  for (const std::uint64_t step : {1U, 7U, 16U, 1024U}) {
    for (const std::size_t max_entries : {1U, 5U, 40U, 300U}) check_table(max_entries, step);
  }
}
