// A batch policy proposes who runs in the next step and with how many tokens; the scheduler disposes. A
// policy sees a view and cannot touch the queues, so a wrong proposal wastes a step and breaks nothing.
#pragma once

#include <cstddef>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/clock.hpp"
#include "runtime/base/ids.hpp"
#include "runtime/base/service_levels.hpp"
#include "runtime/scheduling/blocks.hpp"
#include "runtime/scheduling/policies/policy_options.hpp"
#include "runtime/scheduling/step_cost.hpp"

namespace troupe::runtime {

struct SequenceView {
  SequenceId id = 0;
  // Tokens that are to be computed: the rest of the prompt, less what the prefix cache seems to hold of it, or 1 while
  // decoding. What is cached takes nothing of a step's budget.
  std::int32_t pending = 0;
  bool decoding = false;
  bool running = false;  // holds blocks
  std::int32_t priority = 0;
  std::uint64_t arrival = 0;
  bool started = false;  // its stream has begun: somebody waits for the next token
  std::uint64_t caller = 0;
  TimePoint arrived{};
  ServiceLevels slo{};
  std::int32_t prompt_tokens = 0, max_output_tokens = 0;
  std::int32_t computed =
      0;  // tokens in the cache once all steps in flight are done, or that seem to be cached
  std::int32_t outputs = 0;             // tokens sampled by then: what it was served
  std::int32_t predicted_output = 0;    // in all; 0: nobody knows
  std::int32_t blocks = 0;              // held
  std::span<const BlockHash> prefix{};  // while it holds none: names of its full blocks from the start
};

struct SchedulerView {
  std::span<const SequenceView> sequences;  // of one group, in order of arrival; paused ones are left out
  TimePoint now{};
  std::int32_t free_blocks = 0, total_blocks = 0;  // as the pool said last; 0 in all: it has not spoken yet
  std::int32_t block_size = 0;                     // tokens
  std::int32_t ahead = 0;                          // positions behind a sequence's tokens that take room, too
  std::int32_t most_tokens = 0;                    // a step may have, however long it takes
  std::int32_t most_running = 0;                   // sequences that hold blocks
  const StepCost* cost = nullptr;                  // of a step, as far as it was learned; null: nobody knows
};

struct Share {
  SequenceId sequence = 0;
  std::int32_t tokens = 0;  // 0: ranked, but not run in this step; says nothing of one that holds no blocks
};

// Most urgent first. The order is also the order of preemption, read from the end: a sequence gets blocks, if need be, from
// those behind it. The first one should have tokens: it is the one that surely goes on.
struct Proposal {
  std::vector<Share> shares;
  std::optional<std::int32_t>
      token_budget{};  // instead of the one that was given; at most the view's most_tokens
};

class BatchPolicy {
 public:
  virtual ~BatchPolicy() = default;
  virtual std::string_view name() const = 0;
  virtual void propose(const SchedulerView& view, std::int32_t token_budget, Proposal& out) = 0;
  // The sequence has left, as it was then. finished: by itself, so that its length says something.
  virtual void left(const SequenceView&, bool /*finished*/) {}
  // Whether a newcomer goes before those of a higher number that wait already; else all of them may be ahead of it.
  virtual bool by_priority() const { return false; }
};

// A policy as it is asked for.
struct PolicyChoice {
  std::string name;
  std::vector<std::string> options{};  // "KEY=VALUE"
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, PolicyChoice& x) {
  return f(x.name, x.options);
}

using PolicyFactory = std::function<std::unique_ptr<BatchPolicy>()>;
using PolicyMaker = std::function<std::unique_ptr<BatchPolicy>(PolicyOptions&)>;

// What a policy was compiled against. A plugin of another version has other numbers, and is refused.
struct PolicyInterface {
  std::uint32_t version =
      3;  // to be raised with what layouts do not show: names, order and meaning of fields and functions
  std::uint64_t layout = 0;
  friend bool operator==(const PolicyInterface&, const PolicyInterface&) = default;
};
consteval PolicyInterface policy_interface() {
  std::uint64_t layout = 14695981039346656037u;  // FNV-1a
  for (const std::size_t each : {sizeof(SequenceView),
                                 offsetof(SequenceView, decoding),
                                 offsetof(SequenceView, arrival),
                                 offsetof(SequenceView, caller),
                                 offsetof(SequenceView, slo),
                                 offsetof(SequenceView, computed),
                                 offsetof(SequenceView, prefix),
                                 sizeof(SchedulerView),
                                 offsetof(SchedulerView, now),
                                 offsetof(SchedulerView, free_blocks),
                                 offsetof(SchedulerView, cost),
                                 sizeof(ServiceLevels),
                                 sizeof(StepCost),
                                 sizeof(Share),
                                 sizeof(Proposal),
                                 sizeof(BatchPolicy),
                                 sizeof(PolicyOptions),
                                 sizeof(std::string),
                                 sizeof(PolicyMaker),
                                 std::size_t(__GXX_ABI_VERSION)})
    layout = (layout ^ each) * 1099511628211u;
  return {.layout = layout};
}

// built_for is the caller's. Policies of the program register themselves before main, those of a plugin while it is loaded
// (policy_plugin.hpp); false: it is refused.
bool register_policy(std::string_view name, PolicyMaker make, PolicyInterface built_for = policy_interface());
// options: "KEY=VALUE"; where: they come from, for errors. Throws Error that lists the known names, or the policy's known
// options, or says why the policy cannot be made.
std::unique_ptr<BatchPolicy> make_policy(std::string_view name, const std::vector<std::string>& options = {},
                                         std::string_view where = "--policy-option");
// All options of such a policy, with the values that hold. Throws as make_policy.
std::vector<PolicyOption> options_in_force(const PolicyChoice& policy,
                                           std::string_view where = "--policy-option");
std::vector<std::string> policy_names();  // sorted

}  // namespace troupe::runtime
