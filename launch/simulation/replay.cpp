#include "launch/simulation/replay.hpp"

#include "runtime/lab/recorded_machine.hpp"
#include "runtime/lab/recorded_trace.hpp"
#include "runtime/lab/schedule_replay.hpp"
#include "runtime/lab/step_record.hpp"

namespace troupe::launch::simulation {
namespace {

using namespace runtime;
using namespace runtime::lab;

std::string counted(std::uint64_t number, const std::string& what) {
  return std::to_string(number) + " " + what + (number == 1 ? "" : "s");
}

Run played(const RecordedSchedule& schedule, std::vector<std::string>& notes) {
  ScheduleReplay replay(schedule);
  Run run{.policy = "recorded", .reports = {replay.run()}, .explained = {}, .steps = {}};
  const ServiceReport& report = run.reports[0];
  notes.push_back(counted(report.steps, "step") + " of " + counted(report.served, "sequence") +
                  " that ended are planned as they were; " + counted(replay.cancelled(), "other") +
                  " were cancelled, " + std::to_string(replay.unfinished()) +
                  " went on when the recording ended");
  return run;
}

ServiceReport served_by(const std::string& policy, const Options& options, const RecordedSchedule& schedule,
                        SimulationSettings settings, const CostModel& cost) {
  const RecordedTrace words(schedule);
  settings.make_policy = [&] { return make_policy(policy, options.deployment.policy_option); };
  settings.words = &words;
  TraceWindow trace([&] { return std::make_unique<RecordedTrace>(schedule); },
                    std::uint64_t(options.num_requests), options.rate, std::uint64_t(options.repeat));
  return Simulation(settings, trace, cost).run();
}

}  // namespace

Replayed replay(const Options& options, const std::vector<std::string>& policies) {
  const RecordedSchedule schedule = read_schedule(options.replay);
  const RecordedMachine machine = machine_of(schedule);
  Replayed told{{}, machine.blocks, machine.limits.block_size, {}};
  if (!schedule.cut.empty()) told.notes.push_back(schedule.cut + "; what is before that is played");
  if (schedule.from_the_start)
    told.runs.push_back(played(schedule, told.notes));
  else if (policies.empty())
    throw Error(
        "its start is gone, and with it what all later steps depend on", options.replay,
        "give --policy to serve the arrivals that are left, or keep more with --record-schedule-files");
  else
    told.notes.push_back("the recording's start is gone: only the arrivals that are left are served");
  if (policies.empty()) return told;
  const ServedCost cost(
      std::make_unique<FittedCost>(options.steps.empty() ? machine.steps : read_steps(options.steps).steps),
      options.step_overhead);
  SimulationSettings settings;
  settings.limits = machine.limits;
  settings.groups = machine.groups;
  settings.blocks = options.num_gpu_blocks.value_or(machine.blocks);
  settings.acceptance = options.acceptance.value_or(machine.acceptance);
  settings.levels = options.levels;
  settings.turnaround = options.turnaround;
  settings.delivery = options.delivery;
  for (const std::string& policy : policies)
    told.runs.push_back({.policy = policy,
                         .reports = {served_by(policy, options, schedule, settings, cost)},
                         .explained = {},
                         .steps = {}});
  return told;
}

}  // namespace troupe::launch::simulation
