// Recorded schedules on disk, in cereal's portable binary form: a header, then chunks of packed events, the context first, each
// with its size before and its digest behind it. FILE is written; when it is full it becomes FILE.1, what was that FILE.2, and so on. One owner.
#pragma once

#include <filesystem>
#include <fstream>
#include <optional>
#include <vector>

#include "runtime/scheduling/recording/recorded_event.hpp"

namespace troupe::runtime {

constexpr std::size_t most_chunk_bytes = 1 << 24;

struct ScheduleFileLimits {
  std::size_t bytes = 64 << 20;  // of one file; a chunk may be beyond it
  std::int32_t files = 8;        // that one among them
};

class ScheduleFile {
 public:
  // Moves what stands there out of the way, as if it were full. Throws Error, also for what is no such file.
  ScheduleFile(std::filesystem::path file, ScheduleFileLimits limits);
  // Packed events, one after the other; at most most_chunk_bytes. They are with the system when it returns. context: events that
  // stand for all that were before these, for whoever finds the parts before this one gone. Throws Error.
  void append(const std::string& events, const std::string& context);

 private:
  void begin_part(const std::string& context);
  template <class Part>
  void write(const Part& part);

  std::filesystem::path path_;
  ScheduleFileLimits limits_;
  std::string recording_;    // a name of all its parts
  std::uint64_t parts_ = 0;  // begun
  std::ofstream out_;
};

struct RecordedSchedule {
  std::vector<RecordedEvent> events;
  bool from_the_start =
      false;        // its first part is there; else the first events are the context of those that are
  std::string cut;  // where and why its last part ends too early, in words; empty: it does not
};

// Of FILE and those before it, FILE.1, FILE.2..., as far as they are of one recording. What is cut off, as by a crash, is read
// up to there. Throws Error, which says where, for what is damaged, and for what is no such file.
RecordedSchedule read_schedule(const std::filesystem::path& file);

}  // namespace troupe::runtime
