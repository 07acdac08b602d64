// Who understands what: the map of the actors.
#pragma once

#include "actors/messages.hpp"

namespace troupe::actors {

using KvBlockManagerHandle =
    caf::typed_actor<caf::replies_to<runtime::BlockRequest>::with<runtime::BlockReply>,
                     caf::reacts_to<VoidBlocks>, caf::reacts_to<Drill>>;

// ok: to itself, when a report is due.
using ExpertShardHandle =
    caf::typed_actor<caf::reacts_to<ExpertLoad>, caf::reacts_to<caf::ok_atom>, caf::reacts_to<Drill>>;

// A plan's sender gets the StepResult, if this rank is its group's first. What it is told to do outside of
// steps comes from the supervisor, which hears of failed steps.
using WorkerHandle =
    caf::typed_actor<caf::replies_to<LoadModel>::with<ModelLoaded>, caf::replies_to<JoinEpoch>::with<Joined>,
                     caf::reacts_to<RankAddress>, caf::reacts_to<AbortEpochs>,
                     caf::reacts_to<runtime::StepPlan>, caf::reacts_to<Drill>>;

using SchedulerHandle =
    caf::typed_actor<caf::reacts_to<Submit>, caf::reacts_to<PauseSequence>, caf::reacts_to<ResumeSequence>,
                     caf::reacts_to<CancelSequence>, caf::reacts_to<runtime::StepResult>,
                     caf::replies_to<StopEpoch>::with<EpochStopped>,
                     // The epoch begins with these: a block manager a group, a worker a rank.
                     caf::reacts_to<Epoch, std::vector<KvBlockManagerHandle>, std::vector<WorkerHandle>>,
                     caf::reacts_to<Drill>>;

// A scheduler comes when the one before is gone.
using RequestHandle =
    caf::typed_actor<caf::reacts_to<TokenReady>, caf::reacts_to<Refused>, caf::reacts_to<Interrupted>,
                     caf::reacts_to<SchedulerHandle>, caf::reacts_to<GiveUp>, caf::reacts_to<Credit>,
                     caf::reacts_to<CancelRequest>>;

// ok: end all workers.
using NodeHandle =
    caf::typed_actor<caf::reacts_to<StartWorker>, caf::reacts_to<KillWorker>, caf::reacts_to<caf::ok_atom>>;

// Epoch: to itself, when something in it is due. ok: end all parts.
using ReplicaSupervisorHandle =
    caf::typed_actor<caf::replies_to<NodeArrived, NodeHandle>::with<NodeWelcome>,
                     caf::reacts_to<WorkerArrived, WorkerHandle>, caf::reacts_to<WorkerExited>,
                     caf::reacts_to<WorkerHangs>, caf::reacts_to<NodeTicks>, caf::reacts_to<RankAddress>,
                     caf::reacts_to<StepFailed>, caf::reacts_to<ExpertLoad>, caf::reacts_to<PlaceExpert>,
                     caf::reacts_to<Drill>, caf::reacts_to<Epoch>, caf::reacts_to<StartWorker>,
                     caf::reacts_to<caf::ok_atom>>;

// A request was born, and this is where its end must be told. A scheduler, or its end, is told to all
// requests. ok: end all requests.
class TerminalOnce;
using EdgeHandle =
    caf::typed_actor<caf::reacts_to<RequestHandle, std::shared_ptr<TerminalOnce>>,
                     caf::reacts_to<SchedulerHandle>, caf::reacts_to<GiveUp>, caf::reacts_to<caf::ok_atom>>;

}  // namespace troupe::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::shared_ptr<troupe::actors::TerminalOnce>)  // never leaves its process
