// fuzz_soak SEED COMMANDS FILE...: plays recorded command streams, then goes on with commands that
// are drawn from them and changed, as many as asked. A second engine is restored from the first
// one's snapshots and has to agree in every byte. Prints what happened and digests of all events
// and reports: another compiler or optimization has to print the same.
#include <algorithm>
#include <cinttypes>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "commands.hpp"
#include "tradepit/digest.hpp"
#include "wire_fields.hpp"

namespace {

using fuzz::Record;
using tradepit::ByteBuffer;
using tradepit::Engine;
namespace wire = tradepit::wire;

constexpr std::uint64_t episode_commands = 4'000;
// Assets, instruments, accounts, switches, states, the first funds.
constexpr std::uint64_t opening_min = 18;
constexpr std::uint64_t check_every = 64;
constexpr std::uint64_t restore_every = 997;

bool is_trading(wire::MessageType type) {
  return type == wire::MessageType::new_order || type == wire::MessageType::cancel_order ||
         type == wire::MessageType::replace_order;
}

class Soak {
 public:
  Soak(std::uint64_t seed, std::vector<std::vector<Record>> streams)
      : random_(seed), streams_(std::move(streams)) {}

  /// One engine from its first command on: a recorded stream, then what is drawn from all of them.
  void run_episode(std::uint64_t commands) {
    engine_ = std::make_unique<Engine>(fuzz::limits);
    twin_ = std::make_unique<Engine>(fuzz::limits);
    order_count_ = 0;
    const std::vector<Record>& opening = streams_[random_.below(streams_.size())];
    // Not always to its end: what is drawn after it finds a book in any state.
    const std::uint64_t opening_count = std::min(
        {commands, std::uint64_t{opening.size()}, opening_min + random_.below(opening.size())});
    for (std::uint64_t index = 0; index < opening_count; ++index) apply(opening[index]);
    std::size_t stream = 0;
    std::size_t position = 0;
    for (std::uint64_t index = opening_count; index < commands; ++index) {
      if (random_.below(8) == 0) {
        stream = random_.below(streams_.size());
        position = random_.below(streams_[stream].size());
      }
      if (random_.below(8) == 0) {
        apply(opening[random_.below(
            opening_min)]);  // what halted or suspended goes on, funds come back
        continue;
      }
      Record record = streams_[stream][position++ % streams_[stream].size()];
      // An instrument that is halted and an account without funds refuse everything: rarely so.
      if (random_.below(is_trading(fuzz::type_of(record)) ? 3 : 20) == 0) {
        fuzz::change(record, random_, order_count_);
      } else if (random_.below(8) > 0) {
        aim(record);
      }
      apply(record);
    }
    require_sound(*engine_);
    require_sound(*twin_);
    add(digest_, engine_->digest());
  }

  void print() const {
    std::printf("commands %" PRIu64 "\nevents digest %016" PRIx64 "\nreports digest %016" PRIx64
                "\n",
                command_count_, digest_, reports_digest_);
    for (std::size_t type = 0; type < std::size(event_counts_); ++type) {
      if (event_counts_[type] == 0) continue;
      std::printf("%s %" PRIu64 "\n", fuzz::name_of(static_cast<wire::MessageType>(type)),
                  event_counts_[type]);
    }
    for (std::size_t reason = 0; reason < std::size(reason_counts_); ++reason) {
      if (reason_counts_[reason] == 0) continue;
      std::printf("rejected for reason %zu: %" PRIu64 "\n", reason, reason_counts_[reason]);
    }
  }

 private:
  static void add(std::uint64_t& digest, std::uint64_t word) {
    digest = tradepit::chain_digest(digest, std::as_bytes(std::span(&word, 1)));
  }

  void require_sound(const Engine& engine) const {
    if (const char* const broken = engine.check(); broken != nullptr) {
      std::fprintf(stderr, "command %" PRIu64 ": %s\n", command_count_, broken);
      std::abort();
    }
  }

