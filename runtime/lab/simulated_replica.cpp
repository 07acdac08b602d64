#include "runtime/lab/simulated_replica.hpp"

#include <algorithm>
#include <limits>

namespace troupe::runtime::lab {
namespace {

constexpr Epoch first_epoch = 1;
constexpr double never = std::numeric_limits<double>::infinity();

}  // namespace

TimePoint moment(double seconds) {
  return TimePoint() + std::chrono::hours(1) +
         std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

SimulatedReplica::SimulatedReplica(std::size_t number, const ReplicaSettings& settings, const CostModel& cost,
                                   Owner& owner)
    : number_(number),
      turnaround_(settings.turnaround),
      owner_(owner),
      cycle_(settings.limits, settings.make_policy, settings.groups, first_epoch),
      recovered_at_(never) {
  if (std::int64_t(settings.blocks) * settings.limits.block_size < settings.limits.max_model_len)
    throw Error(std::to_string(settings.blocks) + " KV blocks do not hold one sequence of " +
                    std::to_string(settings.limits.max_model_len) + " tokens",
                "simulation");
  for (GroupId group = 0; group < GroupId(settings.groups); ++group) {
    pools_.emplace_back(settings.blocks, settings.limits.block_size, settings.limits.prefix_caching,
                        cycle_.scheduler().generation(group));
    executors_.emplace_back(cost, settings.acceptance, settings.words);
  }
  time_is(0);
  carry_out(cycle_.begin_epoch(first_epoch));
}

void SimulatedReplica::time_is(double seconds) {
  now_ = seconds;
  cycle_.time_is(moment(seconds));
}

Expected<void> SimulatedReplica::submit(Submission submission) {
  auto work = cycle_.submit(std::move(submission));
  if (!work) return tl::unexpected(work.error());
  carry_out(std::move(*work));
  return {};
}

// What a block pool is asked it answers at once: on one host that is a matter of microseconds.
void SimulatedReplica::carry_out(StepCycle::Work work) {
  if (!work.plans.empty()) start_step(work.plans);
  for (const BlockRequest& request : work.requests)
    carry_out(cycle_.replied(pools_[request.group].reserve(request), cycle_.epoch()));
}

// The ranks compute steps in their order; groups side by side, so that the slowest says when all have ended.
void SimulatedReplica::start_step(const std::vector<StepPlan>& plans) {
  const double begins = std::max(now_ + turnaround_, free_from_);
  Flight& flight = flights_.emplace_back();
  double seconds = 0;
  loads_.clear();
  for (const StepPlan& plan : plans) {
    flight.results.push_back(executors_[plan.group].execute(plan));
    loads_.push_back(executors_[plan.group].load());
    const StepTimes& times = flight.results.back().times;
    seconds = std::max(seconds, times.compute_seconds + times.prediction_seconds);
  }
  flight.ends = free_from_ = begins + seconds;
  owner_.planned({number_, begins, flight.ends, plans, loads_});
}

void SimulatedReplica::advance() {
  if (flights_.empty()) {
    free_from_ = std::exchange(recovered_at_, never);
    return carry_out(cycle_.begin_epoch(cycle_.epoch()));
  }
  Flight flight = std::move(flights_.front());
  flights_.pop_front();
  for (StepResult& result : flight.results) {
    auto commit = cycle_.finished(std::move(result));
    CHECK(commit.result == StepCycle::Result::noted || commit.result == StepCycle::Result::committed,
          "a simulated result does not fit its step");
    if (commit.result == StepCycle::Result::committed) owner_.committed(number_, commit.tokens);
    carry_out(std::move(commit.work));
  }
}

std::vector<SequenceId> SimulatedReplica::lose(GroupId group, double recovered_at) {
  const GroupId lost[] = {group};
  auto stopped = cycle_.stop_epoch(cycle_.epoch() + 1, lost);
  flights_.clear();
  for (SimulatedExecutor& each : executors_) each.forget_all();
  pools_[group].reset(cycle_.scheduler().generation(group));
  recovered_at_ = recovered_at;
  return std::move(stopped.interrupted);
}

void SimulatedReplica::check_empty() const {
  for (const BlockPool& pool : pools_) {
    pool.check();
    CHECK(pool.usage().used == 0, "blocks leaked");
  }
}

}  // namespace troupe::runtime::lab
