#include "runtime/scheduling/suspects.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <deque>
#include <map>
#include <set>

#include "runtime/lab/soak/chance.hpp"
#include "runtime/lab/soak/toy_executor.hpp"
#include "runtime/scheduling/block_pool.hpp"
#include "runtime/scheduling/step_cycle.hpp"

namespace troupe::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;
using Cause = EpochEnd::Cause;

// Suspects, and who of them runs.
struct Line {
  std::optional<SequenceId> strike(const std::vector<RowsInFlight>& rows, Cause cause = Cause::died) {
    const auto condemned = suspects.strike(cause, rows);
    take_turns();
    return condemned;
  }
  // Those have row 10 in flight.
  std::optional<SequenceId> strike_those(const std::vector<SequenceId>& sequences,
                                         Cause cause = Cause::died) {
    std::vector<RowsInFlight> rows;
    for (const SequenceId each : sequences) rows.push_back({each, 10, 11});
    return strike(rows, cause);
  }
  bool take_turns() {
    return suspects.take_turns([&](SequenceId id) { return std::ranges::count(resting, id) == 0; });
  }
  void pass(SequenceId sequence) {
    EXPECT_TRUE(suspects.computed(sequence, 12));
    take_turns();
  }
  std::vector<SequenceId> running(SequenceId last = 8) const {
    std::vector<SequenceId> running;
    for (SequenceId each = 1; each <= last; ++each)
      if (suspects.may_run(each)) running.push_back(each);
    return running;
  }

  Suspects suspects;
  std::vector<SequenceId> resting;
};

TEST(Suspects, NobodyWaitsAfterOneDeath) {
  Line line;
  EXPECT_FALSE(line.suspects.any());
  EXPECT_EQ(line.strike_those({1, 2}), std::nullopt);
  EXPECT_TRUE(line.suspects.any());
  EXPECT_THAT(line.running(), SizeIs(8));
  line.pass(1);
  line.pass(2);
  EXPECT_FALSE(line.suspects.any());
}

TEST(Suspects, OneThatIsAloneIsCondemnedForTheSecondDeath) {
  Line line;
  EXPECT_EQ(line.strike_those({1}), std::nullopt);
  EXPECT_EQ(line.strike_those({1}), 1u);
  EXPECT_FALSE(line.suspects.any());
}

TEST(Suspects, OneThatIsAloneIsCondemnedForTheFourthDeathFromOutside) {
  Line line;
  for (int deaths = 1; deaths <= 3; ++deaths) EXPECT_EQ(line.strike_those({1}, Cause::killed), std::nullopt);
  EXPECT_EQ(line.strike_those({1}, Cause::killed), 1u);
}

TEST(Suspects, ThoseWhoGetPastBetweenTwoDeathsAreNotSuspectedMore) {
  Line line;
  for (int deaths = 0; deaths < 20; ++deaths) {
    EXPECT_EQ(line.strike({{1, 10 + 2 * deaths, 11 + 2 * deaths}}), std::nullopt);
    EXPECT_FALSE(line.suspects.computed(1, 11 + 2 * deaths)) << "the last of those rows, and none behind it";
    EXPECT_TRUE(line.suspects.computed(1, 12 + 2 * deaths));
  }
}

TEST(Suspects, DeathsInOtherRowsDoNotAddUp) {
  Line line;
  EXPECT_EQ(line.strike({{1, 100, 101}}), std::nullopt);
  EXPECT_EQ(line.suspects.first_row(1), 100);
  EXPECT_EQ(line.strike({{1, 0, 100}}), std::nullopt) << "while it was computed again up to there";
  EXPECT_EQ(line.suspects.first_row(1), 0);
  EXPECT_EQ(line.strike({{1, 0, 64}}), 1u);
}

TEST(Suspects, RowsThatFollowAtOnceAreTheSamePlace) {
  Line line;
  EXPECT_EQ(line.strike({{1, 100, 101}}), std::nullopt);
  EXPECT_FALSE(line.suspects.computed(1, 101));
  EXPECT_EQ(line.strike({{1, 101, 102}}), 1u) << "a sequence that kills where it decodes";
}

