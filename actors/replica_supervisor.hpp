// Glue between messages and runtime::Membership, which keeps the replica's parts alive: what is heard becomes an
// event, and orders become messages, actors that are spawned or links that end. Decides nothing itself.
#pragma once

#include "actors/kv_block_manager.hpp"
#include "actors/replica_status.hpp"
#include "actors/scheduler_actor.hpp"
#include "runtime/base/gpu_reading.hpp"
#include "runtime/recovery/cache_agreement.hpp"

namespace troupe::actors {

struct ReplicaSettings {
  runtime::MembershipSettings membership;
  LoadModel model;  // but for the life and the rank
  SchedulerSettings scheduler;
  KvBlockManagerSettings blocks;  // but for their number, which the ranks agree on, and the group
  std::shared_ptr<ReplicaStatus> status;
  std::shared_ptr<Metrics> metrics;
  RequestSupervisorHandle requests;
};

class ReplicaSupervisorState {
 public:
  static inline const char* name = "replica_supervisor";
  using Self = ReplicaSupervisorHandle::stateful_pointer<ReplicaSupervisorState>;

  void begin(Self self, ReplicaSettings settings);
  void end();

  template <class Event>
  void hear(const Event& event) {
    obey(membership_->on(event, now()));
  }
  void hear(const RoomForCache& news);
  void hear(const runtime::LoadFailed& failed);
  runtime::NodeWelcome introduce(const NodeIntroduced& news);
  void introduce(const WorkerIntroduced& news);
  void share(const RankAddress& address);
  void count(const ExpertLoad& load);
  void hear(const GpuReadings& news);
  void drill(const Drill& drill);
  void change_policy(const ChangePolicy& order);
  void down(const caf::down_msg& down);
  void due();

 private:
  void obey(const runtime::Orders& orders);
  void carry_out(const runtime::StartWorker& order) { self_->send(node_of(order.life.rank), order); }
  void carry_out(const runtime::KillWorker& order) { self_->send(node_of(order.life.rank), order); }
  void carry_out(const runtime::Load& order);
  void carry_out(const runtime::Join& order);
  void carry_out(const runtime::AbortEpochs& order) { tell_workers(order); }
  void carry_out(const runtime::Dismiss& order);
  void carry_out(const runtime::StopEpoch& order) { self_->send(scheduler_, order); }
  void carry_out(const runtime::VoidBlocks& order);
  void carry_out(const runtime::MakeScheduler& order);
  void carry_out(const runtime::MakeBlocks& order);
  void carry_out(const runtime::Serve& order);
  void carry_out(const runtime::GiveUp& order);
  void carry_out(const runtime::TellFault& told);
  void carry_out(const runtime::TellRecovery& told) { settings_.metrics->recovered(told.took); }
  void carry_out(const runtime::TellRestart&) { settings_.metrics->worker_restarted(); }
  void carry_out(const runtime::TellStale&) { settings_.metrics->stale_message(); }

  std::optional<std::uint64_t> gpu_memory_available() const;
  void make_blocks(GroupId group);
  template <class Message>
  void tell_workers(const Message& message) {
    for (const WorkerHandle& worker : workers_)
      if (worker) self_->send(worker, message);
  }
  void show();
  TimePoint now() const { return self_->clock().now(); }
  const NodeHandle& node_of(std::int32_t rank) const {
    return nodes_[std::size_t(settings_.membership.node_of(rank))];
  }

  Self self_ = nullptr;
  ReplicaSettings settings_;
  std::optional<runtime::Membership> membership_;
  SchedulerHandle scheduler_;
  std::optional<runtime::CacheAgreement> cache_;
  std::vector<KvBlockManagerHandle> blocks_;  // by group; unset before their number is known
  std::vector<std::uint64_t> generations_;    // of the groups' caches
  std::vector<NodeHandle> nodes_;             // by place; unset while one is missing
  std::vector<WorkerHandle> workers_;         // by rank; unset while there is no link
  std::map<std::int32_t, GpuReading> gpus_;   // by rank; none where ranks compute on CPUs
  std::optional<TimePoint> wakes_at_;         // the message to itself that is on its way
};

ReplicaSupervisorHandle::behavior_type replica_supervisor(ReplicaSupervisorState::Self self,
                                                          ReplicaSettings settings);

}  // namespace troupe::actors
