// What every Communicator must do, whatever carries it. A backend instantiates the suite with a function that
// makes the ranks of one epoch; the tests run each rank in a thread of its own.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "transport/communicator.hpp"

namespace troupe::transport {

using Ranks = std::vector<std::unique_ptr<Communicator>>;
// The communicators of all ranks, which wait for each other up to the timeout.
using MakeRanks = std::function<Ranks(int ranks, Duration timeout)>;

struct Backend {
  std::string name;
  MakeRanks make;
  friend std::ostream& operator<<(std::ostream& out, const Backend& backend) { return out << backend.name; }
};

constexpr Duration patience = std::chrono::seconds(60);

// Runs body(communicator) for each rank at once; returns what each threw, empty if nothing.
inline std::vector<std::string> run_ranks(Ranks& ranks, const std::function<void(Communicator&)>& body) {
  std::vector<std::string> errors(ranks.size());
  std::vector<std::jthread> threads;
  for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
    threads.emplace_back([&, rank] {
      try {
        body(*ranks[rank]);
      } catch (const Error& error) {
        errors[rank] = error.what();
      }
    });
  }
  threads.clear();
  return errors;
}

class CommunicatorConformance : public testing::TestWithParam<std::tuple<Backend, int>> {
 protected:
  int size() const { return std::get<int>(GetParam()); }
  Ranks make(Duration timeout = patience) const {
    return std::get<Backend>(GetParam()).make(size(), timeout);
  }
  void run(const std::function<void(Communicator&)>& body) const {
    Ranks ranks = make();
    EXPECT_THAT(run_ranks(ranks, body), testing::Each(""));
  }
};

inline kernels::ImmediateQueue& queue() {
  static kernels::ImmediateQueue immediate;
  return immediate;
}

inline kernels::Tensor view(std::vector<float>& values, std::int64_t rows, std::int64_t cols) {
  return {values.data(), kernels::DType::f32, {rows, cols}};
}
inline kernels::Tensor view(std::vector<std::int32_t>& values, std::int64_t rows, std::int64_t cols) {
  return {values.data(), kernels::DType::i32, {rows, cols}};
}

// Values of very different sizes, so that another order of a sum gives other bytes.
inline std::vector<float> rough_values(unsigned seed, std::size_t count) {
  std::mt19937 random(seed);
  std::vector<float> values(count);
  for (float& value : values) {
    value = std::ldexp(float(int(random() % 2001) - 1000), int(random() % 20) - 10) / 3;
  }
  return values;
}

// The sum of ranks [first, first + count) along the tree.
inline float tree_sum_of(const std::vector<std::vector<float>>& ranks, std::size_t first, std::size_t count,
                         std::size_t i) {
  if (count == 1) return ranks[first][i];
  return tree_sum_of(ranks, first, count / 2, i) + tree_sum_of(ranks, first + count / 2, count / 2, i);
}

TEST_P(CommunicatorConformance, KnowsRankAndSize) {
  const Ranks ranks = make();
  for (int rank = 0; rank < size(); ++rank) {
    EXPECT_EQ(ranks[std::size_t(rank)]->rank(), rank);
    EXPECT_EQ(ranks[std::size_t(rank)]->size(), size());
  }
}

TEST_P(CommunicatorConformance, AllReduceSumsAlongTheTree) {
  for (const std::int64_t rows : {0, 1, 7, 300}) {
    const std::int64_t cols = 11;
    const auto count = std::size_t(rows * cols);
    std::vector<std::vector<float>> inputs;
    for (int rank = 0; rank < size(); ++rank) inputs.push_back(rough_values(unsigned(rank), count));
    std::vector<std::vector<float>> sums = inputs;
    run([&](Communicator& ranks) {
      ranks.all_reduce(queue(), view(sums[std::size_t(ranks.rank())], rows, cols));
    });
    std::vector<float> expected(count);
    for (std::size_t i = 0; i < count; ++i) expected[i] = tree_sum_of(inputs, 0, inputs.size(), i);
    const auto same_bits = [](float a, float b) {
      return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b);
    };
    for (const auto& sum : sums) EXPECT_TRUE(std::ranges::equal(sum, expected, same_bits));
  }
}

TEST_P(CommunicatorConformance, AllGatherKeepsRanksInOrder) {
  for (const std::int64_t rows : {0, 1, 5}) {
    const std::int64_t cols = 3;
    run([&](Communicator& ranks) {
      std::vector<float> mine = rough_values(unsigned(ranks.rank()), std::size_t(rows * cols));
      std::vector<float> all(std::size_t(size() * rows * cols), -1);
      ranks.all_gather(queue(), view(mine, rows, cols),
                       {all.data(), kernels::DType::f32, {size(), rows, cols}});
      std::vector<float> expected;
      for (int rank = 0; rank < size(); ++rank) {
        for (const float value : rough_values(unsigned(rank), mine.size())) expected.push_back(value);
      }
      EXPECT_EQ(all, expected);
    });
  }
}

