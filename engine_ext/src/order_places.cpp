#include "tradepit/order_places.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>

namespace tradepit {
namespace {

/// Of what save() writes: these, the segments, the words, and zeros to a multiple of 8.
struct SavedHeader {
  std::uint64_t last_number;
  std::uint64_t word_count;
  std::uint64_t segment_count;
};

}  // namespace

// Twice as many words as are recent: those of a group that is not settled yet overwrite none of
// them, if no group accepts more orders.
OrderPlaces::OrderPlaces(std::uint32_t max_recent) noexcept
    : max_recent_(max_recent),
      words_(std::size_t{2} * std::bit_ceil(max_recent), /*has_large_pages=*/false) {}

void OrderPlaces::settle(const EntryPlace& begin) noexcept {
  if (settled_number_ == last_number_) return;
  for (std::uint64_t number = settled_number_ + 1; number <= last_number_; ++number) {
    std::uint32_t& word = words_[index_of(number)];
    word = word_of(begin.offset + std::uint64_t{word} * 8);
  }
  if (segments_.empty() || segments_.back().first_seq != begin.segment_first_seq) {
    segments_.push_back({settled_number_ + 1, begin.segment_first_seq});
    const std::uint64_t oldest = last_number_ - recent_count() + 1;
    const auto newer = std::find_if(segments_.begin() + 1, segments_.end(),
                                    [=](const Segment& it) { return it.first_number > oldest; });
    segments_.erase(segments_.begin(), newer - 1);
  }
  settled_number_ = last_number_;
}

EntryPlace OrderPlaces::find(std::uint64_t number) const noexcept {
  if (number == 0 || number > settled_number_ || last_number_ - number >= max_recent_) return {};
  const auto after = std::upper_bound(
      segments_.begin(), segments_.end(), number,
      [](std::uint64_t value, const Segment& it) { return value < it.first_number; });
  if (after == segments_.begin()) return {};
  return {(after - 1)->first_seq, std::uint64_t{words_[index_of(number)]} * 8};
}

void OrderPlaces::save(ByteBuffer& out) const noexcept {
  assert(settled_number_ == last_number_);
  out.append(SavedHeader{last_number_, recent_count(), segments_.size()});
  out.append_bytes(std::as_bytes(std::span(segments_)));
  for (std::uint64_t age = recent_count(); age > 0; --age) {
    out.append(words_[index_of(last_number_ - age + 1)]);
  }
  if (recent_count() % 2 != 0) out.append(std::uint32_t{0});
}

bool OrderPlaces::load(std::span<const std::byte> bytes, std::uint64_t last_number) noexcept {
  SavedHeader header;
  if (bytes.size() < sizeof header) return false;
  std::memcpy(&header, bytes.data(), sizeof header);
  bytes = bytes.subspan(sizeof header);
  last_number_ = settled_number_ = last_number;
  if (header.last_number != last_number || header.word_count != recent_count() ||
      header.segment_count > header.word_count ||
      bytes.size() != header.segment_count * sizeof(Segment) +
                          (header.word_count + header.word_count % 2) * sizeof(std::uint32_t)) {
    return false;
  }
  segments_.resize(header.segment_count);
  if (!segments_.empty()) {
    std::memcpy(segments_.data(), bytes.data(), segments_.size() * sizeof(Segment));
  }
  const std::byte* at = bytes.data() + segments_.size() * sizeof(Segment);
  for (std::uint64_t age = recent_count(); age > 0; --age, at += sizeof(std::uint32_t)) {
    std::memcpy(&words_[index_of(last_number - age + 1)], at, sizeof(std::uint32_t));
  }
  return std::ranges::is_sorted(segments_, {}, &Segment::first_number);
}

}  // namespace tradepit
