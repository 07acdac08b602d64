// Scheduler and block pool under random submissions, cancellations, pauses and faults, which arrive at any
// point of a step, as messages do. Whatever happens, each sequence must get the tokens that it gets alone.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "runtime/block_pool.hpp"
#include "tests/runtime/toy_executor.hpp"

namespace troupe::runtime {
namespace {

// Decisions, taken from a list so that RapidCheck can shrink it. When it is spent, all decisions are 0.
class Chance {
 public:
  explicit Chance(std::vector<std::uint32_t> source) : source_(std::move(source)) {}
  bool spent() const { return next_ == source_.size(); }
  std::int32_t below(std::int32_t end) {
    return spent() ? 0 : std::int32_t(source_[next_++] % std::uint32_t(end));
  }
  std::int32_t between(std::int32_t first, std::int32_t last) { return first + below(last - first + 1); }

 private:
  std::vector<std::uint32_t> source_;
  std::size_t next_ = 0;
};

// Proposes nonsense: unknown, repeated and forgotten sequences, negative and huge shares.
class Nonsense final : public BatchPolicy {
 public:
  std::string_view name() const override { return "nonsense"; }
  void propose(const SchedulerView& view, std::int32_t token_budget, Proposal& out) override {
    for (std::size_t i = 0; i < 2 * view.sequences.size(); ++i) {
      const SequenceView& any = view.sequences[random_() % view.sequences.size()];
      out.shares.push_back({any.id + (random_() % 8 == 0 ? 1000000 : 0),
                            std::int32_t(random_() % 64) - 8 + (random_() % 4 == 0 ? token_budget : 0)});
    }
  }

 private:
  std::mt19937 random_{7};
};

struct Tally {
  std::uint64_t steps = 0, cancelled_in_flight = 0, epochs = 0, stale_results = 0;
};

class World {
 public:
  World(Chance& chance, std::string_view policy)
      : chance_(chance),
        policy_(policy),
        limits_(random_limits()),
        blocks_((limits_.max_model_len + limits_.block_size - 1) / limits_.block_size + chance.below(20)),
        pool_(blocks_, limits_.block_size, limits_.prefix_caching),
        executor_(blocks_, limits_.block_size),
        scheduler_(limits_, policy == "nonsense" ? std::make_unique<Nonsense>() : make_policy(policy),
                   epoch_) {}

  // Until the chance is spent; then until every sequence has finished.
  void run() {
    while (!chance_.spent()) ASSERT_NO_FATAL_FAILURE(step());
    for (auto& [id, live] : live_) scheduler_.resume(id);
    for (int steps = 0; !live_.empty(); ++steps) {
      ASSERT_LT(steps, 50000) << "sequences that never finish";
      ASSERT_NO_FATAL_FAILURE(step());
    }
    step();  // tells the pool of the last releases
    EXPECT_TRUE(scheduler_.idle());
    EXPECT_EQ(scheduler_.stats().running + scheduler_.stats().waiting, 0);
    EXPECT_EQ(pool_.usage().used, 0) << "blocks leaked";
    pool_.check();
  }

  const Tally& tally() const { return tally_; }
  SchedulerStats stats() const { return scheduler_.stats(); }
  PoolUsage usage() const { return pool_.usage(); }

 private:
  struct Live {
    Submission submission;  // as at first
    std::vector<TokenId> outputs;
    std::vector<Digest> digests;  // of its tokens up to each position
  };

  SchedulerLimits random_limits() {
    SchedulerLimits limits;
    limits.max_num_batched_tokens = chance_.between(1, 40);
    limits.max_num_seqs = chance_.between(1, 12);
    limits.max_model_len = chance_.between(8, 48);
    limits.max_waiting = chance_.between(1, 20);
    limits.block_size = chance_.between(1, 6);
    limits.prefix_caching = chance_.below(4) != 0;
    return limits;
  }

