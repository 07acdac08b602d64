// How policies hand out a step's tokens once they know who is more urgent than whom. Plain functions; any thread.
#pragma once

#include "runtime/scheduling/policies/policy.hpp"

namespace troupe::runtime {

using Order = std::vector<const SequenceView*>;  // into a view; the most urgent first

// In the order of the view, with those that hold blocks before those that hold none.
void order_running_first(const SchedulerView& view, Order& out);
// The part of such an order that holds no blocks.
std::span<const SequenceView*> waiting_part(Order& order);

// Each gets all it wants, in their order, as long as the budget lasts. The urgent take blocks from the less urgent.
void share_all(const Order& order, std::int32_t budget, Proposal& out);

// Likewise, but nobody who holds blocks loses them to one who holds none: those get tokens in their order while their whole
// prompts find free blocks, and are preempted first.
void share_keeping_blocks(const SchedulerView& view, const Order& order, std::int32_t budget, Proposal& out);

// Blocks that the sequence still lacks for its tokens up to the last of these, and for what is ahead of them.
std::int32_t lacking_blocks(const SchedulerView& view, const SequenceView& sequence, std::int32_t tokens);

}  // namespace troupe::runtime
