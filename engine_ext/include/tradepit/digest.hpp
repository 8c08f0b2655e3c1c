#pragma once
#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace tradepit {

/// The chain digest before the first command of a shard.
inline constexpr std::uint64_t digest_start = 0x5450424F4F4B3031;

inline constexpr std::size_t digest_block_words = 16;

/// What the words of a block are mixed with, each with its own: the first numbers of splitmix64.
inline constexpr std::array<std::uint64_t, digest_block_words> digest_keys = [] {
  std::array<std::uint64_t, digest_block_words> keys{};
  std::uint64_t state = 0;
  for (std::uint64_t& key : keys) {
    state += 0x9E3779B97F4A7C15;
    key = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9;
    key = (key ^ (key >> 27)) * 0x94D049BB133111EB;
    key ^= key >> 31;
  }
  return keys;
}();

/// The digest after `bytes`, the events of one command, whose size is a multiple of 8. It finds
/// accidents and divergence; it is not a defence against someone who wants two inputs to collide.
///
/// Words are multiplied in pairs and the products of a block added up, so that only one product a
/// block waits for the one before.
[[nodiscard]] inline std::uint64_t chain_digest(std::uint64_t digest,
                                                std::span<const std::byte> bytes) noexcept {
  __extension__ using Wide = unsigned __int128;
  assert(bytes.size() % 8 == 0);
  const std::byte* at = bytes.data();
  const auto next_word = [&at] {
    std::uint64_t word;
    std::memcpy(&word, at, sizeof word);
    at += sizeof word;
    return word;
  };
  const auto next_product = [&next_word](std::size_t index) {
    const std::uint64_t even = next_word() ^ digest_keys[index];
    const std::uint64_t odd = next_word() ^ digest_keys[index + 1];
    return static_cast<Wide>(even) * odd;
  };
  for (std::size_t left = bytes.size() / 8; left > 0;) {
    const std::size_t count = left < digest_block_words ? left : digest_block_words;
    Wide sum = left * 8;
    std::size_t index = 0;
    if (count == digest_block_words) {  // a loop that the compiler unrolls
      for (; index < digest_block_words; index += 2) sum += next_product(index);
    }
    for (; index + 1 < count; index += 2) sum += next_product(index);
    if (index < count) {
      sum += static_cast<Wide>(next_word() ^ digest_keys[index]) * digest_keys[index + 1];
    }
    digest ^= static_cast<std::uint64_t>(sum) ^ static_cast<std::uint64_t>(sum >> 64);
    digest *= 0x9E3779B97F4A7C15;
    digest ^= digest >> 32;
    left -= count;
  }
  return digest;
}

}  // namespace tradepit
