// Every message between actors, in the order of a request's life; then those of supervision. Steps and blocks
// speak in the types of runtime/step.hpp and runtime/blocks.hpp.
#pragma once

#include <caf/all.hpp>
#include <optional>

#include "runtime/base/error.hpp"
#include "runtime/scheduler.hpp"

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

// ReplicaSupervisor -> Worker: read the weights and serve this epoch. The answer comes when that is done.
struct JoinEpoch {
  Epoch epoch = 0;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, JoinEpoch& x) {
  return f(x.epoch);
}
struct Joined {
  Epoch epoch = 0;
  std::string arithmetic;  // all ranks of a replica agree on it
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, Joined& x) {
  return f(x.epoch, x.arithmetic);
}

// ReplicaSupervisor -> Scheduler: the epoch is over; interrupt all sequences and wait. Answered with what was
// done in it.
struct StopEpoch {
  Epoch next = 0;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, StopEpoch& x) {
  return f(x.next);
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
  Epoch epoch = 0;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, VoidBlocks& x) {
  return f(x.epoch);
}

// ReplicaSupervisor -> Scheduler: no restart will help; refuse everything from now on.
struct GiveUp {
  Refusal why;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, GiveUp& x) {
  return f(x.why);
}

// Worker -> ExpertShard: tokens routed to each expert since the replica began, by global expert id.
struct ExpertLoad {
  std::vector<std::uint64_t> tokens;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, ExpertLoad& x) {
  return f(x.tokens);
}

// Fault drill: the worker overwrites its KV storage with NaN and dies.
struct CrashWorker {};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, CrashWorker&) {
  return f();
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
  TROUPE_MESSAGE(actors::JoinEpoch);
  TROUPE_MESSAGE(actors::Joined);
  TROUPE_MESSAGE(actors::StopEpoch);
  TROUPE_MESSAGE(actors::EpochStopped);
  TROUPE_MESSAGE(actors::VoidBlocks);
  TROUPE_MESSAGE(actors::GiveUp);
  TROUPE_MESSAGE(actors::ExpertLoad);
  TROUPE_MESSAGE(actors::CrashWorker);
#undef TROUPE_MESSAGE
}

}  // namespace troupe::actors
