#include "bind_simulated_disk.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>
#include <utility>

#include "journal_files.hpp"

namespace tradepit::simulation {
namespace {

/// Not to be taken for one of the system's, and never used again: readers of a world that is gone
/// close their files whenever they are collected.
int next_file = 1'000'000;

SimulatedDisk* installed = nullptr;

std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

int fail(int code) {
  errno = code;
  return -1;
}

const detail::DiskApi simulated_disk{
    .open = [](const char* path, int flags, mode_t) { return installed->open(path, flags); },
    .close = [](int file) { return installed->close(file); },
    .pread = [](int file, void* into, std::size_t size, off_t offset) -> ssize_t {
      return installed->pread(file, into, size, static_cast<std::size_t>(offset));
    },
    .pwrite = [](int file, const void* from, std::size_t size, off_t offset) -> ssize_t {
      return installed->pwrite(file, from, size, static_cast<std::size_t>(offset));
    },
    .fdatasync = [](int file) { return installed->sync(file); },
    .fsync = [](int file) { return installed->sync(file); },
    .posix_fallocate =
        [](int file, off_t offset, off_t size) {
          return installed->allocate(file, static_cast<std::size_t>(offset + size));
        },
    .rename = [](const char* from, const char* to) { return installed->rename(from, to); },
    .unlink = [](const char* path) { return installed->unlink(path); },
    .sync_directory = [](const char*) { return installed->sync_directory(); },
    .list_directory =
        [](const std::string&, std::vector<std::string>& names) {
          names = installed->names();
          return std::string();
        },
    .map = [](const char* path, std::size_t& size) { return installed->map(path, size); },
    .unmap = [](const std::byte*, std::size_t) {},
};

}  // namespace

SimulatedDisk::~SimulatedDisk() {
  if (installed == this) uninstall();
}

void SimulatedDisk::install() {
  installed = this;
  detail::disk = &simulated_disk;
}

void SimulatedDisk::uninstall() { detail::disk = &detail::system_disk; }

void SimulatedDisk::keep_sector(Inode& inode, std::size_t sector) {
  const std::size_t begin = sector * sector_bytes;
  const std::size_t end = std::min(begin + sector_bytes, inode.now.size());
  if (begin >= end) return;
  if (inode.durable.size() < inode.now.size()) inode.durable.resize(inode.now.size());
  std::memcpy(inode.durable.data() + begin, inode.now.data() + begin, end - begin);
}

void SimulatedDisk::cut_power(std::uint64_t seed, unsigned keep_percent, bool in_order) {
  std::mt19937_64 random(seed);
  const auto is_lucky = [&] { return random() % 100 < keep_percent; };
  for (const NameChange& change : unsynced_) {
    if (!is_lucky()) break;  // a file system's journal keeps the order of names
    apply(change, durable_names_);
  }
  unsynced_.clear();
  names_ = durable_names_;
  for (const auto& [name, file] : names_) {
    for (const std::size_t sector : file->dirty) {
      if (is_lucky()) {
        keep_sector(*file, sector);
      } else if (in_order) {
        break;
      }
    }
    file->dirty.clear();
    file->now = file->durable;
  }
  open_files_.clear();
  changes_left_ = syncs_left_ = never;
}

void SimulatedDisk::flip_bit(const std::string& name, std::size_t offset, unsigned bit) {
  Inode& inode = *names_.at(name);
  const auto mask = static_cast<std::byte>(1U << bit);
  inode.now.at(offset) ^= mask;
  if (offset < inode.durable.size()) inode.durable[offset] ^= mask;
}

std::vector<std::string> SimulatedDisk::names() const {
  std::vector<std::string> out;
  for (const auto& [name, file] : names_) out.push_back(name);
  return out;
}

std::string SimulatedDisk::read(const std::string& name, bool durable) const {
  const Inode& inode = *names_.at(name);
  const auto& bytes = durable ? inode.durable : inode.now;
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool SimulatedDisk::takes_change() {
  if (changes_left_ != never && changes_left_ > 0) --changes_left_;
  return changes_left_ > 0;
}

SimulatedDisk::Inode* SimulatedDisk::find(int file) const {
  const auto found = open_files_.find(file);
  return found == open_files_.end() ? nullptr : found->second.get();
}

int SimulatedDisk::open(const std::string& path, int flags) {
  const std::string name = name_of(path);
  auto found = names_.find(name);
  if ((flags & O_CREAT) != 0) {
    if (!takes_change()) return fail(EIO);
    if (found == names_.end()) {
      change({.removed = "", .added = name, .file = std::make_shared<Inode>()});
      found = names_.find(name);
    }
  }
  if (found == names_.end()) return fail(ENOENT);
  if ((flags & O_TRUNC) != 0) {
    found->second->now.clear();
    found->second->dirty.clear();
  }
  open_files_[next_file] = found->second;
  return next_file++;
}

int SimulatedDisk::close(int file) { return open_files_.erase(file) == 1 ? 0 : fail(EBADF); }

long SimulatedDisk::pread(int file, void* into, std::size_t size, std::size_t offset) {
  const Inode* inode = find(file);
  if (inode == nullptr) return fail(EBADF);
  if (offset >= inode->now.size()) return 0;
  const std::size_t count = std::min(size, inode->now.size() - offset);
  std::memcpy(into, inode->now.data() + offset, count);
  return static_cast<long>(count);
}

long SimulatedDisk::pwrite(int file, const void* from, std::size_t size, std::size_t offset) {
  Inode* inode = find(file);
  if (inode == nullptr) return fail(EBADF);
  if (changes_left_ == 0) return fail(EIO);
  if (offset + size > inode->now.size()) inode->now.resize(offset + size);
  std::memcpy(inode->now.data() + offset, from, size);
  for (std::size_t sector = offset / sector_bytes; sector * sector_bytes < offset + size;
       ++sector) {
    inode->dirty.insert(inode->dirty.end(), sector);
  }
  // Cut in the midst of a write: any of its sectors may have arrived.
  return takes_change() ? static_cast<long>(size) : fail(EIO);
}

int SimulatedDisk::sync(int file) {
  Inode* inode = find(file);
  if (inode == nullptr) return fail(EBADF);
  if (!takes_change()) return fail(EIO);
  ++sync_count_;
  if (syncs_left_ != never && syncs_left_-- == 0) {
    inode->dirty.clear();
    return fail(EIO);
  }
  inode->durable.resize(inode->now.size());
  for (const std::size_t sector : inode->dirty) keep_sector(*inode, sector);
  inode->dirty.clear();
  return 0;
}

int SimulatedDisk::allocate(int file, std::size_t size) {
  Inode* inode = find(file);
  if (inode == nullptr) return EBADF;
  if (!takes_change()) return EIO;
  std::uint64_t used_bytes = 0;
  for (const auto& [name, other] : names_) used_bytes += other->now.size();
  if (used_bytes - inode->now.size() + size > capacity_bytes_) return ENOSPC;
  inode->now.resize(std::max(size, inode->now.size()));
  return 0;
}

void SimulatedDisk::apply(const NameChange& change, Names& names) {
  if (!change.removed.empty()) names.erase(change.removed);
  if (!change.added.empty()) names[change.added] = change.file;
}

void SimulatedDisk::change(NameChange change) {
  apply(change, names_);
  unsynced_.push_back(std::move(change));
}

int SimulatedDisk::rename(const std::string& from, const std::string& to) {
  const auto found = names_.find(name_of(from));
  if (found == names_.end()) return fail(ENOENT);
  if (!takes_change()) return fail(EIO);
  change({.removed = found->first, .added = name_of(to), .file = found->second});
  return 0;
}

int SimulatedDisk::unlink(const std::string& path) {
  const auto found = names_.find(name_of(path));
  if (found == names_.end()) return fail(ENOENT);
  if (!takes_change()) return fail(EIO);
  change({.removed = found->first, .added = "", .file = nullptr});
  return 0;
}

int SimulatedDisk::sync_directory() {
  if (!takes_change()) return fail(EIO);
  ++sync_count_;
  for (const NameChange& change : unsynced_) apply(change, durable_names_);
  unsynced_.clear();
  return 0;
}

const std::byte* SimulatedDisk::map(const std::string& path, std::size_t& size) {
  size = 0;
  const auto found = names_.find(name_of(path));
  if (found == names_.end()) {
    errno = ENOENT;
    return nullptr;
  }
  size = found->second->now.size();
  return size == 0 ? nullptr : found->second->now.data();
}

}  // namespace tradepit::simulation
