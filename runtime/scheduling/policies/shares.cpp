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

void share_all(const Order& order, std::int32_t budget, Proposal& out) {
  for (const SequenceView* each : order) {
    out.shares.push_back({each->id, std::min(each->pending, budget)});
    budget -= out.shares.back().tokens;
  }
}

std::int32_t lacking_blocks(const SchedulerView& view, const SequenceView& sequence, std::int32_t tokens) {
  const std::int32_t size = std::max(view.block_size, 1);
  return std::max(0, (sequence.computed + tokens + view.ahead + size - 1) / size - sequence.blocks);
}

namespace {

// What newcomers find: free blocks and seats, and those of whom comes behind them and yields.
class Room {
 public:
  Room(const SchedulerView& view, const Order& order, const Yields& yields)
      : order_(order), yields_(yields), yielding_(order.size()) {
    constexpr std::int32_t no_limit = std::numeric_limits<std::int32_t>::max();
    if (view.total_blocks == 0) blocks_ = no_limit;
    if (view.total_blocks > 0) blocks_ = view.free_blocks;
    seats_ = view.most_running > 0 ? view.most_running : no_limit;
    for (const SequenceView* each : order) seats_ -= each->running;
  }

  // For the one at this place of the order, who runs.
  void take(std::int32_t blocks) { blocks_ = std::max(blocks_ - blocks, std::min(blocks_, 0)); }

  // Likewise, of one that waits; false: there is not enough. Nobody passes who waits for blocks: those that need few would take
  // what comes free for ever.
  bool admit(std::size_t place, std::int32_t blocks) {
    if (closed_) return false;
    std::int32_t freed = 0, seats = 0;
    std::size_t last = yielding_;
    const auto enough = [&] { return blocks <= blocks_ + freed && seats_ + seats > 0; };
    while (!enough() && yields_ && last > place + 1) {
      const SequenceView& other = *order_[--last];
      if (!other.running || !yields_(other)) continue;
      freed += other.blocks;
      ++seats;
    }
    closed_ = !enough();
    if (closed_) return false;
    yielding_ = last;
    blocks_ += freed;
    seats_ += seats - 1;
    take(blocks);
    return true;
  }

  // Whether somebody was admitted in place of the one there, who runs.
  bool gives_up(std::size_t place) const { return place >= yielding_ && yields_(*order_[place]); }

 private:
  const Order& order_;
  const Yields& yields_;
  std::int32_t blocks_ = 0, seats_ = 0;
  std::size_t yielding_;  // who yields from here on has given up its blocks
  bool closed_ = false;
};

}  // namespace

void share_keeping_blocks(const SchedulerView& view, const Order& order, std::int32_t budget, Proposal& out,
                          const Yields& yields) {
  Room room(view, order, yields);
  std::vector<Share> seated, unseated, admitted, yielding, turned_away;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const SequenceView& each = *order[i];
    std::int32_t tokens = std::max(0, std::min(each.pending, budget));
    if (!each.running && tokens > 0 && !room.admit(i, lacking_blocks(view, each, each.pending))) tokens = 0;
    if (each.running && tokens > 0) room.take(lacking_blocks(view, each, tokens));
    budget -= tokens;
    auto& part = !each.running      ? tokens > 0 ? admitted : turned_away
                 : room.gives_up(i) ? yielding
                 : tokens > 0       ? seated
                                    : unseated;
    part.push_back({each.id, tokens});
  }
  const auto add = [&](std::vector<Share>& part) {
    out.shares.insert(out.shares.end(), part.begin(), part.end());
    part.clear();
  };
  add(seated);
  if (out.shares.empty()) add(admitted);
  // What is free may be known late: if nobody else runs, the first one tries.
  if (out.shares.empty() && unseated.empty() && yielding.empty() && !order.empty())
    turned_away.front().tokens = std::min(order.front()->pending, budget);
  add(unseated);
  add(admitted);
  add(yielding);
  add(turned_away);
}

}  // namespace troupe::runtime
