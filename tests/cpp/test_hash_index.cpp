// The index from keys to slots, against a map.
#include <cstdint>
#include <map>
#include <random>
#include <vector>

#include "check.hpp"
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
      const auto other = static_cast<std::uint32_t>(random() % key_of.size());
      if (step % 3 == 0 && !key_by_value.contains(other)) {
        key_of[other] = found->second;
        index.replace(hash, value, other);
        key_by_value[other] = found->second;
      } else {
        index.erase(hash, value);
        CHECK(find(found->second) == no_slot);
      }
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
