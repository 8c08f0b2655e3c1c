#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

namespace tradepit {

/// CRC-32C (Castagnoli, reflected, initial and final value all ones; RFC 3720 appendix B.4).
/// Uses the processor's instruction where there is one.
[[nodiscard]] std::uint32_t crc32c(std::span<const std::byte> bytes) noexcept;

}  // namespace tradepit
