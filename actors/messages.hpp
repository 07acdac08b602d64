// Every message between actors, in the order of a request's life; then those of supervision. Steps and blocks
// speak in the types of runtime/scheduling/step.hpp and blocks.hpp.
#pragma once

#include <caf/all.hpp>
#include <optional>

#include "actors/service.hpp"
#include "model/decoder_limits.hpp"
#include "model/sharding.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/gpu_reading.hpp"
#include "runtime/base/kv_budget.hpp"
#include "runtime/recovery/membership.hpp"
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

// Scheduler -> Request: the sequence waits for its turn.
struct Queued {
  SequenceId sequence = 0;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, Queued& x) {
  return f(x.sequence);
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

// Scheduler -> Worker: make a grammar ready, of which plans will name only the id; answered with GrammarReady. Since it may
// be forgotten meanwhile and told again, both name the telling.
struct LearnGrammar {
  GrammarSpec grammar;
  std::uint64_t telling = 0;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, LearnGrammar& x) {
  return f(x.grammar, x.telling);
}
struct GrammarReady {
  GrammarId id;
  std::uint64_t telling = 0;
  std::int32_t rank = 0;
  std::string failure;  // why it is not; empty: it is
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, GrammarReady& x) {
  return f(x.id, x.telling, x.rank, x.failure);
}

// Scheduler -> Worker: no sequence needs it any more.
struct ForgetGrammar {
  GrammarId id;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, ForgetGrammar& x) {
  return f(x.id);
}

// Scheduler -> KvBlockManager and back: runtime::BlockRequest, runtime::BlockReply.
// Scheduler -> Worker and back: runtime::StepPlan, runtime::StepResult.

// Scheduler -> Request: a step that sampled for the sequence has committed.
struct TokenReady {
  runtime::CommittedToken committed;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, TokenReady& x) {
  return f(x.committed);
}

// To a request: what it left with the threads that tokenize is done.
struct Tokenized {};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, Tokenized&) {
  return f();
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

// RequestSupervisor -> Request: it has lived for as long as that allows.
struct TimeIsUp {
  TimeLimit limit = TimeLimit::request;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, TimeIsUp& x) {
  return f(x.limit);
}

// Edge session -> Request: fail for this reason, unless you have begun to be computed.
struct Withdraw {
  Refusal why;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, Withdraw& x) {
  return f(x.why);
}

// Request -> Scheduler: likewise of all choices of a request; answered with Refused, of the first of them, or with nothing.
struct WithdrawSequences {
  SequenceId first = 0;
  std::uint64_t count = 0;
  Refusal why;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, WithdrawSequences& x) {
  return f(x.first, x.count, x.why);
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
// same process where there is only one rank. What happens to them and what is to be done about it are the events and
// orders of runtime/recovery:
//
//   Node -> ReplicaSupervisor: NodeTicks, WorkerExited, WorkerHangs, and NodeArrived within NodeIntroduced, which is
//   answered with NodeWelcome; and back: StartWorker, KillWorker
//   Worker -> ReplicaSupervisor: RoomForCache, ModelLoaded, LoadFailed, Joined, JoinFailed, StepFailed, and WorkerArrived within
//   WorkerIntroduced; and back: AbortEpochs, LoadModel, MakeCache, JoinEpoch
//   ReplicaSupervisor -> Scheduler: StopEpoch, answered with EpochStopped; -> KvBlockManager: VoidBlocks
//   an operator -> ReplicaSupervisor: PlaceExpert

// ReplicaSupervisor -> Worker: read these weights, if they are not there yet, and say so: RoomForCache, or ModelLoaded if
// the KV storage is there, too, or LoadFailed.
struct LoadModel {
  runtime::WorkerLife life;               // of the worker
  std::string checkpoint;                 // folder
  std::string device = "cpu";             // see kernels::make_ops
  std::string gpu_communicator = "auto";  // or nccl, host: what carries tensors between GPUs
  model::ShardingPlan sharding;
  model::DecoderLimits limits;
  runtime::KvBudget cache;
  std::int32_t block_size = 0;  // tokens
  Speculation speculation;
  std::uint64_t grammar_cache_bytes = 0;                // of a rank in a process of its own
  std::chrono::milliseconds grammar_compile_timeout{};  // likewise
  std::vector<std::vector<std::int32_t>> experts{};     // ranks by expert, as of now; empty: as by default
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, LoadModel& x) {
  return f(x.life, x.checkpoint, x.device, x.gpu_communicator, x.sharding, x.limits, x.cache, x.block_size,
           x.speculation, x.grammar_cache_bytes, x.grammar_compile_timeout, x.experts);
}

// Worker -> ReplicaSupervisor: the weights are read, and this is how much the device has left.
struct RoomForCache {
  runtime::WorkerLife life;
  std::int32_t blocks = 0;  // at least one
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, RoomForCache& x) {
  return f(x.life, x.blocks);
}

// ReplicaSupervisor -> Worker: make the KV storage, if it is not there yet, and say so: ModelLoaded or LoadFailed.
struct MakeCache {
  runtime::WorkerLife life;  // of the worker
  std::int32_t blocks = 0;   // the same on all ranks
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, MakeCache& x) {
  return f(x.life, x.blocks);
}

// ReplicaSupervisor -> Worker: meet the other ranks and serve this epoch, and say when that is done: Joined or
// JoinFailed. What the KV storage holds stays.
struct JoinEpoch {
  Epoch epoch = 0;
  std::string secret;                              // of the epoch's connections
  std::vector<std::vector<std::int32_t>> experts;  // ranks by expert; empty: as they are spread by default
  bool check = false;                              // that collectives give the right bytes
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, JoinEpoch& x) {
  return f(x.epoch, x.secret, x.experts, x.check);
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

// ReplicaSupervisor -> RequestSupervisor -> all requests: no restart will help.
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

// GpuWatch -> Node -> ReplicaSupervisor: how the GPUs of its ranks are, every few seconds where there are some.
struct GpuReadings {
  std::vector<GpuReading> gpus;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, GpuReadings& x) {
  return f(x.gpus);
}

// -> ReplicaSupervisor -> whom it concerns: die, or be told nonsense.
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, Drill& x) {
  return f(x.kind, x.rank, x.group);
}

// Replica -> ReplicaSupervisor -> Scheduler: go by this policy from the next step on; it can be made.
struct ChangePolicy {
  runtime::PolicyChoice policy;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, ChangePolicy& x) {
  return f(x.policy);
}

// To itself: something that it waits for is due.
struct Due {};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, Due&) {
  return f();
}

// To ReplicaSupervisor, Node and RequestSupervisor: end, with all parts.
struct End {};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, End&) {
  return f();
}

}  // namespace troupe::actors
