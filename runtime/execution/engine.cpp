#include "runtime/execution/engine.hpp"

namespace troupe::runtime {

Engine::Engine(const SchedulerLimits& limits, std::unique_ptr<BatchPolicy> policy, std::int32_t blocks,
               Executor& executor)
    : scheduler_(
          limits, [&] { return std::move(policy); }, 1, epoch_),
      pool_(blocks, limits.block_size, limits.prefix_caching, scheduler_.generation(0)),
      executor_(executor) {
  CHECK(std::int64_t(blocks) * limits.block_size >= limits.max_model_len,
        "the KV blocks do not hold one sequence of max_model_len");
}

std::vector<CommittedToken> Engine::step() {
  for (bool more = true; more;) {
    more = false;
    for (const BlockRequest& request : scheduler_.propose())
      for (StepPlan& plan : scheduler_.dispose(pool_.reserve(request))) {
        planned_.push_back(std::move(plan));
        more = true;
      }
  }
  if (planned_.empty()) return {};
  const StepPlan plan = std::move(planned_.front());
  planned_.pop_front();
  return scheduler_.commit(executor_.execute(plan));
}

std::vector<SequenceId> Engine::start_epoch() {
  const GroupId lost = 0;
  planned_.clear();
  auto forgotten = scheduler_.start_epoch(++epoch_, {&lost, 1});
  pool_.reset(scheduler_.generation(lost));
  return forgotten;
}

}  // namespace troupe::runtime
