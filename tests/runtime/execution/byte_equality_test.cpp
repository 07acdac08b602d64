// What a token gets depends on its own request alone: the demo model gives a request the same tokens and the
// same bytes of log-probability however it is scheduled. Each test also asserts that what it is about did
// happen.
#include <gtest/gtest.h>

#include <bit>
#include <map>
#include <thread>

#include "kernels/cpu/cpu_ops.hpp"
#include "runtime/execution/engine.hpp"
#include "runtime/execution/model_executor.hpp"
#include "transport/host/threads_mesh.hpp"

namespace troupe::runtime {
namespace {

constexpr std::int32_t block_size = 16;
constexpr std::int32_t many_blocks = 256;
constexpr std::int32_t output_tokens = 8;

// The demo model, loaded once.
struct Demo {
  model::Checkpoint checkpoint = model::Checkpoint::open(DEMO_MODEL);
  std::unique_ptr<kernels::Ops> ops = kernels::make_cpu_ops(2);
  std::unique_ptr<transport::Communicator> communicator = transport::ThreadsMesh(1).communicator(0);
  std::unique_ptr<model::Decoder> decoder = model::load_decoder(
      checkpoint, *ops, {}, {.max_tokens = 2048, .max_logit_rows = 16, .max_positions = 256});

  ModelExecutor executor(std::int32_t blocks = many_blocks) {
    return ModelExecutor(*ops, *decoder, {*communicator, *communicator}, 0,
                         decoder->make_cache(blocks, block_size));
  }
};

Demo& demo() {
  static Demo instance;
  return instance;
}

// Greedy when id is even, else sampled with a seed. Prompts of a family begin with the same `shared` tokens.
Submission request(SequenceId id, std::int32_t prompt, std::int32_t shared = 0) {
  Submission submission;
  submission.sequence = submission.arrival = id;
  submission.prompt_tokens = prompt;
  submission.max_output_tokens = output_tokens;
  submission.sampling.logprobs = 3;
  if (id % 2 == 0) {
    submission.sampling.temperature = 0;
  } else {
    submission.sampling = {0.9f, 0.95f, 0.01f, 40, 1000 + id, std::uint32_t(id % 3), 3};
  }
  for (std::int32_t i = 0; i < prompt; ++i) {
    const std::uint64_t mixed = (i < shared ? 0 : id * 7919) + std::uint64_t(i) * 104729;
    submission.tokens.push_back(TokenId(mixed % std::uint64_t(demo().checkpoint.config().vocab_size)));
  }
  return submission;
}

// Everything that a sequence got, as bytes.
using Bytes = std::vector<std::uint32_t>;
using Outputs = std::map<SequenceId, Bytes>;

void append(Bytes& bytes, const SampledToken& output) {
  bytes.push_back(std::uint32_t(output.token));
  bytes.push_back(std::bit_cast<std::uint32_t>(output.logprob));
  for (const TokenLogprob& each : output.top) {
    bytes.push_back(std::uint32_t(each.token));
    bytes.push_back(std::bit_cast<std::uint32_t>(each.logprob));
  }
}

SchedulerLimits wide() {
  return {.max_num_batched_tokens = 2048, .max_num_seqs = 16, .max_model_len = 256, .block_size = block_size};
}

// Runs until every sequence has finished; each_step sees the committed tokens.
template <class EachStep>
Outputs run(Engine& engine, const std::vector<Submission>& submissions, EachStep each_step) {
  Outputs outputs;
  for (const Submission& submission : submissions) EXPECT_TRUE(engine.submit(submission));
  while (!engine.idle()) {
    const auto committed = engine.step();
    for (const CommittedToken& token : committed) append(outputs[token.sequence], token.sampled);
    each_step(committed);
  }
  return outputs;
}
Outputs run(Engine& engine, const std::vector<Submission>& submissions) {
  return run(engine, submissions, [](const auto&) {});
}

// What each request gets when it has the engine for itself; computed once for a prompt.
Outputs alone(const std::vector<Submission>& submissions) {
  static std::map<std::vector<TokenId>, Bytes> known;
  Outputs outputs;
  ModelExecutor executor = demo().executor();
  for (const Submission& submission : submissions) {
    Bytes& bytes = known[submission.tokens];
    if (bytes.empty()) {
      Engine engine(wide(), make_policy("fcfs"), many_blocks, executor);
      executor.cache().poison();
      bytes = run(engine, {submission})[submission.sequence];
      EXPECT_EQ(engine.stats().steps, std::uint64_t(output_tokens));  // the whole prompt in one, then decodes
      EXPECT_EQ(bytes.size(), std::size_t(output_tokens) * (2 + 2 * 3));
    }
    outputs[submission.sequence] = bytes;
  }
  return outputs;
}

std::vector<Submission> sixteen(std::int32_t shared = 0) {
  std::vector<Submission> submissions;
  for (SequenceId id = 1; id <= 16; ++id)
    submissions.push_back(request(id, shared + 10 + std::int32_t(id * 3), shared));
  return submissions;
}

TEST(ByteEquality, InABatchOfSixteen) {
  ModelExecutor executor = demo().executor();
  Engine engine(wide(), make_policy("fcfs"), many_blocks, executor);
  std::int32_t most = 0;
  const Outputs together =
      run(engine, sixteen(), [&](const auto&) { most = std::max(most, engine.stats().last_step_sequences); });
  EXPECT_EQ(most, 16);
  EXPECT_EQ(together, alone(sixteen()));
}

TEST(ByteEquality, WithThePromptInChunks) {
  const std::vector<Submission> pair{request(1, 100), request(2, 90)};
  for (std::int32_t budget : {13, 33}) {
    SchedulerLimits limits = wide();
    limits.max_num_batched_tokens = budget;
    ModelExecutor executor = demo().executor();
    Engine engine(limits, make_policy("fcfs"), many_blocks, executor);
    std::uint64_t chunks = 0;  // steps up to the first token, all of them the first prompt's
    const Outputs chunked = run(engine, pair, [&](const auto& committed) {
      if (chunks == 0 && !committed.empty()) chunks = engine.stats().steps;
    });
    EXPECT_GE(chunks, 3u);
    EXPECT_EQ(chunked, alone(pair));
  }
}

TEST(ByteEquality, AfterPreemption) {
  SchedulerLimits limits = wide();
  limits.prefix_caching = false;
  constexpr std::int32_t few_blocks = 16;
  ModelExecutor executor = demo().executor(few_blocks);
  executor.cache().poison();
  Engine engine(limits, make_policy("fcfs"), few_blocks, executor);
  std::vector<Submission> crowd;
  for (SequenceId id = 1; id <= 6; ++id) crowd.push_back(request(id, 30));
  const Outputs crowded = run(engine, crowd);
  EXPECT_GT(engine.stats().preemptions, 0u);
  EXPECT_GT(engine.stats().replayed_tokens, 0u);
  EXPECT_EQ(crowded, alone(crowd));
}

TEST(ByteEquality, WithACachedPrefix) {
  ModelExecutor executor = demo().executor();
  Engine engine(wide(), make_policy("fcfs"), many_blocks, executor);
  const std::vector<Submission> submissions = sixteen(64);
  Outputs cached = run(engine, {submissions.front()});
  EXPECT_EQ(engine.usage().prefix_hits, 0u);
  cached.merge(run(engine, {submissions.begin() + 1, submissions.end()}));
  EXPECT_GE(engine.usage().prefix_hits, 15u * 64u);
  EXPECT_EQ(cached, alone(submissions));
}

TEST(ByteEquality, AfterAFaultThatVoidsTheCache) {
  ModelExecutor executor = demo().executor();
  Engine engine(wide(), make_policy("decode_first"), many_blocks, executor);
  std::map<SequenceId, Submission> live;
  for (const Submission& submission : sixteen()) live[submission.sequence] = submission;
  for (const auto& [id, submission] : live) ASSERT_TRUE(engine.submit(submission));
  Outputs outputs;
  for (int steps = 0; !engine.idle(); ++steps) {
    for (const CommittedToken& token : engine.step()) {
      append(outputs[token.sequence], token.sampled);
      live[token.sequence].tokens.push_back(token.sampled.token);
    }
    if (steps != 4) continue;
    executor.cache().poison();
    const auto forgotten = engine.start_epoch();
    EXPECT_EQ(forgotten.size(), 16u);
    for (SequenceId id : forgotten) ASSERT_TRUE(engine.submit(live[id]));
  }
  EXPECT_GT(engine.stats().replayed_tokens, 0u);
  EXPECT_EQ(engine.usage().generation, 2u);
  EXPECT_EQ(outputs, alone(sixteen()));
}

TEST(ByteEquality, UnderAllOfThisAtOnce) {
  SchedulerLimits limits = wide();
  limits.max_num_batched_tokens = 48;
  constexpr std::int32_t few_blocks = 24;
  const std::vector<Submission> submissions = sixteen(48);
  const Outputs expected = alone(submissions);
  for (const std::string& policy : policy_names()) {
    ModelExecutor executor = demo().executor(few_blocks);
    executor.cache().poison();
    Engine engine(limits, make_policy(policy), few_blocks, executor);
    EXPECT_EQ(run(engine, submissions), expected) << policy;
    EXPECT_GT(engine.stats().preemptions, 0u) << policy;
    EXPECT_GT(engine.usage().prefix_hits, 0u) << policy;
  }
}

TEST(ModelExecutor, GivesTheSameResultForAPlanThatComesTwice) {
  ModelExecutor executor = demo().executor(4);
  const Submission one = request(1, 20), two = request(2, 10);
  const StepPlan plan{
      3,
      9,
      {{0,
        {{1, one.tokens, 0, {2, 0}, true, one.sampling, 0},
         {2, {two.tokens.begin(), two.tokens.begin() + 5}, 0, {1}, false, two.sampling, 0}}}}};
  const StepResult first = executor.execute(plan), second = executor.execute(plan);
  EXPECT_EQ(first.epoch, 3u);
  EXPECT_EQ(first.step, 9u);
  ASSERT_EQ(first.outputs.size(), 1u);  // the second slice does not sample
  EXPECT_EQ(first.outputs[0].sequence, 1u);
  Bytes before, after;
  append(before, first.outputs[0].sampled);
  append(after, second.outputs.at(0).sampled);
  EXPECT_EQ(before, after);
}

TEST(ModelExecutor, JoinsTheCollectivesOfAStepThatHasNothingForIt) {
  ModelExecutor executor = demo().executor(4);
  EXPECT_TRUE(executor.execute({1, 1, {{0, {}}}}).outputs.empty());
  EXPECT_TRUE(executor.execute({1, 2, {}}).outputs.empty());
}

// Two groups of one rank each: a plan has a part for both, for one or for none.
TEST(ModelExecutor, GroupsComputeTheirOwnPartsOfAPlan) {
  const Submission one = request(1, 20), two = request(2, 33);
  const Slice first{1, one.tokens, 0, {0, 1}, true, one.sampling, 0};
  const Slice second{2, two.tokens, 0, {1, 2, 3}, true, two.sampling, 0};
  const std::vector<StepPlan> plans{{1, 1, {{0, {first}}, {1, {second}}}},
                                    {1, 2, {{1, {second}}}},
                                    {1, 3, {{0, {first}}, {1, {}}}},
                                    {1, 4, {}}};
  const auto alone = [&](const Slice& slice) {
    Bytes bytes;
    append(bytes, demo().executor(4).execute({1, 1, {{0, {slice}}}}).outputs.at(0).sampled);
    return bytes;
  };
  const Bytes expected[] = {alone(first), alone(second)};
  const transport::ThreadsMesh world(2);
  TickBoard boards[2];
  {
    std::vector<std::jthread> ranks;
    for (int rank = 0; rank < 2; ++rank)
      ranks.emplace_back([&, rank] {
        const auto ops = kernels::make_cpu_ops(1);
        const auto alone = transport::ThreadsMesh(1).communicator(0), all = world.communicator(rank);
        const auto decoder = model::load_decoder(
            demo().checkpoint, *ops, {.rank = rank, .data_parallel = 2, .expert_parallel = true},
            {.max_tokens = 64, .max_logit_rows = 4, .max_positions = 64});
        ModelExecutor executor(*ops, *decoder, {*alone, *all}, GroupId(rank),
                               decoder->make_cache(4, block_size), &boards[rank]);
        for (const StepPlan& plan : plans) {
          const StepResult result = executor.execute(plan);
          EXPECT_EQ(result.group, GroupId(rank));
          const auto part = std::ranges::find(plan.groups, GroupId(rank), &GroupPlan::group);
          const bool has_work = part != plan.groups.end() && !part->slices.empty();
          ASSERT_EQ(result.outputs.size(), has_work ? 1u : 0u) << "step " << plan.step << ", rank " << rank;
          Bytes bytes;
          if (has_work) append(bytes, result.outputs[0].sampled);
          EXPECT_EQ(bytes, has_work ? expected[rank] : Bytes{});
        }
      });
  }
  for (const TickBoard& board : boards) {
    EXPECT_EQ(board.epoch, 1u);
    EXPECT_EQ(board.step, 4u);
    EXPECT_EQ(board.activity, Activity::idle);
  }
}

TEST(ModelExecutor, LeavesTheBoardIdleWhenAStepFails) {
  TickBoard board;
  const auto lost = transport::ThreadsMesh(1).communicator(0);
  ModelExecutor executor(*demo().ops, *demo().decoder, {*lost, *lost}, 0,
                         demo().decoder->make_cache(4, block_size), &board);
  lost->abort();
  const Submission one = request(1, 20);
  EXPECT_THROW(executor.execute({2, 5, {{0, {{1, one.tokens, 0, {0, 1}, true, one.sampling, 0}}}}}), Error);
  EXPECT_EQ(board.epoch, 2u);
  EXPECT_EQ(board.step, 5u);
  EXPECT_EQ(board.activity, Activity::idle);
}

TEST(ModelExecutorDeathTest, RefusesBlocksAndGroupsThatAreNotThere) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // the kernels have threads of their own
  ModelExecutor executor = demo().executor(4);
  const Submission one = request(1, 20);
  EXPECT_DEATH(executor.execute({1, 1, {{0, {{1, one.tokens, 0, {0, 4}, true, one.sampling, 0}}}}}),
               "a block that the cache does not have");
  EXPECT_DEATH(executor.execute({1, 1, {{0, {{1, one.tokens, 0, {0}, true, one.sampling, 0}}}}}),
               "reaches past its blocks");
  EXPECT_DEATH(executor.execute({1, 1, {{1, {}}}}), "a group that the world does not have");
}

}  // namespace
}  // namespace troupe::runtime
