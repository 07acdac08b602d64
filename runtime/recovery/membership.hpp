// Who is in the replica, in which epoch, and when what died may come back: what happened and the time go in, orders
// come out. No actors, no clock, no threads: serving, the simulator and tests drive the same class. Owned by the
// replica's supervisor; not thread-safe.
//
// An epoch ends when anything in it dies, hangs or is cut off: the membership raises the epoch, has every worker
// let go of its collectives, has the scheduler stop, and gives the cache of an attention group that lost a rank (or
// its block manager) a new generation. It brings back what is missing, and only that; when all ranks have their
// weights they meet anew, and the scheduler goes on. README.md beside this file has the states and their reasons.
#pragma once

#include "runtime/recovery/events.hpp"
#include "runtime/recovery/orders.hpp"
#include "runtime/recovery/restart_policy.hpp"
#include "runtime/recovery/stall_watch.hpp"

namespace troupe::runtime {

struct MembershipSettings {
  std::int32_t tensor_parallel = 1;  // ranks of an attention group; those of a group follow one another
  std::int32_t data_parallel = 1;    // attention groups
  std::int32_t nodes = 1;            // which the ranks are spread over evenly, in order
  std::string build;                 // of this program, which all nodes run; empty where there are no others
  // Ranks by expert, as they are spread until an operator says otherwise.
  std::vector<std::vector<std::int32_t>> spread_experts;
  RestartPolicy::Limits restarts;
  Duration hang_limit = std::chrono::milliseconds(400);
  bool on_gpus = false;  // compute the ranks

  std::int32_t ranks() const { return tensor_parallel * data_parallel; }
  std::int32_t ranks_of_node() const { return ranks() / nodes; }
  std::int32_t node_of(std::int32_t rank) const { return rank / ranks_of_node(); }
  GroupId group_of(std::int32_t rank) const { return GroupId(rank / tensor_parallel); }
};

struct NodeWelcome {
  std::int32_t node = -1;  // its place; -1: not wanted
  std::string refusal;     // why not
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, NodeWelcome& x) {
  return f(x.node, x.refusal);
}

// Whether the state of a rank may be followed by another, see the table in membership_ranks.cpp.
bool may_follow(RankState before, RankState after);

// What happens may be told late, twice, or of lives and epochs that are over; it changes nothing then. Every event
// ends with check(). Times never go back.
class Membership {
 public:
  explicit Membership(MembershipSettings settings);

  // The first orders: the parts of the head's process, and an epoch to be stopped before the first one is served.
  Orders begin(TimePoint now);

  // place: that of the node whose connection this is, if it has one already. welcome is the answer.
  Orders on(const NodeArrived& arrived, std::optional<std::int32_t> place, NodeWelcome& welcome,
            TimePoint now);
  Orders node_lost(std::int32_t node, TimePoint now);
  // accepted: whether the link that brought the news is the worker's from now on; otherwise it is to end.
  Orders on(const WorkerArrived& arrived, bool& accepted, TimePoint now);
  Orders link_lost(std::int32_t rank, TimePoint now);
  Orders on(const WorkerExited& exited, TimePoint now);
  Orders on(const WorkerHangs& hangs, TimePoint now);
  Orders on(const NodeTicks& ticks, TimePoint now);
  Orders on(const ModelLoaded& loaded, TimePoint now);
  Orders on(const LoadFailed& failed, TimePoint now);
  Orders on(const Joined& joined, TimePoint now);
  Orders on(const JoinFailed& failed, TimePoint now);
  Orders on(const StepFailed& failed, TimePoint now);
  Orders on(const EpochStopped& stopped, TimePoint now);
  Orders on(const PlaceExpert& order, TimePoint now);
  Orders scheduler_died(TimePoint now);
  Orders blocks_died(GroupId group, TimePoint now);
  // Time has passed: to be called at next_deadline(), and harmless at any other time.
  Orders due(TimePoint now);
  std::optional<TimePoint> next_deadline() const;
  // Deaths from here on are wanted.
  void end();

  Epoch epoch() const { return epoch_; }
  ReplicaState state() const;
  bool has_served() const { return has_served_; }
  ReplicaView view() const;
  const MembershipSettings& settings() const { return settings_; }
  // CHECKs every invariant; the comments there say what each is for.
  void check() const;

