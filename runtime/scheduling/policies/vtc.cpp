// Virtual token counters ("Fairness in Serving Large Language Models", OSDI 2024): each caller has a counter of the tokens that
// it was served, prompts at input_weight (1) and answers at output_weight (2), and of those that wait, the oldest of the
// caller with the lowest counter is admitted first. A caller that had nobody waiting is lifted to the lowest counter of those
// that had, so that no credit is saved up; two callers that always have somebody waiting are served equally within
// 2 max(input_weight * longest prompt, output_weight * tokens of the pool). Where it departs: prompts that the cache holds are
// charged, too, and what is computed again after a preemption is not.
#include <algorithm>
#include <limits>
#include <unordered_map>

#include "runtime/scheduling/policies/shares.hpp"

namespace troupe::runtime {
namespace {

constexpr std::size_t most_remembered_callers = 4096;  // beyond them, those without requests are forgotten

class Vtc final : public BatchPolicy {
 public:
  explicit Vtc(PolicyOptions& options)
      : input_weight_(options.number("input_weight", 1, 0, 1e6)),
        output_weight_(options.number("output_weight", 2, 0, 1e6)) {}
  std::string_view name() const override { return "vtc"; }

  void propose(const SchedulerView& view, std::int32_t token_budget, Proposal& out) override {
    for (const SequenceView& each : view.sequences) charge(each);
    order_running_first(view, order_);
    order_waiting();
    share_keeping_blocks(view, order_, token_budget, out);
  }

  void left(const SequenceView& sequence, bool) override {
    charge(sequence);
    charged_.erase(sequence.id);
    --callers_.at(sequence.caller).sequences;
    if (callers_.size() > most_remembered_callers)
      std::erase_if(callers_, [](const auto& each) { return each.second.sequences == 0; });
  }

 private:
  struct Caller {
    double served = 0;
    std::int32_t sequences = 0;
    std::vector<const SequenceView*> waiting{};  // in this step, the oldest first; between steps, whether any
    std::size_t next = 0;                        // of those
  };
  struct Charged {
    std::int32_t prompt = 0, outputs = 0;
  };

  void charge(const SequenceView& sequence) {
    Caller& caller = callers_[sequence.caller];
    const auto [place, is_new] = charged_.try_emplace(sequence.id);
    Charged& charged = place->second;
    if (is_new) {
      if (caller.waiting.empty()) caller.served = std::max(caller.served, lowest_waiting());
      ++caller.sequences;
      // What a fault made another scheduler forget was charged by the one before.
      if (sequence.outputs > 0) charged = {sequence.prompt_tokens, sequence.outputs};
    }
    if (sequence.running && charged.prompt == 0) {  // admitted
      caller.served += input_weight_ * sequence.prompt_tokens;
      charged.prompt = sequence.prompt_tokens;
    }
    if (sequence.outputs <= charged.outputs) return;
    caller.served += output_weight_ * (sequence.outputs - charged.outputs);
    charged.outputs = sequence.outputs;
  }

  double lowest_waiting() const {
    double lowest = std::numeric_limits<double>::infinity();
    for (const auto& [id, caller] : callers_)
      if (!caller.waiting.empty()) lowest = std::min(lowest, caller.served);
    return lowest < std::numeric_limits<double>::infinity() ? lowest : last_served_;
  }

  // As if each were served when it is admitted, so that a step does not admit one caller's alone.
  void order_waiting() {
    const auto waiting = waiting_part(order_);
    for (auto& [id, caller] : callers_) {
      if (!caller.waiting.empty()) last_served_ = caller.served;
      caller.waiting.clear();
      caller.next = 0;
    }
    for (const SequenceView* each : waiting) callers_.at(each->caller).waiting.push_back(each);
    using Turn = std::pair<double, std::uint64_t>;  // served by then, caller; the lowest on top
    std::vector<Turn> turns;
    for (const auto& [id, caller] : callers_)
      if (!caller.waiting.empty()) turns.emplace_back(caller.served, id);
    std::ranges::make_heap(turns, std::greater());
    for (const SequenceView*& place : waiting) {
      std::ranges::pop_heap(turns, std::greater());
      auto& [served, id] = turns.back();
      Caller& caller = callers_.at(id);
      place = caller.waiting[caller.next++];
      served += input_weight_ * (place->computed + place->pending);
      if (caller.next < caller.waiting.size())
        std::ranges::push_heap(turns, std::greater());
      else
        turns.pop_back();
    }
  }

  double input_weight_, output_weight_;
  std::unordered_map<std::uint64_t, Caller> callers_;
  double last_served_ = 0;  // the counter of a caller that had somebody waiting last
  std::unordered_map<SequenceId, Charged> charged_;
  Order order_;  // kept between steps for its memory
};

const bool registered = register_policy("vtc", [](PolicyOptions& options) -> std::unique_ptr<BatchPolicy> {
  return std::make_unique<Vtc>(options);
});

}  // namespace
}  // namespace troupe::runtime
