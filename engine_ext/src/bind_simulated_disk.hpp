#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

/// A disk in memory for tests: it keeps what was written apart from what was synced, and at a power
/// cut loses any part of the difference, sector by sector. One folder; one disk at a time.
namespace tradepit::simulation {

inline constexpr std::size_t sector_bytes = 512;

class SimulatedDisk {
 public:
  SimulatedDisk() = default;
  ~SimulatedDisk();
  SimulatedDisk(const SimulatedDisk&) = delete;
  SimulatedDisk& operator=(const SimulatedDisk&) = delete;

  /// From here on the journal's files are on this disk; until uninstall().
  void install();
  static void uninstall();

  /// The power goes: of each file's unsynced sectors, `keep_percent` survive; or, `in_order`, those
  /// before the first that does not. Of unsynced names a prefix survives. Closes every file.
  void cut_power(std::uint64_t seed, unsigned keep_percent, bool in_order);
  /// The power goes by itself after so many more changes: whoever goes on gets EIO for everything,
  /// until cut_power() makes up its mind and turns the power on again.
  void cut_after(std::uint64_t change_count) { changes_left_ = change_count; }
  /// A sync that is due after so many others fails. As Linux does, it then calls the pages clean:
  /// they can be read, and no later sync writes them.
  void fail_sync_after(std::uint64_t sync_count) { syncs_left_ = sync_count; }
  void set_capacity(std::uint64_t bytes) { capacity_bytes_ = bytes; }
  void flip_bit(const std::string& name, std::size_t offset, unsigned bit);

  [[nodiscard]] bool is_cut() const { return changes_left_ == 0; }
  [[nodiscard]] std::vector<std::string> names() const;
  /// What a reader sees, or what would be left of it.
  [[nodiscard]] std::string read(const std::string& name, bool durable) const;
  [[nodiscard]] std::uint64_t sync_count() const { return sync_count_; }

  // The journal's calls.
  int open(const std::string& path, int flags);
  int close(int file);
  long pread(int file, void* into, std::size_t size, std::size_t offset);
  long pwrite(int file, const void* from, std::size_t size, std::size_t offset);
  int sync(int file);
  int allocate(int file, std::size_t size);
  int rename(const std::string& from, const std::string& to);
  int unlink(const std::string& path);
  int sync_directory();
  const std::byte* map(const std::string& path, std::size_t& size);

 private:
  struct Inode {
    std::vector<std::byte> now;
    std::vector<std::byte> durable;
    std::set<std::size_t> dirty;  // sectors that a sync would write
  };
  using File = std::shared_ptr<Inode>;
  struct NameChange {
    std::string removed;
    std::string added;
    File file;
  };
  using Names = std::map<std::string, File>;

  [[nodiscard]] bool takes_change();
  [[nodiscard]] Inode* find(int file) const;
  static void apply(const NameChange& change, Names& names);
  void change(NameChange change);
  static void keep_sector(Inode& inode, std::size_t sector);

  static constexpr std::uint64_t never = ~0ULL;

  Names names_;
  Names durable_names_;
  std::vector<NameChange> unsynced_;
  std::map<int, File> open_files_;
  std::uint64_t changes_left_ = never;
  std::uint64_t syncs_left_ = never;
  std::uint64_t capacity_bytes_ = never;
  std::uint64_t sync_count_ = 0;
};

}  // namespace tradepit::simulation
