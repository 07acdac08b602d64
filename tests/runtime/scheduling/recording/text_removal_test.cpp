#include "runtime/scheduling/recording/text_removal.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

namespace troupe::runtime {
namespace {

using ::testing::ElementsAre;

constexpr TokenId first_word = 1'234'567'890;

CycleBegan begun(bool caching = true) {
  CycleBegan began;
  began.limits.block_size = 4;
  began.limits.prefix_caching = caching;
  began.policy = {"fcfs"};
  return began;
}

Submission submission_of(SequenceId id, std::size_t tokens, std::string salt = {}) {
  Submission submission;
  submission.sequence = submission.arrival = id;
  submission.tokens.resize(tokens);
  std::iota(submission.tokens.begin(), submission.tokens.end(), first_word);
  submission.prompt_tokens = std::int32_t(tokens);
  submission.max_output_tokens = 10;
  submission.stop_ids = {first_word + 100};
  submission.cache_salt = std::move(salt);
  return submission;
}

struct TextRemovalTest : testing::Test {
  TextRemoval removal;
  TimePoint now = TimePoint() + std::chrono::hours(5);

  void SetUp() override { removal(begun(), now); }
  template <class Recorded>
  Recorded recorded(const CycleEvent& event) {
    return std::get<Recorded>(removal(event, now += std::chrono::milliseconds(1)).what);
  }
  std::vector<BlockName> names_of(const Submission& submission) {
    return recorded<RecordedSubmission>(SequenceSubmitted{submission}).blocks;
  }
  static ResultCame result_of(SequenceId id, std::vector<TokenId> tokens) {
    ResultCame came;
    SequenceOutput output{id, {}};
    for (const TokenId each : tokens) {
      output.sampled.push_back({each, 0, {}});
      came.committed.push_back({id, 0, {each, 0, {}}, FinishReason::none, 0, {}});
    }
    came.result.outputs = {output};
    return came;
  }
};

TEST_F(TextRemovalTest, FullBlocksHaveNamesThatAreEqualWhereAllTokensUpToThereAre) {
  const auto names = names_of(submission_of(1, 11));
  ASSERT_EQ(names.size(), 2u) << "the third block is not full";
  EXPECT_NE(names[0], names[1]);
  EXPECT_EQ(names_of(submission_of(2, 8)), names);
  Submission other = submission_of(3, 8);
  ++other.tokens[1];
  const auto differ = names_of(other);
  EXPECT_NE(differ[0], names[0]);
  EXPECT_NE(differ[1], names[1]) << "its own tokens are equal, those before it are not";
  EXPECT_NE(names_of(submission_of(4, 8, "salt"))[0], names[0]) << "whose caches are apart";
}

TEST_F(TextRemovalTest, NamesOfTwoRecordingsHaveNothingInCommon) {
  TextRemoval another;
  another(begun(), now);
  const auto there =
      std::get<RecordedSubmission>(another(SequenceSubmitted{submission_of(1, 8)}, now).what).blocks;
  EXPECT_NE(names_of(submission_of(1, 8)), there);
}

TEST_F(TextRemovalTest, AnswersFillBlocksThatALaterPromptMayBeginWith) {
  names_of(submission_of(1, 6));
  const auto named = recorded<RecordedResult>(result_of(1, {7, 8, 9})).named;
  ASSERT_EQ(named.size(), 1u);
  EXPECT_EQ(named[0].sequence, 1u);
  EXPECT_EQ(named[0].index, 1);
  Submission next = submission_of(2, 6);
  for (const TokenId each : {7, 8, 9, 1}) next.tokens.push_back(each);
  EXPECT_EQ(names_of(next)[1], named[0].name);
}

TEST_F(TextRemovalTest, TellsWhatEndsASequenceAndNotWhichToken) {
  names_of(submission_of(1, 6));
  const auto stopped = recorded<RecordedResult>(result_of(1, {7, first_word + 100, 3})).outputs.at(0);
  EXPECT_EQ(stopped.sampled, 3);
  EXPECT_EQ(stopped.end, RecordedEnd::stop);
  EXPECT_EQ(stopped.before_end, 1);
  for (const TokenId none : {no_token, no_mask}) {
    const auto broken = recorded<RecordedResult>(result_of(1, {none})).outputs.at(0);
    EXPECT_EQ(broken.end, RecordedEnd::error);
    EXPECT_EQ(broken.before_end, 0);
  }
  EXPECT_EQ(recorded<RecordedResult>(result_of(1, {5})).outputs.at(0).end, RecordedEnd::none);
}

TEST_F(TextRemovalTest, NoTokenIsWrittenDown) {
  // As they would stand in packed bytes, or in a machine's own.
  const std::string packed = packed_bytes(first_word + 2);
  const std::string own(reinterpret_cast<const char*>(&first_word), sizeof first_word);
  std::string all;
  const auto note = [&](const CycleEvent& event) { all += packed_bytes(removal(event, now)); };
  note(SequenceSubmitted{submission_of(1, 40)});
  note(result_of(1, {first_word + 2, first_word + 2}));
  StepPlan plan;
  plan.begin.push_back({1, submission_of(1, 40).tokens, 40, 0, {}, {}, {1, 2, 3}});
  plan.extend.push_back({1, {first_word + 2}, {}, 40, 0, true});
  note(StepPlanned{{plan}});
  EXPECT_EQ(all.find(packed), all.npos);
  EXPECT_EQ(all.find(own), all.npos);
  EXPECT_GT(all.size(), 100u);
}

TEST_F(TextRemovalTest, WithoutAPrefixCacheThereAreNoNames) {
  removal(begun(false), now);
  EXPECT_TRUE(names_of(submission_of(1, 40)).empty());
  EXPECT_TRUE(recorded<RecordedResult>(result_of(1, {1, 2, 3, 4, 5})).named.empty());
}

TEST_F(TextRemovalTest, TimesAreThoseSinceTheFirstEvent) {
  Submission submission = submission_of(1, 4);
  submission.arrived = now - std::chrono::milliseconds(3);
  now += std::chrono::milliseconds(20);
  const RecordedEvent event = removal(SequenceSubmitted{submission}, now);
  EXPECT_EQ(event.time, 20'000'000);
  const auto& recorded = std::get<RecordedSubmission>(event.what);
  EXPECT_TRUE(recorded.timed);
  EXPECT_EQ(recorded.arrived, -3'000'000);
}

TEST_F(TextRemovalTest, TheContextIsTheSchedulerAndThePoolThatThereAre) {
  removal(PolicyChanged{{"vtc", {"input_weight=2"}}}, now);
  removal(BlocksReplied{0, 1, 77, 1}, now);
  const std::string context = removal.context();
  PackedReader reader(context);
  RecordedEvent began, replied;
  reader.read(began);
  reader.read(replied);
  ASSERT_TRUE(reader.ended_well());
  EXPECT_EQ(std::get<CycleBegan>(began.what).policy.name, "vtc");
  EXPECT_THAT(std::get<CycleBegan>(began.what).policy.options, ElementsAre("input_weight=2"));
  EXPECT_EQ(std::get<BlocksReplied>(replied.what).total_blocks, 77);
}

}  // namespace
}  // namespace troupe::runtime
