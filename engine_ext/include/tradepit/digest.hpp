#pragma once
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace tradepit {

/// The chain digest before the first event of a shard.
inline constexpr std::uint64_t digest_start = 0x5450424F4F4B3031;

/// The digest after `bytes`, whose size is a multiple of 8. It finds accidents and divergence; it
/// is not a defence against someone who wants two inputs to collide.
[[nodiscard]] inline std::uint64_t chain_digest(std::uint64_t digest,
                                                std::span<const std::byte> bytes) noexcept {
  assert(bytes.size() % 8 == 0);
  for (std::size_t offset = 0; offset < bytes.size(); offset += 8) {
    std::uint64_t word;
    std::memcpy(&word, bytes.data() + offset, sizeof word);
    digest = (digest ^ word) * 0x9E3779B97F4A7C15;
    digest ^= digest >> 32;
  }
  return digest;
}

}  // namespace tradepit
