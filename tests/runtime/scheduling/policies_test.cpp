#include "runtime/scheduling/policies/policy.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "runtime/base/error.hpp"
#include "runtime/scheduling/policies/shares.hpp"
#include "runtime/scheduling/prefix_hash.hpp"

namespace troupe::runtime {
namespace {

using ::testing::ElementsAre;

// In order of arrival: a long prompt, a decode, a short urgent prompt, a decode.
const std::vector<SequenceView> sequences{{1, 100, false, true, 5, 1},
                                          {2, 1, true, true, 5, 2},
                                          {3, 4, false, false, 0, 3},
                                          {4, 1, true, true, 9, 4}};

using P = std::pair<SequenceId, int>;

std::vector<P> shares_of(BatchPolicy& policy, const SchedulerView& view, std::int32_t budget) {
  Proposal out;
  policy.propose(view, budget, out);
  std::vector<P> shares;
  for (const Share& share : out.shares) shares.emplace_back(share.sequence, share.tokens);
  return shares;
}

std::vector<P> proposal(std::string_view policy, std::int32_t budget,
                        const std::vector<std::string>& options = {}) {
  return shares_of(*make_policy(policy, options), {.sequences = sequences}, budget);
}

SequenceView running(SequenceId id, std::int32_t computed, std::int32_t outputs) {
  return {.id = id,
          .pending = 1,
          .decoding = true,
          .running = true,
          .arrival = id,
          .started = true,
          .prompt_tokens = 8,
          .max_output_tokens = 100,
          .computed = computed,
          .outputs = outputs,
          .blocks = (computed + 3) / 4};
}
SequenceView waiting(SequenceId id, std::int32_t prompt_tokens) {
  return {.id = id,
          .pending = prompt_tokens,
          .arrival = id,
          .prompt_tokens = prompt_tokens,
          .max_output_tokens = 100};
}
SchedulerView view_of(const std::vector<SequenceView>& all, std::int32_t free_blocks) {
  return {.sequences = all,
          .now = TimePoint() + std::chrono::seconds(100),
          .free_blocks = free_blocks,
          .total_blocks = 100,
          .block_size = 4,
          .most_tokens = 4096,
          .most_running = 8};
}

TEST(Policies, FcfsServesInOrderOfArrival) {
  EXPECT_THAT(proposal("fcfs", 8), ElementsAre(P{1, 8}, P{2, 0}, P{4, 0}));
  EXPECT_THAT(proposal("fcfs", 103), ElementsAre(P{1, 100}, P{2, 1}, P{3, 2}, P{4, 0}));
}

// However few of them it sorts.
TEST(Shares, ByAKeyAreThoseOfAWholeSort) {
  std::mt19937 random(2026);
  for (int round = 0; round < 200; ++round) {
    std::vector<SequenceView> all;
    for (SequenceId id = 1; id <= 40; ++id) {
      SequenceView& each = all.emplace_back(waiting(id, 1 + std::int32_t(random() % 20)));
      each.running = random() % 4 == 0;
      each.priority = std::int32_t(random() % 5);
    }
    Order by_key, sorted;
    for (const SequenceView& each : all) by_key.push_back(&each), sorted.push_back(&each);
    std::ranges::stable_sort(sorted, {}, [](const SequenceView* each) { return each->priority; });
    const auto budget = std::int32_t(random() % 500);
    Proposal expected, got;
    const std::int32_t left = share_all(sorted, budget, expected);
    EXPECT_EQ(share_all_by(&SequenceView::priority, by_key, budget, got), left);
    ASSERT_EQ(got.shares.size(), expected.shares.size());
    for (std::size_t i = 0; i < got.shares.size(); ++i) {
      EXPECT_EQ(got.shares[i].sequence, expected.shares[i].sequence);
      EXPECT_EQ(got.shares[i].tokens, expected.shares[i].tokens);
    }
  }
}

TEST(Policies, DecodeFirstLetsDecodingPassALongPrompt) {
  EXPECT_THAT(proposal("decode_first", 6), ElementsAre(P{2, 1}, P{4, 1}, P{1, 2}, P{3, 2}));
}

TEST(Policies, DecodeFirstLeavesHalfOfTheRestToShortPrompts) {
  EXPECT_THAT(proposal("decode_first", 50), ElementsAre(P{2, 1}, P{4, 1}, P{1, 44}, P{3, 4}));
  EXPECT_THAT(proposal("decode_first", 106), ElementsAre(P{2, 1}, P{4, 1}, P{1, 100}, P{3, 4}));
}

TEST(Policies, DecodeFirstComputesTheShortestReplaysFirstThenPrompts) {
  const std::vector<SequenceView> after_a_fault{{1, 100, false, false, 5, 1, false},
                                                {2, 50, false, false, 5, 2, true},
                                                {3, 20, false, false, 5, 3, true},
                                                {4, 1, true, true, 5, 4, true}};
  Proposal out;
  make_policy("decode_first")->propose({after_a_fault}, 64, out);
  std::vector<P> shares;
  for (const Share& share : out.shares) shares.emplace_back(share.sequence, share.tokens);
  EXPECT_THAT(shares, ElementsAre(P{4, 1}, P{3, 20}, P{2, 43}));
}

TEST(Policies, PriorityServesLowNumbersThenOldOnes) {
  EXPECT_THAT(proposal("priority", 105), ElementsAre(P{3, 4}, P{1, 100}, P{2, 1}, P{4, 0}));
}

TEST(Policies, PriorityMayAge) {
  std::vector<SequenceView> two{waiting(1, 4), waiting(2, 4)};
  two[0].priority = 3;
  two[1].arrived = two[0].arrived + std::chrono::milliseconds(2000);
  const auto shares = [&](const char* option) {
    return shares_of(*make_policy("priority", {option}), view_of(two, 10), 4);
  };
  EXPECT_THAT(shares("ageing_ms=0"), ElementsAre(P{2, 4}));
  EXPECT_THAT(shares("ageing_ms=700"), ElementsAre(P{2, 4}));
  EXPECT_THAT(shares("ageing_ms=600"), ElementsAre(P{1, 4}));
}

// Else the prompt takes what they hold, comes to decode, and loses it to them when they come back as prompts.
TEST(Policies, PrefillFirstCountsWhatIsAheadAndWhatPromptsThatRunStillLack) {
  const std::vector<SequenceView> two{running(1, 8, 1), waiting(2, 16)};
  SchedulerView view = view_of(two, 4);
  const auto policy = make_policy("prefill_first");
  EXPECT_THAT(shares_of(*policy, view, 64), ElementsAre(P{2, 16}, P{1, 0}));
  view.ahead = 1;
  EXPECT_THAT(shares_of(*policy, view, 64), ElementsAre(P{1, 1}));
  std::vector<SequenceView> three{running(1, 8, 1), waiting(2, 16), waiting(3, 8)};
  three[1].running = true;
  EXPECT_THAT(shares_of(*policy, view_of(three, 6), 64), ElementsAre(P{2, 16}, P{3, 8}, P{1, 0}));
  EXPECT_THAT(shares_of(*policy, view_of(three, 5), 64), ElementsAre(P{2, 16}, P{1, 0}));
}

TEST(Policies, PrefillFirstLetsDecodingWaitWhilePromptsFindBlocks) {
  const std::vector<SequenceView> all{running(1, 9, 2), waiting(2, 8), waiting(3, 8)};
  const auto policy = make_policy("prefill_first");
  EXPECT_THAT(shares_of(*policy, view_of(all, 5), 64), ElementsAre(P{2, 8}, P{3, 8}, P{1, 0}));
  EXPECT_THAT(shares_of(*policy, view_of(all, 3), 64), ElementsAre(P{2, 8}, P{1, 0}));
  EXPECT_THAT(shares_of(*policy, view_of(all, 1), 64), ElementsAre(P{1, 1}));
}

TEST(Policies, EdfGoesByDeadlinesAndLeavesBlocksWithWhomHasThem) {
  std::vector<SequenceView> all{running(1, 9, 2), waiting(2, 8), waiting(3, 8), waiting(4, 8)};
  all[1].slo = {.ttft_slo_ms = 500};
  all[2].slo = {.ttft_slo_ms = 100};
  all[3].slo = {.latency_slo_ms = 300};
  const auto policy = make_policy("edf");
  EXPECT_THAT(shares_of(*policy, view_of(all, 50), 64), ElementsAre(P{1, 1}, P{3, 8}, P{4, 8}, P{2, 8}));
  // The urgent have the tokens, and who runs has the blocks.
  EXPECT_THAT(shares_of(*policy, view_of(all, 50), 20), ElementsAre(P{3, 8}, P{4, 8}, P{2, 4}, P{1, 0}));
  EXPECT_THAT(shares_of(*policy, view_of(all, 1), 64), ElementsAre(P{1, 1}));
  EXPECT_THAT(shares_of(*make_policy("edf", {"ttft_ms=1", "tpot_ms=1"}), view_of(all, 50), 1),
              ElementsAre(P{1, 1}));
}

TEST(Policies, VtcServesTheCallerThatHadLess) {
  const auto policy = make_policy("vtc");
  std::vector<SequenceView> all{running(1, 9, 0), waiting(2, 8), waiting(3, 8), waiting(4, 8)};
  all[0].caller = all[1].caller = all[2].caller = 1;
  all[3].caller = 2;
  EXPECT_THAT(shares_of(*policy, view_of(all, 50), 64), ElementsAre(P{1, 1}, P{4, 8}, P{2, 8}, P{3, 8}));
  // It comes back with what it had, and is not served first for ever.
  all[3].running = true;
  all[3].outputs = 10;
  EXPECT_THAT(shares_of(*policy, view_of(all, 50), 64), ElementsAre(P{1, 1}, P{4, 8}, P{2, 8}, P{3, 8}));
  policy->left(all[3], true);
  all[3] = waiting(5, 8);
  all[3].caller = 2;
  EXPECT_THAT(shares_of(*policy, view_of(all, 50), 64), ElementsAre(P{1, 1}, P{2, 8}, P{3, 8}, P{5, 8}));
}

TEST(Policies, SjfAdmitsWhoIsPredictedToBeDoneFirst) {
  std::vector<SequenceView> all{running(1, 9, 2), waiting(2, 8), waiting(3, 8), waiting(4, 8)};
  all[1].predicted_output = 50;
  all[2].predicted_output = 5;
  EXPECT_THAT(shares_of(*make_policy("sjf"), view_of(all, 50), 64),
              ElementsAre(P{1, 1}, P{3, 8}, P{2, 8}, P{4, 8}));
}

TEST(Policies, SjfLearnsFromWhatCallersWereAnswered) {
  std::vector<SequenceView> all{waiting(1, 8), waiting(2, 8)};
  all[1].caller = 7;
  for (const char* predictor : {"predictor=history", "predictor=quantile"}) {
    const auto policy = make_policy("sjf", {predictor});
    EXPECT_THAT(shares_of(*policy, view_of(all, 50), 8), ElementsAre(P{1, 8}));
    SequenceView finished = running(3, 20, 12);
    finished.caller = 7;
    policy->left(finished, false);
    EXPECT_THAT(shares_of(*policy, view_of(all, 50), 8), ElementsAre(P{1, 8}));
    policy->left(finished, true);
    EXPECT_THAT(shares_of(*policy, view_of(all, 50), 8), ElementsAre(P{2, 8}));
  }
}

TEST(Policies, MlfqLetsShortPromptsPassAndWhoWasServedFall) {
  const auto policy = make_policy("mlfq", {"quantum=8", "starve_ms=1000"});
  std::vector<SequenceView> all{waiting(1, 30), waiting(2, 8)};
  EXPECT_THAT(shares_of(*policy, view_of(all, 50), 8), ElementsAre(P{2, 8}));
  all[1] = running(2, 60, 53);  // past its first three quanta, but a token is a row
  EXPECT_THAT(shares_of(*policy, view_of(all, 50), 30), ElementsAre(P{2, 1}, P{1, 29}));
  EXPECT_THAT(shares_of(*policy, view_of(all, 1), 30), ElementsAre(P{2, 1})) << "and keeps its blocks";
  all.push_back(waiting(3, 4));
  SchedulerView later = view_of(all, 50);
  EXPECT_THAT(shares_of(*policy, later, 4), ElementsAre(P{2, 1}, P{3, 3}));
  all[1] = waiting(2, 8);  // as if it had lost them
  EXPECT_THAT(shares_of(*policy, later, 36), ElementsAre(P{3, 4}, P{1, 30}, P{2, 2}));
  later.now += std::chrono::seconds(2);  // all have starved
  EXPECT_THAT(shares_of(*policy, later, 30), ElementsAre(P{1, 30}));
}

// Of a tree of prompts: 1 alone, 2 and 4 share a block, 3, 5 and 6 share one, 5 and 6 two.
struct TreeOfPrompts {
  TreeOfPrompts() {
    const auto chain = [](std::vector<TokenId> blocks) {
      std::vector<BlockHash> hashes;
      BlockHash last = prefix_root("");
      for (const TokenId& block : blocks)
        hashes.push_back(last = prefix_hash(last, ArithmeticClass::decode, {&block, 1}));
      return hashes;
    };
    chains = {chain({9}), chain({1, 2}), chain({5}), chain({1, 3}), chain({5, 6, 7}), chain({5, 6, 8})};
    for (SequenceId id = 1; id <= chains.size(); ++id) {
      views.push_back(waiting(id, 4));
      views.back().prefix = chains[id - 1];
    }
  }
  std::vector<std::vector<BlockHash>> chains;
  std::vector<SequenceView> views;
};

TEST(Policies, LpmAdmitsWhatIsCached) {
  TreeOfPrompts tree;
  for (const auto& [at, cached] : {std::pair(3, 2), std::pair(4, 3), std::pair(1, 2)}) {
    tree.views[std::size_t(at)].computed = cached;
    tree.views[std::size_t(at)].pending -= cached;
  }
  EXPECT_THAT(shares_of(*make_policy("lpm"), view_of(tree.views, 50), 12),
              ElementsAre(P{5, 1}, P{2, 2}, P{4, 2}, P{1, 4}, P{3, 3}));
}

TEST(Policies, DfsWalksTheTreeOfPromptsTheLargestBranchFirst) {
  TreeOfPrompts tree;
  EXPECT_THAT(shares_of(*make_policy("dfs"), view_of(tree.views, 50), 24),
              ElementsAre(P{5, 4}, P{6, 4}, P{3, 4}, P{2, 4}, P{4, 4}, P{1, 4}));
}

TEST(Policies, SloTakesAsMuchOfPromptsAsDeadlinesAllow) {
  StepCost cost;  // a millisecond a row
  for (int i = 0; i < 50; ++i) cost.learn({double(1 + i), 0}, 0.001 * (1 + i));
  std::vector<SequenceView> all{running(1, 9, 2), waiting(2, 1000), waiting(3, 1000)};
  SchedulerView view = view_of(all, 999);
  view.total_blocks = 1000;
  view.cost = &cost;
  all[1].arrived = all[2].arrived = view.now;
  all[2].slo = {.ttft_slo_ms = 2000};
  const auto budget = [&](std::int64_t ms, const std::vector<std::string>& options = {}) {
    all[0].arrived = view.now - std::chrono::milliseconds(10'000 + 200 - ms);
    Proposal out;
    make_policy("slo", options)->propose(view, 64, out);
    EXPECT_THAT(out.shares.front(), testing::Field(&Share::sequence, 1u));
    EXPECT_THAT(out.shares[1], testing::Field(&Share::sequence, 3u)) << "its deadline comes first";
    return out.token_budget.value_or(-1);
  };
  EXPECT_NEAR(budget(200), 100, 5);
  EXPECT_NEAR(budget(200, {"margin=1"}), 200, 10);
  EXPECT_NEAR(budget(1000), 500, 25);
  EXPECT_EQ(budget(0), 17);      // prompts go on
  EXPECT_EQ(budget(-10), 4096);  // it is late anyway
}

TEST(Policies, HaveTypedOptionsOfTheirOwn) {
  const auto failure = [](std::string_view policy, const std::vector<std::string>& options) -> std::string {
    try {
      make_policy(policy, options);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(failure("vtc", {"input_weight=0.5", "output_weight=3"}), "");
  EXPECT_EQ(failure("vtc", {"weight=2"}),
            "--policy-option: policy vtc has no option 'weight'; known: input_weight output_weight");
  EXPECT_EQ(failure("fcfs", {"a=b"}), "--policy-option: policy fcfs has no option 'a'; it has none");
  EXPECT_EQ(failure("mlfq", {"levels=0"}),
            "--policy-option: levels of policy mlfq must be a whole number from 1 to 16, got '0'");
  EXPECT_EQ(failure("mlfq", {"levels=3x"}),
            "--policy-option: levels of policy mlfq must be a whole number from 1 to 16, got '3x'");
  EXPECT_EQ(failure("slo", {"margin=nan"}),
            "--policy-option: margin of policy slo must be a number from 0.01 to 1, got 'nan'");
  EXPECT_EQ(
      failure("sjf", {"predictor=crystal"}),
      "--policy-option: predictor of policy sjf must be one of oracle, history, quantile, got 'crystal'");
  EXPECT_EQ(failure("edf", {"ttft_ms"}), "--policy-option: 'ttft_ms' is no KEY=VALUE");
  EXPECT_EQ(failure("edf", {"ttft_ms=1", "ttft_ms=2"}), "--policy-option: 'ttft_ms' is given twice");
}

TEST(Policies, ArePickedByName) {
  EXPECT_THAT(policy_names(), ElementsAre("decode_first", "dfs", "edf", "fcfs", "lpm", "mlfq",
                                          "prefill_first", "priority", "sjf", "slo", "vtc"));
  for (const std::string& name : policy_names()) EXPECT_EQ(make_policy(name)->name(), name);
  try {
    make_policy("lottery");
    FAIL() << "an unknown policy was made";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "unknown batch policy 'lottery'; known: decode_first dfs edf fcfs lpm mlfq "
                 "prefill_first priority sjf slo vtc");
  }
}

}  // namespace
}  // namespace troupe::runtime
