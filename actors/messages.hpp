// Every message between actors, in the order of a request's life; then those of supervision. Steps and blocks
// speak in the types of runtime/scheduling/step.hpp and blocks.hpp.
#pragma once

#include <caf/all.hpp>
#include <optional>

#include "actors/service.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/ticks.hpp"
#include "runtime/recovery/hang_watch.hpp"
#include "runtime/scheduling/scheduler.hpp"

namespace troupe::actors {

// Request -> Scheduler: one choice wants to run. The sender owns the sequence and gets its tokens.
struct Submit {
  runtime::Submission submission;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, Submit& x) {
  return f(x.submission);
}

// Scheduler -> Request: the sequence will not run.
struct Refused {
  SequenceId sequence = 0;
  Refusal refusal;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, Refused& x) {
  return f(x.sequence, x.refusal);
}

// Scheduler -> KvBlockManager and back: runtime::BlockRequest, runtime::BlockReply.
// Scheduler -> Worker and back: runtime::StepPlan, runtime::StepResult.

// Scheduler -> Request: a step that sampled for the sequence has committed.
struct TokenReady {
  runtime::CommittedToken committed;
  std::int32_t cached_tokens = 0;  // of the prompt, found in the prefix cache
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, TokenReady& x) {
  return f(x.committed, x.cached_tokens);
}

// Edge session -> Request: the reader can take so many deltas more.
struct Credit {
  std::int32_t deltas = 0;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, Credit& x) {
  return f(x.deltas);
}

// Request -> Scheduler: the reader is slow, or reads again.
struct PauseSequence {
  SequenceId sequence = 0;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, PauseSequence& x) {
  return f(x.sequence);
}
struct ResumeSequence {
  SequenceId sequence = 0;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, ResumeSequence& x) {
  return f(x.sequence);
}

// Edge session -> Request: the client left.
struct CancelRequest {};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, CancelRequest&) {
  return f();
}

// Request -> Scheduler: a stop string was found, or nobody reads any more.
struct CancelSequence {
  SequenceId sequence = 0;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, CancelSequence& x) {
  return f(x.sequence);
}

// Scheduler -> Request: a fault made an end to the epoch; submit the sequence again, with what it has
// produced.
struct Interrupted {
  SequenceId sequence = 0;
  Epoch epoch = 0;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, Interrupted& x) {
  return f(x.sequence, x.epoch);
}

// Supervision. A node is one process that starts workers; a worker is one rank's process, or an actor of the
// same process where there is only one rank. An incarnation is one life of a worker: it outlives a cut link,
// not its process.

struct LivingWorker {
  std::int32_t rank = 0;
  std::uint64_t incarnation = 0;
  std::int64_t pid = 0;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, LivingWorker& x) {
  return f(x.rank, x.incarnation, x.pid);
}

// Node -> ReplicaSupervisor, with its handle: the node is there, for the first time or again after its link
// was cut. Answered with its place, or the reason why it has none.
struct NodeArrived {
  std::int32_t node = -1;  // -1: any that is missing
  std::vector<LivingWorker> workers;
  std::string build;  // of its program: messages and arithmetic are those of one build
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, NodeArrived& x) {
  return f(x.node, x.workers, x.build);
}
struct NodeWelcome {
  std::int32_t node = -1;  // -1: not wanted
  std::string refusal;     // why not
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, NodeWelcome& x) {
  return f(x.node, x.refusal);
}

// ReplicaSupervisor -> Node.
struct StartWorker {
  std::int32_t rank = 0;
  std::uint64_t incarnation = 0;
  std::int32_t ranks_of_node = 1;  // how many share its CPUs
  std::int64_t hang_limit_ms = 0;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, StartWorker& x) {
  return f(x.rank, x.incarnation, x.ranks_of_node, x.hang_limit_ms);
}
struct KillWorker {
  std::int32_t rank = 0;
  std::uint64_t incarnation = 0;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, KillWorker& x) {
  return f(x.rank, x.incarnation);
}

