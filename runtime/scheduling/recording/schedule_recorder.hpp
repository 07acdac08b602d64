// Writes down what happens to a step cycle, on a thread of its own: the cycle's owner only hands over. What cannot be written, or
// not fast enough, ends the recording, which stays good up to there, and nothing else. Thread-safe.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "runtime/scheduling/recording/schedule_file.hpp"
#include "runtime/scheduling/recording/text_removal.hpp"

namespace troupe::runtime {

class ScheduleRecorder final : public CycleListener {
 public:
  static constexpr std::size_t most_waiting = 1 << 16;  // events; one more ends the recording

  // Throws Error for a file that cannot be made.
  ScheduleRecorder(const std::filesystem::path& file, ScheduleFileLimits limits,
                   std::size_t most_waiting_events = most_waiting);
  ~ScheduleRecorder() override;  // writes what waits

  void heard(CycleEvent event, TimePoint now) override;
  bool ended() const;  // too early

 private:
  struct Heard {
    CycleEvent event;
    TimePoint now;
  };

  void write(std::stop_token stop);  // the thread's life
  void record(std::vector<Heard>& heard);
  void append();
  void end(const std::string& why);

  const std::size_t most_waiting_;
  ScheduleFile file_;  // the thread's, as the next two
  TextRemoval without_text_;
  std::string chunk_;

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable_any came_;
  std::vector<Heard> waiting_;
  bool ended_ = false;
  std::jthread thread_;  // last: it ends before what it uses
};

}  // namespace troupe::runtime
