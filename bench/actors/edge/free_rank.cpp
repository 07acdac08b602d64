#include "bench/actors/edge/free_rank.hpp"

#include <algorithm>
#include <thread>

#include "runtime/base/clock.hpp"
#include "runtime/base/wakeups.hpp"

namespace troupe::bench {
namespace {

using namespace actors;
using Self = ComputeHandle::stateful_pointer<FreeRankState>;

class FreeExecutor final : public runtime::Executor {
 public:
  explicit FreeExecutor(const FreeModel& model) : model_(model) {}

  runtime::StepResult execute(const runtime::StepPlan& plan) override {
    runtime::StepResult result{plan.epoch, plan.step, plan.group, {}, {}};
    for (const runtime::Extend& part : plan.extend)
      if (part.samples) result.outputs.push_back({part.sequence, {{model_.token, 0, {}}}});
    model_.gaps->begun(result.outputs.size(), now());
    if (model_.step_time > Duration::zero()) std::this_thread::sleep_for(model_.step_time);
    model_.gaps->ended(now());
    return result;
  }

 private:
  const FreeModel model_;
};

}  // namespace

void StepGaps::begun(std::size_t sampled, TimePoint at) {
  const std::lock_guard lock(mutex_);
  if (sampled == sequences_ && latest_ != TimePoint{})
    gaps_.push_back(std::chrono::duration<double, std::micro>(at - latest_).count());
}

void StepGaps::ended(TimePoint at) {
  const std::lock_guard lock(mutex_);
  latest_ = at;
}

std::vector<double> StepGaps::take() {
  const std::lock_guard lock(mutex_);
  std::ranges::sort(gaps_);
  return std::exchange(gaps_, {});
}

ComputeHandle::behavior_type free_rank(Self self, FreeModel model) {
  take_a_core_when_woken();  // as the compute actor does
  self->state.model = model;
  return {
      [self](const LoadOrder& told) {
        self->state.life = told.order.life;
        self->send(told.supervisor, RoomForCache{told.order.life, self->state.model.blocks});
      },
      [self](const CacheOrder& told) {
        self->send(told.supervisor, runtime::ModelLoaded{told.order.life, "none"});
      },
      [self](const JoinOrder& told) {
        self->state.executor = std::make_unique<FreeExecutor>(self->state.model);
        self->send(told.supervisor, runtime::Joined{self->state.life, told.order.epoch});
      },
      [self](const StepOrder& told) { self->send(told.scheduler, self->state.executor->execute(told.plan)); },
      [](const Drill&) {},
  };
}

}  // namespace troupe::bench
