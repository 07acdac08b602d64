// Prompts before decoding (vLLM's first default, SOSP 2023): a step computes the prompts that have arrived, the oldest first,
// and those that decode wait for it; only when no prompt finds blocks, decoding goes on. Where it departs: a prompt longer than
// a step's tokens is computed in chunks instead of being refused.
#include <algorithm>

#include "runtime/scheduling/policies/shares.hpp"

namespace troupe::runtime {
namespace {

class PrefillFirst final : public BatchPolicy {
 public:
  std::string_view name() const override { return "prefill_first"; }

  void propose(const SchedulerView& view, std::int32_t token_budget, Proposal& out) override {
    Order prompts, decoding, waiting;
    std::int32_t room = view.free_blocks, seats = view.most_running;
    for (const SequenceView& each : view.sequences) {
      seats -= each.running;
      // What a prompt that has begun lacks is spoken for: else it takes it from those that decode, and who comes back as a
      // prompt does the same to it, for ever.
      if (each.running && !each.decoding) room -= lacking_blocks(view, each, each.pending);
    }
    for (const SequenceView& each : view.sequences) {
      const std::int32_t lacks = lacking_blocks(view, each, each.pending);
      const bool fits = each.running || (waiting.empty() && seats > 0 && lacks <= room);
      (each.decoding ? decoding : fits ? prompts : waiting).push_back(&each);
      if (each.running || !fits) continue;
      room -= lacks;
      --seats;
    }
    if (prompts.empty())
      share_all(decoding, token_budget, out);
    else
      share_all(prompts, token_budget, out);
    const bool nobody = prompts.empty() && decoding.empty();
    if (!prompts.empty()) share_all(decoding, 0, out);
    share_all(waiting, nobody ? token_budget : 0, out);
  }
};

const bool registered = register_policy("prefill_first", [](PolicyOptions&) -> std::unique_ptr<BatchPolicy> {
  return std::make_unique<PrefillFirst>();
});

}  // namespace
}  // namespace troupe::runtime
