// Replicas over one driven clock, with a router and the requests of a trace before them. Events happen in the order of their
// times; the same trace, settings and seed give the same schedule. Owned by one thread; several may simulate side by side.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <unordered_map>

#include "runtime/lab/failures.hpp"
#include "runtime/lab/router.hpp"
#include "runtime/lab/service_report.hpp"
#include "runtime/lab/simulated_replica.hpp"
#include "runtime/lab/trace.hpp"

namespace troupe::runtime::lab {

struct SimulationSettings : ReplicaSettings {
  std::int32_t replicas = 1;
  std::string router = "round_robin";
  // Seconds of a request's way to the scheduler and of a token's to the client, together.
  double delivery = 0;
  ServiceLevels levels{};       // for goodput, where a request asks for nothing
  double deaths_per_hour = 0;   // of ranks, over all replicas
  double recovery_seconds = 0;  // from a death until its replica serves again
  std::uint64_t seed = 0;       // of deaths, and of what a router draws
};

constexpr std::uint64_t most_deaths_in_a_row = 1000;  // without a token between them that somebody waits for

class Simulation final : public SimulatedReplica::Owner {
 public:
  // trace and cost outlive it. Throws Error for an unknown router, and as SimulatedReplica.
  Simulation(const SimulationSettings& settings, Trace& trace, const CostModel& cost);
  ~Simulation() override;

  // Called for each step when it is planned, and for each request when it has ended; empty: nobody wants to know.
  std::function<void(const SimulatedStep&)> on_step{};
  std::function<void(const ServedRequest&)> on_request{};

  // Whether the sequence is one that has not ended: one that its ranks were told to forget has then lost its blocks.
  bool is_live(SequenceId sequence) const { return live_.contains(sequence); }

  // Until the trace is over and all are served. Throws Error for what the trace throws, for a policy that lets sequences
  // wait though nothing runs, and for ranks that die faster than they recover.
  ServiceReport run();

 private:
  struct Live {
    TraceRequest asked;
    ServedRequest request;
    std::size_t replica = 0;
    bool waits = true;
  };

  void planned(const SimulatedStep& step) override;
  void committed(std::size_t replica, std::span<const CommittedToken> tokens) override;

  double next_arrival() const;  // infinity: nobody comes by itself
  TraceRequest take_arrival();
  void arrive(TraceRequest request);
  void die();
  Submission submission_of(SequenceId id, const Live& live) const;
  void admit(const StepPlan& plan, double now);
  void take(const CommittedToken& token, ReplicaLoad& load);
  SimulatedReplica& next_replica();  // at which something happens first
  ServiceReport report();

  SimulationSettings settings_;
  Trace& trace_;
  std::optional<TraceRequest> opening_;        // the trace's next; none: it is over
  std::multimap<double, TraceRequest> later_;  // turns whose conversations were answered, by arrival
  std::deque<SimulatedReplica> replicas_;      // which stay where they are
  std::unique_ptr<Router> router_;
  std::vector<ReplicaLoad> loads_;  // by replica
  Failures failures_;
  std::uint64_t deaths_in_a_row_ = 0;
  std::unordered_map<SequenceId, Live> live_;
  double now_ = 0;  // seconds
  SequenceId last_id_ = 0;
  ServiceReport report_;
  Fairness fairness_;
};

}  // namespace troupe::runtime::lab
