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
#include <utility>
#include <vector>

#include "transport/communicator.hpp"

namespace troupe::transport {

using Ranks = std::vector<std::unique_ptr<Communicator>>;
// The communicators of all ranks, which wait for each other up to the timeout.
using MakeRanks = std::function<Ranks(int ranks, Duration timeout)>;

struct Backend {
  std::string name;
  MakeRanks make;
  // Ranks that fail, leave, or call something else tell their peers. Otherwise who waits for one that fails or leaves
  // hears of it only if what carries the tensors notices, or when it has waited long enough, and who watches over them
  // all must end the epoch for each.
  bool peers_are_told = true;
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
  bool peers_are_told() const { return std::get<Backend>(GetParam()).peers_are_told; }
  // Ends the epoch for all.
  void end(const Ranks& ranks, Communicator& by) const {
    if (peers_are_told()) return by.abort();
    for (const auto& rank : ranks) rank->abort();
  }
  // What who needs it hears, behind the collective's name.
  std::string said_of_leaver(int rank) const {
    return peers_are_told() ? "rank " + std::to_string(rank) + " left the epoch" : "";
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

// A batch with room for some rows and visits, filled with marks that nobody should see.
struct OwnedBatch {
  OwnedBatch(std::int64_t tokens, std::int64_t visits)
      : rows(std::size_t(tokens * conformance_hidden), -7),
        visit_rows(std::size_t(visits), -7),
        visit_experts(std::size_t(visits), -7) {
    batch.rows = view(rows, tokens, conformance_hidden);
    batch.visit_rows = {visit_rows.data(), kernels::DType::i32, {visits}};
    batch.visit_experts = {visit_experts.data(), kernels::DType::i32, {visits}};
    batch.counts = {counts.data(), kernels::DType::i32, {2}};
  }

  // [visits in use, hidden]: as if expert e turned x into x + e.
  std::vector<float> results() const {
    std::vector<float> results;
    for (std::size_t visit = 0; visit < std::size_t(counts[1]); ++visit)
      for (std::int64_t column = 0; column < conformance_hidden; ++column)
        results.push_back(rows[std::size_t(visit_rows[visit] * conformance_hidden + column)] +
                          float(visit_experts[visit]));
    return results;
  }

  std::vector<float> rows;
  std::vector<std::int32_t> visit_rows, visit_experts;
  std::vector<std::int32_t> counts = {-7, -7};
  kernels::ExpertBatch batch;
};

// What a rank must get: rows by source rank and token, each once; visits by source rank, token and slot.
struct ExpectedBatch {
  std::vector<float> rows;
  std::vector<std::int32_t> visit_rows, visit_experts;
};

inline ExpectedBatch expected_batch(const std::vector<RoutedTokens>& sources, int rank,
                                    const ExpertPlacement& placement) {
  ExpectedBatch batch;
  std::int32_t rows = 0;
  for (std::size_t from = 0; from < sources.size(); ++from) {
    const RoutedTokens& source = sources[from];
    std::int64_t last_token = -1;
    for (std::size_t slot = 0; slot < source.experts.size(); ++slot) {
      const std::int32_t expert = source.experts[slot];
      const std::int64_t token = std::int64_t(slot) / source.per_token;
      if (placement.owner(expert, int(from), token) != rank) continue;
      const auto row = source.rows.begin() + token * conformance_hidden;
      if (std::exchange(last_token, token) != token) {
        batch.rows.insert(batch.rows.end(), row, row + conformance_hidden);
        ++rows;
      }
      batch.visit_rows.push_back(rows - 1);
      batch.visit_experts.push_back(expert);
    }
  }
  return batch;
}

// Dispatches each rank's tokens, lets expert e turn x into x + e, combines, and checks every step.
inline void exchange_tokens(Communicator& ranks, const std::vector<RoutedTokens>& sources,
                            const ExpertPlacement& placement) {
  RoutedTokens mine = sources[std::size_t(ranks.rank())];
  const std::int64_t most = std::ranges::max(sources, {}, &RoutedTokens::count).count * ranks.size();
  OwnedBatch got(most, most * mine.per_token);
  ranks.dispatch(queue(), view(mine.rows, mine.count, conformance_hidden),
                 {view(mine.experts, mine.count, mine.per_token), {}}, placement, got.batch);

  const ExpectedBatch expected = expected_batch(sources, ranks.rank(), placement);
  ASSERT_EQ(got.counts[0] * conformance_hidden, std::ssize(expected.rows));
  ASSERT_EQ(got.counts[1], std::ssize(expected.visit_experts));
  const auto begins_with = [](const auto& all, const auto& first) {
    const auto rest = std::mismatch(first.begin(), first.end(), all.begin(), all.end());
    return rest.first == first.end() &&
           std::all_of(rest.second, all.end(), [](auto mark) { return mark == -7; });
  };
  EXPECT_TRUE(begins_with(got.rows, expected.rows));
  EXPECT_TRUE(begins_with(got.visit_rows, expected.visit_rows));
  EXPECT_TRUE(begins_with(got.visit_experts, expected.visit_experts));

  std::vector<float> results = got.results();
  std::vector<float> back(mine.experts.size() * std::size_t(conformance_hidden), -7);
  ranks.combine(queue(), view(results, got.counts[1], conformance_hidden),
                view(back, std::int64_t(mine.experts.size()), conformance_hidden));
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
