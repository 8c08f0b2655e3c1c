#pragma once
#include <sys/mman.h>

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <type_traits>
#include <utility>

namespace tradepit {

/// Asks for memory ahead of its use. The empty statement makes it an effect: without one GCC takes
/// a function that does nothing but ask for one that does nothing, and leaves out the calls of it.
inline void prefetch_memory(const void* address) noexcept {
  __builtin_prefetch(address, 1);
  __asm__ volatile("" : : "r"(address));
}

/// A fixed number of zeroed elements whose pages are taken from the system when first written, so
/// that a generous limit costs address space and not memory.
template <typename T>
class LazyArray {
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

 public:
  LazyArray() noexcept = default;

  /// Ends the process if the system has no address space left. Large pages spare address
  /// translations in what fills up; what stays thinly spread would only take more memory.
  explicit LazyArray(std::size_t count, bool has_large_pages = true) noexcept : count_(count) {
    if (count == 0) return;
    size_bytes_ = count * sizeof(T);
    if (!has_large_pages || size_bytes_ < large_page_bytes) {
      data_ = reinterpret_cast<T*>(reserve(size_bytes_));
      return;
    }
    // Where it does not begin and end with a large page, there would be hundreds of small ones,
    // each taken from the system in the middle of a command.
    size_bytes_ = round_up(size_bytes_);
    char* const begin = reserve(size_bytes_ + large_page_bytes);
    const auto address = reinterpret_cast<std::uintptr_t>(begin);
    const std::size_t before_bytes = round_up(address) - address;
    const std::size_t after_bytes = large_page_bytes - before_bytes;
    if (before_bytes != 0) munmap(begin, before_bytes);
    if (after_bytes != 0) munmap(begin + before_bytes + size_bytes_, after_bytes);
#if defined(MADV_HUGEPAGE)  // where there are no large pages, nothing is lost
    (void)madvise(begin + before_bytes, size_bytes_, MADV_HUGEPAGE);
#endif
    data_ = reinterpret_cast<T*>(begin + before_bytes);
  }

  LazyArray(LazyArray&& other) noexcept { swap(other); }
  LazyArray& operator=(LazyArray&& other) noexcept {
    swap(other);
    return *this;
  }
  LazyArray(const LazyArray&) = delete;
  LazyArray& operator=(const LazyArray&) = delete;
  ~LazyArray() {
    if (data_ != nullptr) munmap(data_, size_bytes_);
  }

  [[nodiscard]] std::size_t count() const noexcept { return count_; }

  /// Asks for the element's memory ahead of its use.
  void prefetch(std::size_t index) const noexcept {
    prefetch_memory(data_ + index);
    constexpr std::size_t line_bytes = 64;
    if constexpr (line_bytes % sizeof(T) != 0) {  // it may reach into another cache line
      prefetch_memory(reinterpret_cast<const char*>(data_ + index) + sizeof(T) - 1);
    }
  }

  [[nodiscard]] T& operator[](std::size_t index) noexcept {
    assert(index < count_);
    return data_[index];
  }
  [[nodiscard]] const T& operator[](std::size_t index) const noexcept {
    assert(index < count_);
    return data_[index];
  }

 private:
  static constexpr std::size_t large_page_bytes = std::size_t{1} << 21;

  [[nodiscard]] static constexpr std::size_t round_up(std::size_t bytes) noexcept {
    return (bytes + large_page_bytes - 1) & ~(large_page_bytes - 1);
  }
  [[nodiscard]] static char* reserve(std::size_t bytes) noexcept {
    void* const data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (data == MAP_FAILED) std::abort();
    return static_cast<char*>(data);
  }

  void swap(LazyArray& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(count_, other.count_);
    std::swap(size_bytes_, other.size_bytes_);
  }

  T* data_ = nullptr;
  std::size_t count_ = 0;
  std::size_t size_bytes_ = 0;  // reserved
};

}  // namespace tradepit