  /// Makes a command about an order of its recorded run one about an order of this run.
  void aim(Record& record) {
    const std::span<const fuzz::Field> fields = fuzz::fields_of(fuzz::type_of(record));
    const auto names_order = [&](const fuzz::Field& field) {
      constexpr std::uint64_t none = 0;
      return field.kind == fuzz::FieldKind::order &&
             std::memcmp(record.data() + field.offset, &none, field.size) != 0;
    };
    if (order_count_ == 0 || std::ranges::none_of(fields, names_order)) return;
    const Accepted& order = accepted_[random_.below(std::min(order_count_, accepted_max))];
    for (const fuzz::Field& field : fields) {
      if (names_order(field)) {
        std::memcpy(record.data() + field.offset, &order.order_id, field.size);
      } else if (field.kind == fuzz::FieldKind::account) {
        std::memcpy(record.data() + field.offset, &order.account_id, field.size);
      }
    }
  }

  void remember(std::span<const std::byte> event) {
    wire::OrderAccepted accepted;
    std::memcpy(&accepted, event.data(), sizeof accepted);
    accepted_[order_count_++ % accepted_max] = {accepted.order_id, accepted.account_id};
  }

  void apply(const Record& record) {
    ++command_count_;
    if (command_count_ % restore_every == 0) {
      snapshot_.clear();
      engine_->snapshot(snapshot_);
      const char* error = nullptr;
      twin_ = Engine::restore(snapshot_.bytes(), error);
      if (twin_ == nullptr) std::fprintf(stderr, "not restored: %s\n", error);
      REQUIRE(twin_ != nullptr);
    }
    events_.clear();
    reports_.clear();
    twin_events_.clear();
    engine_->apply(record.data(), events_, &reports_);
    twin_->apply(record.data(), twin_events_, nullptr);
    REQUIRE(std::ranges::equal(events_.bytes(), twin_events_.bytes()));
    reports_digest_ = tradepit::chain_digest(reports_digest_, reports_.bytes());
    std::span<const std::byte> rest = events_.bytes();
    while (!rest.empty()) {
      const wire::MessageType type = fuzz::type_of(rest);
      ++event_counts_[static_cast<std::size_t>(type)];
      if (type == wire::MessageType::order_accepted) remember(rest);
      if (type == wire::MessageType::order_rejected) {
        ++reason_counts_[static_cast<std::uint8_t>(rest[offsetof(wire::OrderRejected, reason)])];
      }
      REQUIRE(tradepit::check_record(rest) == wire::Reason::none);
      rest = rest.subspan(fuzz::length_of(rest));
    }
    if (command_count_ % check_every == 0) require_sound(*engine_);
  }

  struct Accepted {
    std::uint64_t order_id;
    std::uint64_t account_id;
  };
  static constexpr std::uint64_t accepted_max = 12;  // the youngest, most of them still open

  fuzz::Random random_;
  Accepted accepted_[accepted_max] = {};
  std::vector<std::vector<Record>> streams_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Engine> twin_;
  ByteBuffer events_;
  ByteBuffer reports_;
  ByteBuffer twin_events_;
  ByteBuffer snapshot_;
  std::uint64_t order_count_ = 0;  // that the engine at work accepted
  std::uint64_t command_count_ = 0;
  std::uint64_t digest_ = tradepit::digest_start;
  std::uint64_t reports_digest_ = tradepit::digest_start;
  std::uint64_t event_counts_[256] = {};
  std::uint64_t reason_counts_[256] = {};
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: fuzz_soak SEED COMMANDS FILE...\n");
    return 2;
  }
  std::vector<std::vector<Record>> streams;
  for (int index = 3; index < argc; ++index) {
    std::ifstream file(argv[index], std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    streams.push_back(fuzz::commands_in(std::as_bytes(std::span(text))));
    REQUIRE(streams.back().size() >= opening_min);
  }
  Soak soak(std::strtoull(argv[1], nullptr, 10), std::move(streams));
  std::uint64_t left = std::strtoull(argv[2], nullptr, 10);
  while (left > 0) {
    const std::uint64_t count = std::min(left, episode_commands);
    soak.run_episode(count);
    left -= count;
  }
  soak.print();
}