  void step() {
    happen();
    const auto request = scheduler_.propose();
    if (!request) return;
    const bool runnable = !scheduler_.idle();
    happen();
    if (request->epoch != epoch_) return;  // as the pool's owner drops it
    const BlockReply reply = pool_.reserve(*request);
    if (chance_.below(8) == 0) pool_.check();
    ASSERT_NO_FATAL_FAILURE(check_reply(*request, reply, runnable));
    happen();
    const auto plan = scheduler_.dispose(reply);
    if (!plan) return;
    ++tally_.steps;
    ASSERT_NO_FATAL_FAILURE(check_plan(*plan));
    const StepResult result = executor_.execute(*plan);
    in_flight_ = true;
    happen();
    in_flight_ = false;
    const bool stale = result.epoch != epoch_;
    tally_.stale_results += stale;
    const auto committed = scheduler_.commit(result);
    ASSERT_TRUE(!stale || committed.empty());
    for (const CommittedToken& token : committed) ASSERT_NO_FATAL_FAILURE(receive(token));
  }

  // Something from outside, or nothing.
  void happen() {
    switch (chance_.spent() ? 0 : chance_.below(24)) {
      case 1:
      case 2:
      case 3:
      case 4:
        return submit();
      case 5:
        return with_any([&](SequenceId id) {
          scheduler_.cancel(id);
          live_.erase(id);
          tally_.cancelled_in_flight += in_flight_;
        });
      case 6:
        return with_any([&](SequenceId id) { scheduler_.pause(id); });
      case 7:
      case 8:
        return with_any([&](SequenceId id) { scheduler_.resume(id); });
      case 9:
        if (chance_.below(8) == 0) fault();
    }
  }

  template <class Function>
  void with_any(Function function) {
    if (!live_.empty()) function(std::next(live_.begin(), chance_.below(std::int32_t(live_.size())))->first);
  }

  void submit() {
    Submission submission;
    submission.sequence = ++last_id_;
    submission.arrival = last_id_ / 2;  // some share their place
    submission.prompt_tokens = chance_.between(1, limits_.max_model_len - 1);
    const std::int32_t family = chance_.below(3);  // few beginnings, so that prefixes are shared
    for (std::int32_t i = 0; i < submission.prompt_tokens; ++i) submission.tokens.push_back(family + i % 5);
    if (chance_.below(2) == 0) submission.tokens.back() = chance_.below(50);
    submission.max_output_tokens = chance_.between(1, 12);
    submission.sampling.seed = std::uint64_t(chance_.below(3));
    submission.stop_ids = {3, chance_.below(50)};
    submission.priority = chance_.below(3);
    const bool full = scheduler_.stats().waiting >= limits_.max_waiting;
    const auto accepted = scheduler_.submit(submission);
    ASSERT_EQ(bool(accepted), !full);
    if (!full) live_[submission.sequence] = {submission, {}, digests_of(submission.tokens)};
  }

  static std::vector<Digest> digests_of(const std::vector<TokenId>& tokens) {
    std::vector<Digest> digests;
    for (TokenId token : tokens) digests.push_back(toy_digest(digests.empty() ? 0 : digests.back(), token));
    return digests;
  }

  // The storage is lost; everyone submits again what they have.
  void fault() {
    ++tally_.epochs;
    executor_.poison();
    pool_.reset();
    const auto forgotten = scheduler_.start_epoch(++epoch_);
    ASSERT_EQ(forgotten.size(), live_.size());
    for (SequenceId id : forgotten) {
      const Live& live = live_.at(id);
      Submission again = live.submission;
      again.tokens.insert(again.tokens.end(), live.outputs.begin(), live.outputs.end());
      ASSERT_TRUE(scheduler_.submit(again)) << "a full queue refused a replay";
    }
  }

  void check_reply(const BlockRequest& request, const BlockReply& reply, bool runnable) {
    for (std::size_t i = 0; i < reply.grants.size(); ++i)
      ASSERT_EQ(std::ranges::count(reply.preempted, reply.grants[i].sequence), 0) << "granted and preempted";
    if (policy_ == "nonsense" || !runnable) return;
    ASSERT_FALSE(request.wants.empty());
    ASSERT_EQ(request.wants.front().sequence, request.preemption_order.back());
    ASSERT_FALSE(reply.grants.empty());
    ASSERT_EQ(reply.grants.front().sequence, request.wants.front().sequence) << "the first does not progress";
  }

