// Every decoding sequence first, then prompts in chunks with what is left: prefill never stalls decoding (Sarathi-Serve,
// OSDI 2024). Where it departs: streams that lost their caches are computed again before new prompts, the shortest first,
// so that each is silent for no longer than it must be; and of what new prompts get, the oldest leaves half to the others,
// the shortest of them first, so that a short one does not wait for a long one's end.
#include <algorithm>

#include "runtime/scheduling/policies/shares.hpp"

namespace troupe::runtime {
namespace {

class DecodeFirst final : public BatchPolicy {
 public:
  std::string_view name() const override { return "decode_first"; }

  void propose(const SchedulerView& view, std::int32_t token_budget, Proposal& out) override {
    decoding_.clear();
    replays_.clear();
    prompts_.clear();
    for (const SequenceView& each : view.sequences)
      (each.decoding ? decoding_ : each.started ? replays_ : prompts_).push_back(&each);
    std::int32_t left = share_all(decoding_, token_budget, out);
    left = share_all_by(&SequenceView::pending, replays_, left, out);
    if (prompts_.empty()) return;
    const std::span others = std::span(prompts_).subspan(1);
    std::int64_t others_pending = 0;
    for (const SequenceView* each : others) others_pending += each->pending;
    const auto leaves = std::int32_t(std::min<std::int64_t>(left / 2, others_pending));
    left = leaves + share_all(std::span(prompts_).first(1), left - leaves, out);
    share_all_by(&SequenceView::pending, others, left, out);
  }

 private:
  Order decoding_, replays_, prompts_;  // kept between steps for their memory
};

const bool registered = register_policy("decode_first", [](PolicyOptions&) -> std::unique_ptr<BatchPolicy> {
  return std::make_unique<DecodeFirst>();
});

}  // namespace
}  // namespace troupe::runtime
