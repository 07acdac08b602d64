// A rank whose model costs nothing, in place of the compute actor of a replica: every sequence gets the same token at once,
// or after a time in which a device would compute and this host would not. All else of the replica is as it serves.
#pragma once

#include <mutex>
#include <vector>

#include "actors/compute.hpp"

namespace troupe::bench {

// How long steps that gave every one of `sequences` a token had to wait for their plan, from the result before them: what a
// step costs outside of the model, where one is in flight at a time. Thread-safe.
class StepGaps {
 public:
  explicit StepGaps(std::size_t sequences) : sequences_(sequences) {}

  void begun(std::size_t sampled, TimePoint at);
  void ended(TimePoint at);
  std::vector<double> take();  // microseconds, ascending

 private:
  const std::size_t sequences_;
  std::mutex mutex_;  // guards all below
  TimePoint latest_{};
  std::vector<double> gaps_;
};

struct FreeModel {
  TokenId token = 0;         // that comes for ever
  std::int32_t blocks = 0;   // of the KV cache that it needs not have
  Duration step_time{};      // of the device
  StepGaps* gaps = nullptr;  // outlives the rank
};

struct FreeRankState {
  static inline const char* name = "free_rank";
  FreeModel model;
  runtime::WorkerLife life;
  std::unique_ptr<runtime::Executor> executor;
};

actors::ComputeHandle::behavior_type free_rank(actors::ComputeHandle::stateful_pointer<FreeRankState> self,
                                               FreeModel model);

}  // namespace troupe::bench
