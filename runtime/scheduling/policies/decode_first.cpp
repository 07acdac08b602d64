// Every decoding sequence first, then prompts in chunks with what is left: prefill never stalls decoding
// (Sarathi-Serve, OSDI 2024).
#include <algorithm>

#include "runtime/scheduling/policies/policy.hpp"

namespace troupe::runtime {
namespace {

class DecodeFirst final : public BatchPolicy {
 public:
  std::string_view name() const override { return "decode_first"; }

  void propose(const SchedulerView& view, std::int32_t token_budget, Proposal& out) override {
    for (bool decoding : {true, false})
      for (const SequenceView& each : view.sequences)
        if (each.decoding == decoding) {
          out.shares.push_back({each.id, std::min(each.pending, token_budget)});
          token_budget -= out.shares.back().tokens;
        }
  }
};

const bool registered = register_policy(
    "decode_first", []() -> std::unique_ptr<BatchPolicy> { return std::make_unique<DecodeFirst>(); });

}  // namespace
}  // namespace troupe::runtime
