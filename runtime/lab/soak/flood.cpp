#include "runtime/lab/soak/flood.hpp"

#include <random>
#include <set>

#include "runtime/lab/simulated_replica.hpp"
#include "runtime/lab/soak/promise.hpp"

namespace troupe::runtime::lab {
namespace {

constexpr double step_seconds = 1.0 / 64;

class Draw {  // without end, unlike Chance: what comes must not get less
 public:
  explicit Draw(std::uint64_t seed) : random_(seed) {}
  std::int32_t below(std::int32_t end) { return std::int32_t(random_() % std::uint64_t(end)); }
  std::int32_t between(std::int32_t first, std::int32_t last) { return first + below(last - first + 1); }

 private:
  std::mt19937_64 random_;
};

ReplicaSettings random_settings(Draw& draw, const PolicyFactory& make_policy) {
  ReplicaSettings settings;
  settings.limits.max_num_batched_tokens = draw.between(2, 64);
  settings.limits.max_num_seqs = draw.between(1, 8);
  settings.limits.max_model_len = draw.between(16, 96);
  settings.limits.max_step_time = std::chrono::milliseconds(draw.below(2) * 20);
  settings.limits.max_steps_in_flight = draw.between(1, 2);
  settings.limits.block_size = draw.between(1, 8);
  settings.limits.prefix_caching = false;
  settings.limits.max_waiting = 64;
  settings.groups = draw.between(1, 2);
  settings.blocks =
      (settings.limits.max_model_len + settings.limits.block_size - 1) / settings.limits.block_size +
      draw.below(40);
  settings.make_policy = make_policy;
  return settings;
}

class Flood final : public SimulatedReplica::Owner {
 public:
  Flood(const PolicyFactory& make_policy, std::uint64_t seed)
      : draw_(seed),
        settings_(random_settings(draw_, make_policy)),
        replica_(0, settings_, cost_, *this),
        crowd_(std::size_t(draw_.between(2, 24))) {}

  // As soon as somebody has ended another one comes, so that there are always more than can run.
  std::int64_t run() {
    for (const std::int32_t before = draw_.below(200); steps_ < before;) step();
    const SequenceId victim = submit();
    const std::int64_t came = steps_;
    while (live_.contains(victim)) {
      hold(steps_ - came < most_flood_steps, "a request starves");
      step();
    }
    return steps_ - came;
  }

 private:
  void planned(const SimulatedStep&) override { ++steps_; }
  void committed(std::size_t, std::span<const CommittedToken> tokens) override {
    for (const CommittedToken& token : tokens) {
      hold(live_.contains(token.sequence), "a token of a request that has ended");
      if (token.finish != FinishReason::none) live_.erase(token.sequence);
    }
  }

  void step() {
    while (live_.size() < crowd_ + std::size_t(settings_.limits.max_num_seqs * settings_.groups)) submit();
    now_ = replica_.next_event();
    hold(now_ < 1e9, "nobody runs, though somebody could");
    replica_.time_is(now_);
    replica_.advance();
  }

  SequenceId submit() {
    Submission submission;
    submission.sequence = submission.arrival = ++last_id_;
    submission.prompt_tokens = draw_.between(1, settings_.limits.max_model_len - 1);
    submission.tokens.resize(std::size_t(submission.prompt_tokens));
    submission.max_output_tokens = draw_.between(1, settings_.limits.max_model_len);
    submission.caller = std::uint64_t(draw_.below(4));
    submission.priority = draw_.below(3);
    if (draw_.below(2) == 1) submission.slo = {draw_.below(500), draw_.below(50), draw_.below(2000)};
    live_.insert(last_id_);
    hold(bool(replica_.submit(std::move(submission))), "a queue that is not full refused");
    return last_id_;
  }

  Draw draw_;
  ReplicaSettings settings_;
  LinearCost cost_{step_seconds, 0, 0};
  std::int64_t steps_ = 0;
  std::set<SequenceId> live_;
  SimulatedReplica replica_;
  std::size_t crowd_;  // that wait
  double now_ = 0;
  SequenceId last_id_ = 0;
};

}  // namespace

const std::vector<std::string>& fair_policies() {
  static const std::vector<std::string> names{"fcfs", "decode_first", "vtc", "edf", "mlfq"};
  return names;
}

std::int64_t drown(const std::string& policy, std::uint64_t seed) {
  // Its hunger is measured in time, of which a step takes little here.
  std::vector<std::string> options;
  if (policy == "mlfq") options = {"starve_ms=500", "quantum=16"};
  return drown([&] { return make_policy(policy, options); }, seed);
}

std::int64_t drown(const PolicyFactory& make_policy, std::uint64_t seed) {
  return Flood(make_policy, seed).run();
}

}  // namespace troupe::runtime::lab
