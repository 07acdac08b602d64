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

inline void sum_some(Communicator& rank, std::int64_t count = 4) {
  std::vector<float> x(std::size_t(count), 1.0f);
  rank.all_reduce(queue(), view(x, 1, count));
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

inline std::string conformance_name(const testing::TestParamInfo<std::tuple<Backend, int>>& info) {
  return std::get<Backend>(info.param).name + std::to_string(std::get<int>(info.param));
}

}  // namespace troupe::transport
