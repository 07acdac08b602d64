#include "launch/sizing/sizing.hpp"

#include <gmock/gmock.h>
#include <rapidcheck.h>

#include "launch/sizing/published.hpp"
#include "tests/error_of.hpp"
#include "tests/launch/sizing/published_folder.hpp"

namespace troupe::launch::sizing {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const Layout& layout_of(Sizing& sizing, const std::string& flags, std::int32_t ranks) {
  for (const Layout& layout : sizing.layouts(ranks))
    if (flags_of(layout.plan) == flags) return layout;
  throw std::runtime_error("no layout " + flags);
}

// Section 5 of the GPU's design: GB of weights a rank, and sequences of 4,096 tokens with a BF16 cache, of which ours,
// F32, has room for half.
struct Budget {
  const char* flags;
  int tensor_parallel;
  double gigabytes;
  int sequences;
};
constexpr Budget two_hosts[] = {{"-tp 16", 16, 43.4, 100},
                                {"-tp 8 -dp 2 -ep", 8, 44.6, 192},
                                {"-tp 4 -dp 4 -ep", 4, 47.0, 352},
                                {"-tp 2 -dp 8 -ep", 2, 51.7, 574},
                                {"-tp 1 -dp 16 -ep", 1, 61.2, 621}};

// What that design widens when it loads, and the server does not: the routers to F32, kv_b_proj to BF16.
std::size_t widened(int tensor_parallel) {
  const double routers = 58.0 * 256 * 7168 * (4 - 2);
  const double kv_b = 61.0 * 32768 * 512 / tensor_parallel * (2 - 1 - 4.0 / (128 * 128));
  return std::size_t(routers + kv_b);
}

TEST(Sizing, OfDeepseekV3OnTwoHostsAgreesWithTheDesign) {
  const model::Checkpoint checkpoint = checkpoint_or_published("deepseek-v3", published_folder);
  Sizing sizing(checkpoint, {.limits = {.max_positions = 4096}, .memory_utilization = 0.94, .overhead = 0});
  EXPECT_NEAR(double(gpu_named("h100").memory), 85.5e9, 0.05e9);
  for (const Budget& budget : two_hosts) {
    Layout layout = layout_of(sizing, budget.flags, 16);
    ASSERT_EQ(layout.refusal, "");
    layout.memory.weights += widened(budget.tensor_parallel);
    EXPECT_NEAR(double(layout.memory.weights), budget.gigabytes * 1e9, 0.06e9) << budget.flags;
    EXPECT_EQ(layout.cache_per_token, 2u * 70'272) << budget.flags;
    layout.memory.workspace = 8'000'000'000;  // with what CUDA, NCCL and graphs take
    const double twice = 2 * double(sizing.sequences(layout, gpu_named("h100")));
    const int groups = 16 / budget.tensor_parallel;
    EXPECT_NEAR(twice, budget.sequences, 2 * groups) << budget.flags;  // each rounds down
  }
}

// The same section has 8 GB in all layouts for what steps work in, CUDA, NCCL and graphs; the first depends on the layout.
TEST(Sizing, WorkspaceAndOverheadAreNearWhatTheDesignReserves) {
  const model::Checkpoint checkpoint = checkpoint_or_published("deepseek-v3", published_folder);
  Sizing sizing(checkpoint, {.limits = {.max_positions = 4096}});
  for (const Budget& budget : two_hosts) {
    const model::DecoderMemory& memory = layout_of(sizing, budget.flags, 16).memory;
    EXPECT_GT(memory.workspace + device_overhead, 4'500'000'000u) << budget.flags;
    EXPECT_LT(memory.workspace + device_overhead, 9'000'000'000u) << budget.flags;
  }
}

// The same section: 0.8 GB of TP16, 1.2 of DP16.
TEST(Sizing, ThePredictionLayerTakesWhatTheDesignSays) {
  const model::Checkpoint checkpoint = checkpoint_or_published("deepseek-v3", published_folder);
  Sizing without(checkpoint, {.limits = {.max_positions = 4096}});
  Sizing with(checkpoint, {.limits = {.max_positions = 4096, .prediction = true}});
  for (const auto& [flags, gigabytes] : {std::pair("-tp 16", 0.8), {"-tp 1 -dp 16 -ep", 1.2}}) {
    const Layout &more = layout_of(with, flags, 16), &less = layout_of(without, flags, 16);
    EXPECT_NEAR(double(more.memory.weights - less.memory.weights), gigabytes * 1e9, 0.1e9) << flags;
    EXPECT_EQ(more.cache_per_token, less.cache_per_token / 61 * 62) << flags;
  }
}

class SizingOfTheDemo : public testing::Test {
 protected:
  const model::Checkpoint checkpoint_ = model::Checkpoint::open(DEMO_MODEL);
  const Deployment deployment_{.limits = {.max_positions = 1000}, .memory_utilization = 1, .overhead = 1000};
  Sizing sizing_{checkpoint_, deployment_};
};

TEST_F(SizingOfTheDemo, LayoutsAreAllThatThereAreTheWidestGroupsFirst) {
  std::vector<std::string> flags;
  for (const Layout& layout : sizing_.layouts(4)) flags.push_back(flags_of(layout.plan));
  EXPECT_THAT(flags, ElementsAre("-tp 4", "-tp 4 -ep", "-tp 2 -dp 2", "-tp 2 -dp 2 -ep", "-tp 1 -dp 4",
                                 "-tp 1 -dp 4 -ep"));
  ASSERT_EQ(sizing_.layouts(1).size(), 1u);
  EXPECT_EQ(flags_of(sizing_.layouts(1).front().plan), "-tp 1");
}

TEST_F(SizingOfTheDemo, SequencesAreAsManyAsWholeBlocksOfThemFit) {
  const Layout& layout = layout_of(sizing_, "-tp 2 -dp 2 -ep", 4);
  const std::size_t used = layout.memory.weights + layout.memory.workspace + deployment_.overhead;
  const std::size_t sequence = 63 * 16 * layout.cache_per_token;  // 1,000 tokens in blocks of 16
  for (const std::size_t fit : {1, 2, 7}) {
    const Gpu exact{"x", "X", used + fit * sequence}, less{"x", "X", exact.memory - 1};
    EXPECT_EQ(sizing_.left_for_cache(layout, exact), fit * sequence);
    EXPECT_EQ(sizing_.sequences(layout, exact), std::int64_t(2 * fit)) << "two groups";
    EXPECT_EQ(sizing_.sequences(layout, less), std::int64_t(2 * (fit - 1)));
  }
  EXPECT_EQ(sizing_.sequences(layout, {"x", "X", used - 1}), 0);
  EXPECT_EQ(sizing_.sequences(layout, {"x", "X", 0}), 0);
}

TEST_F(SizingOfTheDemo, TheSmallestMachineIsTheFirstThatHoldsASequence) {
  const Layout& alone = sizing_.layouts(1).front();
  const std::size_t sequence = 63 * 16 * alone.cache_per_token;
  const Gpu enough{"x", "X", alone.memory.weights + alone.memory.workspace + deployment_.overhead + sequence},
      less{"x", "X", enough.memory - 1};
  const auto one = sizing_.smallest(enough), two = sizing_.smallest(less);
  ASSERT_TRUE(one && two);
  EXPECT_EQ(one->gpus, 1);
  EXPECT_EQ(one->sequences, 1);
  EXPECT_EQ(two->gpus, 2);
  EXPECT_GT(two->sequences, 0);
  EXPECT_FALSE(sizing_.smallest({"x", "X", 1 << 20}));
}

TEST_F(SizingOfTheDemo, WhatCannotBeCutIsToldWhy) {
  EXPECT_EQ(layout_of(sizing_, "-tp 16", 16).refusal,
            "8 attention heads cannot be split evenly over 16 ranks");
  EXPECT_EQ(sizing_.sequences(layout_of(sizing_, "-tp 16", 16), gpu_named("b200")), 0);
  EXPECT_EQ(layout_of(sizing_, "-tp 1 -dp 32", 32).refusal, "32 ranks are more than the 16 virtual shards");
  EXPECT_EQ(layout_of(sizing_, "-tp 1 -dp 32 -ep", 32).refusal, "16 experts cannot be spread over 32 ranks");
}

TEST_F(SizingOfTheDemo, RoomGrowsWithMemory) {
  const std::vector<Layout>& layouts = sizing_.layouts(2);
  EXPECT_TRUE(rc::check("more memory never holds less", [&] {
    const auto megabytes = *rc::gen::inRange<std::size_t>(1, 4000),
               more = *rc::gen::inRange<std::size_t>(0, 4000);
    const Layout& layout = layouts[*rc::gen::inRange<std::size_t>(0, layouts.size())];
    const Gpu small{"x", "X", megabytes << 20}, large{"x", "X", (megabytes + more) << 20};
    RC_ASSERT(sizing_.sequences(layout, small) <= sizing_.sequences(layout, large));
  }));
}

TEST(Sizing, DenseModelsHaveNoExpertsToSpread) {
  const model::Checkpoint checkpoint =
      checkpoint_or_published("deepseek-r1-distill-qwen-7b", published_folder);
  Sizing sizing(checkpoint, {.limits = {.max_positions = 4096}});
  std::vector<std::string> told;
  for (const Layout& layout : sizing.layouts(8))
    told.push_back(flags_of(layout.plan) + ": " + std::to_string(layout.cache_per_token));
  EXPECT_THAT(told,
              ElementsAre("-tp 8: 0", "-tp 4 -dp 2: 28672", "-tp 2 -dp 4: 57344", "-tp 1 -dp 8: 114688"));
  EXPECT_EQ(sizing.layouts(8).front().refusal, "28 attention heads cannot be split evenly over 8 ranks");
}

TEST(Sizing, SequencesThatNoDecoderTakesAreAnError) {
  const model::Checkpoint checkpoint = model::Checkpoint::open(DEMO_MODEL);
  Sizing sizing(checkpoint, {.limits = {.max_positions = 1'000'001}});
  EXPECT_THAT(error_of([&] { sizing.layouts(1); }), HasSubstr("1000001 tokens are over the limit"));
}

TEST(Sizing, HostsHaveEightGpus) {
  EXPECT_EQ(hosts_of(1), 1);
  EXPECT_EQ(hosts_of(8), 1);
  EXPECT_EQ(hosts_of(16), 2);
  EXPECT_THAT(gpu_names(), ElementsAre("a100", "h100", "h200", "b200"));
}

}  // namespace
}  // namespace troupe::launch::sizing
