#include "actors/edge/retries/journal_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "runtime/base/durable_file.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/log.hpp"

namespace troupe::actors::edge {
namespace {

namespace fs = std::filesystem;

constexpr const char* remedy = "make room on its disk, or give another --journal";

Error failure(const std::string& what, const fs::path& where) {
  return Error(what + std::strerror(errno), where.string(), remedy);
}

fs::path made(fs::path folder) {
  if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) throw failure("cannot be made: ", folder);
  if (!fs::is_directory(folder)) throw Error("is no folder", folder.string(), "give another --journal");
  return folder;
}

std::string end_frame(const std::string& id, RequestChange end) {
  return framed(journal_bytes({end, {.id = id}}));
}

}  // namespace

JournalFile::JournalFile(fs::path folder)
    : folder_(made(std::move(folder))), lock_(lock()), file_(open_file(name), folder_ / name, remedy) {
  std::error_code none;
  fs::remove(folder_ / new_name, none);
  read();
  if (file_.end() == 0) begin();
}

FileDescriptor JournalFile::open_file(const char* file, int flags) const {
  FileDescriptor opened(
      open((folder_ / file).c_str(), flags | O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!opened) throw failure("cannot be opened: ", folder_ / file);
  return opened;
}

// The lock has a file of its own: another takes the journal's place when it is written anew.
FileDescriptor JournalFile::lock() const {
  FileDescriptor locked = open_file(lock_name);
  lock_file(locked, folder_, "let it end, or give another --journal");
  return locked;
}

std::uint64_t JournalFile::header_bytes() {
  static const std::uint64_t bytes = framed(format).size();
  return bytes;
}

// The header is safe before any other record is written: what is no longer than it holds no request.
void JournalFile::begin() {
  if (file_.size() > header_bytes())
    throw Error("is no journal of requests, or damaged at its beginning", (folder_ / name).string(),
                "move it away, or give another --journal");
  file_.append(framed(format));
  folder_is_safe_ = false;
  sync();
}

void JournalFile::read() {
  file_.read([&](const std::string& bytes, RecordFile::Place place) {
    if (place.offset == 0) {
      if (bytes != format)
        throw Error("is of another version of the program", (folder_ / name).string(),
                    "let that version end its requests, or move the file away");
      return true;
    }
    const std::optional<JournalRecord> record = read_journal_record(bytes);
    if (record) apply(*record, place);
    return record.has_value();
  });
  if (file_.end() > 0 && file_.size() > file_.end()) {
    log_event(LogLevel::warning, "journal_cut",
              {{"file", (folder_ / name).string()},
               {"at_byte", file_.end()},
               {"bytes_ignored", file_.size() - file_.end()}});
    file_.cut();
  }
}

std::vector<std::string> JournalFile::ids() const {
  std::vector<std::string> ids;
  for (auto& [id, live] : in_order()) ids.push_back(id);
  return ids;
}

FoundRequest JournalFile::request(const std::string& id) const {
  std::optional<JournalRecord> record = read_journal_record(file_.record(live_.at(id).begun));
  if (!record) throw Error("was changed by somebody else", (folder_ / name).string(), remedy);
  if (live_.at(id).end == RequestChange::failed) record->request.idempotency_key.clear();
  return {std::move(record->request), finished(id)};
}

void JournalFile::apply(const JournalRecord& record, RecordFile::Place place) {
  const std::string& id = record.request.id;
  if (record.change == RequestChange::finished || record.change == RequestChange::failed) {
    const auto live = live_.find(id);
    if (live == live_.end() || live->second.end_bytes > 0) return;
    live->second.end_bytes = place.bytes;
    live->second.end = record.change;
    live_bytes_ += place.bytes;
    return;
  }
  forget(id);
  if (record.change == RequestChange::dropped) return;
  live_[id] = {place};
  live_bytes_ += place.bytes;
}

void JournalFile::forget(const std::string& id) {
  const auto live = live_.find(id);
  if (live == live_.end()) return;
  live_bytes_ -= live->second.begun.bytes + live->second.end_bytes;
  live_.erase(live);
}

void JournalFile::write(const std::vector<JournalRecord>& records) {
  std::string frames;
  std::vector<RecordFile::Place> places;
  for (const JournalRecord& each : records) {
    const std::string frame = framed(journal_bytes(each));
    places.push_back({file_.end() + frames.size(), frame.size()});
    frames += frame;
  }
  file_.append(frames);
  for (std::size_t i = 0; i < records.size(); ++i) apply(records[i], places[i]);
}

void JournalFile::sync() {
  file_.sync();
  if (!folder_is_safe_) sync_folder(folder_, remedy);
  folder_is_safe_ = true;
}

std::vector<std::pair<std::string, JournalFile::Live>> JournalFile::in_order() const {
  std::vector<std::pair<std::string, Live>> all(live_.begin(), live_.end());
  std::ranges::sort(all, {}, [](const auto& each) { return each.second.begun.offset; });
  return all;
}

// Gives each its place in that file. One that the disk has not kept is left out.
RecordFile JournalFile::write_anew(std::vector<std::pair<std::string, Live>>& live) const {
  RecordFile fresh(open_file(new_name, O_TRUNC), folder_ / name, remedy);
  fresh.append(framed(format));
  std::erase_if(live, [&](auto& entry) {
    auto& [id, each] = entry;
    std::optional<std::string> frames = file_.frame(each.begun);
    if (!frames) {
      log_event(LogLevel::error, "journal_lost", {{"file", (folder_ / name).string()}, {"generation", id}});
      return true;
    }
    each.begun.offset = fresh.end();
    if (each.end_bytes > 0) *frames += end_frame(id, each.end);
    each.end_bytes = frames->size() - each.begun.bytes;
    fresh.append(*frames);
    return false;
  });
  fresh.sync();
  return fresh;
}

void JournalFile::compact() {
  auto live = in_order();
  try {
    RecordFile fresh = write_anew(live);
    if (rename((folder_ / new_name).c_str(), (folder_ / name).c_str()) != 0)
      throw failure("cannot be put in its place: ", folder_ / new_name);
    file_ = std::move(fresh);
  } catch (const Error&) {
    std::error_code none;
    fs::remove(folder_ / new_name, none);
    throw;
  }
  live_ = {live.begin(), live.end()};
  live_bytes_ = file_.end() - header_bytes();
  folder_is_safe_ = false;
  sync();
}

}  // namespace troupe::actors::edge
