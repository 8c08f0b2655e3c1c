#pragma once
#include <sys/mman.h>

#include <cassert>
#include <cstddef>
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
    void* const data = mmap(nullptr, count * sizeof(T), PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (data == MAP_FAILED) std::abort();
    // Where there are none, nothing is lost.
    if (has_large_pages) (void)madvise(data, count * sizeof(T), MADV_HUGEPAGE);
    data_ = static_cast<T*>(data);
  }

  LazyArray(LazyArray&& other) noexcept { swap(other); }
  LazyArray& operator=(LazyArray&& other) noexcept {
    swap(other);
    return *this;
  }
  LazyArray(const LazyArray&) = delete;
  LazyArray& operator=(const LazyArray&) = delete;
  ~LazyArray() {
    if (data_ != nullptr) munmap(data_, count_ * sizeof(T));
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
  void swap(LazyArray& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(count_, other.count_);
  }

  T* data_ = nullptr;
  std::size_t count_ = 0;
};

}  // namespace tradepit
