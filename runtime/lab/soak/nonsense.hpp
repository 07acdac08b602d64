// Policies as somebody may write them who has not understood. Not thread-safe.
#pragma once

#include <random>
#include <stdexcept>

#include "runtime/lab/soak/chance.hpp"
#include "runtime/scheduling/policies/policy.hpp"

namespace troupe::runtime::lab {

// Proposes nonsense: unknown, repeated and forgotten sequences, negative and huge shares. Who preempts at random
// may never let anybody finish, so at the end of chance it comes to its senses.
class Nonsense final : public BatchPolicy {
 public:
  // chance outlives it.
  explicit Nonsense(const Chance& chance) : chance_(chance) {}
  std::string_view name() const override { return "nonsense"; }
  void propose(const SchedulerView& view, std::int32_t token_budget, Proposal& out) override {
    if (chance_.spent()) return make_policy("fcfs")->propose(view, token_budget, out);
    for (std::size_t i = 0; i < 2 * view.sequences.size(); ++i) {
      const SequenceView& any = view.sequences[random_() % view.sequences.size()];
      out.shares.push_back({any.id + (random_() % 8 == 0 ? 1000000 : 0),
                            std::int32_t(random_() % 64) - 8 + (random_() % 4 == 0 ? token_budget : 0)});
    }
    if (random_() % 4 == 0) out.token_budget = std::int32_t(random_() % 128) - 8;
  }

 private:
  const Chance& chance_;
  std::mt19937 random_{7};
};

// Lets nobody run, ever.
class Silent final : public BatchPolicy {
 public:
  std::string_view name() const override { return "silent"; }
  void propose(const SchedulerView&, std::int32_t, Proposal&) override {}
};

// Says something and throws, whatever it is asked.
class Throwing final : public BatchPolicy {
 public:
  std::string_view name() const override { return "throwing"; }
  void propose(const SchedulerView& view, std::int32_t token_budget, Proposal& out) override {
    if (!view.sequences.empty()) out.shares.push_back({view.sequences.back().id, token_budget});
    throw 42;
  }
  void left(const SequenceView&, bool) override { throw std::runtime_error("a sequence has left"); }
};

// Gives everybody but the last one nothing, and ranks it behind those.
class LastAlone final : public BatchPolicy {
 public:
  std::string_view name() const override { return "last_alone"; }
  void propose(const SchedulerView& view, std::int32_t token_budget, Proposal& out) override {
    for (const SequenceView& each : view.sequences)
      out.shares.push_back({each.id, &each == &view.sequences.back() ? token_budget : 0});
  }
};

inline std::vector<std::string> misunderstandings() {
  return {"nonsense", "silent", "throwing", "last_alone"};
}

// chance outlives the policy. One of those, or one that is known.
inline std::unique_ptr<BatchPolicy> make_any_policy(const std::string& name, const Chance& chance) {
  if (name == "nonsense") return std::make_unique<Nonsense>(chance);
  if (name == "silent") return std::make_unique<Silent>();
  if (name == "throwing") return std::make_unique<Throwing>();
  if (name == "last_alone") return std::make_unique<LastAlone>();
  return make_policy(name);
}

}  // namespace troupe::runtime::lab
