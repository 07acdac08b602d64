// Skip-join multi-level feedback queues (FastServe, arXiv 2305.05920, 2023): level i serves so many tokens as `quantum` (512) doubled i
// times; a sequence joins the level whose quantum holds its prompt, falls a level when it has used the quantum of its own up, and is served
// before all of lower levels and those that came later to its own. Who got nothing for starve_ms rises to the top. Where it departs: service
// is counted in tokens instead of seconds, and who loses its blocks is computed again instead of being swapped out. So levels are
// for prompts and for who waits, and nobody who runs makes way: who holds blocks keeps them, since taking them would cost all that is
// in the cache, and who decodes has its token in every step, since that is a row beside those of the prompts. When blocks run
// short, the youngest of those loses its own.
#include <algorithm>
#include <unordered_map>

#include "runtime/scheduling/policies/shares.hpp"

namespace troupe::runtime {
namespace {

class Mlfq final : public BatchPolicy {
 public:
  explicit Mlfq(PolicyOptions& options)
      : quantum_(options.whole("quantum", 512, 1, 1 << 24)),
        levels_(std::int32_t(options.whole("levels", 8, 1, 16))),
        starves_after_(std::chrono::milliseconds(options.whole("starve_ms", 30'000, 1, 1'000'000'000))) {}
  std::string_view name() const override { return "mlfq"; }

  void propose(const SchedulerView& view, std::int32_t token_budget, Proposal& out) override {
    ranked_.clear();
    order_.clear();
    for (const SequenceView& each : view.sequences) {
      const std::int32_t level = level_of(each, view.now);
      if (each.decoding)
        order_.push_back(&each);
      else
        ranked_.emplace_back(level, &each);
    }
    std::ranges::stable_sort(ranked_, {},
                             [](const Ranked& each) { return std::pair(each.first, !each.second->running); });
    for (const auto& [level, each] : ranked_) order_.push_back(each);
    share_keeping_blocks(view, order_, token_budget, out);
  }

  void left(const SequenceView& sequence, bool) override { states_.erase(sequence.id); }

 private:
  using Ranked = std::pair<std::int32_t, const SequenceView*>;
  struct State {
    std::int32_t level = 0;
    std::int32_t served = 0;   // tokens, the most that was ever in its cache
    std::int32_t entered = 0;  // of those, when it came to its level
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
    if (sequence.running && sequence.computed > state.served) {
      state.served = sequence.computed;
      state.last_served = now;
    } else if (now - state.last_served >= starves_after_) {
      state = {0, state.served, state.served, now};
    }
    while (state.level + 1 < levels_ && state.served - state.entered > quantum(state.level)) {
      state.entered += std::int32_t(quantum(state.level));
      ++state.level;
    }
    return state.level;
  }

  std::int64_t quantum_;  // tokens, of the highest level
  std::int32_t levels_;
  Duration starves_after_;
  std::unordered_map<SequenceId, State> states_;
  std::vector<Ranked> ranked_;  // kept between steps for its memory, as the other
  Order order_;
};

const bool registered = register_policy("mlfq", [](PolicyOptions& options) -> std::unique_ptr<BatchPolicy> {
  return std::make_unique<Mlfq>(options);
});

}  // namespace
}  // namespace troupe::runtime
