// The journal's writer, its follower and the scan, with real files and threads.
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "check.hpp"
#include "tradepit/journal.hpp"

namespace {

using namespace tradepit;

constexpr std::uint32_t shard_id = 3;
constexpr std::uint64_t genesis_digest = 42;
constexpr std::uint64_t mebibyte = 1ULL << 20;

/// A new folder, removed at the end.
struct Folder {
  std::string path;
  Folder() {
    std::string pattern = std::filesystem::temp_directory_path() / "tradepit-journal-XXXXXX";
    CHECK(::mkdtemp(pattern.data()) != nullptr);
    path = pattern;
  }
  ~Folder() { std::filesystem::remove_all(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
};

/// What entry `seq` holds: its own function, so that readers can tell.
std::vector<std::byte> body_of(std::uint64_t seq, std::uint64_t size) {
  std::vector<std::byte> out(size, static_cast<std::byte>(seq * 37 + 1));
  wire::Header header{};
  header.length = sizeof header;
  std::memcpy(out.data(), &header, sizeof header);
  return out;
}

std::uint64_t size_of_entry(std::uint64_t seq) {
  std::mt19937_64 random(seq);
  if (seq % 997 == 0) return (entry_bytes_max - sizeof(wire::JournalEntry)) / 8 * 8;
  return 8 * (2 + random() % (seq % 50 == 0 ? 8000 : 40));
}

void append(JournalWriter& journal, std::uint64_t seq) {
  const auto body = body_of(seq, size_of_entry(seq));
  const std::span<const std::byte> bytes(body);
  journal.append(seq, seq * 11, 1, bytes.first(8), bytes.subspan(8));
}

/// Waits as the hot loop does: for a commit, or for the next segment.
void wait_for_journal(JournalWriter& journal) {
  pollfd item{journal.committed().fd(), POLLIN, 0};
  CHECK(::poll(&item, 1, 10'000) == 1);
  journal.committed().clear();
}

JournalEnd scan(const std::string& path, std::uint64_t first_seq = 1) {
  std::uint64_t seq = first_seq;
  const JournalEnd end = scan_journal(path, shard_id, genesis_digest, [&](const EntryView& entry) {
    const auto body = body_of(seq, size_of_entry(seq));
    CHECK(entry.header.seq == seq && entry.header.digest == seq * 11);
    CHECK(entry.header.commit_first_seq <= seq);
    CHECK(std::equal(entry.events.begin(), entry.events.end(), body.begin() + 8, body.end()));
    ++seq;
    return std::string();
  });
  if (!end.error.empty()) std::fprintf(stderr, "%s\n", end.error.c_str());
  CHECK(end.error.empty());
  return end;
}

/// Follows the writer until `last_seq`, and checks every entry.
void follow(const std::string& path, JournalWriter& journal, std::uint64_t next_seq,
            const std::atomic<std::uint64_t>& last_seq) {
  JournalReader reader(path, shard_id);
  CHECK(reader.seek(next_seq).empty());
  while (reader.next_seq() <= last_seq.load()) {
    std::string error;
    const std::string batch = reader.next_batch(journal.committed_seq(), 64 * 1024, error);
    if (!error.empty()) std::fprintf(stderr, "%s\n", error.c_str());
    CHECK(error.empty());
    if (batch.empty()) {
      pollfd item{journal.followed().fd(), POLLIN, 0};
      ::poll(&item, 1, 1);
      continue;
    }
    for (std::uint64_t at = sizeof(wire::CommitBatchHeader); at < batch.size(); ++next_seq) {
      wire::JournalEntry entry;
      std::memcpy(&entry, batch.data() + at, sizeof entry);
      CHECK(entry.seq == next_seq && entry.digest == next_seq * 11);
      at += entry.length;
    }
    CHECK(reader.next_seq() == next_seq && reader.digest() == (next_seq - 1) * 11);
  }
}

}  // namespace

TEST(a_journal_is_written_followed_closed_and_opened_again_with_other_segment_sizes) {
  const Folder folder;
  std::mt19937_64 random(7);
  std::uint64_t seq = 0;
  for (const std::uint64_t segment_mib : {16U, 32U, 16U, 64U, 17U}) {
    const JournalEnd end = scan(folder.path);
    CHECK(end.last_seq == seq && end.torn_bytes == 0);
    JournalWriter journal({.directory = folder.path,
                           .shard_id = shard_id,
                           .segment_bytes = segment_mib * mebibyte,
                           .sync = segment_mib != 32},
                          end, genesis_digest);
    CHECK(journal.open().empty());
    std::atomic<std::uint64_t> last_seq{~std::uint64_t{0}};
    std::thread follower(
        [&, next_seq = seq + 1] { follow(folder.path, journal, next_seq, last_seq); });
    const std::uint64_t until = seq + 3000;
    while (seq < until) {
      if (!journal.can_append()) {
        journal.hand_over();
        if (!journal.can_append()) wait_for_journal(journal);
        continue;
      }
      append(journal, ++seq);
      const std::uint64_t dice = random() % 100;
      if (dice < 5) journal.commit_inline();
      if (dice >= 90) journal.hand_over();
      CHECK(!journal.has_failed());
    }
    last_seq = seq;
    journal.close();
    follower.join();
    CHECK(journal.committed_seq() == seq);
  }
  CHECK(scan(folder.path).last_seq == seq);
}

TEST(an_empty_newest_segment_takes_the_largest_group) {
  const Folder folder;
  const auto open = [&](std::uint64_t segment_mib) {
    return std::make_unique<JournalWriter>(JournalConfig{.directory = folder.path,
                                                         .shard_id = shard_id,
                                                         .segment_bytes = segment_mib * mebibyte,
                                                         .sync = false},
                                           scan(folder.path), genesis_digest);
  };
  {  // a stop before the first entry leaves an empty segment
    const auto journal = open(16);
    CHECK(journal->open().empty());
  }
  const auto journal = open(64);
  CHECK(journal->open().empty());
  JournalReader reader(folder.path, shard_id);
  CHECK(reader.seek(1).empty());
  while (journal->committed_seq() == 0) {  // a group as large as they get
    std::uint64_t seq = 0;
    while (journal->can_append()) append(*journal, ++seq);
    journal->commit_inline();
    CHECK(journal->committed_seq() == seq);
  }
  std::string error;
  while (reader.next_seq() <= journal->committed_seq()) {
    CHECK(!reader.next_batch(journal->committed_seq(), mebibyte, error).empty() || !error.empty());
    if (!error.empty()) std::fprintf(stderr, "%s\n", error.c_str());
    CHECK(error.empty());
  }
}

TEST(a_prepared_segment_that_was_left_behind_and_foreign_files_are_no_matter) {
  const Folder folder;
  for (const char* name : {"next.segment", "lock", "00000000000000000001.journal.bak",
                           "99999999999999999999.journal", "x.journal", "README"}) {
    std::FILE* const file = std::fopen((folder.path + "/" + name).c_str(), "w");
    CHECK(file != nullptr);
    std::fputs("not a journal", file);
    std::fclose(file);
  }
  JournalWriter journal({.directory = folder.path,
                         .shard_id = shard_id,
                         .segment_bytes = segment_bytes_min,
                         .sync = true},
                        scan(folder.path), genesis_digest);
  CHECK(journal.open().empty());
  append(journal, 1);
  journal.commit_inline();
  journal.close();
  CHECK(scan(folder.path).last_seq == 1);
}
