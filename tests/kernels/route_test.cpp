#include <rapidcheck/gtest.h>

#include <algorithm>
#include <numeric>

#include "tests/kernels/fixture.hpp"

namespace troupe::kernels {
namespace {

struct Routed {
  Array<std::int32_t> experts;
  Array<float> weights;
};

Routed route(Ops& ops, const Array<float>& logits, const RoutingRule& rule) {
  ImmediateQueue queue;
  const std::int64_t rows = logits.tensor.rows();
  Routed result{Array<std::int32_t>({rows, rule.per_token}), Array<float>({rows, rule.per_token})};
  Routing out{.experts = result.experts.tensor, .weights = result.weights.tensor};
  ops.route(queue, logits.tensor, rule, out);
  return result;
}

// transformers' DeepseekV3TopkRouter (sigmoid) and V2's
// greedy choice by group (softmax), step by step in F64.
// Empty where two scores are so near that F32 may order them otherwise.
std::vector<std::pair<int, double>> reference(const float* logits, const RoutingRule& rule) {
  auto near_ties = [&](std::vector<double> values) {
    std::sort(values.begin(), values.end());
    auto near = [&](double a, double b) { return b - a < 1e-6 * (rule.bias ? 1 : b); };
    return std::adjacent_find(values.begin(), values.end(), near) != values.end();
  };
  const std::size_t n = std::size_t(rule.experts), size = n / std::size_t(rule.groups);
  std::vector<double> scores(n), choice(n);
  double total = 0;
  for (std::size_t i = 0; i < n; ++i) total += std::exp(double(logits[i]));
  for (std::size_t i = 0; i < n; ++i) {
    scores[i] = rule.scoring == Scoring::sigmoid ? 1 / (1 + std::exp(-double(logits[i])))
                                                 : std::exp(double(logits[i])) / total;
    choice[i] = scores[i] + (rule.bias ? rule.bias[i] : 0);
  }
  std::vector<std::size_t> groups(std::size_t(rule.groups));
  std::iota(groups.begin(), groups.end(), std::size_t{0});
  auto group_score = [&](std::size_t g) {
    std::vector<double> members(choice.begin() + std::ptrdiff_t(g * size),
                                choice.begin() + std::ptrdiff_t((g + 1) * size));
    std::sort(members.rbegin(), members.rend());
    return rule.scoring == Scoring::sigmoid && size > 1 ? members[0] + members[1] : members[0];
  };
  std::vector<double> group_scores;
  for (const std::size_t g : groups) group_scores.push_back(group_score(g));
  if (near_ties(choice) || near_ties(group_scores)) return {};
  std::stable_sort(groups.begin(), groups.end(),
                   [&](std::size_t a, std::size_t b) { return group_scores[a] > group_scores[b]; });
  for (std::size_t i = std::size_t(rule.groups_kept); i < groups.size(); ++i)
    std::fill_n(choice.begin() + std::ptrdiff_t(groups[i] * size), size, -INFINITY);
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return choice[a] > choice[b]; });
  std::vector<std::pair<int, double>> result;
  double sum = 1e-20;
  for (int s = 0; s < rule.per_token; ++s) sum += scores[order[std::size_t(s)]];
  for (int s = 0; s < rule.per_token; ++s)
    result.emplace_back(int(order[std::size_t(s)]),
                        scores[order[std::size_t(s)]] / (rule.normalise ? sum : 1) * rule.scaling);
  return result;
}

RC_GTEST_PROP(Route, FollowsTheReference, ()) {
  const int groups = 1 << *rc::gen::inRange(0, 4), experts = groups * *rc::gen::inRange(1, 9);
  const auto bias = random_array({experts}, *rc::gen::arbitrary<unsigned>());
  const RoutingRule rule{.scoring = *rc::gen::element(Scoring::sigmoid, Scoring::softmax),
                         .experts = experts,
                         .groups = groups,
                         .groups_kept = *rc::gen::inRange(1, groups + 1),
                         .per_token = *rc::gen::inRange(1, experts + 1),
                         .normalise = *rc::gen::arbitrary<bool>(),
                         .scaling = 2.5f,
                         .bias = *rc::gen::arbitrary<bool>() ? bias.data.data() : nullptr};
  const auto logits = random_array({20, experts}, *rc::gen::arbitrary<unsigned>(), 4);
  CpuOps ops(1);
  const Routed routed = route(ops, logits, rule);
  int compared = 0;
  for (std::int64_t t = 0; t < 20; ++t) {
    const auto expected = reference(&logits[t * experts], rule);
    if (expected.empty()) continue;
    ++compared;
    for (int s = 0; s < rule.per_token; ++s) {
      const std::int64_t i = t * rule.per_token + s;
      RC_ASSERT(routed.experts[i] == expected[std::size_t(s)].first);
      RC_ASSERT(std::abs(routed.weights[i] - expected[std::size_t(s)].second) < 1e-6 * rule.scaling);
    }
  }
  RC_ASSERT(compared >= 10);
}