  void check_plan(const StepPlan& plan) {
    const auto& slices = plan.groups.at(0).slices;
    ASSERT_LE(scheduler_.stats().running, limits_.max_num_seqs);
    std::int32_t tokens = 0;
    std::map<BlockId, int> users;
    for (const Slice& slice : slices)
      for (BlockId block : slice.blocks) ++users[block];
    for (const Slice& slice : slices) {
      const auto count = std::int32_t(slice.tokens.size());
      tokens += count;
      const Live& live = live_.at(slice.sequence);
      ASSERT_LE(slice.first_position + count, std::int32_t(live.digests.size()));
      ASSERT_EQ(slice.samples, slice.first_position + count == std::int32_t(live.digests.size()));
      ASSERT_EQ(slice.output_position, live.outputs.size());
      for (std::int32_t i = 0; i < slice.first_position; ++i)
        ASSERT_EQ(executor_.cell(slice.blocks, i), live.digests[std::size_t(i)]) << "not in the cache";
      for (std::int32_t i = slice.first_position; i < slice.first_position + count; ++i)
        ASSERT_EQ(users.at(slice.blocks.at(std::size_t(i / limits_.block_size))), 1)
            << "a shared block is written";
    }
    ASSERT_LE(tokens, limits_.max_num_batched_tokens);
  }

  void receive(const CommittedToken& token) {
    Live& live = live_.at(token.sequence);
    ASSERT_EQ(token.output_position, live.outputs.size());
    live.outputs.push_back(token.output.token);
    live.digests.push_back(toy_digest(live.digests.back(), token.output.token));
    if (token.finish == FinishReason::none) return;
    const ToyOutput alone = toy_output(live.submission, limits_.max_model_len);
    ASSERT_EQ(alone.tokens, live.outputs);
    ASSERT_EQ(alone.finish, token.finish);
    live_.erase(token.sequence);
  }

  Chance& chance_;
  std::string policy_;
  Epoch epoch_ = 1;
  SchedulerLimits limits_;
  std::int32_t blocks_;
  BlockPool pool_;
  ToyExecutor executor_;
  Scheduler scheduler_;
  std::map<SequenceId, Live> live_;
  SequenceId last_id_ = 0;
  bool in_flight_ = false;
  Tally tally_;
};

class EveryPolicy : public ::testing::TestWithParam<std::string> {};

TEST_P(EveryPolicy, GivesEachSequenceWhatItGetsAlone) {
  const bool held = rc::check([&] {
    Chance chance(*rc::gen::scale(8, rc::gen::arbitrary<std::vector<std::uint32_t>>()));
    World world(chance, GetParam());
    world.run();
    RC_ASSERT(!::testing::Test::HasFailure());
  });
  EXPECT_TRUE(held);
}

TEST_P(EveryPolicy, KeepsItsPromisesForLong) {
  std::mt19937 random(11);
  Tally sum;
  SchedulerStats stats;
  std::uint64_t hits = 0;
  for (int world_number = 0; world_number < 60; ++world_number) {
    std::vector<std::uint32_t> source(20000);
    for (std::uint32_t& each : source) each = random();
    Chance chance(std::move(source));
    World world(chance, GetParam());
    ASSERT_NO_FATAL_FAILURE(world.run());
    sum.steps += world.tally().steps;
    sum.cancelled_in_flight += world.tally().cancelled_in_flight;
    sum.epochs += world.tally().epochs;
    sum.stale_results += world.tally().stale_results;
    stats.preemptions += world.stats().preemptions;
    stats.replayed_tokens += world.stats().replayed_tokens;
    hits += world.usage().prefix_hits;
  }
  EXPECT_GT(sum.steps, 50000u);
  EXPECT_GT(sum.cancelled_in_flight, 100u);
  EXPECT_GT(sum.epochs, 100u);
  EXPECT_GT(sum.stale_results, 10u);
  EXPECT_GT(stats.preemptions, 1000u);
  EXPECT_GT(stats.replayed_tokens, 1000u);
  EXPECT_GT(hits, 1000u);
}

std::vector<std::string> policies_and_nonsense() {
  std::vector<std::string> names = policy_names();
  names.push_back("nonsense");
  return names;
}
INSTANTIATE_TEST_SUITE_P(All, EveryPolicy, ::testing::ValuesIn(policies_and_nonsense()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace troupe::runtime
