#include "runtime/lab/soak/soak.hpp"

#include <algorithm>

#include "runtime/lab/soak/flood.hpp"
#include "runtime/lab/soak/nonsense.hpp"
#include "runtime/lab/soak/promise.hpp"

namespace troupe::runtime::lab {
namespace {

constexpr std::uint64_t repeated = 8, flooded = 4;  // each of so many

std::uint64_t live_through(const std::string& policy, std::uint64_t seed, Tally& tally) {
  Chance chance = Chance::of_seed(seed);
  const std::int32_t groups = 1 << chance.below(3);
  return Ordeal(chance, policy, groups, tally).run();
}

}  // namespace

std::vector<std::string> soaked_policies() {
  std::vector<std::string> names = policy_names();
  for (const std::string& each : misunderstandings()) names.push_back(each);
  return names;
}

std::uint64_t soak(const std::string& policy, std::uint64_t seed, Tally& tally) {
  const std::uint64_t digest = live_through(policy, seed, tally);
  if (seed % repeated == 0) {
    Tally again;
    hold(live_through(policy, seed, again) == digest, "the same seed gave another schedule");
  }
  if (seed % flooded == 0 && std::ranges::count(fair_policies(), policy) > 0) drown(policy, seed);
  return digest;
}

}  // namespace troupe::runtime::lab
