// What the collectives of a backend end with, to be compared with those of another.
#pragma once

#include "tests/transport/conformance.hpp"

namespace troupe::transport {

// Below which, except for sums, sizes are drawn.
struct Sizes {
  std::vector<std::int64_t> sums;  // elements; and one more sum is drawn:
  std::int64_t longest_sum, gathered_rows, tokens;
};

// The bits of all that each rank has after sums, gathers, and ways to the experts and back.
inline std::vector<std::vector<std::uint32_t>> results_of(Ranks ranks, unsigned seed, Sizes sizes) {
  constexpr std::int64_t hidden = conformance_hidden, experts = 19;
  std::mt19937 random(seed);
  const auto below = [&](std::int64_t limit) { return std::int64_t(random()) % limit; };
  sizes.sums.push_back(below(sizes.longest_sum));
  const std::int64_t rows = below(sizes.gathered_rows), most = 1 + below(sizes.tokens), slots = 1 + below(6);
  ExpertPlacement placement = ExpertPlacement::spread(experts, int(ranks.size()));
  if (ranks.size() > 1) placement.holders[7] = {0, std::int32_t(ranks.size()) - 1};
  std::vector<std::vector<std::uint32_t>> results(ranks.size());
  const auto errors = run_ranks(ranks, [&](Communicator& rank) {
    const unsigned own_seed = seed * 64 + unsigned(rank.rank());
    const auto keep = [&](const auto& values) {
      for (const auto value : values)
        results[std::size_t(rank.rank())].push_back(std::bit_cast<std::uint32_t>(value));
    };
    for (const std::int64_t count : sizes.sums) {
      std::vector<float> x = rough_values(own_seed, std::size_t(count));
      if (count > 0) x[0] = -0.0f;
      rank.all_reduce(queue(), view(x, 1, count));
      keep(x);
    }
    std::vector<float> mine = rough_values(own_seed, std::size_t(rows * 3)), all(mine.size() * ranks.size());
    rank.all_gather(queue(), view(mine, rows, 3), view(all, rows * rank.size(), 3));
    keep(all);
    RoutedTokens tokens = routed_tokens(own_seed, std::mt19937(own_seed)() % most, slots, experts);
    OwnedBatch batch(most * rank.size(), most * rank.size() * slots);
    rank.dispatch(queue(), view(tokens.rows, tokens.count, hidden),
                  {view(tokens.experts, tokens.count, slots), {}}, placement, batch.batch);
    keep(batch.rows);
    keep(batch.visit_rows);
    keep(batch.visit_experts);
    std::vector<float> sums = batch.results(), back(tokens.experts.size() * std::size_t(hidden));
    rank.combine(queue(), view(sums, batch.counts[1], hidden), view(back, tokens.count * slots, hidden));
    keep(back);
  });
  EXPECT_THAT(errors, testing::Each(""));
  return results;
}

}  // namespace troupe::transport
