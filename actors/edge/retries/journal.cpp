#include "actors/edge/retries/journal.hpp"

#include <algorithm>

#include "runtime/base/log.hpp"

namespace troupe::actors::edge {
namespace {

std::vector<std::string> unfinished_first(const JournalFile& file) {
  std::vector<std::string> ids = file.ids();
  const auto ended = std::ranges::stable_partition(ids, [&](const auto& id) { return !file.finished(id); });
  std::ranges::reverse(ended);
  return ids;
}

}  // namespace

Journal::Sync Journal::sync_of(const config::JournalSettings& settings) {
  if (settings.fsync == "always") return Sync::always;
  return settings.fsync == "never" ? Sync::never : Sync::interval;
}

Journal::Journal(const config::JournalSettings& settings, std::uint64_t most_dropped)
    : sync_(sync_of(settings)),
      most_dropped_(most_dropped),
      file_(settings.folder),
      found_(unfinished_first(file_)),
      thread_([this] { run(); }) {}

Journal::~Journal() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Journal::each_found(const std::function<void(Found)>& take) {
  for (const std::string& id : std::exchange(found_, {})) {
    std::optional<Found> found;
    {
      const std::lock_guard lock(file_mutex_);
      if (file_.has(id)) found = file_.request(id);
    }
    if (found) take(std::move(*found));
  }
}

void Journal::begin(KeptRequest request, std::function<void()> durable) {
  add({{RequestChange::begun, std::move(request)}, std::move(durable)});
}

void Journal::finished(const std::string& id, bool failed) {
  add({{failed ? RequestChange::failed : RequestChange::finished, {.id = id}}});
}

void Journal::dropped(const std::string& id) {
  add({{RequestChange::dropped, {.id = id}}});
}

void Journal::add(Entry entry) {
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(entry));
  }
  changed_.notify_all();
}

void Journal::run() {
  for (std::unique_lock lock(mutex_);;) {
    wait(lock);
    if (waiting_.empty() && stopping_) break;
    std::vector<Entry> group = take_group();
    lock.unlock();
    {
      const std::lock_guard file(file_mutex_);
      write(group);
      if (sync_ == Sync::always || (sync_ == Sync::interval && now() >= next_sync_)) sync();
    }
    for (const Entry& each : group)
      if (each.durable) each.durable();
    compact();
    group.clear();  // whatever the callbacks hold
    lock.lock();
  }
  const std::lock_guard file(file_mutex_);
  std::vector<Entry> none;
  write(none);  // what is owed
  if (sync_ != Sync::never) sync();
}

void Journal::wait(std::unique_lock<std::mutex>& lock) {
  const auto called = [this] { return stopping_ || !waiting_.empty(); };
  if (!owed_.empty())
    changed_.wait_until(lock, next_write_, called);
  else if (unsynced_ && sync_ != Sync::never)
    changed_.wait_until(lock, next_sync_, called);
  else
    changed_.wait(lock, called);
}

std::vector<Journal::Entry> Journal::take_group() {
  std::vector<Entry> group;
  for (std::size_t bytes = 0; !waiting_.empty() && bytes < most_group_bytes; waiting_.pop_front()) {
    bytes += waiting_.front().record.request.body.size();
    group.push_back(std::move(waiting_.front()));
  }
  return group;
}

void Journal::write(std::vector<Entry>& group) {
  if (group.empty() && owed_.empty()) return;
  std::vector<JournalRecord> records = std::exchange(owed_, {});
  for (Entry& each : group) records.push_back(std::move(each.record));
  try {
    file_.write(records);
    if (!unsynced_) next_sync_ = now() + sync_interval;
    unsynced_ = true;
    went_well(write_fails_);
  } catch (const Error& error) {
    failed(write_fails_, error);
    next_write_ = now() + sync_interval;
    for (JournalRecord& each : records)
      if (each.change != RequestChange::begun && file_.has(each.request.id)) owed_.push_back(std::move(each));
  }
}

void Journal::sync() {
  if (!unsynced_) return;
  next_sync_ = now() + sync_interval;
  try {
    sync_fails_ ? file_.compact() : file_.sync();
    unsynced_ = false;
    went_well(sync_fails_);
  } catch (const Error& error) {
    failed(sync_fails_, error);
  }
}

void Journal::compact() {
  const std::lock_guard lock(file_mutex_);
  const std::uint64_t dropped = file_.dropped_bytes();
  if (dropped <= most_dropped_ + spared_ || dropped <= file_.bytes() / 2) return;
  try {
    file_.compact();
    spared_ = 0;
    went_well(compact_fails_);
  } catch (const Error& error) {
    spared_ = dropped;
    failed(compact_fails_, error);
  }
}

void Journal::went_well(bool& failing) {
  if (std::exchange(failing, false)) log_event(LogLevel::info, "journal_written_again");
}

// Requests go on without it. A full disk is told of once, not with every request.
void Journal::failed(bool& failing, const Error& error) {
  if (!std::exchange(failing, true))
    log_event(LogLevel::error, "journal_write_failed", {{"error", error.what()}});
}

}  // namespace troupe::actors::edge
