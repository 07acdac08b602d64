// Keeps the replica's parts alive: who is in, in which epoch, and when one that died may come back.
//
// An epoch ends when anything in it dies, hangs or is cut off: the supervisor raises the epoch, has every
// worker let go of its collectives, stops the scheduler, and gives the cache of an attention group that lost
// a rank (or its block manager) a new generation. It brings back what is missing, and only that; when all
// ranks have their weights they meet anew, and the scheduler goes on.
#pragma once

#include <atomic>
#include <mutex>

#include "actors/handles.hpp"
#include "actors/kv_block_manager.hpp"
#include "actors/scheduler_actor.hpp"
#include "actors/service.hpp"
#include "runtime/recovery/restart_policy.hpp"

namespace troupe::actors {

// What the supervisor shows to whoever asks. Thread-safe.
class ReplicaStatus {
 public:
  enum class State { loading, serving, recovering, failed };
  std::atomic<State> state = State::loading;
  std::atomic<bool> has_served = false;
  std::atomic<Epoch> epoch = 0;
  std::atomic<std::uint64_t> restarts = 0, loaded_bytes = 0;

  void show(ReplicaView view) {
    const std::lock_guard lock(mutex_);
    view_ = std::move(view);
  }
  ReplicaView view() const {
    const std::lock_guard lock(mutex_);
    return view_;
  }

 private:
  mutable std::mutex mutex_;
  ReplicaView view_;
};
constexpr const char* to_string(ReplicaStatus::State state) {
  constexpr const char* names[]{"loading", "serving", "recovering", "failed"};
  return names[std::size_t(state)];
}

struct ReplicaSettings {
  LoadModel model;  // but for the rank
  std::int32_t nodes = 1;
  std::int32_t experts = 0;  // of the model
  std::string build;         // of this program, which all nodes run; empty where there are no others
  SchedulerSettings scheduler;
  KvBlockManagerSettings blocks;
  runtime::RestartPolicy::Limits restarts;
  std::chrono::milliseconds hang_limit{400};
  // The scheduler and the block managers have threads of their own, so that none waits behind a long prompt
  // that is being tokenized. False: they share the actor system's, as the test coordinator needs.
  bool own_threads = true;
  std::shared_ptr<ReplicaStatus> status;
  std::shared_ptr<Metrics> metrics;
  EdgeHandle edge;

  std::int32_t ranks() const { return model.tensor_parallel * model.data_parallel; }
};

class ReplicaSupervisorState {
 public:
  static inline const char* name = "replica_supervisor";
  using Self = ReplicaSupervisorHandle::stateful_pointer<ReplicaSupervisorState>;

  void begin(Self self, ReplicaSettings settings);
  void end();

  NodeWelcome node_arrived(const NodeArrived& arrived, const NodeHandle& node);
  void worker_arrived(const WorkerArrived& arrived, const WorkerHandle& worker);
  void worker_exited(const WorkerExited& exited);
  void worker_hangs(const WorkerHangs& hangs);
  void ticks(const NodeTicks& ticks);
  void share_address(const RankAddress& address);
  void step_failed(const StepFailed& failed);
  void expert_load(const ExpertLoad& load);
  void place(const PlaceExpert& order);
  void drill(const Drill& drill);
  void down(const caf::down_msg& down);
  void due(Epoch epoch);
  void restart_due(const StartWorker& order);

 private:
  struct Rank {
    enum class State { absent, starting, loading, ready, joining, serving, cut_off, dead };
    State state = State::absent;
    std::uint64_t incarnation = 0;
    std::int64_t pid = 0;
    WorkerHandle worker;      // unset while there is no link
    bool gone = true;         // there is no process of this incarnation
    bool progressed = false;  // a step was committed since it last died
    TimePoint ready_since{};
    int unanswered = 0;  // orders to join
    TimePoint asked_since{};
    std::uint64_t restarts = 0;
    runtime::RestartPolicy policy;
    WorkerTick last;
    TimePoint heard{};  // of it, from its node