// The tokens of one rank and the experts that they are routed to.
struct RoutedTokens {
  std::int64_t count = 0, per_token = 0;
  std::vector<float> rows;            // [count, hidden]
  std::vector<std::int32_t> experts;  // [count, per_token], distinct within a token
};

constexpr std::int64_t conformance_hidden = 5;

inline RoutedTokens routed_tokens(unsigned seed, std::int64_t count, std::int64_t per_token, int experts) {
  RoutedTokens tokens{count, per_token, rough_values(seed, std::size_t(count * conformance_hidden)), {}};
  std::mt19937 random(seed);
  for (std::int64_t token = 0; token < count; ++token) {
    std::vector<std::int32_t> order(std::size_t(experts), 0);
    for (int expert = 0; expert < experts; ++expert) order[std::size_t(expert)] = expert;
    std::shuffle(order.begin(), order.end(), random);
    tokens.experts.insert(tokens.experts.end(), order.begin(), order.begin() + per_token);
  }
  return tokens;
}

// A batch with room for some rows, filled with marks that nobody should see.
struct OwnedBatch {
  explicit OwnedBatch(std::int64_t capacity)
      : rows(std::size_t(capacity * conformance_hidden), -7), experts(std::size_t(capacity), -7) {
    batch.rows = view(rows, capacity, conformance_hidden);
    batch.experts = {experts.data(), kernels::DType::i32, {capacity}};
    batch.count = {&count, kernels::DType::i32, {1}};
  }
  std::vector<float> rows;
  std::vector<std::int32_t> experts;
  std::int32_t count = -7;
  kernels::ExpertBatch batch;
};

// The rows that a rank must get: by source rank, then token, then slot.
struct ExpectedBatch {
  std::vector<float> rows;
  std::vector<std::int32_t> experts;
};

inline ExpectedBatch expected_batch(const std::vector<RoutedTokens>& sources, int rank,
                                    const ExpertPlacement& placement) {
  ExpectedBatch batch;
  for (std::size_t from = 0; from < sources.size(); ++from) {
    const RoutedTokens& source = sources[from];
    for (std::size_t slot = 0; slot < source.experts.size(); ++slot) {
      const std::int32_t expert = source.experts[slot];
      const std::int64_t token = std::int64_t(slot) / source.per_token;
      if (placement.owner(expert, int(from), token) != rank) continue;
      const auto row = source.rows.begin() + token * conformance_hidden;
      batch.rows.insert(batch.rows.end(), row, row + conformance_hidden);
      batch.experts.push_back(expert);
    }
  }
  return batch;
}

// Dispatches each rank's tokens, lets expert e turn x into x + e, combines, and checks every step.
inline void exchange_tokens(Communicator& ranks, const std::vector<RoutedTokens>& sources,
                            const ExpertPlacement& placement) {
  std::int64_t capacity = 0;
  for (const RoutedTokens& source : sources) capacity += source.count * source.per_token;
  RoutedTokens mine = sources[std::size_t(ranks.rank())];
  OwnedBatch got(capacity);
  ranks.dispatch(queue(), view(mine.rows, mine.count, conformance_hidden),
                 {view(mine.experts, mine.count, mine.per_token), {}}, placement, got.batch);

  const ExpectedBatch expected = expected_batch(sources, ranks.rank(), placement);
  ASSERT_EQ(got.count, std::int32_t(expected.experts.size()));
  EXPECT_TRUE(std::equal(expected.experts.begin(), expected.experts.end(), got.experts.begin()));
  EXPECT_TRUE(std::equal(expected.rows.begin(), expected.rows.end(), got.rows.begin()));
  EXPECT_TRUE(
      std::all_of(got.experts.begin() + got.count, got.experts.end(), [](int mark) { return mark == -7; }));

  for (std::size_t i = 0; i < expected.rows.size(); ++i) {
    got.rows[i] += float(got.experts[i / std::size_t(conformance_hidden)]);
  }
  std::vector<float> back(mine.experts.size() * std::size_t(conformance_hidden), -7);
  ranks.combine(queue(), got.batch.rows, view(back, std::int64_t(mine.experts.size()), conformance_hidden));
  for (std::size_t i = 0; i < back.size(); ++i) {
    const std::size_t slot = i / std::size_t(conformance_hidden),
                      column = i % std::size_t(conformance_hidden);
    const std::size_t token = slot / std::size_t(mine.per_token);
    EXPECT_EQ(back[i],
              mine.rows[token * std::size_t(conformance_hidden) + column] + float(mine.experts[slot]));
  }
}

