#include <rapidcheck/gtest.h>

#include <map>

#include "tests/kernels/fixture.hpp"

namespace troupe::kernels {
namespace {

std::vector<SampledToken> sample(Ops& ops, const Array<float>& logits, const std::vector<SamplingRow>& how) {
  ImmediateQueue queue;
  std::vector<SampledToken> out;
  ops.sample(queue, logits.tensor, how, out);
  return out;
}

// All rows at one output position.
std::vector<SampledToken> drawn(Ops& ops, const Array<float>& logits, const std::vector<SamplingParams>& how,
                                std::uint64_t position = 0) {
  std::vector<SamplingRow> rows;
  for (const SamplingParams& params : how) rows.push_back({params, position});
  return sample(ops, logits, rows);
}

Array<float> row(const std::vector<float>& values) {
  Array<float> logits({1, std::int64_t(values.size())});
  std::copy(values.begin(), values.end(), logits.data.begin());
  return logits;
}

// How often each token comes out over many output positions.
std::map<TokenId, int> counts(const std::vector<float>& logits, const SamplingParams& how, int draws) {
  CpuOps ops(1);
  const auto one = row(logits);
  std::map<TokenId, int> result;
  for (int i = 0; i < draws; ++i) ++result[drawn(ops, one, {how}, std::uint64_t(i))[0].token];
  return result;
}

std::vector<TokenId> kept(const std::vector<float>& logits, const SamplingParams& how) {
  std::vector<TokenId> tokens;
  for (const auto& [token, count] : counts(logits, how, 2000)) tokens.push_back(token);
  return tokens;
}

using testing::ElementsAre;

TEST(Sample, GreedyTakesTheHighestAndTheLowerIdOfEquals) {
  CpuOps ops(1);
  EXPECT_EQ(drawn(ops, row({1, 3, 2, 3}), {{.temperature = 0}})[0].token, 1);
  EXPECT_EQ(drawn(ops, row({-5}), {{.temperature = 0}})[0].token, 0);
}

// Chi-squared with 3 degrees of freedom is under 16.3 in 999 of 1000 cases; the draws are fixed.
TEST(Sample, FollowsTheTemperedDistribution) {
  const std::vector<float> logits{0.5f, -1, 2, 1};
  for (const float temperature : {0.5f, 1.0f, 3.0f}) {
    constexpr int draws = 20'000;
    auto seen = counts(logits, {.temperature = temperature, .seed = 1}, draws);
    double total = 0, chi_squared = 0;
    for (const float x : logits) total += std::exp(double(x / temperature));
    for (TokenId i = 0; i < 4; ++i) {
      const double expected = draws * std::exp(double(logits[std::size_t(i)] / temperature)) / total;
      chi_squared += (seen[i] - expected) * (seen[i] - expected) / expected;
    }
    EXPECT_LT(chi_squared, 16.3) << temperature;
  }
}

// Probabilities of 0.4, 0.3, 0.2, 0.1 at ids 2, 0, 3, 1.
const std::vector<float> tenths{std::log(0.3f), std::log(0.1f), std::log(0.4f), std::log(0.2f)};

TEST(Sample, TopK) {
  EXPECT_THAT(kept(tenths, {.top_k = 1}), ElementsAre(2));
  EXPECT_THAT(kept(tenths, {.top_k = 3}), ElementsAre(0, 2, 3));
  EXPECT_THAT(kept(tenths, {.top_k = 0}), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(kept(tenths, {.top_k = 100}), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(kept({1, 1, 1, 1}, {.top_k = 2}), ElementsAre(0, 1));  // ties: lower ids
}

TEST(Sample, TopPKeepsTheShortestPrefixThatReachesIt) {
  EXPECT_THAT(kept(tenths, {.top_p = 0.01f}), ElementsAre(2));
  EXPECT_THAT(kept(tenths, {.top_p = 0.39f}), ElementsAre(2));
  EXPECT_THAT(kept(tenths, {.top_p = 0.41f}), ElementsAre(0, 2));
  EXPECT_THAT(kept(tenths, {.top_p = 0.69f}), ElementsAre(0, 2));
  EXPECT_THAT(kept(tenths, {.top_p = 0.71f}), ElementsAre(0, 2, 3));
  EXPECT_THAT(kept(tenths, {.top_p = 1}), ElementsAre(0, 1, 2, 3));
}

TEST(Sample, MinPIsRelativeToTheHighest) {
  EXPECT_THAT(kept(tenths, {.min_p = 0.24f}), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(kept(tenths, {.min_p = 0.26f}), ElementsAre(0, 2, 3));
  EXPECT_THAT(kept(tenths, {.min_p = 0.76f}), ElementsAre(2));
  EXPECT_THAT(kept(tenths, {.min_p = 1}), ElementsAre(2));
}

TEST(Sample, FiltersFollowOneAnotherOnWhatIsLeft) {
  // Of the two that top_k leaves, the first has 4/7 = 0.571.
  EXPECT_THAT(kept(tenths, {.top_p = 0.56f, .top_k = 2}), ElementsAre(2));
  EXPECT_THAT(kept(tenths, {.top_p = 0.58f, .top_k = 2}), ElementsAre(0, 2));
  // Of the three that min_p leaves, the first two have 7/9 = 0.778.
  EXPECT_THAT(kept(tenths, {.top_p = 0.77f, .min_p = 0.4f}), ElementsAre(0, 2));
  EXPECT_THAT(kept(tenths, {.top_p = 0.79f, .min_p = 0.4f}), ElementsAre(0, 2, 3));
  // Temperature comes first: squared, the probabilities are 16, 9, 4 and 1 of 30.
  EXPECT_THAT(kept(tenths, {.temperature = 0.5f, .top_p = 0.52f}), ElementsAre(2));
  EXPECT_THAT(kept(tenths, {.temperature = 0.5f, .top_p = 0.54f}), ElementsAre(0, 2));
}

TEST(Sample, ADrawDependsOnItsKeyAlone) {
  constexpr std::int64_t rows = 16, vocabulary = 5003;
  const auto logits = random_array({rows, vocabulary}, 1, 6);
  std::vector<SamplingRow> how(rows);
  for (std::size_t i = 0; i < rows; ++i)
    how[i] = {{.temperature = i % 4 == 0 ? 0 : 0.3f * float(i),
               .top_p = i % 3 == 0 ? 0.9f : 1,
               .min_p = i % 5 == 0 ? 0.01f : 0,
               .top_k = i % 2 == 0 ? 40 : 0,
               .seed = i,
               .logprobs = int(i) - 1},
              100 + i};
  CpuOps one(1);
  const auto expected = sample(one, logits, how);
  with_every_ops([&](Ops& ops) {
    const auto all = sample(ops, logits, how);
    for (std::size_t i = 0; i < rows; ++i) {
      Array<float> alone({1, vocabulary});
      std::copy_n(&logits[std::int64_t(i) * vocabulary], vocabulary, alone.data.begin());
      for (const SampledToken& token : {all[i], sample(ops, alone, {how[i]})[0]}) {
        EXPECT_EQ(token.token, expected[i].token);
        EXPECT_EQ(token.logprob, expected[i].logprob);
        EXPECT_EQ(token.top, expected[i].top);
      }
    }
  });
}

TEST(Sample, SeedChoiceAndPositionChangeTheDraw) {
  const std::vector<float> flat(1000, 0.0f);
  CpuOps ops(1);
  auto draw = [&](const SamplingParams& how, std::uint64_t position) {
    return drawn(ops, row(flat), {how}, position)[0].token;
  };
  const TokenId token = draw({.seed = 1, .choice = 1}, 1);
  EXPECT_EQ(draw({.seed = 1, .choice = 1}, 1), token);
  EXPECT_NE(draw({.seed = 2, .choice = 1}, 1), token);
  EXPECT_NE(draw({.seed = 1, .choice = 2}, 1), token);
  EXPECT_NE(draw({.seed = 1, .choice = 1}, 2), token);
}

TEST(Sample, LogProbabilitiesAreThoseOfTheRawLogits) {
  constexpr std::int64_t vocabulary = 3001;
  const auto logits = random_array({1, vocabulary}, 3, 5);
  double total = 0;
  for (std::int64_t i = 0; i < vocabulary; ++i) total += std::exp(double(logits[i]));
  with_every_ops([&](Ops& ops) {
    const auto token =
        drawn(ops, logits, {{.temperature = 2, .top_k = 5, .seed = 3, .logprobs = max_logprobs}})[0];
    EXPECT_NEAR(token.logprob, logits[token.token] - std::log(total), 1e-5);
    ASSERT_EQ(token.top.size(), std::size_t(max_logprobs));
    for (std::size_t i = 0; i < token.top.size(); ++i) {
      const auto [id, logprob] = token.top[i];
      EXPECT_NEAR(logprob, logits[id] - std::log(total), 1e-5);
      std::size_t higher = 0;
      for (std::int64_t k = 0; k < vocabulary; ++k) higher += logits[k] > logits[id];
      EXPECT_EQ(higher, i);
    }
    EXPECT_EQ(drawn(ops, logits, {{}})[0].top.size(), 0u);
    EXPECT_EQ(drawn(ops, row({1, 2}), {{.logprobs = 5}})[0].top.size(), 2u);
  });
}

TEST(Sample, ExtremeValuesStillGiveAToken) {
  with_every_ops([&](Ops& ops) {
    EXPECT_EQ(drawn(ops, row({-3e38f, 3e38f}), {{.temperature = 1}})[0].token, 1);
    EXPECT_EQ(drawn(ops, row({1, 2, 3}), {{.temperature = 1e-30f}})[0].token, 2);
    for (const TokenId token : kept({1, 2, 3}, {.temperature = 1e30f})) EXPECT_TRUE(token >= 0 && token < 3);
    // The penalty takes both of them past the largest float.
    const std::vector<LogitEdit> seen{{.token = 1, .seen = true}, {.token = 2, .seen = true}};
    const LogitChanges endless{.edits = seen, .repetition_penalty = 1e-40f};
    EXPECT_EQ(sample(ops, row({1, 2, 3}), {{{.temperature = 0}, 0, endless}})[0].token, 1);
    const TokenId drawn_token = sample(ops, row({1, 2, 3}), {{{.temperature = 1}, 0, endless}})[0].token;
    EXPECT_TRUE(drawn_token == 1 || drawn_token == 2);
  });
}

// The last token has the mass 1, and the draw's target is so near that how the others are added in F64 decides: in the
// order of tokens, where the least come first and count, it is 1; by rank, where they are lost, it is less.
TEST(Sample, TheMassOfAllIsAddedUpInTheOrderOfTokens) {
  std::vector<float> logits(64, -0x1.2b708ap+5f);  // exp: 2^-54
  logits.insert(logits.end(), {-0x1.0dedb6p+5f, -0x1.1bd6b6p+4f, -0x1.11db9p+1f, 0});
  with_every_ops([&](Ops& ops) { EXPECT_EQ(drawn(ops, row(logits), {{.seed = 1}})[0].token, 66); });
}

// Against the changes in plain double precision.
RC_GTEST_PROP(Sample, ChangesOfLogitsAreThoseOfPlainLoops, ()) {
  constexpr std::int64_t vocabulary = 75;
  auto logits = random_array({1, vocabulary}, *rc::gen::inRange(0, 1000), 5);
  const auto tenths = [](int low, int high) { return float(*rc::gen::inRange(low, high)) / 10; };
  LogitChanges changes{.repetition_penalty = tenths(1, 30),
                       .presence_penalty = tenths(-20, 20),
                       .frequency_penalty = tenths(-20, 20)};
  std::vector<LogitEdit> edits;
  for (TokenId token = *rc::gen::inRange(0, 5); token < vocabulary + 10; token += *rc::gen::inRange(1, 30))
    edits.push_back({token, tenths(-50, 50), *rc::gen::arbitrary<bool>(), *rc::gen::inRange(0, 4)});
  for (const TokenId beyond : {-(1 << 30), 1 << 30}) edits.push_back({beyond, 1});
  std::vector<std::uint32_t> allowed =
      *rc::gen::container<std::vector<std::uint32_t>>(3, rc::gen::arbitrary<std::uint32_t>());
  allowed[0] |= 1;
  if (*rc::gen::arbitrary<bool>()) allowed.clear();
  std::vector<double> expected(logits.data.begin(), logits.data.begin() + vocabulary);
  for (const LogitEdit& edit : edits) {
    if (edit.token < 0 || edit.token >= vocabulary) continue;
    double& x = expected[std::size_t(edit.token)];
    x += edit.bias;
    if (edit.seen) x = x > 0 ? x / changes.repetition_penalty : x * changes.repetition_penalty;
    if (edit.count > 0) x -= double(changes.frequency_penalty) * edit.count + changes.presence_penalty;
  }
  for (std::size_t i = 0; i < expected.size() && !allowed.empty(); ++i)
    if (!(allowed[i / 32] >> (i % 32) & 1)) expected[i] = -INFINITY;
  changes.edits = edits;
  changes.allowed = allowed;
  with_every_ops([&](Ops& ops) {
    const auto sampled = sample(ops, logits, {{{.temperature = 0, .logprobs = 1}, 0, changes}})[0];
    const double best = *std::ranges::max_element(expected);
    RC_ASSERT(expected[std::size_t(sampled.token)] > best - 1e-4);
    // What is reported is of the logits as they were.
    const auto plain = drawn(ops, logits, {{.temperature = 0, .logprobs = 1}})[0];
    RC_ASSERT(sampled.top == plain.top);
  });
}

TEST(Sample, WhatMayNotComeIsNeverDrawn) {
  with_every_ops([&](Ops& ops) {
    const auto logits = row({5, 4, 3, 2, 1});
    const std::vector<std::uint32_t> odd{0b01010}, three{0b01000}, none{0};
    const std::vector<LogitEdit> no_three{{.token = 3, .bias = -INFINITY}};
    for (std::uint64_t position = 0; position < 50; ++position) {
      Array<float> rows({4, 5});
      for (std::int64_t i = 0; i < 20; ++i) rows[i] = logits.data[std::size_t(i % 5)];
      const auto tokens = sample(ops, rows,
                                 {{{.temperature = 3}, position, {.allowed = odd}},
                                  {{.temperature = 3}, position, {.allowed = odd, .edits = no_three}},
                                  {{.temperature = 3}, position, {.allowed = three, .edits = no_three}},
                                  {{.temperature = 3}, position, {.allowed = none}}});
      EXPECT_TRUE(tokens[0].token == 1 || tokens[0].token == 3);
      EXPECT_EQ(tokens[1].token, 1);
      EXPECT_EQ(tokens[2].token, no_token);
      EXPECT_EQ(tokens[3].token, no_token);
    }
  });
}

// Whichever of a device's threads make the edits, and whichever look at them next.
TEST(Sample, TheLastOfManyEditsCountsForTheFirstToken) {
  std::vector<LogitEdit> edits;
  for (TokenId beyond = 1000; beyond < 1100; ++beyond) edits.push_back({.token = beyond, .bias = 1});
  edits.push_back({.token = 0, .bias = -100});
  with_every_ops([&](Ops& ops) {
    for (std::uint64_t position = 0; position < 10; ++position)
      EXPECT_EQ(
          sample(ops, row({5, 4, 3}), {{{.temperature = 1, .min_p = 0.9F}, position, {.edits = edits}}})[0]
              .token,
          1);
  });
}

TEST(Sample, AGivenTokenIsReportedAndNothingDrawn) {
  with_every_ops([&](Ops& ops) {
    const auto given = sample(ops, row({1, 3, 2}), {{{.logprobs = 1}, 0, {}, 2}})[0];
    const double total = std::exp(1.0) + std::exp(2.0) + std::exp(3.0);
    EXPECT_EQ(given.token, 2);
    EXPECT_EQ(given.rank, 2);
    EXPECT_NEAR(given.logprob, 2 - std::log(total), 1e-6);
    EXPECT_EQ(given.top.at(0).token, 1);
  });
}

TEST(Sample, LogitsThatAreNoNumbersGiveNoTokenInTheirRowAlone) {
  with_every_ops([&](Ops& ops) {
    for (const float strange : {NAN, INFINITY, -INFINITY})
      for (const std::int64_t at : {0, 20, 36}) {
        auto logits = random_array({2, 37}, 1);
        const auto whole = drawn(ops, logits, {{.temperature = 0, .logprobs = 2}, {}});
        logits[37 + at] = strange;
        const auto sampled = drawn(ops, logits, {{.temperature = 0, .logprobs = 2}, {.logprobs = 2}});
        EXPECT_EQ(sampled[0].token, whole[0].token);
        EXPECT_EQ(sampled[0].top, whole[0].top);
        EXPECT_EQ(sampled[1].token, no_token);
        EXPECT_TRUE(sampled[1].top.empty());
      }
  });
}

TEST(SampleDeathTest, ParametersOutOfRangeStop) {
  CpuOps ops(1);
  EXPECT_DEATH(drawn(ops, row({1}), {{.temperature = -1}}), "temperature");
  EXPECT_DEATH(drawn(ops, row({1}), {{.temperature = NAN}}), "temperature");
  EXPECT_DEATH(drawn(ops, row({1}), {{.top_p = 0}}), "top_p");
  EXPECT_DEATH(drawn(ops, row({1}), {{.min_p = 1.5f}}), "min_p");
  EXPECT_DEATH(drawn(ops, row({1}), {{.top_k = -1}}), "top_k");
  EXPECT_DEATH(drawn(ops, row({1}), {{.logprobs = max_logprobs + 1}}), "logprobs");
}

}  // namespace
}  // namespace troupe::kernels
