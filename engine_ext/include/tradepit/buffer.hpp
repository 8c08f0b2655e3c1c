#pragma once
#include <cassert>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <span>
#include <type_traits>
#include <utility>

namespace tradepit {

/// A flat run of bytes that grows at the end and keeps its memory when cleared. Running out of
/// memory ends the process: the journal brings the state back.
class ByteBuffer {
 public:
  ByteBuffer() noexcept = default;
  explicit ByteBuffer(std::size_t capacity_bytes) noexcept { reserve(capacity_bytes); }
  ByteBuffer(ByteBuffer&& other) noexcept { swap(other); }
  ByteBuffer& operator=(ByteBuffer&& other) noexcept {
    swap(other);
    return *this;
  }
  ByteBuffer(const ByteBuffer&) = delete;
  ByteBuffer& operator=(const ByteBuffer&) = delete;
  ~ByteBuffer() { std::free(data_); }

  [[nodiscard]] std::byte* data() noexcept { return data_; }
  [[nodiscard]] const std::byte* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_bytes_; }
  [[nodiscard]] bool empty() const noexcept { return size_bytes_ == 0; }
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return {data_, size_bytes_}; }

  void clear() noexcept { size_bytes_ = 0; }

  /// Drops everything from `size_bytes` on.
  void truncate(std::size_t size_bytes) noexcept {
    assert(size_bytes <= size_bytes_);
    size_bytes_ = size_bytes;
  }

  void reserve(std::size_t capacity_bytes) noexcept {
    if (capacity_bytes > capacity_bytes_) grow(capacity_bytes);
  }

  /// Adds `count` bytes, not yet written, and returns where they begin. The address holds until
  /// the next call that adds.
  [[nodiscard]] std::byte* extend(std::size_t count) noexcept {
    if (capacity_bytes_ - size_bytes_ < count) grow(size_bytes_ + count);
    std::byte* const begin = data_ + size_bytes_;
    size_bytes_ += count;
    return begin;
  }

  template <typename Record>
  void append(const Record& record) noexcept {
    static_assert(std::is_trivially_copyable_v<Record>);
    std::memcpy(extend(sizeof record), &record, sizeof record);
  }

  void append_bytes(std::span<const std::byte> bytes) noexcept {
    if (!bytes.empty()) std::memcpy(extend(bytes.size()), bytes.data(), bytes.size());
  }

  void swap(ByteBuffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_bytes_, other.size_bytes_);
    std::swap(capacity_bytes_, other.capacity_bytes_);
  }

 private:
  void grow(std::size_t needed_bytes) noexcept {
    const std::size_t doubled_bytes = capacity_bytes_ * 2;
    const std::size_t capacity_bytes = needed_bytes > doubled_bytes ? needed_bytes : doubled_bytes;
    void* const data = std::realloc(data_, capacity_bytes);
    if (data == nullptr) std::abort();
    data_ = static_cast<std::byte*>(data);
    capacity_bytes_ = capacity_bytes;
  }

  std::byte* data_ = nullptr;
  std::size_t size_bytes_ = 0;
  std::size_t capacity_bytes_ = 0;
};

}  // namespace tradepit
