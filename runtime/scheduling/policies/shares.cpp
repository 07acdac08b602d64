#include "runtime/scheduling/policies/shares.hpp"

#include <algorithm>
#include <limits>

namespace troupe::runtime {

void order_running_first(const SchedulerView& view, Order& out) {
  out.clear();
  for (bool running : {true, false})
    for (const SequenceView& each : view.sequences)
      if (each.running == running) out.push_back(&each);
}

std::span<const SequenceView*> waiting_part(Order& order) {
  const auto first = std::ranges::find(order, false, &SequenceView::running);
  return {first, order.end()};
}

std::int32_t share_all(std::span<const SequenceView* const> order, std::int32_t budget, Proposal& out) {
  for (const SequenceView* each : order) {
    const std::int32_t tokens = std::min(each->pending, budget);
    if (tokens > 0 || each->running) out.shares.push_back({each->id, tokens});
    budget -= tokens;
  }
  return budget;
}

std::int32_t lacking_blocks(const SchedulerView& view, const SequenceView& sequence, std::int32_t tokens) {
  const std::int32_t size = std::max(view.block_size, 1);
  return std::max(0, (sequence.computed + tokens + view.ahead + size - 1) / size - sequence.blocks);
}

void share_keeping_blocks(const SchedulerView& view, const Order& order, std::int32_t budget, Proposal& out) {
  constexpr std::int32_t no_limit = std::numeric_limits<std::int32_t>::max();
  std::int32_t room = view.total_blocks > 0 ? view.free_blocks : no_limit;
  std::int32_t seats = view.most_running > 0 ? view.most_running : no_limit;
  for (const SequenceView* each : order) seats -= each->running;
  std::vector<Share> seated, unseated, admitted;
  for (const SequenceView* each : order) {
    const std::int32_t tokens = std::min(each->pending, budget);
    const std::int32_t lacks = lacking_blocks(view, *each, each->running ? tokens : each->pending);
    const bool runs = tokens > 0 && (each->running || (lacks <= room && seats > 0));
    if (runs || each->running)
      (!each->running ? admitted : runs ? seated : unseated).push_back({each->id, runs ? tokens : 0});
    // Nobody passes one that waits for blocks: those that need few would take what comes free for ever.
    if (!runs && !each->running && tokens > 0) room = -1;
    if (!runs) continue;
    budget -= tokens;
    room = std::max(room - lacks, std::min(room, 0));
    seats -= !each->running;
  }
  const auto add = [&](std::vector<Share>& part) {
    out.shares.insert(out.shares.end(), part.begin(), part.end());
    part.clear();
  };
  add(seated);
  if (out.shares.empty()) add(admitted);
  // What is free may be known late: if nobody else runs, the first one tries.
  if (out.shares.empty() && unseated.empty() && !order.empty())
    out.shares.push_back({order.front()->id, std::min(order.front()->pending, budget)});
  add(unseated);
  add(admitted);
}

}  // namespace troupe::runtime
