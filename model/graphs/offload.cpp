#include "model/graphs/offload.hpp"

#include <algorithm>
#include <limits>

namespace troupe::model {

void Offload::choose(std::size_t budget) {
  for (auto& [unit, choice] : units_) {
    if (choice.bytes > budget) continue;
    choice.on_host = any_ = true;
    budget -= choice.bytes;
  }
}

bool Offload::on_host(const WeightUnit& unit) const {
  if (const auto known = units_.find(unit); known != units_.end()) return known->second.on_host;
  if (unit.use != WeightUse::routed_expert) return false;
  const auto begin = units_.lower_bound({unit.use, unit.layer, 0}),
             end = units_.upper_bound({unit.use, unit.layer, std::numeric_limits<std::int64_t>::max()});
  return begin != end && std::all_of(begin, end, [](const auto& each) { return each.second.on_host; });
}

}  // namespace troupe::model