// Node -> ReplicaSupervisor: a worker's life is over, or ought to be.
struct WorkerExited {
  std::int32_t rank = 0;
  std::uint64_t incarnation = 0;
  std::string how;       // "signal 9 (Killed)"
  double silent_ms = 0;  // since its last tick
  Tick last;             // what it was at
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, WorkerExited& x) {
  return f(x.rank, x.incarnation, x.how, x.silent_ms, x.last);
}
struct WorkerHangs {
  std::int32_t rank = 0;
  std::uint64_t incarnation = 0;
  runtime::Hang hang{};
  double silent_ms = 0;
  Tick last;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, WorkerHangs& x) {
  return f(x.rank, x.incarnation, x.hang, x.silent_ms, x.last);
}

// Node -> ReplicaSupervisor, several times within the limit for hangs: what its workers are at.
struct WorkerTick {
  std::int32_t rank = 0;
  std::uint64_t incarnation = 0;
  double silent_ms = 0;
  double waited_ms = 0;  // of it: asleep in a wait for other ranks, or without orders
  Tick tick;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, WorkerTick& x) {
  return f(x.rank, x.incarnation, x.silent_ms, x.waited_ms, x.tick);
}
struct NodeTicks {
  std::vector<WorkerTick> workers;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, NodeTicks& x) {
  return f(x.workers);
}

// Worker -> ReplicaSupervisor, with its handle: it lives, for the first time or again after its link was cut.
struct WorkerArrived {
  std::int32_t rank = 0;
  std::uint64_t incarnation = 0;
  std::int64_t pid = 0;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, WorkerArrived& x) {
  return f(x.rank, x.incarnation, x.pid);
}

// ReplicaSupervisor -> Worker: read these weights, if they are not there yet. The answer comes when that is
// done.
struct LoadModel {
  std::string checkpoint;  // folder
  std::int32_t rank = 0, tensor_parallel = 1, data_parallel = 1;
  bool expert_parallel = false;
  std::int32_t virtual_shards = 16;
  std::int64_t max_tokens = 0, max_logit_rows = 0, max_positions = 0;  // model::DecoderLimits
  std::int64_t blocks = 0, block_size = 0;                             // of KV storage
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, LoadModel& x) {
  return f(x.checkpoint, x.rank, x.tensor_parallel, x.data_parallel, x.expert_parallel, x.virtual_shards,
           x.max_tokens, x.max_logit_rows, x.max_positions, x.blocks, x.block_size);
}
struct ModelLoaded {
  std::string arithmetic;  // all ranks of a replica agree on it
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, ModelLoaded& x) {
  return f(x.arithmetic);
}

// The answer of a rank that cannot have the experts that an epoch asks of it.
constexpr caf::sec no_experts = caf::sec::cannot_open_file;

// ReplicaSupervisor -> Worker, with the scheduler: meet the other ranks and serve this epoch. The answer
// comes when that is done. What the KV storage holds stays.
struct JoinEpoch {
  Epoch epoch = 0;
  std::string secret;                              // of the epoch's connections
  std::vector<std::vector<std::int32_t>> experts;  // ranks by expert; empty: as they are spread by default
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, JoinEpoch& x) {
  return f(x.epoch, x.secret, x.experts);
}
struct Joined {
  Epoch epoch = 0;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, Joined& x) {
  return f(x.epoch);
}

// Worker -> ReplicaSupervisor -> all workers: where a rank can be met in an epoch.
struct RankAddress {
  Epoch epoch = 0;
  std::string key, address;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, RankAddress& x) {
  return f(x.epoch, x.key, x.address);
}

// ReplicaSupervisor -> Worker: every epoch before this one is over; wait for no rank of it any more.
struct AbortEpochs {
  Epoch before = 0;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, AbortEpochs& x) {
  return f(x.before);
}

// Worker -> ReplicaSupervisor: a collective of the epoch failed, as it does in all ranks when one dies. Who
// is at fault is another question.
struct StepFailed {
  std::int32_t rank = 0;
  Epoch epoch = 0;
  std::string error;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, StepFailed& x) {
  return f(x.rank, x.epoch, x.error);
}

