// What a token gets depends on its own request alone: the demo model gives a request the same tokens and the
// same bytes of log-probability however it is scheduled. Each test also asserts that what it is about did
// happen.
#include <gtest/gtest.h>

#include <array>
#include <thread>

#include "tests/kernels/cuda/gpu_under_test.hpp"
#include "tests/runtime/execution/demo_engine.hpp"

namespace troupe::runtime {
namespace {

// By a CPU and by a GPU; what each request gets alone is a CPU's.
class ByteEquality : public testing::TestWithParam<bool> {
 protected:
  static Demo& device() {
    if (!GetParam()) return demo();
    if (!gpu_) gpu_ = std::make_unique<Gpu>();
    return gpu_->demo;
  }
  static void TearDownTestSuite() { gpu_.reset(); }
  // An emulated GPU takes its time, and is shown what has the most in it.
  static bool is_brief() { return GetParam(); }

 private:
  struct Gpu {
    kernels::cuda::GpuUnderTest machine;
    Demo demo{kernels::cuda::GpuUnderTest::make_ops()};
  };
  static inline std::unique_ptr<Gpu> gpu_;
};
INSTANTIATE_TEST_SUITE_P(By, ByteEquality, testing::Bool(),
                         [](const auto& info) { return info.param ? "Gpu" : "Cpu"; });

// What each request gets when it has the engine for itself and one step is in flight; computed once for a prompt. All
// others have two in flight.
Outputs alone(const std::vector<Submission>& submissions) {
  static std::map<std::vector<TokenId>, Bytes> known;
  Outputs outputs;
  ModelExecutor executor = demo().executor();
  for (const Submission& submission : submissions) {
    Bytes& bytes = known[submission.tokens];
    if (bytes.empty()) {
      SchedulerLimits limits = wide();
      limits.max_steps_in_flight = 1;
      Engine engine(limits, make_policy("fcfs"), many_blocks, executor);
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

TEST_P(ByteEquality, InABatchOfSixteen) {
  ModelExecutor executor = device().executor();
  Engine engine(wide(), make_policy("fcfs"), many_blocks, executor);
  std::int32_t most = 0;
  const Outputs together =
      run(engine, sixteen(), [&](const auto&) { most = std::max(most, engine.stats().last_step_sequences); });
  EXPECT_EQ(most, 16);
  EXPECT_EQ(together, alone(sixteen()));
}

TEST_P(ByteEquality, WithThePromptInChunks) {
  const std::vector<Submission> pair{request(1, 100), request(2, 90)};
  for (std::int32_t budget : {13, 33}) {
    SchedulerLimits limits = wide();
    limits.max_num_batched_tokens = budget;
    ModelExecutor executor = device().executor();
    Engine engine(limits, make_policy("fcfs"), many_blocks, executor);
    std::uint64_t chunks = 0;  // steps up to the first token, all of them the first prompt's
    const Outputs chunked = run(engine, pair, [&](const auto& committed) {
      if (chunks == 0 && !committed.empty()) chunks = engine.stats().steps;
    });
    EXPECT_GE(chunks, 3u);
    EXPECT_EQ(chunked, alone(pair));
  }
}

TEST_P(ByteEquality, AfterPreemption) {
  SchedulerLimits limits = wide();
  limits.prefix_caching = false;
  constexpr std::int32_t few_blocks = 16;
  ModelExecutor executor = device().executor(few_blocks);
  executor.cache().poison();
  Engine engine(limits, make_policy("fcfs"), few_blocks, executor);
  std::vector<Submission> crowd;
  for (SequenceId id = 1; id <= 6; ++id) crowd.push_back(request(id, 30));
  const Outputs crowded = run(engine, crowd);
  EXPECT_GT(engine.stats().preemptions, 0u);
  EXPECT_GT(engine.stats().replayed_tokens, 0u);
  EXPECT_EQ(crowded, alone(crowd));
}

TEST_P(ByteEquality, WithACachedPrefix) {
  ModelExecutor executor = device().executor();
  Engine engine(wide(), make_policy("fcfs"), many_blocks, executor);
  const std::vector<Submission> submissions = sixteen(64);
  Outputs cached = run(engine, {submissions.front()});
  EXPECT_EQ(engine.usage().prefix_hits, 0u);
  cached.merge(run(engine, {submissions.begin() + 1, submissions.end()}));
  EXPECT_GE(engine.usage().prefix_hits, 15u * 64u);
  EXPECT_EQ(cached, alone(submissions));
}

TEST_P(ByteEquality, AfterAFaultThatVoidsTheCache) {
  ModelExecutor executor = device().executor();
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

// By the prediction layer, and by the sequence's own words in prompts that repeat themselves: many guesses are right.
TEST_P(ByteEquality, WithDrafts) {
  std::vector<Submission> repeating = sixteen();
  for (Submission& each : repeating)
    for (std::size_t i = 6; i < each.tokens.size(); ++i) each.tokens[i] = each.tokens[i % 6];
  for (const DraftMethod method : {DraftMethod::mtp, DraftMethod::ngram}) {
    const auto submissions = method == DraftMethod::mtp ? sixteen() : repeating;
    const Outputs expected = alone(submissions);
    for (const std::int32_t drafts : {1, 3}) {
      for (const bool adapts : {false, true}) {
        if (is_brief() && (drafts == 1 || adapts)) continue;
        SchedulerLimits limits = wide();
        limits.speculation = {method, drafts, adapts};
        ModelExecutor executor = device().executor(many_blocks, limits.speculation);
        executor.cache().poison();
        Engine engine(limits, make_policy("fcfs"), many_blocks, executor);
        EXPECT_EQ(run(engine, submissions), expected) << int(method) << ", " << drafts << " drafts";
        if (adapts) continue;
        const SchedulerStats stats = engine.stats();
        EXPECT_GT(stats.accepted_tokens, 0u);
        EXPECT_GT(stats.draft_tokens, stats.accepted_tokens);
        EXPECT_LE(stats.draft_tokens, std::uint64_t(drafts) * stats.drafts);
      }
    }
  }
}

const GrammarSpec dates{.kind = GrammarSpec::Kind::regex,
                        .text = "[0-9]{4}-[0-9]{2}-[0-9]{2}( or [0-9]{4}){0,9}"};
const GrammarSpec objects{
    .kind = GrammarSpec::Kind::json_schema,
    .text = R"({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]})"};
const GrammarSpec readings{
    .kind = GrammarSpec::Kind::json_schema,
    .text =
        R"({"type": "object", "properties": {"temperature": {"type": "integer"}, "humidity": {"type": "boolean"}},
            "required": ["temperature", "humidity"]})",
    .any_whitespace = false};

// Requests whose logits are changed, each in another way.
std::vector<Submission> ruled() {
  std::vector<Submission> submissions = sixteen();
  for (Submission& each : submissions) {
    const SequenceId id = each.sequence;
    each.max_output_tokens = 24;
    each.stop_ids = text_model().eos_ids;
    LogitRules& rules = each.rules;
    rules.ends = text_model().eos_ids;
    if (id % 4 == 0) rules.repetition_penalty = 1.3f;
    if (id % 4 == 1) rules.frequency_penalty = 0.7f, rules.presence_penalty = -0.3f;
    if (id % 3 == 0) rules.min_tokens = 12, rules.bias = {{TokenId(id), 4}, {TokenId(id + 9), -3}};
    if (id % 5 == 0) rules.bad_words = {{TokenId(id)}, {TokenId(id + 9), TokenId(id)}};
    if (id % 4 == 2) rules.grammar = grammar_id(dates);
    if (id % 4 == 3) rules.grammar = grammar_id(id % 8 == 3 ? objects : readings);
  }
  return submissions;
}

GrammarSource grammars() {
  return [](GrammarId id) {
    const auto all = {dates, objects, readings};
    return grammar_of(*std::ranges::find(all, id, grammar_id));
  };
}

std::pair<Outputs, SchedulerStats> run_ruled(Demo& device, const SchedulerLimits& limits, std::int32_t blocks,
                                             const std::vector<Submission>& submissions) {
  ModelExecutor executor = device.executor(blocks, limits.speculation, grammars());
  executor.cache().poison();
  Engine engine(limits, make_policy("decode_first"), blocks, executor);
  Outputs outputs = run(engine, submissions);
  return {std::move(outputs), engine.stats()};
}

// Each alone, by steps of one token: there is room for no draft.
Outputs ruled_by_tokens() {
  SchedulerLimits limits = wide();
  limits.max_steps_in_flight = limits.max_num_batched_tokens = 1;
  Outputs outputs;
  for (const Submission& each : ruled()) {
    auto [mine, stats] = run_ruled(demo(), limits, many_blocks, {each});
    EXPECT_EQ(stats.forced_tokens, 0u);
    outputs.merge(mine);
  }
  return outputs;
}

// Penalties and grammars depend on a sequence's own tokens: batches, drafts, tokens that a grammar forces, preemption and
// two steps in flight change nothing.
TEST_P(ByteEquality, WithRulesThatChangeLogits) {
  const Outputs expected = ruled_by_tokens();
  for (const Speculation& speculation :
       {Speculation{}, Speculation{DraftMethod::mtp, 1}, Speculation{DraftMethod::mtp, 3},
        Speculation{DraftMethod::mtp, 3, true}, Speculation{DraftMethod::ngram, 3}})
    for (const std::int32_t in_flight : {1, 2})
      for (const std::int32_t blocks : {many_blocks, 24}) {
        const bool has_most = speculation == Speculation{DraftMethod::mtp, 3} && in_flight == 2;
        if (is_brief() && !(has_most && blocks == 24)) continue;
        SchedulerLimits limits = wide();
        limits.speculation = speculation;
        limits.max_steps_in_flight = in_flight;
        const bool crowded = blocks < many_blocks;
        if (crowded) limits.max_num_batched_tokens = 48;
        const auto [outputs, stats] = run_ruled(device(), limits, blocks, ruled());
        EXPECT_EQ(outputs, expected) << int(speculation.method) << ", " << speculation.tokens << " drafts, "
                                     << in_flight << " in flight, " << blocks << " blocks";
        EXPECT_EQ(stats.preemptions > 0, crowded);
        EXPECT_TRUE(crowded || stats.accepted_forced_tokens > 0);
      }
}

// Those of the whole prompt in one step, and of the same in chunks beside others.
TEST_P(ByteEquality, LogprobsOfPrompts) {
  const auto told = [](std::int32_t budget, std::int32_t others) {
    std::vector<Submission> submissions{request(100, 90)};
    submissions.front().sampling.prompt_logprobs = 2;
    for (std::int32_t i = 0; i < others; ++i) submissions.push_back(request(SequenceId(1 + i), 90));
    SchedulerLimits limits = wide();
    limits.max_num_batched_tokens = budget;
    ModelExecutor executor = device().executor(others > 0 ? 16 : many_blocks);
    Engine engine(limits, make_policy("fcfs"), others > 0 ? 16 : many_blocks, executor);
    std::vector<SampledToken> logprobs;
    run(engine, submissions, [&](const auto& committed) {
      for (const CommittedToken& each : committed)
        for (const SampledToken& token : each.prompt_logprobs) logprobs.push_back(token);
    });
    return logprobs;
  };
  const auto bytes = [](const std::vector<SampledToken>& tokens) {
    Bytes all;
    for (const SampledToken& each : tokens) append(all, each);
    return all;
  };
  const auto whole = told(2048, 0);
  ASSERT_EQ(whole.size(), 89u);
  const Submission prompt = request(100, 90);
  for (std::size_t i = 0; i < whole.size(); ++i) EXPECT_EQ(whole[i].token, prompt.tokens[i + 1]);
  EXPECT_EQ(bytes(told(17, 0)), bytes(whole));
  EXPECT_EQ(bytes(told(40, 3)), bytes(whole));
}

// Where the last block reaches past the greatest length, and drafts would, too.
TEST_P(ByteEquality, WithDraftsUpToTheEndOfTheContext) {
  SchedulerLimits limits = wide();
  limits.max_model_len = 50;
  std::vector<Submission> submissions;
  for (SequenceId id = 1; id <= 4; ++id) {
    submissions.push_back(request(id, 40));
    submissions.back().max_output_tokens = 30;
  }
  Outputs expected;
  for (const std::int32_t drafts : {0, 1, 2, 3, 8}) {
    const auto decoder = model::load_decoder(
        device().checkpoint, *device().ops, {},
        {.max_tokens = 256, .max_logit_rows = 64, .max_positions = limits.max_model_len, .prediction = true});
    if (drafts > 0) limits.speculation = {DraftMethod::mtp, drafts};
    ModelExecutor executor(*device().ops, *decoder, {*device().communicator, *device().communicator}, 0,
                           decoder->make_cache(many_blocks, block_size), limits.speculation);
    Engine engine(limits, make_policy("fcfs"), many_blocks, executor);
    const Outputs outputs = run(engine, submissions);
    if (drafts == 0) expected = outputs;
    EXPECT_EQ(outputs, expected) << drafts << " drafts";
    EXPECT_EQ(outputs.at(1).size(), 10u * (2 + 2 * 3));
  }
}

// A part of the experts, or all but norms, biases and routers.
TEST_P(ByteEquality, WithWeightsInTheHostsMemory) {
  const std::vector<Submission> submissions{request(1, 20), request(2, 33), request(3, 41)};
  const std::size_t weights = device().checkpoint.total_bytes(/*prediction=*/true);
  for (const std::size_t on_host : {weights / 2, 2 * weights}) {
    if (is_brief() && on_host > weights) continue;
    const auto decoder = model::load_decoder(device().checkpoint, *device().ops, {},
                                             {.max_tokens = 256,
                                              .max_logit_rows = 64,
                                              .max_positions = 256,
                                              .prediction = true,
                                              .host_weight_bytes = on_host});
    SchedulerLimits limits = wide();
    limits.max_num_batched_tokens = 48;
    limits.speculation = {DraftMethod::mtp, 2};
    ModelExecutor executor(*device().ops, *decoder, {*device().communicator, *device().communicator}, 0,
                           decoder->make_cache(many_blocks, block_size), limits.speculation);
    Engine engine(limits, make_policy("fcfs"), many_blocks, executor);
    EXPECT_EQ(run(engine, submissions), alone(submissions)) << on_host;
  }
}

TEST_P(ByteEquality, UnderAllOfThisAtOnce) {
  constexpr std::int32_t few_blocks = 24;
  const std::vector<Submission> submissions = sixteen(48);
  const Outputs expected = alone(submissions);
  std::uint64_t preemptions = 0;  // some policies do without
  for (const std::int32_t drafts : {0, 1, 3})
    for (const std::string& policy : policy_names()) {
      if (is_brief() && (drafts < 3 || policy != "priority")) continue;
      SchedulerLimits limits = wide();
      limits.max_num_batched_tokens = 48;
      if (drafts > 0) limits.speculation = {DraftMethod::mtp, drafts};
      ModelExecutor executor = device().executor(few_blocks, limits.speculation);
      executor.cache().poison();
      Engine engine(limits, make_policy(policy), few_blocks, executor);
      EXPECT_EQ(run(engine, submissions), expected) << policy << ", " << drafts << " drafts";
      preemptions += engine.stats().preemptions;
      EXPECT_GT(engine.usage().prefix_hits, 0u) << policy;
    }
  EXPECT_GT(preemptions, 0u);
}

// The first step of an epoch for group 0 of one: each submission's first `rows` tokens, which sample if those are all.
StepPlan first_step(std::vector<std::pair<Submission, std::int32_t>> parts,
                    std::vector<std::vector<BlockId>> blocks) {
  StepPlan plan{.epoch = 3, .step = 9, .group_rows = {0}, .group_samples = {0}};
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto& [submission, rows] = parts[i];
    plan.begin.push_back({submission.sequence,
                          {submission.tokens.begin(), submission.tokens.begin() + rows},
                          submission.prompt_tokens,
                          0,
                          submission.sampling,
                          submission.rules,
                          blocks[i]});
    plan.extend.push_back({submission.sequence, {}, {}, rows, 0, rows == submission.prompt_tokens});
    plan.group_rows[0] += rows;
    plan.group_samples[0] += rows == submission.prompt_tokens;
  }
  return plan;
}

Bytes bytes_of(const StepResult& result) {
  Bytes bytes;
  for (const SequenceOutput& output : result.outputs)
    for (const SampledToken& each : output.sampled) append(bytes, each);
  return bytes;
}

TEST(ModelExecutor, GivesTheSameResultForAPlanThatComesTwice) {
  ModelExecutor executor = demo().executor(4);
  const StepPlan plan = first_step({{request(1, 20), 20}, {request(2, 10), 5}}, {{2, 0}, {1}});
  const StepResult first = executor.execute(plan);
  EXPECT_EQ(first.epoch, 3u);
  EXPECT_EQ(first.step, 9u);
  ASSERT_EQ(first.outputs.size(), 1u);  // the second one does not sample
  EXPECT_EQ(first.outputs[0].sequence, 1u);
  executor.cache().poison();  // it is not computed again
  EXPECT_EQ(bytes_of(executor.execute(plan)), bytes_of(first));
}

// The second step's input is what the first one samples.
TEST(ModelExecutor, GoesOnFromWhatItSampled) {
  const Submission one = request(1, 20);
  ModelExecutor executor = demo().executor(4);
  const StepResult first = executor.execute(first_step({{one, 20}}, {{2, 0}}));
  StepPlan next{.epoch = 3, .step = 10, .after = 9, .group_rows = {1}, .group_samples = {1}};
  next.extend = {{1, {}, {}, 1, 0, true}};
  const Bytes second = bytes_of(executor.execute(next));

  Submission told = one;  // with the position of the output in its place
  told.tokens.push_back(first.outputs.at(0).sampled.at(0).token);
  ModelExecutor other = demo().executor(4);
  StepPlan whole = first_step({{told, 20}}, {{1, 3}});
  whole.begin[0].tokens = told.tokens;
  whole.extend[0].rows = whole.group_rows[0] = 21;
  EXPECT_EQ(bytes_of(other.execute(whole)), second);
}

TEST(ModelExecutor, AGrammarThatItWasNotToldOfIsRefused) {
  ModelExecutor executor = demo().executor(4);
  Submission submission = request(1, 20);
  submission.rules.grammar = {1, 2};
  EXPECT_THROW(executor.execute(first_step({{submission, 20}}, {{2, 0}})), PlanError);
}

TEST(ModelExecutor, JoinsTheCollectivesOfAStepThatHasNothingForIt) {
  ModelExecutor executor = demo().executor(4);
  EXPECT_TRUE(
      executor.execute({.epoch = 1, .step = 1, .group_rows = {0}, .group_samples = {0}}).outputs.empty());
  EXPECT_TRUE(executor.execute({.epoch = 1, .step = 2, .after = 1, .group_rows = {0}, .group_samples = {0}})
                  .outputs.empty());
}

// Two groups of one rank each: a step has a part for both, for one or for none.
TEST(ModelExecutor, GroupsComputeTheirOwnPartsOfAStep) {
  const std::vector<Submission> submissions{request(1, 20), request(2, 33)};
  const std::vector<std::vector<BlockId>> blocks{{0, 1}, {1, 2, 3}};
  const std::vector<std::array<bool, 2>> who{{true, true}, {false, true}, {true, false}, {false, false}};
  // Each step begins the sequence anew.
  const auto plan_of = [&](std::size_t step, GroupId group) {
    StepPlan plan;
    if (who[step][group]) {
      const Submission& mine = submissions[group];
      plan = first_step({{mine, mine.prompt_tokens}}, {blocks[group]});
    }
    plan.epoch = 1;
    plan.step = step + 1;
    plan.after = step;
    plan.group = group;
    plan.group_rows = {who[step][0] ? 20 : 0, who[step][1] ? 33 : 0};
    plan.group_samples = {who[step][0], who[step][1]};
    return plan;
  };
  std::vector<Bytes> expected;
  for (GroupId group : {0, 1}) {
    const Submission& mine = submissions[group];
    ModelExecutor executor = demo().executor(4);
    expected.push_back(bytes_of(executor.execute(first_step({{mine, mine.prompt_tokens}}, {blocks[group]}))));
  }
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
                               decoder->make_cache(4, block_size), {}, &boards[rank]);
        for (std::size_t step = 0; step < who.size(); ++step) {
          const StepResult result = executor.execute(plan_of(step, GroupId(rank)));
          EXPECT_EQ(result.group, GroupId(rank));
          EXPECT_EQ(bytes_of(result), who[step][std::size_t(rank)] ? expected[std::size_t(rank)] : Bytes{})
              << "step " << step << ", rank " << rank;
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
                         demo().decoder->make_cache(4, block_size), {}, &board);
  lost->abort();
  EXPECT_THROW(executor.execute(first_step({{request(1, 20), 20}}, {{0, 1}})), Error);
  EXPECT_EQ(board.epoch, 3u);
  EXPECT_EQ(board.step, 9u);
  EXPECT_EQ(board.activity, Activity::idle);
}

// The same step with a grammar for each of its sequences moves its board on by more.
TEST(ModelExecutor, TicksWhileItsSequencesAskTheirGrammars) {
  const auto ticks_of = [](bool ruled) {
    TickBoard board;
    ModelExecutor executor(*demo().ops, *demo().decoder, {*demo().communicator, *demo().communicator}, 0,
                           demo().decoder->make_cache(4, block_size), {}, &board, grammars());
    std::vector<std::pair<Submission, std::int32_t>> parts{{request(1, 10), 10}, {request(2, 10), 10}};
    for (auto& [submission, rows] : parts)
      if (ruled) submission.rules = {.ends = text_model().eos_ids, .grammar = grammar_id(dates)};
    executor.execute(first_step(parts, {{0}, {1}}));
    return board.read().count;
  };
  EXPECT_GE(ticks_of(true), ticks_of(false) + 2 * 3) << "a mask, a token and what is forced for each";
}

TEST(ModelExecutor, RefusesThePlanOfAnotherGroupOrWorld) {
  ModelExecutor executor = demo().executor(4);
  const auto refuses = [&](StepPlan plan) { EXPECT_THROW(executor.execute(plan), PlanError); };
  refuses({.epoch = 1, .step = 1, .group = 1, .group_rows = {0}, .group_samples = {0}});
  refuses({.epoch = 1, .step = 1, .group_rows = {0, 0}, .group_samples = {0, 0}});
  refuses({.epoch = 1, .step = 1, .group_rows = {0}});
  refuses({.epoch = 1, .step = 1, .group_rows = {1}, .group_samples = {0}});
  refuses({.epoch = 1, .step = 1, .group_rows = {0}, .group_samples = {1}});
}

}  // namespace
}  // namespace troupe::runtime