TEST(Suspects, RunByHalvesUntilOneIsAlone) {
  Line line;
  line.strike_those({1, 2, 3, 4, 5});
  line.strike_those({1, 2, 3, 4, 5});
  EXPECT_THAT(line.running(), ElementsAre(1, 2, 3));
  line.strike_those({1, 2, 3});
  EXPECT_TRUE(line.suspects.narrowed());
  EXPECT_THAT(line.running(), ElementsAre(1, 2));
  line.pass(1);
  EXPECT_THAT(line.running(), ElementsAre(2));
  line.pass(2);
  EXPECT_THAT(line.running(), ElementsAre(3));
  EXPECT_EQ(line.strike_those({3}), 3u);
  EXPECT_THAT(line.running(), ElementsAre(4)) << "the others go by turns, until all are past";
  line.pass(4);
  EXPECT_THAT(line.running(), ElementsAre(5));
  line.pass(5);
  EXPECT_THAT(line.running(), SizeIs(8));
  EXPECT_FALSE(line.suspects.any());
}

TEST(Suspects, WhoeverRestsLosesItsTurnAndNobodyWaitsForIt) {
  Line line;
  line.strike_those({1, 2, 3});
  line.strike_those({1, 2, 3});
  EXPECT_THAT(line.running(), ElementsAre(1, 2));
  line.resting = {1};
  EXPECT_FALSE(line.take_turns()) << "the other has it still";
  line.resting = {1, 2};
  EXPECT_TRUE(line.take_turns());
  EXPECT_THAT(line.running(), ElementsAre(3));
  line.pass(3);
  EXPECT_THAT(line.running(), SizeIs(8)) << "nobody that could run is suspected";
  line.resting = {2};
  EXPECT_TRUE(line.take_turns());
  EXPECT_THAT(line.running(), ElementsAre(1));
}

TEST(Suspects, AreNotAloneWithOneThatHasLeft) {
  Line line;
  const std::vector<RowsInFlight> rows{{1, 10, 11}, {2, 10, 11, true}};
  EXPECT_EQ(line.strike(rows), std::nullopt);
  EXPECT_EQ(line.strike(rows), std::nullopt);
  EXPECT_THAT(line.suspects.sequences(), ElementsAre(1));
  EXPECT_EQ(line.strike_those({1}), 1u);
}

TEST(Suspects, NewcomersAreLookedAtLikeTheOthers) {
  Line line;
  line.strike_those({1, 2});
  line.strike_those({1, 2, 3, 4});
  EXPECT_THAT(line.running(), ElementsAre(1, 2)) << "those that were there twice come first";
  line.pass(1);
  line.pass(2);
  EXPECT_THAT(line.running(), ElementsAre(3));
  EXPECT_EQ(line.strike_those({3}), 3u);
}

// A replica of toy ranks whose workers die of certain rows of certain sequences, and at times for no reason.
class Deaths {
 public:
  explicit Deaths(lab::Chance& chance)
      : chance_(chance),
        prompt_(chance.below(2) == 0),
        groups_(chance.between(1, 2)),
        limits_(drawn_limits(chance)),
        cycle_(
            limits_, [] { return make_policy("decode_first"); }, groups_, 1) {
    for (GroupId group = 0; group < GroupId(groups_); ++group) {
      const std::int32_t blocks = 40 / limits_.block_size + 1 + chance.below(20);
      pools_.emplace_back(blocks, limits_.block_size, limits_.prefix_caching, 1);
      executors_.emplace_back(blocks, limits_.block_size, group);
    }
    carry(cycle_.begin_epoch(1));
  }

  void submit(SequenceId id, std::optional<std::int32_t> killing_row) {
    Submission submission;
    submission.sequence = submission.arrival = id;
    submission.prompt_tokens = chance_.between(1, 20);
    const std::int32_t family = chance_.below(3);
    for (std::int32_t i = 0; i < submission.prompt_tokens; ++i) submission.tokens.push_back(family + i % 5);
    submission.tokens.back() = TokenId(100 + id);
    submission.max_output_tokens = chance_.between(1, 12);
    submission.sampling.seed = id;
    if (killing_row)
      killers_[id] = submission.prompt_tokens - 1 + *killing_row % submission.max_output_tokens;
    live_[id].submission = submission;
    carry(*cycle_.submit(submission));
  }

