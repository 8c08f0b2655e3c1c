#include "targets.hpp"

#include <algorithm>
#include <cstring>
#include <memory>

#include "commands.hpp"
#include "tradepit/digest.hpp"
#include "wire_fields.hpp"

namespace fuzz {
namespace {

using tradepit::ByteBuffer;
using tradepit::Engine;

// Of a snapshot: its checksum, its size, and its limits.
constexpr std::size_t checksum_at = 8;
constexpr std::size_t size_at = 16;
constexpr std::size_t limits_at = 32;
constexpr std::size_t limits_end = 56;
constexpr std::size_t snapshot_header_bytes = 100;
constexpr std::uint32_t limit_max = 1'000;  // or the memory is used up, as the limits ask for

void require_sound(const Engine& engine) {
  if (const char* const broken = engine.check(); broken != nullptr) {
    std::fprintf(stderr, "seq %lu: %s\n", engine.seq(), broken);
    std::abort();
  }
}

void require_same_after_restart(const Engine& engine) {
  ByteBuffer written;
  engine.snapshot(written);
  const char* error = nullptr;
  const std::unique_ptr<Engine> restarted = Engine::restore(written.bytes(), error);
  if (restarted == nullptr) std::fprintf(stderr, "not restored again: %s\n", error);
  REQUIRE(restarted != nullptr);
  ByteBuffer again;
  restarted->snapshot(again);
  REQUIRE(std::ranges::equal(again.bytes(), written.bytes()));
}

std::uint64_t word_at(Input bytes, std::size_t offset) {
  std::uint64_t word;
  std::memcpy(&word, bytes.data() + offset, sizeof word);
  return word;
}

}  // namespace

void records(Input input) {
  Engine engine(limits);
  ByteBuffer events;
  ByteBuffer reports;
  ByteBuffer answers;
  const Input whole = input;
  while (tradepit::check_record(input) == wire::Reason::none) {
    const wire::MessageType type = type_of(input);
    const std::size_t length = length_of(input);
    REQUIRE(length >= wire::size_of(type) && input.size() >= length);
    const std::unique_ptr<std::byte[]> record(new std::byte[length]);
    std::memcpy(record.get(), input.data(), length);  // no byte behind it is readable
    if (wire::is_command(type)) {
      engine.apply(record.get(), events, &reports);
      ++applied_count;
      require_sound(engine);
    } else if (is_query(type)) {
      engine.query(record.get(), answers);
    }
    input = input.subspan(length);
  }
  for (std::span<const std::byte> out : {events.bytes(), reports.bytes(), answers.bytes()}) {
    while (!out.empty()) {
      REQUIRE(tradepit::check_record(out) == wire::Reason::none);
      out = out.subspan(length_of(out));
    }
  }
  for (const Record& record : requests_in(whole)) {  // as if all headers had been right
    if (is_query(type_of(record))) engine.query(record.data(), answers);
  }
}

void commands(Input input) {
  const std::vector<Record> stream = commands_in(input);
  applied_count += drive_twins(stream, stream.size() / 2);
}

void snapshot(Input input) {
  if (input.size() < snapshot_header_bytes) return;
  for (std::size_t offset = limits_at; offset < limits_end; offset += 4) {
    std::uint32_t limit;
    std::memcpy(&limit, input.data() + offset, sizeof limit);
    if (limit > limit_max) return;
  }
  const std::size_t size = std::min<std::uint64_t>(word_at(input, size_at), input.size()) / 8 * 8;
  if (size < snapshot_header_bytes) return;
  std::vector<std::byte> bytes(input.begin(), input.begin() + static_cast<std::ptrdiff_t>(size));
  const std::uint64_t size_bytes = size;
  std::memcpy(bytes.data() + size_at, &size_bytes, sizeof size_bytes);
  const std::uint64_t checksum =
      tradepit::chain_digest(tradepit::digest_start, Input(bytes).subspan(size_at));
  std::memcpy(bytes.data() + checksum_at, &checksum, sizeof checksum);

  const char* error = nullptr;
  const std::unique_ptr<Engine> engine = Engine::restore(bytes, error);
  if (engine == nullptr) {
    REQUIRE(error != nullptr);
    return;
  }
  require_sound(*engine);
  require_same_after_restart(*engine);
  ByteBuffer events;
  ByteBuffer reports;
  for (const Record& command : commands_in(input.subspan(size))) {
    engine->apply(command.data(), events, &reports);
    ++applied_count;
    require_sound(*engine);
  }
  require_same_after_restart(*engine);
}

}  // namespace fuzz
