// A batch policy proposes who runs in the next step and with how many tokens; the scheduler disposes. A
// policy sees a view and cannot touch the queues, so a wrong proposal wastes a step and breaks nothing.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/ids.hpp"

namespace troupe::runtime {

struct SequenceView {
  SequenceId id = 0;
  std::int32_t pending = 0;  // tokens not yet computed: the rest of the prompt, or 1 while decoding
  bool decoding = false;
  bool running = false;  // holds blocks
  std::int32_t priority = 0;
  std::uint64_t arrival = 0;
  bool started = false;  // its stream has begun: somebody waits for the next token
};

struct SchedulerView {
  std::span<const SequenceView> sequences;  // of one group, in order of arrival; paused ones are left out
};

struct Share {
  SequenceId sequence = 0;
  std::int32_t tokens = 0;  // 0: ranked, but not run in this step
};

// Most urgent first. The order is also the order of preemption, read from the end.
struct Proposal {
  std::vector<Share> shares;
};

class BatchPolicy {
 public:
  virtual ~BatchPolicy() = default;
  virtual std::string_view name() const = 0;
  virtual void propose(const SchedulerView& view, std::int32_t token_budget, Proposal& out) = 0;
};

using PolicyFactory = std::function<std::unique_ptr<BatchPolicy>()>;
bool register_policy(std::string_view name, PolicyFactory make);
std::unique_ptr<BatchPolicy> make_policy(std::string_view name);  // throws Error that lists the known names
std::vector<std::string> policy_names();                          // sorted

}  // namespace troupe::runtime