 private:
  struct Rank {
    RankState state = RankState::absent;
    std::uint64_t incarnation = 0;
    pid_t pid = 0;
    bool exited = true;      // there is no process of this incarnation
    bool condemned = false;  // the node that is there was told to kill it
    bool progressed =
        false;        // a step was committed since it last died, or the search for what kills it went on
    Epoch epoch = 0;  // that it joins or serves
    TimePoint ready_since{};
    std::optional<TimePoint> starts_at;  // absent, and its pause ends then
    // The last epoch that it was told to join, and the last one that it answered for: it takes orders in turn.
    Epoch asked = 0, answered = 0;
    TimePoint asked_since{};  // the order that it is at, while an answer is missing
    std::uint64_t restarts = 0;
    RestartPolicy policy;
    Heard heard;
    std::optional<FaultView> fault;  // the last one of which it was the culprit

    explicit Rank(const RestartPolicy::Limits& limits) : policy(limits) {}
    bool linked() const;
  };
  struct Part {  // of the head's process
    RestartPolicy policy;
    TimePoint died{};  // the last one in its place
    explicit Part(const RestartPolicy::Limits& limits) : policy(limits) {}
  };
  // Something is wrong, and who is at fault may be told before a moment has passed.
  struct Enquiry {
    std::optional<std::int32_t> rank;
    FaultKind kind{};
    TimePoint ends{};
  };
  enum class Phase {
    stopping,   // the scheduler has not let go of the epoch before
    gathering,  // something is missing, or a pause goes on
    joining,    // the ranks were told to meet
    serving,    // they have met
    failed,     // for good
  };

  // membership.cpp: epochs, faults and the parts of the head's process
  void end_epoch(const std::vector<GroupId>& lost, const EpochEnd& how = {});
  void begin_epoch_if_complete(TimePoint now);
  void pause(int& in_a_row, TimePoint now);
  void serve(TimePoint now);
  void enquire(Enquiry enquiry);
  void part_died(Part& part, FaultKind kind, const std::vector<GroupId>& lost, const Order& successor,
                 TimePoint now);
  void give_up(const std::string& why);
  void note_fault(std::optional<std::int32_t> rank, FaultKind kind, const Tick& last, Duration detected,
                  TimePoint now);
  void find_blocked(TimePoint now);
  void find_blocked_step(TimePoint now);
  void find_blocked_join(TimePoint now);
  void find_unanswered(TimePoint now);
  std::vector<GroupId> all_groups() const;
  Orders finish(TimePoint now);

  // membership_ranks.cpp: workers and nodes
  void set(Rank& rank, RankState state);
  Rank* find(const WorkerLife& life);
  WorkerLife life_of(std::int32_t rank) const { return {rank, ranks_[std::size_t(rank)].incarnation}; }
  bool has_node(std::int32_t rank) const { return nodes_[std::size_t(settings_.node_of(rank))]; }
  void settle(std::int32_t place, const NodeArrived& arrived, TimePoint now);
  void start(std::int32_t rank);
  void start_after_pause(TimePoint now);
  void restart_dead(TimePoint now);
  void exited(std::int32_t rank, const std::string& how, const WorkerSeen& seen, EpochEnd::Cause cause,
              TimePoint now);
  void hangs(std::int32_t rank, FaultKind kind, const Heard& heard, TimePoint now);
  void died(std::int32_t rank, FaultKind kind, const Tick& last, Duration detected, EpochEnd::Cause cause,
            TimePoint now);
  void kill(std::int32_t rank);
  void cut_off(std::int32_t rank, TimePoint now);
  void answered(Rank& rank, Epoch epoch, TimePoint now);

  const MembershipSettings settings_;
  Phase phase_ = Phase::stopping;
  Epoch epoch_ = 1;
  bool has_served_ = false;
  std::vector<Rank> ranks_;
  std::vector<bool> nodes_;  // whether each is there
  Part scheduler_;
  std::vector<Part> blocks_;  // by group
  StallWatch stalls_;
  // As ordered and as they last served; empty: as they are spread.
  std::vector<std::vector<std::int32_t>> experts_, served_experts_;
  std::string arithmetic_;  // of all ranks; empty: not known yet

  TimePoint joining_since_{};
  int failed_joins_ = 0, refused_plans_ = 0;  // in a row
  TimePoint not_before_{};                    // the next epoch begins
  std::optional<Enquiry> enquiry_;
  std::optional<FaultView> fault_;  // the last one
  TimePoint fault_at_{};            // the first one since it last served
  bool recovered_ = true;
  TimePoint last_event_{};
  Orders orders_;
};

}  // namespace troupe::runtime
