#include "commands.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>

#include "wire_fields.hpp"

namespace fuzz {
namespace {

using tradepit::ByteBuffer;
using tradepit::Engine;

constexpr std::int64_t edges[] = {0,
                                  -1,
                                  1,
                                  200,
                                  201,
                                  1LL << 40,
                                  (1LL << 40) + 1,
                                  1LL << 62,
                                  std::numeric_limits<std::int64_t>::max(),
                                  std::numeric_limits<std::int64_t>::min()};

std::uint64_t usual_value(const Field& field, Random& random, std::uint64_t order_count) {
  switch (field.kind) {
    case FieldKind::price:
      return random.below(6) == 0 ? 0 : 96 + random.below(9);
    case FieldKind::lots:
      return random.below(6) == 0 ? 0 : 1 + random.below(12);
    case FieldKind::units:
      return 1 + random.below(30'000);
    case FieldKind::account:
      return random.below(8) == 0 ? 77 : 1 + random.below(2);
    case FieldKind::order:
      if (random.below(5) == 0) return 0;
      return (std::uint64_t{limits.shard_id} << 48) + order_count -
             random.below(std::min<std::uint64_t>(order_count + 1, 16));
    case FieldKind::client_order:
      return random.below(2) == 0 ? 0 : random.below(24);
    case FieldKind::transfer:
      return 1 + random.below(60);
    case FieldKind::instrument:
      return 1 + random.below(8) / 6;
    case FieldKind::asset:
      return 1 + random.below(2);
    case FieldKind::time:
      return random.below(7);
    case FieldKind::choice:
      return random.below(field.highest + std::uint64_t{1});
    case FieldKind::flags:
      return random.below(2) == 0 ? 0 : random.next() & field.highest;
    default:
      return random.below(4);
  }
}

void set_field(std::byte* record, const Field& field, Random& random, std::uint64_t order_count) {
  if (field.kind == FieldKind::text) {
    record[field.offset + random.below(field.size)] = static_cast<std::byte>(random.below(128));
    return;
  }
  const std::uint64_t value =
      random.below(40) == 0 ? static_cast<std::uint64_t>(edges[random.below(std::size(edges))])
                            : usual_value(field, random, order_count);
  std::memcpy(record + field.offset, &value, field.size);  // little-endian
}

void set_header(Record& record, wire::MessageType type) {
  wire::Header header{wire::version, static_cast<std::uint8_t>(type),
                      static_cast<std::uint16_t>(record.size()), 0};
  std::memcpy(&header.request_id, record.data() + offsetof(wire::Header, request_id), 4);
  std::memcpy(record.data(), &header, sizeof header);
}

/// The record with nothing but its header, its fields and what it repeats: what is reserved is 0.
Record cleaned(const Record& record, wire::MessageType type) {
  Record clean(record.size());
  std::memcpy(clean.data(), record.data(), sizeof(wire::Header));
  for (const Field& field : fields_of(type)) {
    std::memcpy(clean.data() + field.offset, record.data() + field.offset, field.size);
  }
  const std::size_t fixed = wire::size_of(type);
  std::memcpy(clean.data() + fixed, record.data() + fixed, record.size() - fixed);
  return clean;
}

template <typename IsWanted>
std::vector<Record> records_in(std::span<const std::byte> bytes, IsWanted is_wanted) {
  std::vector<Record> out;
  while (bytes.size() >= sizeof(wire::Header)) {
    const wire::MessageType type = type_of(bytes);
    if (!is_wanted(type)) {
      bytes = bytes.subspan(8);
      continue;
    }
    const std::size_t stated = length_of(bytes);
    Record record(wire::is_length_valid(type, stated) ? stated : wire::size_of(type));
    const std::size_t size = std::min(record.size(), bytes.size());
    std::memcpy(record.data(), bytes.data(), size);
    bytes = bytes.subspan(size);
    set_header(record, type);
    if (!wire::is_reserved_zero(type, record.data())) record = cleaned(record, type);
    REQUIRE(tradepit::check_record(record) == wire::Reason::none);
    out.push_back(std::move(record));
  }
  return out;
}

/// One repeated item more, or one less.
void change_item_count(Record& record, const Repeated& repeated, Random& random) {
  const wire::MessageType type = type_of(record);
  const std::size_t count = (record.size() - wire::size_of(type)) / repeated.size;
  if (count < repeated.count_max && random.below(2) == 0) {
    record.resize(record.size() + repeated.size);
    if (count > 0) {  // like the first, so that it makes sense
      std::byte* const items = record.data() + wire::size_of(type);
      std::memcpy(items + count * repeated.size, items, repeated.size);
    }
  } else if (count > 0) {
    record.resize(record.size() - repeated.size);
  }
  set_header(record, type);
}

/// A field of one of the repeated items.
void change_item(Record& record, const Repeated& repeated, Random& random,
                 std::uint64_t order_count) {
  const std::size_t fixed = wire::size_of(type_of(record));
  const std::size_t count = (record.size() - fixed) / repeated.size;
  if (count == 0) return;
  std::byte* const item = record.data() + fixed + random.below(count) * repeated.size;
  set_field(item, repeated.fields[random.below(repeated.fields.size())], random, order_count);
}

void check_events(std::span<const std::byte> events, std::uint32_t count) {
  for (; count > 0; --count) {
    REQUIRE(tradepit::check_record(events) == wire::Reason::none);
    events = events.subspan(length_of(events));
  }
  REQUIRE(events.empty());
}

void require_sound(const Engine& engine) {
  if (const char* const broken = engine.check(); broken != nullptr) {
    std::fprintf(stderr, "seq %lu: %s\n", engine.seq(), broken);
    std::abort();
  }
}

}  // namespace

wire::MessageType type_of(std::span<const std::byte> record) noexcept {
  wire::Header header;
  std::memcpy(&header, record.data(), sizeof header);
  return static_cast<wire::MessageType>(header.type);
}

std::size_t length_of(std::span<const std::byte> record) noexcept {
  wire::Header header;
  std::memcpy(&header, record.data(), sizeof header);
  return header.length;
}

std::vector<Record> commands_in(std::span<const std::byte> bytes) {
  return records_in(bytes, [](wire::MessageType type) { return wire::is_command(type); });
}

std::vector<Record> requests_in(std::span<const std::byte> bytes) {
  return records_in(
      bytes, [](wire::MessageType type) { return wire::is_command(type) || is_query(type); });
}

void change(Record& record, Random& random, std::uint64_t order_count) {
  const std::span<const Field> fields = fields_of(type_of(record));
  const Repeated repeated = repeated_of(type_of(record));
  for (std::uint64_t count = 1 + random.below(3); count > 0; --count) {
    const std::uint64_t die = repeated.size == 0 ? 0 : random.below(10);
    if (die == 1) {
      change_item_count(record, repeated, random);
    } else if (die > 1) {
      change_item(record, repeated, random, order_count);
    } else if (!fields.empty()) {
      set_field(record.data(), fields[random.below(fields.size())], random, order_count);
    }
  }
}

Record make_command(Random& random, std::uint64_t order_count) {
  const wire::MessageType type = command_types[random.below(std::size(command_types))];
  const Repeated repeated = repeated_of(type);
  const std::size_t fixed = wire::size_of(type);
  const std::size_t count = random.below(std::min<std::size_t>(repeated.count_max, 4) + 1);
  Record record(fixed + count * repeated.size);
  set_header(record, type);
  for (const Field& field : fields_of(type)) {
    set_field(record.data(), field, random, order_count);
  }
  for (std::size_t index = 0; index < count; ++index) {
    for (const Field& field : repeated.fields) {
      set_field(record.data() + fixed + index * repeated.size, field, random, order_count);
    }
  }
  return record;
}

void change_stream(std::vector<Record>& commands, Random& random) {
  for (std::uint64_t count = 1 + random.below(4); count > 0; --count) {
    const std::size_t at = commands.empty() ? 0 : random.below(commands.size());
    const auto place = commands.begin() + static_cast<std::ptrdiff_t>(at);
    const std::uint64_t die = random.below(commands.empty() ? 1 : 10);
    if (die == 0) {
      commands.insert(place, make_command(random, commands.size() / 2));
    } else if (die == 1) {
      commands.erase(place);
    } else if (die == 2) {
      std::swap(commands[at], commands[random.below(commands.size())]);
    } else if (die <= 4) {
      Record copy = commands[random.below(commands.size())];
      change(copy, random, commands.size() / 2);
      commands.insert(place, std::move(copy));
    } else {
      change(commands[at], random, commands.size() / 2);
    }
  }
}

std::uint64_t drive_twins(std::span<const Record> commands, std::size_t restore_at) {
  Engine engine(limits);
  std::unique_ptr<Engine> twin = std::make_unique<Engine>(limits);
  ByteBuffer events;
  ByteBuffer reports;
  ByteBuffer twin_events;
  for (std::size_t index = 0; index < commands.size(); ++index) {
    events.clear();
    reports.clear();
    twin_events.clear();
    if (index == restore_at) {
      ByteBuffer snapshot;
      twin->snapshot(snapshot);
      const char* error = nullptr;
      twin = Engine::restore(snapshot.bytes(), error);
      if (twin == nullptr) std::fprintf(stderr, "not restored: %s\n", error);
      REQUIRE(twin != nullptr);
    }
    engine.apply(commands[index].data(), events, &reports);
    twin->apply(commands[index].data(), twin_events, nullptr);
    check_events(events.bytes(), engine.last_event_count());
    REQUIRE(std::ranges::equal(events.bytes(), twin_events.bytes()));
    require_sound(engine);
  }
  REQUIRE(engine.digest() == twin->digest());
  require_sound(*twin);
  ByteBuffer snapshot;
  ByteBuffer twin_snapshot;
  engine.snapshot(snapshot);
  twin->snapshot(twin_snapshot);
  REQUIRE(std::ranges::equal(snapshot.bytes(), twin_snapshot.bytes()));
  return commands.size();
}

}  // namespace fuzz
