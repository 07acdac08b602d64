// How policies hand out a step's tokens once they know who is more urgent than whom. Who waits and gets none is not named:
// thousands may wait. Plain functions; any thread.
#pragma once

#include <algorithm>
#include <utility>

#include "runtime/scheduling/policies/policy.hpp"

namespace troupe::runtime {

using Order = std::vector<const SequenceView*>;  // into a view; the most urgent first

// In the order of the view, with those that hold blocks before those that hold none.
void order_running_first(const SchedulerView& view, Order& out);
// The part of such an order that holds no blocks.
std::span<const SequenceView*> waiting_part(Order& order);

// Each gets all it wants, in their order, as long as the budget lasts; returns what is left of it. The urgent take blocks from
// the less urgent.
std::int32_t share_all(std::span<const SequenceView* const> order, std::int32_t budget, Proposal& out);

// Likewise in the order of a key, the lowest first, and of the view among equals. Sorts those alone that get tokens or hold blocks.
template <class Key>
std::int32_t share_all_by(const Key& key, std::span<const SequenceView*> sequences, std::int32_t budget,
                          Proposal& out) {
  const auto before = [&](const SequenceView* a, const SequenceView* b) {
    return std::pair(std::invoke(key, *a), a) < std::pair(std::invoke(key, *b), b);
  };
  const auto after = [&](const SequenceView* a, const SequenceView* b) { return before(b, a); };
  auto last = sequences.end();
  std::make_heap(sequences.begin(), last, after);
  while (budget > 0 && last != sequences.begin()) {
    std::pop_heap(sequences.begin(), last, after);
    budget = share_all({&*--last, 1}, budget, out);
  }
  const auto seated = std::partition(sequences.begin(), last, [](const auto* each) { return each->running; });
  std::sort(sequences.begin(), seated, before);
  return share_all({sequences.begin(), seated}, budget, out);
}

// Likewise, but nobody who holds blocks loses them to one who holds none: those get tokens in their order while their whole
// prompts find free blocks, and are preempted first.
void share_keeping_blocks(const SchedulerView& view, const Order& order, std::int32_t budget, Proposal& out);

// Blocks that the sequence still lacks for its tokens up to the last of these, and for what is ahead of them.
std::int32_t lacking_blocks(const SchedulerView& view, const SequenceView& sequence, std::int32_t tokens);

}  // namespace troupe::runtime