TEST(Route, BytesDoNotDependOnThreadsInstructionsOrBatch) {
  const auto bias = random_array({256}, 1, 0.1f);
  const RoutingRule rule{.experts = 256,
                         .groups = 8,
                         .groups_kept = 4,
                         .per_token = 8,
                         .scaling = 2.5f,
                         .bias = bias.data.data()};
  const auto logits = random_array({50, 256}, 2, 3);
  CpuOps one(1);
  const Routed expected = route(one, logits, rule);
  with_every_ops([&](Ops& ops) {
    const Routed routed = route(ops, logits, rule);
    EXPECT_EQ(routed.experts, expected.experts);
    EXPECT_EQ(routed.weights, expected.weights);
    Array<float> last({1, 256});
    std::copy_n(&logits[49 * 256], 256, last.data.begin());
    const Routed alone = route(ops, last, rule);
    for (std::int64_t s = 0; s < 8; ++s) EXPECT_EQ(alone.weights[s], expected.weights[49 * 8 + s]);
  });
}

TEST(Route, EveryRuleGivesTheSameBytesEverywhere) {
  const auto bias = random_array({60}, 3, 0.1f), logits = random_array({30, 60}, 4, 5);
  CpuOps one(1);
  for (const Scoring scoring : {Scoring::sigmoid, Scoring::softmax})
    for (const bool normalise : {false, true})
      for (const int groups : {1, 5, 60})
        for (const int kept : {1, (groups + 1) / 2}) {
          const RoutingRule rule{.scoring = scoring,
                                 .experts = 60,
                                 .groups = groups,
                                 .groups_kept = kept,
                                 .per_token = 6,
                                 .normalise = normalise,
                                 .scaling = 1.5f,
                                 .bias = normalise ? bias.data.data() : nullptr};
          const Routed expected = route(one, logits, rule);
          with_every_ops([&](Ops& ops) {
            const Routed routed = route(ops, logits, rule);
            EXPECT_EQ(routed.experts, expected.experts);
            EXPECT_EQ(routed.weights, expected.weights);
          });
        }
}

TEST(Route, TiesGoToTheLowerId) {
  const Array<float> logits({1, 8});
  with_every_ops([&](Ops& ops) {
    const Routed routed = route(ops, logits, {.experts = 8, .groups = 4, .groups_kept = 2, .per_token = 3});
    for (std::int64_t s = 0; s < 3; ++s) EXPECT_EQ(routed.experts[s], s);
  });
}

TEST(Route, AMaskedGroupsExpertsLoseToNegativeScores) {
  Array<float> logits({1, 4}), bias({4});
  logits[0] = 1;
  bias[1] = -2;  // the best group's second expert has a score of -1.5
  bias[2] = bias[3] = -3;
  with_every_ops([&](Ops& ops) {
    const Routed routed = route(ops, logits,
                                {.experts = 4,
                                 .groups = 2,
                                 .groups_kept = 1,
                                 .per_token = 2,
                                 .normalise = false,
                                 .bias = bias.data.data()});
    EXPECT_EQ(routed.experts[0], 0);
    EXPECT_EQ(routed.experts[1], 1);
    EXPECT_EQ(routed.weights[1], 0.5f);
  });
}

TEST(Route, NumbersThatAreNoneStillGiveExpertsInRange) {
  Array<float> logits({1, 8});
  for (std::int64_t i = 0; i < 8; ++i) logits[i] = std::nanf("");
  with_every_ops([&](Ops& ops) {
    for (const Scoring scoring : {Scoring::sigmoid, Scoring::softmax}) {
      const Routed routed = route(
          ops, logits, {.scoring = scoring, .experts = 8, .groups = 4, .groups_kept = 2, .per_token = 3});
      for (std::int64_t s = 0; s < 3; ++s) EXPECT_TRUE(routed.experts[s] >= 0 && routed.experts[s] < 8);
    }
  });
}

TEST(CountExperts, AddsTheSlotsOfEveryToken) {
  ImmediateQueue queue;
  Array<std::int32_t> experts({3, 2});
  std::ranges::copy(std::vector{0, 3, 3, 1, 3, 0}, experts.data.begin());
  with_every_ops([&](Ops& ops) {
    Array<std::int64_t> load({5});
    ops.count_experts(queue, {.experts = experts.tensor, .weights = {}}, load.tensor);
    const std::vector<std::int64_t> once{2, 1, 0, 3, 0};
    EXPECT_TRUE(std::equal(once.begin(), once.end(), load.data.begin()));
    ops.count_experts(queue, {.experts = experts.tensor.slice(0, 1), .weights = {}}, load.tensor);
    const std::vector<std::int64_t> with_the_first_again{3, 1, 0, 4, 0};
    EXPECT_TRUE(std::equal(with_the_first_again.begin(), with_the_first_again.end(), load.data.begin()));
  });
}

TEST(CountExpertsDeathTest, AnExpertBeyondTheLoadStops) {
  ImmediateQueue queue;
  Array<std::int32_t> experts({1, 1});
  Array<std::int64_t> load({5});
  CpuOps ops(1);
  for (const std::int32_t expert : {-1, 5}) {
    experts[0] = expert;
    EXPECT_DEATH(ops.count_experts(queue, {.experts = experts.tensor, .weights = {}}, load.tensor),
                 "an expert that the model does not have");
  }
}

}  // namespace
}  // namespace troupe::kernels
