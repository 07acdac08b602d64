#include "runtime/recovery/stall_watch.hpp"

#include <algorithm>
#include <utility>

#include "runtime/recovery/hang_watch.hpp"

namespace troupe::runtime {
namespace {

constexpr std::chrono::seconds calm{
    10};  // without a stall for so long, the next one is the first of its kind
constexpr int most_doublings = 8;

}  // namespace

Duration StallWatch::patience() const {
  return limit_ * (1 << std::min(stalls_, most_doublings));
}

std::optional<StallWatch::Stall> StallWatch::look(TimePoint now, Epoch epoch,
                                                  const std::vector<const Heard*>& ranks) {
  // A stall that is going on is no calm time.
  if (now - last_ > std::max<Duration>(calm, 2 * patience())) {
    stalls_ = 0;
    culprit_.reset();
  }
  std::vector<RankTick> all;
  bool waits = false;
  Duration still = Duration::max();
  for (const Heard* rank : ranks) {
    const Tick& tick = rank->seen.tick;
    const bool idle = tick.activity == Activity::idle;
    if (!idle && (tick.activity != Activity::collective || tick.epoch != epoch)) return std::nullopt;
    if (waited(now, *rank) < patience()) return std::nullopt;
    waits |= !idle;
    still = std::min(still, rank->seen.silence);
    all.push_back({rank->seen.life.rank, tick});
  }
  if (!waits) return std::nullopt;
  last_ = now;
  ++stalls_;
  const auto before = std::exchange(culprit_, find_culprit(all));
  return Stall{culprit_, culprit_ && culprit_ == before, still};
}

}  // namespace troupe::runtime
