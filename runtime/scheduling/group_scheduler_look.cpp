// What policies see of a group's sequences: all those that may run in the next step.
#include <algorithm>

#include "runtime/scheduling/group_scheduler.hpp"

namespace troupe::runtime {

void GroupScheduler::look() {
  touched_.insert(touched_.end(), looked_up_.begin(), looked_up_.end());
  if (touched_.size() > by_arrival_.size() / 4)
    look_at_all();
  else
    for (const Place& each : touched_) look_again(each);
  touched_.clear();
  look_up_prefixes();
}

void GroupScheduler::look_at_all() {
  views_.clear();
  for (const auto& [place, sequence] : by_arrival_)
    if (shown(sequence)) views_.push_back(view_of(sequence));
}

void GroupScheduler::look_again(const Place& place) {
  const auto at = std::ranges::lower_bound(
      views_, place, {}, [](const SequenceView& each) { return Place(each.arrival, each.id); });
  const bool was_shown = at != views_.end() && at->id == place.second;
  const Sequence* const sequence = find(place.second);
  if (!sequence || !shown(*sequence)) {
    if (was_shown) views_.erase(at);
  } else if (was_shown) {
    *at = view_of(*sequence);
  } else {
    views_.insert(at, view_of(*sequence));
  }
}

// What seems to be cached counts as computed, so that a step's budget is for what will be. Where that is wrong, the step has
// fewer tokens than it could.
void GroupScheduler::look_up_prefixes() {
  constexpr std::size_t most_lookups = 128;  // of waiting sequences' prefixes, in a step: the oldest
  looked_up_.clear();
  if (!limits_.prefix_caching) return;
  for (SequenceView& view : views_) {
    if (looked_up_.size() == most_lookups) return;
    if (view.running) continue;
    Sequence& sequence = *by_id_.at(view.id);
    if (!may_share(sequence)) continue;
    looked_up_.push_back(place_of(sequence));
    view.prefix = prefix_of(sequence);
    sequence.known_prefix = known_.length(view.prefix, sequence.known_prefix);
    view.computed = std::int32_t(sequence.known_prefix) * limits_.block_size;
    view.pending -= view.computed;
  }
}

SequenceView GroupScheduler::view_of(const Sequence& sequence) const {
  SequenceView view = sequence.view();
  if (sequence.running) view.blocks = (view.computed + limits_.block_size - 1) / limits_.block_size;
  return view;
}

}  // namespace troupe::runtime