  // A plan is executed, or somebody pauses and the like.
  void step() {
    switch (chance_.below(12)) {
      case 0:
        if (prompt_) return;
        if (!live_.empty()) {
          auto& [id, own] = *std::next(live_.begin(), chance_.below(std::int32_t(live_.size())));
          if (!own.homeless)
            carry(std::exchange(own.paused, !own.paused) ? cycle_.resume(id) : cycle_.pause(id));
        }
        return;
      case 1:
        if (!homeless_.empty()) resubmit(homeless_.begin() + chance_.below(std::int32_t(homeless_.size())));
        return;
      default:
        execute();
    }
  }
  void finish() {
    for (int steps = 0; !live_.empty(); ++steps) {
      ASSERT_LT(steps, 20'000) << "sequences never finish";
      while (!homeless_.empty()) resubmit(homeless_.begin());
      for (auto& [id, own] : live_)
        if (std::exchange(own.paused, false)) carry(cycle_.resume(id));
      execute();
    }
  }

  // Somebody pulls a plug.
  void kill(Cause cause) {
    const bool begun = !flights_.empty() && chance_.below(4) != 0;
    die(GroupId(chance_.below(groups_)), begun ? flights_.front().front().step : 0, cause);
  }
  bool prompt() const { return prompt_; }  // all owners submit again at once, and nobody is paused
  bool suspects() const { return cycle_.scheduler().suspects(); }

  std::vector<SequenceId> quarantined;
  int deaths = 0, in_flight_at_verdict = 0;
  bool bytes_differ = false;

 private:
  struct Live {
    Submission submission;
    std::vector<TokenId> outputs;
    std::int32_t planned = 0;  // rows
    bool homeless = false, paused = false;
  };

  static SchedulerLimits drawn_limits(lab::Chance& chance) {
    SchedulerLimits limits;
    limits.max_num_batched_tokens = chance.between(2, 40);
    limits.max_num_seqs = chance.between(1, 16);
    limits.max_model_len = 64;
    limits.max_steps_in_flight = chance.between(1, 2);
    limits.max_waiting = 64;
    limits.block_size = chance.between(1, 6);
    limits.prefix_caching = chance.below(2) == 0;
    return limits;
  }

  void carry(StepCycle::Work work) {
    if (!work.plans.empty()) flights_.push_back(std::move(work.plans));
    std::vector<BlockRequest> asked = std::move(work.requests);
    for (BlockRequest& request : asked)
      carry(cycle_.replied(pools_[request.group].reserve(request), cycle_.epoch()));
  }

  void execute() {
    if (flights_.empty()) return;
    const std::vector<StepPlan> flight = flights_.front();
    for (const StepPlan& plan : flight)
      if (has_killing_row(plan)) return die(plan.group, plan.step, Cause::died);
    flights_.pop_front();
    for (const StepPlan& plan : flight) {
      auto commit = cycle_.finished(executors_[plan.group].execute(plan));
      for (const CommittedToken& token : commit.tokens) receive(token);
      carry(std::move(commit.work));
    }
  }

  bool has_killing_row(const StepPlan& plan) {
    bool kills = false;
    for (const Begin& begin : plan.begin)
      if (const auto own = live_.find(begin.sequence); own != live_.end())
        own->second.planned = begin.computed;
    for (const Extend& part : plan.extend) {
      const auto own = live_.find(part.sequence);
      if (own == live_.end()) continue;
      const std::int32_t before = own->second.planned;
      own->second.planned += part.rows;
      const auto killer = killers_.find(part.sequence);
      kills |= killer != killers_.end() && before <= killer->second && killer->second < own->second.planned;
    }
    return kills;
  }

  void die(GroupId group, StepId step, Cause cause) {
    ++deaths;
    const Epoch before = cycle_.epoch();
    std::set<SequenceId> in_flight;
    for (const auto& flight : flights_)
      for (const StepPlan& plan : flight)
        if (plan.step <= step)
          for (const Extend& part : plan.extend) in_flight.insert(part.sequence);
    // At times the broken link is noticed first.
    const std::vector<GroupId> lost{group};
    Epoch next = before + 1;
    if (chance_.below(4) == 0) take(cycle_.stop_epoch(next++, {}, {Cause::unexplained}));
    const auto stopped = cycle_.stop_epoch(next, lost, {cause, before, step});
    if (stopped.quarantined) {
      in_flight_at_verdict = std::max(in_flight_at_verdict, int(in_flight.size()));
      EXPECT_TRUE(in_flight.contains(*stopped.quarantined));
      quarantined.push_back(*stopped.quarantined);
      std::erase(homeless_, *stopped.quarantined);
      live_.erase(*stopped.quarantined);
    }
    take(stopped);
    flights_.clear();
    executors_[group].poison();
    pools_[group].reset(cycle_.scheduler().generation(group));
    if (prompt_ || chance_.below(2) == 0)
      while (!homeless_.empty()) resubmit(homeless_.begin());
    carry(cycle_.begin_epoch(next));
  }
  void take(const StepCycle::Stopped& stopped) {
    for (const SequenceId each : stopped.interrupted) {
      live_.at(each).homeless = true;
      live_.at(each).paused = false;
      homeless_.push_back(each);
    }
  }

  void resubmit(std::vector<SequenceId>::iterator which) {
    Live& own = live_.at(*which);
    homeless_.erase(which);
    own.homeless = false;
    Submission again = own.submission;
    again.tokens.insert(again.tokens.end(), own.outputs.begin(), own.outputs.end());
    again.resubmitted = true;
    auto work = cycle_.submit(again);
    ASSERT_TRUE(work);
    carry(std::move(*work));
  }

  void receive(const CommittedToken& token) {
    Live& own = live_.at(token.sequence);
    own.outputs.push_back(token.sampled.token);
    if (token.finish == FinishReason::none) return;
    bytes_differ |= lab::toy_output(own.submission, limits_.max_model_len).tokens != own.outputs;
    EXPECT_FALSE(killers_.contains(token.sequence)) << "it was computed past the row that kills";
    live_.erase(token.sequence);
  }

  lab::Chance& chance_;
  const bool prompt_;
  const std::int32_t groups_;
  const SchedulerLimits limits_;
  StepCycle cycle_;
  std::vector<BlockPool> pools_;
  std::deque<lab::ToyExecutor> executors_;
  std::deque<std::vector<StepPlan>> flights_;
  std::map<SequenceId, Live> live_;
  std::map<SequenceId, std::int32_t> killers_;
  std::vector<SequenceId> homeless_;
};

constexpr int lives = 3000;

TEST(Quarantine, FindsWhatKillsAndLetsAllOthersFinishWithTheirTokens) {
  for (std::uint64_t seed = 1; seed <= lives; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    lab::Chance chance = lab::Chance::of_seed(seed);
    Deaths replica(chance);
    const int sequences = chance.between(1, 20), killers = chance.between(1, 2);
    std::vector<SequenceId> expected;
    for (SequenceId id = 1; id <= SequenceId(sequences); ++id) {
      // The first ones, or one of the last.
      const bool kills =
          std::ssize(expected) < killers && (chance.below(4) == 0 || id == SequenceId(sequences));
      if (kills) expected.push_back(id);
      replica.submit(id, kills ? std::optional(chance.below(12)) : std::nullopt);
      for (int steps = chance.below(4); steps > 0; --steps) replica.step();
    }
    while (!chance.spent()) replica.step();
    replica.finish();
    EXPECT_FALSE(replica.bytes_differ);
    EXPECT_THAT(replica.quarantined, ::testing::UnorderedElementsAreArray(expected));
    EXPECT_LE(replica.in_flight_at_verdict, 1);
    const int rounds = int(std::bit_width(unsigned(sequences - 1)));  // the logarithm, rounded up
    const int most = int(expected.size()) * (Suspects::enough / Suspects::for_death + rounds);
    EXPECT_LE(replica.deaths, replica.prompt() ? most : 3 * most);
    if (HasFailure()) return;
  }
}

// Somebody who pulls plugs while all have got past where they were never has a sequence quarantined, also if it is alone.
TEST(Quarantine, MeetsNobodyForDeathsAtDifferentPlaces) {
  int deaths = 0;
  for (std::uint64_t seed = 1; seed <= lives; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    lab::Chance chance = lab::Chance::of_seed(seed);
    Deaths replica(chance);
    const int sequences = chance.between(1, 6);
    for (SequenceId id = 1; id <= SequenceId(sequences); ++id) replica.submit(id, std::nullopt);
    while (!chance.spent()) {
      replica.step();
      if (!replica.suspects() && chance.below(3) == 0)
        replica.kill(chance.below(2) ? Cause::died : Cause::killed);
    }
    replica.finish();
    EXPECT_FALSE(replica.bytes_differ);
    EXPECT_THAT(replica.quarantined, IsEmpty());
    deaths += replica.deaths;
    if (HasFailure()) return;
  }
  EXPECT_GT(deaths, 5 * lives);
}

// And at any time, only one that died alone.
TEST(Quarantine, MeetsNobodyForDeathsInCompany) {
  for (std::uint64_t seed = 1; seed <= lives; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    lab::Chance chance = lab::Chance::of_seed(seed);
    Deaths replica(chance);
    const int sequences = chance.between(1, 12);
    for (SequenceId id = 1; id <= SequenceId(sequences); ++id) replica.submit(id, std::nullopt);
    while (!chance.spent()) {
      replica.step();
      if (chance.below(6) == 0) replica.kill(chance.below(2) ? Cause::died : Cause::killed);
    }
    replica.finish();
    EXPECT_FALSE(replica.bytes_differ);
    EXPECT_LE(replica.in_flight_at_verdict, 1);
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace troupe::runtime
