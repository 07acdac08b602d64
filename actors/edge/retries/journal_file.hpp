// The file of a journal: who has begun, ended and is dropped, in the order of its happening. Of the live ones it is known where they
// are; their text is in the file alone. One owner; a second process finds the folder locked. What throws, throws Error.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "actors/edge/retries/journal_record.hpp"
#include "runtime/base/record_file.hpp"

namespace troupe::actors::edge {

struct FoundRequest {
  KeptRequest request;
  bool finished = false;  // its answer had ended
};

class JournalFile {
 public:
  static constexpr std::string_view format = "troupe requests 1";  // the first record
  static constexpr const char *name = "requests.journal", *new_name = "requests.journal.new",
                              *lock_name = "lock";  // in its folder

  // Makes the folder (0700) and the files in it (0600) where there are none. What follows a record that is torn or damaged is cut off, and
  // that is logged. Throws for a folder that is in use, and a file of another version.
  explicit JournalFile(std::filesystem::path folder);

  std::vector<std::string> ids() const;  // of those that it holds, in the order of their beginning
  // Of one that it has; without its key, if it has failed. Throws Error for what cannot be read any more.
  FoundRequest request(const std::string& id) const;
  bool finished(const std::string& id) const { return live_.at(id).end_bytes > 0; }  // one that it has
  bool has(const std::string& id) const { return live_.contains(id); }

  // With one write. If it throws, none of them is written. What is said of one that is not in it says nothing.
  void write(const std::vector<JournalRecord>& records);
  void sync();

  std::uint64_t bytes() const { return file_.end(); }
  std::uint64_t dropped_bytes() const { return bytes() - live_bytes_ - header_bytes(); }
  // Writes the live ones anew, from what can be read back of them, and puts that file in the place of this. At every moment one of the
  // two is there, whole.
  void compact();

 private:
  struct Live {
    RecordFile::Place begun;
    std::uint64_t end_bytes = 0;  // of the record of its end; 0: there is none
    RequestChange end = RequestChange::finished;
  };

  static std::uint64_t header_bytes();
  FileDescriptor open_file(const char* file, int flags = 0) const;
  FileDescriptor lock() const;
  void read();
  void begin();
  void apply(const JournalRecord& record, RecordFile::Place place);
  void forget(const std::string& id);
  std::vector<std::pair<std::string, Live>> in_order() const;
  RecordFile write_anew(std::vector<std::pair<std::string, Live>>& live) const;

  const std::filesystem::path folder_;
  const FileDescriptor lock_;
  RecordFile file_;
  bool folder_is_safe_ = true;  // the disk knows which file has the name
  std::unordered_map<std::string, Live> live_;
  std::uint64_t live_bytes_ = 0;
};

}  // namespace troupe::actors::edge
