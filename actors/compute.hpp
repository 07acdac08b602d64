// The compute thread of a rank: reads the weights, meets the other ranks, runs steps. Spawned detached by its
// worker; waits in it are ended by its worker through the EpochLink.
#pragma once

#include "actors/handles.hpp"
#include "runtime/execution/epoch_link.hpp"
#include "runtime/execution/grammar_shelf.hpp"
#include "runtime/execution/model_executor.hpp"

namespace troupe::actors {

// What a worker is told when it is made; everything else comes in messages.
struct WorkerOptions {
  int threads = 1;
  std::string network = "127.0.0.1";  // of the collectives: IP address or interface
  TickBoard* ticks = nullptr;         // outlives the worker, as does:
  model::Progress* progress = nullptr;
  MemoryKeeper* keeper = nullptr;  // of weights, for the rank's next life; unset: they end with this one
  runtime::RanksOfHost host = {};  // with whom it shares memory
  runtime::GrammarShelf::Compile compile_grammar = {};  // unset: for the checkpoint that it loads
};

// Worker -> Compute: an order that it got, and who is to hear of it.
struct LoadOrder {
  LoadModel order;
  ReplicaSupervisorHandle supervisor;
};
struct CacheOrder {
  MakeCache order;
  ReplicaSupervisorHandle supervisor;
};
struct JoinOrder {
  JoinEpoch order;
  std::shared_ptr<runtime::EpochLink> link;
  ReplicaSupervisorHandle supervisor;
};
struct StepOrder {
  runtime::StepPlan plan;
  runtime::Grammars grammars;  // that it needs
  SchedulerHandle scheduler;   // gets the result
  ReplicaSupervisorHandle supervisor;
  ExpertShardHandle experts;
};

using ComputeHandle =
    caf::typed_actor<caf::reacts_to<LoadOrder>, caf::reacts_to<CacheOrder>, caf::reacts_to<JoinOrder>,
                     caf::reacts_to<StepOrder>, caf::reacts_to<Drill>>;

struct ComputeState {
  static inline const char* name = "compute";
  WorkerOptions options;
  LoadModel loaded;                     // what was loaded
  std::size_t used_before_weights = 0;  // bytes of the device
  // In the order in which they must outlive each other.
  std::unique_ptr<kernels::Ops> ops;
  std::shared_ptr<const model::Checkpoint> checkpoint;
  std::unique_ptr<model::Decoder> decoder;
  std::unique_ptr<model::KvCache> cache;
  std::shared_ptr<runtime::EpochLink> link;
  runtime::Grammars grammars;                        // of the step that it was told last
  std::unique_ptr<runtime::ModelExecutor> executor;  // of the link's epoch; none between epochs
  bool loses_next_step = false;                      // a drill
};

ComputeHandle::behavior_type compute(ComputeHandle::stateful_pointer<ComputeState> self,
                                     WorkerOptions options);

}  // namespace troupe::actors

// These never leave their process.
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::LoadOrder)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::CacheOrder)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::JoinOrder)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::StepOrder)
