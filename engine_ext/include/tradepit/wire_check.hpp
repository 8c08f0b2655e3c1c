#pragma once
#include <cstddef>
#include <cstring>
#include <span>

#include "tradepit/wire.hpp"

namespace tradepit {

/// Looks at the first record of `bytes`: its header, version, type, length and reserved fields.
/// Reason::none means that header.length bytes of a sound record stand at the front; whether the
/// sender may send that type is the caller's question. Never reads past `bytes`.
[[nodiscard]] inline wire::Reason check_record(std::span<const std::byte> bytes) noexcept {
  if (bytes.size() < sizeof(wire::Header)) return wire::Reason::malformed;
  wire::Header header;
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.version != wire::version) return wire::Reason::unsupported_version;
  const auto type = static_cast<wire::MessageType>(header.type);
  if (wire::size_of(type) == 0) return wire::Reason::unknown_type;
  if (!wire::is_length_valid(type, header.length) || bytes.size() < header.length) {
    return wire::Reason::malformed;
  }
  if (!wire::is_reserved_zero(type, bytes.data())) return wire::Reason::malformed;
  return wire::Reason::none;
}

}  // namespace tradepit
