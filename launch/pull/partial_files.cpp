#include "launch/pull/partial_files.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sstream>
#include <utility>

#include "launch/pull/file_name.hpp"
#include "runtime/base/durable_file.hpp"
#include "runtime/base/error.hpp"

namespace troupe::launch::pull {
namespace {

namespace fs = std::filesystem;

// The first record. Records behind it: KEY +BLOCK, KEY -, KEY =SHA256.
const std::string head = "troupe pull 1, blocks of " + std::to_string(PartialFiles::block_bytes) + " bytes";
constexpr std::string_view remedy =
    "free the space or mend the disk, and run it again: it goes on where it was";

[[noreturn]] void fail(const fs::path& file) {
  throw Error(std::string("cannot be written: ") + std::strerror(errno), file.string(), remedy);
}

// Opened and locked. Another process may have ended meanwhile, and have taken the file away.
FileDescriptor lock_journal(const fs::path& folder, const std::function<void()>& in_use) {
  const fs::path name = folder / "journal";
  bool told = false;
  for (;;) {
    std::error_code failure;
    fs::create_directory(folder, failure);
    if (failure)
      throw Error("cannot be made: " + failure.message(), folder.string(), "check the folder's rights");
    FileDescriptor journal(::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
    if (!journal && errno == ENOENT) continue;
    if (!journal) fail(name);
    if (flock(journal.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno == EWOULDBLOCK && !std::exchange(told, true)) in_use();
      await_lock(journal, name, remedy);
    }
    struct stat status {};
    if (fstat(journal.get(), &status) == 0 && status.st_nlink > 0) return journal;
  }
}

}  // namespace

PartialFiles::PartialFiles(const fs::path& folder, const std::function<void()>& in_use)
    : folder_(folder / state_folder) {
  if (fs::is_symlink(folder_)) throw Error("is a link", folder_.string(), "remove it");
  journal_.emplace(lock_journal(folder_, in_use), folder_ / "journal", std::string(remedy));
  journal_->read([&](const std::string& record, RecordFile::Place) { return take(record); });
  if (headed_)
    journal_->cut();  // what a crash has left of a record
  else
    begin_anew();
}

// Whatever was here was written by another version.
void PartialFiles::begin_anew() {
  for (const auto& each : fs::directory_iterator(folder_))
    if (each.path().extension() == ".partial") fs::remove(each.path());
  append(head);
}

bool PartialFiles::take(const std::string& record) {
  if (!headed_) return headed_ = record == head;
  std::istringstream words(record);
  std::string key, what;
  if (!(words >> key >> what)) return false;
  State& state = states_[key];
  if (what == "-")
    state = {};
  else if (what.front() == '=')
    state.sha256 = what.substr(1);
  else
    state.blocks.insert(std::stoull(what.substr(1)));
  return true;
}

// The mutex is held, or nobody else is there yet.
void PartialFiles::append(const std::string& record) {
  journal_->append(framed(record));
  take(record);
}

std::set<std::uint64_t> PartialFiles::blocks(const std::string& key, std::uint64_t size) {
  std::set<std::uint64_t> there;
  {
    const std::lock_guard lock(mutex_);
    there = states_[key].blocks;
  }
  if (there.empty()) return there;
  struct stat status {};
  const std::uint64_t end = std::min((*there.rbegin() + 1) * block_bytes, size);
  if (lstat(file(key).c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
      std::uint64_t(status.st_size) >= end)
    return there;
  forget(key);
  return {};
}

FileDescriptor PartialFiles::open(const std::string& key) const {
  FileDescriptor opened(::open(file(key).c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (!opened) fail(file(key));
  return opened;
}

void PartialFiles::add_block(const std::string& key, std::uint64_t block) {
  const std::lock_guard lock(mutex_);
  append(key + " +" + std::to_string(block));
}

void PartialFiles::forget(const std::string& key) {
  {
    const std::lock_guard lock(mutex_);
    append(key + " -");
  }
  std::error_code gone;
  fs::remove(file(key), gone);
}

void PartialFiles::done(const std::string& key, const std::string& sha256) {
  const std::lock_guard lock(mutex_);
  append(key + " =" + sha256);
}

std::optional<std::string> PartialFiles::sha256_of_done(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = states_.find(key);
  if (found == states_.end() || found->second.sha256.empty()) return std::nullopt;
  return found->second.sha256;
}

void PartialFiles::remove() {
  std::error_code failure;
  fs::remove_all(folder_, failure);  // while it is locked: who waits for it begins anew
  journal_.reset();
  if (failure) fs::remove_all(folder_, failure);  // a network's file system keeps names of open files
  if (failure) throw Error("cannot be removed: " + failure.message(), folder_.string());
}

}  // namespace troupe::launch::pull
