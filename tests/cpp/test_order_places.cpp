// Where the journal holds each order's entry: while it is written, over segments, and in snapshots.
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "check.hpp"
#include "tradepit/journal.hpp"
#include "tradepit/replayed_answer.hpp"

namespace {

using namespace tradepit;

constexpr std::uint32_t max_recent = 100;

bool are_same(const OrderPlaces& places, const std::map<std::uint64_t, EntryPlace>& expected) {
  const std::uint64_t last = expected.rbegin()->first;
  for (const auto& [number, place] : expected) {
    const bool is_recent = last - number < max_recent;
    if (places.find(number) != (is_recent ? place : EntryPlace{})) return false;
  }
  return places.find(0) == EntryPlace{} && places.find(last + 1) == EntryPlace{};
}

}  // namespace

TEST(the_places_of_the_last_orders_are_known_over_segments_and_when_they_are_loaded) {
  OrderPlaces places(max_recent);
  std::map<std::uint64_t, EntryPlace> expected;
  std::uint64_t number = 0;
  for (std::uint64_t group = 0; group < 400; ++group) {
    // Few orders to a segment at first, then many; some groups and segments accept none.
    const std::uint64_t segment = 1 + group / (group < 200 ? 3 : 50) * 1'000;
    const EntryPlace begin{segment, 64 + group * 800};
    const std::uint64_t before = number;
    for (std::uint64_t entry = 0; entry < group % 7; ++entry) {
      const std::uint64_t count = entry % 3;  // of orders
      for (std::uint64_t order = 0; order < count; ++order) {
        expected[++number] = {segment, begin.offset + entry * 104};
      }
      places.collect(number, entry * 104);
    }
    if (number > before) CHECK(places.find(number) == EntryPlace{});  // nobody has written it
    places.settle(begin);
    if (number == 0) continue;
    CHECK(are_same(places, expected));

    ByteBuffer saved;
    places.save(saved);
    CHECK(saved.size() % 8 == 0);
    OrderPlaces loaded(max_recent);
    CHECK(loaded.load(saved.bytes(), number));
    CHECK(are_same(loaded, expected));
    ByteBuffer again;
    loaded.save(again);
    CHECK(std::ranges::equal(saved.bytes(), again.bytes()));
    CHECK(!OrderPlaces(max_recent).load(saved.bytes(), number + 1));
    CHECK(!OrderPlaces(max_recent).load(saved.bytes().first(saved.size() - 8), number));
    if (group % 50 == 49) places = std::move(loaded);  // goes on in the place of the one that saved
  }
  CHECK(number > 5 * max_recent);
}

TEST(an_offset_beyond_what_fits_is_no_place) {
  OrderPlaces places(max_recent);
  places.add(1, {1, std::uint64_t{1} << 35});
  places.add(2, {1, (std::uint64_t{1} << 35) - 8});
  CHECK(places.find(1).offset == 0);
  CHECK(places.find(2).offset == (std::uint64_t{1} << 35) - 8);
}

TEST(entries_are_read_where_the_writer_has_put_them) {
  std::string path = std::filesystem::temp_directory_path() / "tradepit-places-XXXXXX";
  CHECK(::mkdtemp(path.data()) != nullptr);
  OrderPlaces places(1'000'000);
  constexpr std::uint64_t entry_count = 120'000;
  wire::NewOrder command;
  wire::OrderAccepted event;
  {
    JournalWriter journal(
        {.directory = path, .segment_bytes = segment_bytes_min, .sync = false, .places = &places},
        JournalEnd{}, 7);
    CHECK(journal.open().empty());
    for (std::uint64_t seq = 1; seq <= entry_count; ++seq) {
      while (!journal.can_append()) journal.hand_over();
      command.client_order_id = event.client_order_id = seq;
      event.seq = event.order_id = seq;
      journal.append(seq, seq, 1, std::as_bytes(std::span(&command, 1)),
                     std::as_bytes(std::span(&event, 1)), seq);
      if (seq % 100 == 0) journal.hand_over();
    }
    journal.close();
  }
  EntryReader reader(path);
  EntryView entry;
  for (std::uint64_t number = entry_count; number > 0; --number) {
    CHECK(reader.read(places.find(number), entry));
    CHECK(entry.header.seq == number);
    command.client_order_id = number;
    ByteBuffer reports;
    CHECK(replay_answer(entry, command, number, reports));
    CHECK(reports.size() == sizeof(wire::ExecutionReport));
  }
  CHECK(places.find(1).segment_first_seq != places.find(entry_count).segment_first_seq);
  CHECK(!reader.read(places.find(entry_count + 1), entry));
  CHECK(!reader.read({places.find(1).segment_first_seq, places.find(1).offset + 8}, entry));
  CHECK(!reader.read({2, sizeof(wire::SegmentHeader)}, entry));  // there is no such segment
  std::filesystem::remove_all(path);
}
