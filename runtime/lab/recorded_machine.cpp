#include "runtime/lab/recorded_machine.hpp"

#include <map>
#include <unordered_map>

namespace troupe::runtime::lab {
namespace {

class Reading {
 public:
  explicit Reading(RecordedMachine& machine) : machine_(machine) {}
  ~Reading() {
    if (drafts_ > 0) machine_.acceptance = double(accepted_) / double(drafts_);
  }

  void take(const CycleBegan& event) {
    machine_.limits = event.limits;
    machine_.groups = std::max(event.groups, 1);
  }
  void take(const BlocksReplied& event) { machine_.blocks = event.total_blocks; }
  void take(const EpochEnded&) { flights_.clear(); }

  void take(const RecordedStep& event) {
    std::int32_t rows = 0;
    for (const RecordedPlan& plan : event.plans)
      for (const RecordedExtend& part : plan.extend) rows += part.rows;
    for (const RecordedPlan& plan : event.plans) add(plan, rows);
  }

  void take(const RecordedResult& event) {
    for (const RecordedOutput& output : event.outputs) {
      if (const auto known = computed_.find(output.sequence); known != computed_.end())
        known->second += output.sampled - 1;  // drafts that were right
    }
    const auto flight = flights_.extract({event.step, event.group});
    if (!flight) return;
    for (const RecordedOutput& output : event.outputs) {
      if (!flight.mapped().drafted.contains(output.sequence)) continue;
      ++drafts_;
      accepted_ += output.sampled > 1;
    }
    const MeasuredStep step{flight.mapped().load, event.times};
    if (flight.mapped().whole && step.load.rows > 0 && step.plausible()) machine_.steps.push_back(step);
  }

  void take(const auto&) {}

 private:
  struct Flight {
    StepLoad load{};
    bool whole = true;  // all its sequences are known
    std::map<SequenceId, std::int32_t> drafted{};
  };

  void add(const RecordedPlan& plan, std::int32_t rows) {
    for (const SequenceId each : plan.forget) computed_.erase(each);
    for (const RecordedBegin& begin : plan.begin) computed_[begin.sequence] = begin.computed;
    Flight flight{.load = {.replica_rows = rows, .predictions = plan.predictions}};
    for (const RecordedExtend& part : plan.extend) {
      const auto known = computed_.find(part.sequence);
      flight.whole &= known != computed_.end();
      if (!flight.whole) break;
      flight.load.add({part.sequence, {}, {}, part.rows, part.drafts, part.samples}, known->second);
      known->second += part.rows - part.drafts;
      if (part.drafts > 0) flight.drafted[part.sequence] = part.drafts;
    }
    flights_[{plan.step, plan.group}] = std::move(flight);
  }

  RecordedMachine& machine_;
  std::unordered_map<SequenceId, std::int32_t> computed_;  // tokens in the cache
  std::map<std::pair<StepId, GroupId>, Flight> flights_;
  std::uint64_t drafts_ = 0, accepted_ = 0;
};

}  // namespace

RecordedMachine machine_of(const RecordedSchedule& schedule) {
  RecordedMachine machine;
  Reading reading(machine);
  for (const RecordedEvent& event : schedule.events)
    std::visit([&](const auto& each) { reading.take(each); }, event.what);
  return machine;
}

}  // namespace troupe::runtime::lab
