// What ranks bring to a dispatch, and what each must get of it, by plain loops.
#pragma once

#include <numeric>
#include <utility>
#include <vector>

#include "kernels/cuda/exchange.hpp"
#include "tests/kernels/fixture.hpp"

namespace troupe::kernels::cuda {

using Words = std::vector<std::uint32_t>;
using Ints = std::vector<std::int32_t>;

// What a rank brings to a dispatch.
struct Brought {
  std::int64_t tokens = 0;
  Ints choices;  // [tokens, slots]
  Words rows;    // [tokens, row_words]
};

// What a rank gets: see ExpertBatch and ListArrivals.
struct Arrived {
  Ints visit_rows, visit_experts, row_token, visit_of;
  Words rows;
};

struct Scene {
  TokenMessage message{};
  int ranks = 1, experts = 1;
  std::vector<Ints> holders;     // of each expert
  std::vector<Brought> brought;  // of each rank

  Scene(unsigned seed, int rank_count, std::int64_t most)
      : message{.most = most, .slots = 3, .row_words = 5}, ranks(rank_count), experts(7) {
    Random random(seed);
    for (int e = 0; e < experts; ++e) holders.push_back({std::int32_t(random.below(ranks))});
    holders[2].resize(std::size_t(ranks));  // is everywhere
    std::iota(holders[2].begin(), holders[2].end(), 0);
    for (int r = 0; r < ranks; ++r) {
      Brought& mine = brought.emplace_back();
      mine.tokens = r == 0 ? most : random.below(most);
      for (std::int64_t i = 0; i < mine.tokens * message.slots; ++i)
        mine.choices.push_back(std::int32_t(random.below(experts)));
      for (std::int64_t i = 0; i < mine.tokens * message.row_words; ++i)
        mine.rows.push_back(std::uint32_t(random.below(1 << 30)));
    }
  }

  // [most, slots] of a rank, as all others see them.
  std::int32_t choice(int rank, std::int64_t token, int slot) const {
    const Brought& its = brought[std::size_t(rank)];
    return token < its.tokens ? its.choices[std::size_t(token * message.slots + slot)] : -1;
  }
  // -1: no rank's.
  int owner(int source, std::int64_t token, int slot) const {
    const std::int32_t expert = choice(source, token, slot);
    if (expert < 0 || expert >= experts) return -1;
    const Ints& of = holders[std::size_t(expert)];
    return of[std::size_t(source + token) % of.size()];
  }

  Arrived arrived(int rank) const {
    Arrived all;
    for (int source = 0; source < ranks; ++source)
      for (std::int64_t token = 0; token < message.most; ++token) {
        bool here = false;
        for (int slot = 0; slot < message.slots; ++slot) {
          const bool mine = owner(source, token, slot) == rank;
          all.visit_of.push_back(mine ? std::int32_t(all.visit_rows.size()) : -1);
          if (!mine) continue;
          if (!std::exchange(here, true)) {
            all.row_token.push_back(std::int32_t(source * message.most + token));
            const auto row = brought[std::size_t(source)].rows.begin() + token * message.row_words;
            all.rows.insert(all.rows.end(), row, row + message.row_words);
          }
          all.visit_rows.push_back(std::int32_t(all.row_token.size()) - 1);
          all.visit_experts.push_back(choice(source, token, slot));
        }
      }
    return all;
  }
};

}  // namespace troupe::kernels::cuda