TEST_P(CommunicatorConformance, DispatchAndCombineMoveEveryRow) {
  for (unsigned seed = 0; seed < 10; ++seed) {
    std::mt19937 random(seed);
    const int experts = size() + int(random() % 13);  // also numbers that ranks do not divide
    const auto per_token = std::int64_t(1 + random() % std::min(4u, unsigned(experts)));
    std::vector<RoutedTokens> sources;
    for (int rank = 0; rank < size(); ++rank) {
      sources.push_back(
          routed_tokens(100 * seed + unsigned(rank), std::int64_t(random() % 9), per_token, experts));
    }
    ExpertPlacement placement = ExpertPlacement::spread(experts, size());
    run([&](Communicator& ranks) { exchange_tokens(ranks, sources, placement); });
    // The first expert is moved to the last rank, the last one is on all; then everything is on rank 0.
    placement.holders.front() = {size() - 1};
    placement.holders.back().clear();
    for (int rank = 0; rank < size(); ++rank) placement.holders.back().push_back(rank);
    run([&](Communicator& ranks) { exchange_tokens(ranks, sources, placement); });
    for (auto& holders : placement.holders) holders = {0};
    run([&](Communicator& ranks) { exchange_tokens(ranks, sources, placement); });
  }
}

TEST_P(CommunicatorConformance, RanksWithoutTokensTakePart) {
  std::vector<RoutedTokens> none(std::size_t(size()), routed_tokens(0, 0, 2, 16));
  run([&](Communicator& ranks) { exchange_tokens(ranks, none, ExpertPlacement::spread(16, size())); });
  none.back() = routed_tokens(1, 6, 2, 16);  // only the last one has some
  run([&](Communicator& ranks) { exchange_tokens(ranks, none, ExpertPlacement::spread(16, size())); });
}

TEST_P(CommunicatorConformance, CollectivesFollowEachOther) {
  std::vector<RoutedTokens> sources;
  for (int rank = 0; rank < size(); ++rank) sources.push_back(routed_tokens(unsigned(rank), rank + 1, 2, 16));
  run([&](Communicator& ranks) {
    for (int round = 0; round < 100; ++round) {
      std::vector<float> x(std::size_t(1 + round), float(ranks.rank() + round));
      ranks.all_reduce(queue(), view(x, 1, 1 + round));
      const float expected = float(size() * round + size() * (size() - 1) / 2);
      EXPECT_THAT(x, testing::Each(expected));
      exchange_tokens(ranks, sources, ExpertPlacement::spread(16, size()));
    }
  });
}

TEST_P(CommunicatorConformance, AbortWakesEveryWaiter) {
  Ranks ranks = make();
  const auto errors = run_ranks(ranks, [&](Communicator& rank) {
    if (rank.rank() == size() - 1) {
      rank.abort();  // from any thread; it may come before or after the others begin to wait
    } else {
      std::vector<float> x(4);
      rank.all_reduce(queue(), view(x, 1, 4));
    }
  });
  for (std::size_t rank = 0; rank + 1 < errors.size(); ++rank) {
    EXPECT_THAT(errors[rank], testing::HasSubstr("all_reduce")) << rank;
    EXPECT_THAT(errors[rank], testing::HasSubstr("aborted")) << rank;
  }
}

TEST_P(CommunicatorConformance, NothingWorksAfterAbort) {
  Ranks ranks = make();
  ranks.front()->abort();
  ranks.front()->abort();
  const auto errors = run_ranks(ranks, [](Communicator& rank) {
    std::vector<float> x(4);
    rank.all_reduce(queue(), view(x, 1, 4));
  });
  EXPECT_THAT(errors, testing::Each(testing::HasSubstr("aborted")));
}

TEST_P(CommunicatorConformance, AMissingRankIsNamedAfterTheDeadline) {
  if (size() == 1) return;  // misses nobody
  Ranks ranks = make(std::chrono::milliseconds(50));
  const int missing = size() / 2;
  const auto errors = run_ranks(ranks, [&](Communicator& rank) {
    if (rank.rank() == missing) return;
    std::vector<float> mine(2), all(2 * std::size_t(size()));
    rank.all_gather(queue(), view(mine, 1, 2), view(all, size(), 2));
  });
  for (int rank = 0; rank < size(); ++rank) {
    if (rank == missing) continue;
    EXPECT_THAT(errors[std::size_t(rank)], testing::HasSubstr("all_gather")) << rank;
    EXPECT_THAT(errors[std::size_t(rank)],
                testing::HasSubstr("rank " + std::to_string(missing) + " did not arrive"))
        << rank;
  }
  std::vector<float> late(4);  // the epoch is over for the one who comes late, too
  EXPECT_THROW(ranks[std::size_t(missing)]->all_reduce(queue(), view(late, 1, 4)), Error);
}

inline std::string conformance_name(const testing::TestParamInfo<std::tuple<Backend, int>>& info) {
  return std::get<Backend>(info.param).name + std::to_string(std::get<int>(info.param));
}

}  // namespace troupe::transport