    explicit Rank(const runtime::RestartPolicy::Limits& limits) : policy(limits) {}
  };
  struct Node {
    NodeHandle handle;  // unset while it is missing
  };
  struct Part {  // an actor of this process
    runtime::RestartPolicy policy;
    TimePoint died{};  // the last one in its place
    explicit Part(const runtime::RestartPolicy::Limits& limits) : policy(limits) {}
  };

  // Something is wrong, and who is at fault may be told in a moment.
  struct Enquiry {
    std::optional<std::int32_t> rank;
    std::string kind;
  };

  static const char* to_string(Rank::State state);

  // replica_supervisor.cpp: epochs
  void spawn_scheduler();
  void spawn_blocks(GroupId group);
  void end_epoch(const std::vector<GroupId>& lost);
  void begin_epoch_if_complete();
  void answered(std::int32_t rank, std::uint64_t incarnation);
  void joined(std::int32_t rank);
  void join_failed(std::int32_t rank, const caf::error& error);
  void serve();
  void enquire(Enquiry enquiry, std::chrono::milliseconds patience);
  bool part_died(Part& part, const char* name);
  void give_up(const std::string& why);
  void note_fault(std::optional<std::int32_t> rank, const std::string& kind, const Tick& tick,
                  double detected_ms);
  void show();

  // replica_ranks.cpp: workers and nodes
  void rank_died(std::int32_t rank, const std::string& kind, const Tick& tick, double detected_ms);
  void restart_dead();
  void start_worker(std::int32_t rank);
  void load(std::int32_t rank);
  void loaded(std::int32_t rank, const ModelLoaded& model);
  void load_failed(std::int32_t rank, const std::string& why);
  void cut_off(std::int32_t rank);
  void kill(std::int32_t rank);
  bool heard_lately(const Rank& rank) const;
  double waited_ms(const Rank& rank) const;
  void node_lost(std::int32_t node);
  void find_blocked();
  void find_blocked_step();
  void find_blocked_join();
  void find_unanswered();
  Rank* find(std::int32_t rank, std::uint64_t incarnation);
  TimePoint now() const { return self_->clock().now(); }
  std::int32_t ranks_of_node() const { return settings_.ranks() / settings_.nodes; }
  NodeHandle& node_of(std::int32_t rank) { return nodes_[std::size_t(rank / ranks_of_node())].handle; }
  GroupId group_of(std::int32_t rank) const { return GroupId(rank / settings_.model.tensor_parallel); }
  std::vector<GroupId> all_groups() const;

  Self self_ = nullptr;
  ReplicaSettings settings_;
  SchedulerHandle scheduler_;
  std::vector<KvBlockManagerHandle> blocks_;  // by group
  std::vector<Rank> ranks_;
  std::vector<Node> nodes_;
  std::vector<Part> parts_;  // the scheduler, then the block managers
  // Ranks by expert, as ordered and as they last served; empty: as they are spread by default.
  std::vector<std::vector<std::int32_t>> experts_, served_experts_;
  std::string arithmetic_;  // of all ranks

  Epoch epoch_ = 0;
  bool stopped_ = false;  // the scheduler has let go of the epoch before
  bool joining_ = false;  // the ranks are meeting
  TimePoint joining_since_{};
  std::size_t joined_ = 0;
  int failed_joins_ = 0;  // in a row
  int stalls_ = 0;        // of all ranks, in a row
  TimePoint stalled_at_{};
  TimePoint not_before_{};  // the next epoch begins
  std::optional<Enquiry> enquiry_;
  std::optional<FaultView> fault_;
  TimePoint fault_at_{};
  bool recovered_ = true;
};

ReplicaSupervisorHandle::behavior_type replica_supervisor(ReplicaSupervisorState::Self self,
                                                          ReplicaSettings settings);

}  // namespace troupe::actors
