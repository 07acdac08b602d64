// Who understands what: the map of the actors. Messages that carry handles stand here, behind those handles.
#pragma once

#include "actors/messages.hpp"

namespace troupe::actors {

using KvBlockManagerHandle =
    caf::typed_actor<caf::replies_to<runtime::BlockRequest>::with<runtime::BlockReply>,
                     caf::reacts_to<runtime::VoidBlocks>, caf::reacts_to<Drill>>;

// Due: a report.
using ExpertShardHandle =
    caf::typed_actor<caf::reacts_to<ExpertLoad>, caf::reacts_to<Due>, caf::reacts_to<Drill>>;

// A plan's sender gets the StepResult, if this rank is its group's first. What it is told to do outside of steps
// comes from the supervisor, which gets the answers.
using WorkerHandle =
    caf::typed_actor<caf::reacts_to<LoadModel>, caf::reacts_to<MakeCache>, caf::reacts_to<JoinEpoch>,
                     caf::reacts_to<RankAddress>, caf::reacts_to<runtime::AbortEpochs>,
                     caf::reacts_to<LearnGrammar>, caf::reacts_to<ForgetGrammar>,
                     caf::reacts_to<runtime::StepPlan>, caf::reacts_to<Drill>>;

using NodeHandle = caf::typed_actor<caf::reacts_to<runtime::StartWorker>, caf::reacts_to<runtime::KillWorker>,
                                    caf::reacts_to<End>>;

// ReplicaSupervisor -> Scheduler: all ranks have met.
struct BeginEpoch {
  Epoch epoch = 0;
  std::vector<KvBlockManagerHandle> blocks;  // by group
  std::vector<WorkerHandle> workers;         // by rank
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, BeginEpoch& x) {
  return f(x.epoch, x.blocks, x.workers);
}

using SchedulerHandle =
    caf::typed_actor<caf::reacts_to<Submit>, caf::reacts_to<PauseSequence>, caf::reacts_to<ResumeSequence>,
                     caf::reacts_to<CancelSequence>, caf::reacts_to<WithdrawSequences>,
                     caf::reacts_to<GrammarReady>, caf::reacts_to<runtime::StepResult>,
                     caf::replies_to<runtime::StopEpoch>::with<runtime::EpochStopped>,
                     caf::reacts_to<BeginEpoch>, caf::reacts_to<ChangePolicy>, caf::reacts_to<Drill>>;

// ReplicaSupervisor -> RequestSupervisor -> all requests: this is the scheduler from now on; the one before is gone.
struct NewScheduler {
  SchedulerHandle scheduler;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, NewScheduler& x) {
  return f(x.scheduler);
}

using RequestHandle =
    caf::typed_actor<caf::reacts_to<Tokenized>, caf::reacts_to<TokenReady>, caf::reacts_to<Queued>,
                     caf::reacts_to<Refused>, caf::reacts_to<Interrupted>, caf::reacts_to<NewScheduler>,
                     caf::reacts_to<GiveUp>, caf::reacts_to<Credit>, caf::reacts_to<TimeIsUp>,
                     caf::reacts_to<Withdraw>, caf::reacts_to<CancelRequest>>;

// A request was born, and this is where its end must be told, whatever happens to it.
class TerminalOnce;
struct RequestBorn {
  RequestHandle request;
  std::shared_ptr<TerminalOnce> sink;
  TimeLimits times{};  // which the supervisor keeps
};
using RequestSupervisorHandle =
    caf::typed_actor<caf::reacts_to<RequestBorn>, caf::reacts_to<NewScheduler>, caf::reacts_to<GiveUp>,
                     caf::reacts_to<Due>, caf::reacts_to<End>>;

// A node or a worker shows itself, again whenever its link was cut.
struct NodeIntroduced {
  runtime::NodeArrived arrived;
  NodeHandle node;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, NodeIntroduced& x) {
  return f(x.arrived, x.node);
}
struct WorkerIntroduced {
  runtime::WorkerArrived arrived;
  WorkerHandle worker;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, WorkerIntroduced& x) {
  return f(x.arrived, x.worker);
}

using ReplicaSupervisorHandle = caf::typed_actor<
    caf::replies_to<NodeIntroduced>::with<runtime::NodeWelcome>, caf::reacts_to<WorkerIntroduced>,
    caf::reacts_to<runtime::WorkerExited>, caf::reacts_to<runtime::WorkerHangs>,
    caf::reacts_to<runtime::NodeTicks>, caf::reacts_to<RoomForCache>, caf::reacts_to<runtime::ModelLoaded>,
    caf::reacts_to<runtime::LoadFailed>, caf::reacts_to<runtime::Joined>, caf::reacts_to<runtime::JoinFailed>,
    caf::reacts_to<runtime::StepFailed>, caf::reacts_to<runtime::EpochStopped>,
    caf::reacts_to<runtime::PlaceExpert>, caf::reacts_to<RankAddress>, caf::reacts_to<ExpertLoad>,
    caf::reacts_to<GpuReadings>, caf::reacts_to<ChangePolicy>, caf::reacts_to<Drill>, caf::reacts_to<Due>,
    caf::reacts_to<End>>;

// Names under which messages cross process borders.
template <class Config>
void add_messages(Config& config) {
#define TROUPE_MESSAGE(type) config.template add_message_type<type>("troupe::" #type)
  TROUPE_MESSAGE(actors::Submit);
  TROUPE_MESSAGE(actors::LearnGrammar);
  TROUPE_MESSAGE(actors::GrammarReady);
  TROUPE_MESSAGE(actors::ForgetGrammar);
  TROUPE_MESSAGE(actors::Queued);
  TROUPE_MESSAGE(actors::Refused);
  TROUPE_MESSAGE(runtime::BlockRequest);
  TROUPE_MESSAGE(runtime::BlockReply);
  TROUPE_MESSAGE(runtime::StepPlan);
  TROUPE_MESSAGE(runtime::StepResult);
  TROUPE_MESSAGE(actors::TokenReady);
  TROUPE_MESSAGE(actors::Tokenized);
  TROUPE_MESSAGE(actors::Credit);
  TROUPE_MESSAGE(actors::PauseSequence);
  TROUPE_MESSAGE(actors::ResumeSequence);
  TROUPE_MESSAGE(actors::TimeIsUp);
  TROUPE_MESSAGE(actors::Withdraw);
  TROUPE_MESSAGE(actors::WithdrawSequences);
  TROUPE_MESSAGE(actors::CancelRequest);
  TROUPE_MESSAGE(actors::CancelSequence);
  TROUPE_MESSAGE(actors::Interrupted);
  TROUPE_MESSAGE(runtime::NodeTicks);
  TROUPE_MESSAGE(runtime::WorkerExited);
  TROUPE_MESSAGE(runtime::WorkerHangs);
  TROUPE_MESSAGE(runtime::NodeWelcome);
  TROUPE_MESSAGE(runtime::StartWorker);
  TROUPE_MESSAGE(runtime::KillWorker);
  TROUPE_MESSAGE(runtime::ModelLoaded);
  TROUPE_MESSAGE(runtime::LoadFailed);
  TROUPE_MESSAGE(runtime::Joined);
  TROUPE_MESSAGE(runtime::JoinFailed);
  TROUPE_MESSAGE(runtime::StepFailed);
  TROUPE_MESSAGE(runtime::AbortEpochs);
  TROUPE_MESSAGE(runtime::StopEpoch);
  TROUPE_MESSAGE(runtime::EpochStopped);
  TROUPE_MESSAGE(runtime::VoidBlocks);
  TROUPE_MESSAGE(runtime::PlaceExpert);
  TROUPE_MESSAGE(actors::NodeIntroduced);
  TROUPE_MESSAGE(actors::WorkerIntroduced);
  TROUPE_MESSAGE(actors::BeginEpoch);
  TROUPE_MESSAGE(actors::NewScheduler);
  TROUPE_MESSAGE(actors::LoadModel);
  TROUPE_MESSAGE(actors::RoomForCache);
  TROUPE_MESSAGE(actors::MakeCache);
  TROUPE_MESSAGE(actors::JoinEpoch);
  TROUPE_MESSAGE(actors::RankAddress);
  TROUPE_MESSAGE(actors::GiveUp);
  TROUPE_MESSAGE(actors::ExpertLoad);
  TROUPE_MESSAGE(actors::GpuReadings);
  TROUPE_MESSAGE(actors::ChangePolicy);
  TROUPE_MESSAGE(actors::Drill);
  TROUPE_MESSAGE(actors::Due);
  TROUPE_MESSAGE(actors::End);
#undef TROUPE_MESSAGE
}

}  // namespace troupe::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::RequestBorn)  // never leaves its process
