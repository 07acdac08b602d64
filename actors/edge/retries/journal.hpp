// Requests on disk, so that they outlive the process that answers them: each when it begins, when its answer has ended, and when
// that is forgotten. Thread-safe; a thread of its own writes.
//
// What a death of the process costs: nothing. What a power cut costs: nothing where fsync is always, the last second at interval, and
// at never what the kernel had not written. A disk that fails to sync may lose what it was given, unless it can be read back and
// written anew.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "actors/edge/retries/journal_file.hpp"
#include "config/edge_settings.hpp"
#include "runtime/base/clock.hpp"
#include "runtime/base/error.hpp"

namespace troupe::actors::edge {

class Journal {
 public:
  using Found = FoundRequest;

  // When so many bytes of the file, and more than half of it, are of dropped requests, the others are written anew.
  static constexpr std::uint64_t most_dropped_bytes = 16 << 20;
  static constexpr std::size_t most_group_bytes =
      4 << 20;  // in memory for one write; one request may have more
  static constexpr std::chrono::seconds sync_interval{1};  // also what has failed is tried again after it

  // Makes the folder and the journal in it where there are none, locks and reads it. Throws Error; see JournalFile.
  explicit Journal(const config::JournalSettings& settings, std::uint64_t most_dropped = most_dropped_bytes);
  ~Journal();  // writes what waits
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  // Those that had begun and were not dropped, of which one at a time is in memory: first those that had not ended, in the order of
  // their beginning, then the others, the last ones first. Once, by who made the journal. They stay in it. Throws Error.
  void each_found(const std::function<void(Found)>& take);

  // A request takes the place of one of the same id. durable: called once, by the journal's thread, when the request is as safe as the settings say, or cannot be made so, which
  // the log tells; it neither throws nor blocks. Who waits for it before the request begins to be computed lets a slow disk slow the
  // requests, and bounds what waits here by what connections hold.
  void begin(KeptRequest request, std::function<void()> durable);
  void finished(const std::string& id, bool failed = false);  // failed: its Idempotency-Key is free
  void dropped(const std::string& id);

 private:
  struct Entry {
    JournalRecord record;
    std::function<void()> durable{};
  };
  enum class Sync { always, interval, never };
  static Sync sync_of(const config::JournalSettings& settings);

  void add(Entry entry);
  // Of the thread.
  void run();
  void wait(std::unique_lock<std::mutex>& lock);
  std::vector<Entry> take_group();
  void write(std::vector<Entry>& group);
  void sync();  // after one that failed the kernel may call lost pages safe: then all is written anew
  void compact();
  static void went_well(bool& failing);
  static void failed(bool& failing, const Error& error);

  const Sync sync_;
  const std::uint64_t most_dropped_;
  std::mutex file_mutex_;  // guards the next
  JournalFile file_;
  // The thread's.
  std::vector<JournalRecord> owed_;  // ends that could not be written, of requests that are in the file
  bool unsynced_ = false, write_fails_ = false, sync_fails_ = false, compact_fails_ = false;
  TimePoint next_sync_{}, next_write_{};  // of what is owed
  std::uint64_t spared_ = 0;              // dropped bytes when writing anew failed

  std::vector<std::string> found_;  // ids
  std::mutex mutex_;                // guards what follows
  std::condition_variable changed_;
  std::deque<Entry> waiting_;
  bool stopping_ = false;
  std::thread thread_;  // last
};

}  // namespace troupe::actors::edge
