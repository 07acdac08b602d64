// Every decoding sequence first, then prompts in chunks with what is left: prefill never stalls decoding (Sarathi-Serve,
// OSDI 2024). Where it departs: streams that lost their caches are computed again before new prompts, the shortest first,
// so that each is silent for no longer than it must be; and of what new prompts get, the oldest leaves half to the others,
// the shortest of them first, so that a short one does not wait for a long one's end.
#include <algorithm>

#include "runtime/scheduling/policies/policy.hpp"

namespace troupe::runtime {
namespace {

class DecodeFirst final : public BatchPolicy {
 public:
  std::string_view name() const override { return "decode_first"; }

  void propose(const SchedulerView& view, std::int32_t token_budget, Proposal& out) override {
    std::int32_t left = token_budget;
    const auto give = [&](const SequenceView& to, std::int32_t tokens) {
      out.shares.push_back({to.id, tokens});
      left -= tokens;
    };
    replays_.clear();
    prompts_.clear();
    for (const SequenceView& each : view.sequences)
      if (each.decoding)
        give(each, std::min(each.pending, left));
      else
        (each.started ? replays_ : prompts_).push_back(each);
    std::ranges::stable_sort(replays_, {}, &SequenceView::pending);
    for (const SequenceView& each : replays_) give(each, std::min(each.pending, left));
    if (prompts_.empty()) return;
    std::int64_t others = 0;
    for (const SequenceView& each : std::span(prompts_).subspan(1)) others += each.pending;
    const auto leaves = std::int32_t(std::min<std::int64_t>(left / 2, others));
    give(prompts_.front(), std::min(prompts_.front().pending, left - leaves));
    std::ranges::stable_sort(prompts_.begin() + 1, prompts_.end(), {}, &SequenceView::pending);
    for (const SequenceView& each : std::span(prompts_).subspan(1)) give(each, std::min(each.pending, left));
  }

 private:
  std::vector<SequenceView> replays_, prompts_;  // kept between steps for their memory
};

const bool registered = register_policy("decode_first", [](PolicyOptions&) -> std::unique_ptr<BatchPolicy> {
  return std::make_unique<DecodeFirst>();
});

}  // namespace
}  // namespace troupe::runtime