// ReplicaSupervisor -> Scheduler: the epoch is over; what the groups named had in their caches is lost.
// Answered with what was done in it.
struct StopEpoch {
  Epoch next = 0;
  std::vector<GroupId> lost;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, StopEpoch& x) {
  return f(x.next, x.lost);
}
struct EpochStopped {
  std::uint64_t steps_committed = 0;  // since the epoch before began
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, EpochStopped& x) {
  return f(x.steps_committed);
}

// ReplicaSupervisor -> KvBlockManager: the storage behind the blocks is gone.
struct VoidBlocks {
  std::uint64_t generation = 0;  // of the cache from now on
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, VoidBlocks& x) {
  return f(x.generation);
}

// ReplicaSupervisor -> Scheduler: no restart will help; refuse everything from now on.
struct GiveUp {
  Refusal why;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, GiveUp& x) {
  return f(x.why);
}

// Worker -> ExpertShard -> ReplicaSupervisor: tokens routed to each expert since the rank's process began, by
// global expert id; only of the tokens that its attention group computed, and only from the group's first
// rank.
struct ExpertLoad {
  std::int32_t rank = 0;
  std::vector<std::uint64_t> tokens;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, ExpertLoad& x) {
  return f(x.rank, x.tokens);
}

// -> ReplicaSupervisor: let these ranks compute an expert, from the next epoch on.
struct PlaceExpert {
  std::int32_t expert = 0;
  std::vector<std::int32_t> ranks;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, PlaceExpert& x) {
  return f(x.expert, x.ranks);
}

// -> ReplicaSupervisor -> whom it concerns: die, or be told nonsense.
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, Drill& x) {
  return f(x.kind, x.rank, x.group);
}

// Names under which messages cross process borders.
template <class Config>
void add_messages(Config& config) {
#define TROUPE_MESSAGE(type) config.template add_message_type<type>("troupe::" #type)
  TROUPE_MESSAGE(actors::Submit);
  TROUPE_MESSAGE(actors::Refused);
  TROUPE_MESSAGE(runtime::BlockRequest);
  TROUPE_MESSAGE(runtime::BlockReply);
  TROUPE_MESSAGE(runtime::StepPlan);
  TROUPE_MESSAGE(runtime::StepResult);
  TROUPE_MESSAGE(actors::TokenReady);
  TROUPE_MESSAGE(actors::Credit);
  TROUPE_MESSAGE(actors::PauseSequence);
  TROUPE_MESSAGE(actors::ResumeSequence);
  TROUPE_MESSAGE(actors::CancelRequest);
  TROUPE_MESSAGE(actors::CancelSequence);
  TROUPE_MESSAGE(actors::Interrupted);
  TROUPE_MESSAGE(actors::NodeArrived);
  TROUPE_MESSAGE(actors::NodeWelcome);
  TROUPE_MESSAGE(actors::StartWorker);
  TROUPE_MESSAGE(actors::KillWorker);
  TROUPE_MESSAGE(actors::WorkerExited);
  TROUPE_MESSAGE(actors::WorkerHangs);
  TROUPE_MESSAGE(actors::NodeTicks);
  TROUPE_MESSAGE(actors::WorkerArrived);
  TROUPE_MESSAGE(actors::LoadModel);
  TROUPE_MESSAGE(actors::ModelLoaded);
  TROUPE_MESSAGE(actors::JoinEpoch);
  TROUPE_MESSAGE(actors::Joined);
  TROUPE_MESSAGE(actors::RankAddress);
  TROUPE_MESSAGE(actors::AbortEpochs);
  TROUPE_MESSAGE(actors::StepFailed);
  TROUPE_MESSAGE(actors::StopEpoch);
  TROUPE_MESSAGE(actors::EpochStopped);
  TROUPE_MESSAGE(actors::VoidBlocks);
  TROUPE_MESSAGE(actors::GiveUp);
  TROUPE_MESSAGE(actors::ExpertLoad);
  TROUPE_MESSAGE(actors::PlaceExpert);
  TROUPE_MESSAGE(actors::Drill);
#undef TROUPE_MESSAGE
}

}  // namespace troupe::actors
