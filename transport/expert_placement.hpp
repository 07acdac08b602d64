// Which ranks hold each expert, and which of them a token goes to. Plain value; the same on all ranks of an
// epoch between two steps.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/base/error.hpp"

namespace troupe::transport {

struct ExpertPlacement {
  std::vector<std::vector<std::int32_t>> holders;  // [experts]: ranks of the world, one or more, ascending

  // Each expert on one rank: rank r holds [r * experts / ranks, (r + 1) * experts / ranks).
  static ExpertPlacement spread(std::int64_t experts, int ranks);

  std::int64_t experts() const { return std::int64_t(holders.size()); }
  bool holds(int rank, std::int64_t expert) const;
  // Where rank `source` sends its token'th token for an expert: the holders take turns, and sources begin at
  // different ones, so that they share the load. Whoever computes it, the bytes are the same.
  int owner(std::int64_t expert, int source, std::int64_t token) const {
    const std::vector<std::int32_t>& ranks = holders[std::size_t(expert)];
    return ranks.size() == 1 ? ranks.front()
                             : ranks[(std::size_t(source) + std::size_t(token)) % ranks.size()];
  }

  friend bool operator==(const ExpertPlacement&, const ExpertPlacement&) = default;
};

// Refuses, with the numbers, a placement with another number of experts, or with an expert on no rank, on one
// that is not there, twice on one, or whose ranks do not ascend.
Expected<void> check_placement(const ExpertPlacement& placement, std::int64_t experts, int ranks);

}  // namespace troupe::transport
