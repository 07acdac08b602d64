// Skip-join multi-level feedback queues (FastServe, arXiv 2305.05920, 2023): level i serves so many tokens as `quantum` (512) doubled i
// times; a sequence joins the level whose quantum holds its prompt, falls a level when it has used the quantum of its own up, and is served
// before all of lower levels and those that came later to its own. Who got nothing for starve_ms rises to the top. Where it departs: service
// is counted in tokens instead of seconds, and who loses its blocks is computed again instead of being swapped out; so one that is
// running loses them only to one of a higher level.
#include <algorithm>
#include <unordered_map>
#include <utility>

#include "runtime/scheduling/policies/shares.hpp"

namespace troupe::runtime {
namespace {

class Mlfq final : public BatchPolicy {
 public:
  explicit Mlfq(PolicyOptions& options)
      : quantum_(options.whole("quantum", 512, 1, 1 << 24)),
        levels_(std::int32_t(options.whole("levels", 8, 1, 16))),
        starves_after_(std::chrono::milliseconds(options.whole("starve_ms", 30'000, 1, 1'000'000'000))),
        recomputed_(options.number("recomputed", 2, 0, 1e6)) {}
  std::string_view name() const override { return "mlfq"; }

  void propose(const SchedulerView& view, std::int32_t token_budget, Proposal& out) override {
    ranked_.clear();
    for (const SequenceView& each : view.sequences) ranked_.emplace_back(level_of(each, view.now), &each);
    std::ranges::stable_sort(ranked_, {},
                             [](const Ranked& each) { return std::pair(each.first, !each.second->running); });
    order_.clear();
    for (const auto& [level, each] : ranked_) order_.push_back(each);
    share_keeping_blocks(view, order_, token_budget, out,
                         [this](const SequenceView& each) { return has_earned(each); });
  }

  void left(const SequenceView& sequence, bool) override { states_.erase(sequence.id); }

 private:
  using Ranked = std::pair<std::int32_t, const SequenceView*>;
  struct State {
    std::int32_t level = 0;
    std::int32_t served = 0;   // tokens, the most that was ever in its cache
    std::int32_t entered = 0;  // of those, when it came to its level
    std::int32_t holds = 0;    // tokens in its cache
    std::int64_t lost = 0;     // tokens that were, whenever it lost its blocks
    TimePoint last_served{};
  };

  std::int64_t quantum(std::int32_t level) const { return quantum_ << level; }

  std::int32_t level_of(const SequenceView& sequence, TimePoint now) {
    const auto [place, is_new] = states_.try_emplace(sequence.id);
    State& state = place->second;
    if (is_new) {
      while (state.level + 1 < levels_ && quantum(state.level) < sequence.pending) ++state.level;
      state.last_served = now;
    }
    if (!sequence.running) state.lost += std::exchange(state.holds, 0);
    if (sequence.running) state.holds = sequence.computed;
    if (state.holds > state.served) {
      state.served = state.holds;
      state.last_served = now;
    } else if (now - state.last_served >= starves_after_) {
      state.level = 0;
      state.entered = state.served;
      state.last_served = now;
    }
    while (state.level + 1 < levels_ && state.served - state.entered > quantum(state.level)) {
      state.entered += std::int32_t(quantum(state.level));
      ++state.level;
    }
    return state.level;
  }

  // What it has lost, and would, against what it was worth.
  bool has_earned(const SequenceView& running) const {
    const State& state = states_.at(running.id);
    return double(state.lost + state.holds) <= recomputed_ * running.outputs;
  }

  std::int64_t quantum_;  // tokens, of the highest level
  std::int32_t levels_;
  Duration starves_after_;
  double recomputed_;  // tokens, of one that is sampled
  std::unordered_map<SequenceId, State> states_;
  std::vector<Ranked> ranked_;  // kept between steps for its memory, as the other
  Order order_;
};

const bool registered = register_policy("mlfq", [](PolicyOptions& options) -> std::unique_ptr<BatchPolicy> {
  return std::make_unique<Mlfq>(options);
});

}  // namespace
}  // namespace troupe::runtime
