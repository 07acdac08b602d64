// Depth first over the tree of prompts (SGLang's dfs-weight, NeurIPS 2024): those that wait are admitted in the order of the tree
// that their prompts' beginnings form, the branch with the most of them first, so that whoever shares a prefix runs while it
// is cached. Where it departs: the tree is of whole blocks, and at most 128 of those that wait are in it, the oldest.
#include <algorithm>

#include "runtime/scheduling/policies/shares.hpp"

namespace troupe::runtime {
namespace {

using Branch = std::span<const SequenceView*>;

// Of a branch whose prompts agree up to `depth` blocks and are sorted by them: its own branches, the larger before the
// smaller, the older first among equals.
void order_branch(Branch branch, std::size_t depth) {
  const auto name = [&](const SequenceView* each) {
    return depth < each->prefix.size() ? &each->prefix[depth] : nullptr;
  };
  while (branch.size() > 1 && name(branch.front()) && name(branch.back()) &&
         *name(branch.front()) == *name(branch.back()))
    ++depth;
  if (branch.size() < 2) return;
  // Of two choices of a request, too, one is the older: the order does not depend on what blocks are named.
  using Place = std::pair<std::uint64_t, SequenceId>;
  const auto place = [](const SequenceView* each) { return Place(each->arrival, each->id); };
  struct Child {
    std::vector<const SequenceView*> sequences;
    Place oldest;
  };
  std::vector<Child> children;
  const BlockHash* last = nullptr;
  for (const SequenceView* each : branch) {
    const BlockHash* const block = name(each);
    if (!block || !last || *block != *last) children.push_back({{}, place(each)});
    last = block;
    children.back().sequences.push_back(each);
    children.back().oldest = std::min(children.back().oldest, place(each));
  }
  std::ranges::stable_sort(children, [](const Child& a, const Child& b) {
    return std::pair(b.sequences.size(), a.oldest) < std::pair(a.sequences.size(), b.oldest);
  });
  auto at = branch.begin();
  for (Child& child : children) {
    order_branch(child.sequences, depth + 1);
    at = std::ranges::copy(child.sequences, at).out;
  }
}

class Dfs final : public BatchPolicy {
 public:
  std::string_view name() const override { return "dfs"; }

  void propose(const SchedulerView& view, std::int32_t token_budget, Proposal& out) override {
    order_running_first(view, order_);
    const Branch waiting = waiting_part(order_);
    std::ranges::stable_sort(waiting, [](const SequenceView* a, const SequenceView* b) {
      return std::ranges::lexicographical_compare(a->prefix, b->prefix);
    });
    order_branch(waiting, 0);
    share_keeping_blocks(view, order_, token_budget, out);
  }

 private:
  Order order_;  // kept between steps for its memory
};

const bool registered = register_policy(
    "dfs", [](PolicyOptions&) -> std::unique_ptr<BatchPolicy> { return std::make_unique<Dfs>(); });

}  // namespace
}  // namespace troupe::runtime
