// Plays a recorded schedule: the step cycle, the policy and the block pools get once more what those of the server got, in its
// order and at its times, and plan the same steps. Owned by one thread.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <unordered_map>

#include "runtime/lab/recorded_words.hpp"
#include "runtime/lab/service_report.hpp"
#include "runtime/scheduling/block_pool.hpp"
#include "runtime/scheduling/recording/schedule_file.hpp"
#include "runtime/scheduling/step_cycle.hpp"

namespace troupe::runtime::lab {

class ScheduleReplay {
 public:
  // schedule: outlives this; from its start.
  explicit ScheduleReplay(const RecordedSchedule& schedule);

  // Called for each step that was planned as it was recorded, with its packed plans; empty: nobody wants to know.
  std::function<void(const std::string& plans)> on_step{};

  // What those who were served got. Throws Error for the first step that is not as it was recorded, and for what cannot have
  // been.
  const ServiceReport& run();

  std::uint64_t cancelled() const { return cancelled_; }                         // sequences
  std::size_t unfinished() const { return live_.size() + interrupted_.size(); }  // when the recording ended

 private:
  struct Live {
    ServedRequest request;
    std::int32_t length = 0, committed = 0;  // tokens: results that came have them; they have been committed
    bool waits = true;
  };

  void play(const CycleBegan& event);
  void play(const PolicyChanged& event);
  void play(const EpochBegan& event);
  void play(const EpochEnded& event);
  void play(const RecordedSubmission& event);
  void play(const SequenceTold& event);
  void play(const BlocksReplied& event);
  void play(const RecordedResult& event);
  void play(const RecordedStep& event);

  StepCycle& cycle();
  Submission submission_of(const RecordedSubmission& event) const;
  StepResult result_of(const RecordedResult& event);
  void take(StepCycle::Work work);
  void take(const CommittedToken& token);
  void admit(const StepPlan& plan);
  void check(bool possible, const char* what) const;

  const RecordedSchedule& schedule_;
  RecordedWords words_;
  std::size_t at_ = 0;  // the event
  double now_ = 0;      // seconds
  SchedulerLimits limits_;
  std::int32_t groups_ = 0;
  std::optional<StepCycle> cycle_;
  std::map<GroupId, BlockPool> pools_;                       // made with their first request
  std::map<GroupId, std::deque<BlockRequest>> asked_;        // whose replies are to come
  std::vector<StepPlan> planned_;                            // to be compared with what was recorded
  std::unordered_map<SequenceId, Live> live_, interrupted_;  // the latter are to be submitted again
  std::uint64_t cancelled_ = 0;
  ServiceReport report_;
};

}  // namespace troupe::runtime::lab
