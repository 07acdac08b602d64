// Who understands what: the map of the actors.
#pragma once

#include "actors/messages.hpp"

namespace troupe::actors {

using RequestHandle =
    caf::typed_actor<caf::reacts_to<TokenReady>, caf::reacts_to<Refused>, caf::reacts_to<Interrupted>,
                     caf::reacts_to<Credit>, caf::reacts_to<CancelRequest>>;

using KvBlockManagerHandle =
    caf::typed_actor<caf::replies_to<runtime::BlockRequest>::with<runtime::BlockReply>,
                     caf::reacts_to<VoidBlocks>>;

using ExpertShardHandle =
    caf::typed_actor<caf::reacts_to<ExpertLoad>, caf::replies_to<caf::get_atom>::with<ExpertLoad>>;

using WorkerHandle = caf::typed_actor<caf::replies_to<JoinEpoch>::with<Joined>,
                                      caf::replies_to<runtime::StepPlan>::with<runtime::StepResult>,
                                      caf::reacts_to<CrashWorker>>;

using SchedulerHandle =
    caf::typed_actor<caf::reacts_to<Submit>, caf::reacts_to<PauseSequence>, caf::reacts_to<ResumeSequence>,
                     caf::reacts_to<CancelSequence>, caf::replies_to<StopEpoch>::with<EpochStopped>,
                     caf::reacts_to<Epoch, KvBlockManagerHandle, WorkerHandle>,  // the epoch begins with
                                                                                 // these
                     caf::reacts_to<GiveUp>>;

// JoinEpoch: to itself, when a restart is due. A fault drill is passed on to the worker. ok: end all parts.
using ReplicaSupervisorHandle =
    caf::typed_actor<caf::reacts_to<JoinEpoch>, caf::reacts_to<CrashWorker>, caf::reacts_to<caf::ok_atom>>;

// A request was born, and this is where its end must be told. ok: end all requests.
class TerminalOnce;
using EdgeHandle = caf::typed_actor<caf::reacts_to<RequestHandle, std::shared_ptr<TerminalOnce>>,
                                    caf::reacts_to<caf::ok_atom>>;

}  // namespace troupe::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::shared_ptr<troupe::actors::TerminalOnce>)  // never leaves its process
