#include "transport/expert_placement.hpp"

#include <algorithm>
#include <string>

namespace troupe::transport {

ExpertPlacement ExpertPlacement::spread(std::int64_t experts, int ranks) {
  ExpertPlacement placement;
  for (std::int64_t expert = 0; expert < experts; ++expert)
    placement.holders.push_back({std::int32_t(((expert + 1) * ranks - 1) / experts)});
  return placement;
}

bool ExpertPlacement::holds(int rank, std::int64_t expert) const {
  return std::ranges::binary_search(holders[std::size_t(expert)], rank);
}

Expected<void> check_placement(const ExpertPlacement& placement, std::int64_t experts, int ranks) {
  if (placement.experts() != experts)
    return refuse("a placement of " + std::to_string(placement.experts()) + " experts, not of " +
                  std::to_string(experts));
  for (std::int64_t expert = 0; expert < experts; ++expert) {
    const std::vector<std::int32_t>& holders = placement.holders[std::size_t(expert)];
    const std::string name = "expert " + std::to_string(expert);
    if (holders.empty()) return refuse(name + " is on no rank");
    for (std::int32_t rank : holders)
      if (rank < 0 || rank >= ranks)
        return refuse(name + " is on rank " + std::to_string(rank) + ", which is not among " +
                      std::to_string(ranks));
    const auto same = std::ranges::adjacent_find(holders);
    if (same != holders.end()) return refuse(name + " is twice on rank " + std::to_string(*same));
    if (!std::ranges::is_sorted(holders)) return refuse(name + ": its ranks do not ascend");
  }
  return {};
}

}  // namespace troupe::transport
