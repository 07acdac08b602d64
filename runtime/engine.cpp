#include "runtime/engine.hpp"

namespace troupe::runtime {

Engine::Engine(const SchedulerLimits& limits, std::unique_ptr<BatchPolicy> policy, std::int32_t blocks,
               Executor& executor)
    : scheduler_(limits, std::move(policy), epoch_),
      pool_(blocks, limits.block_size, limits.prefix_caching),
      executor_(executor) {
  CHECK(std::int64_t(blocks) * limits.block_size >= limits.max_model_len,
        "the KV blocks do not hold one sequence of max_model_len");
}

std::vector<CommittedToken> Engine::step() {
  const auto request = scheduler_.propose();
  if (!request) return {};
  const auto plan = scheduler_.dispose(pool_.reserve(*request));
  if (!plan) return {};
  return scheduler_.commit(executor_.execute(*plan));
}

std::vector<SequenceId> Engine::start_epoch() {
  pool_.reset();
  return scheduler_.start_epoch(++epoch_);
}

}  // namespace troupe::runtime
