// What a token gets depends on its own request alone: the demo model gives a request the same tokens and the
// same bytes of log-probability however it is scheduled. Each test also asserts that what it is about did
// happen.
#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <map>
#include <thread>

#include "kernels/cpu/cpu_ops.hpp"
#include "model/grammar/grammar_compiler.hpp"
#include "model/text_model.hpp"
#include "runtime/base/clock.hpp"
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
      checkpoint, *ops, {},
      {.max_tokens = 2048, .max_logit_rows = 64, .max_positions = 256, .prediction = true});

  ModelExecutor executor(std::int32_t blocks = many_blocks, Speculation speculation = {}) {
    return ModelExecutor(*ops, *decoder, {*communicator, *communicator}, 0,
                         decoder->make_cache(blocks, block_size), speculation);
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

// By the prediction layer, and by the sequence's own words in prompts that repeat themselves: many guesses are right.
TEST(ByteEquality, WithDrafts) {
  std::vector<Submission> repeating = sixteen();
  for (Submission& each : repeating)
    for (std::size_t i = 6; i < each.tokens.size(); ++i) each.tokens[i] = each.tokens[i % 6];
  for (const DraftMethod method : {DraftMethod::mtp, DraftMethod::ngram}) {
    const auto submissions = method == DraftMethod::mtp ? sixteen() : repeating;
    const Outputs expected = alone(submissions);
    for (const std::int32_t drafts : {1, 3}) {
      for (const bool adapts : {false, true}) {
        SchedulerLimits limits = wide();
        limits.speculation = {method, drafts, adapts};
        ModelExecutor executor = demo().executor(many_blocks, limits.speculation);
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

const model::TextModel& text_model() {
  static const auto text = model::TextModel::load(DEMO_MODEL);
  return text;
}

// Made ready once.
std::shared_ptr<const model::CompiledGrammar> grammar_of(const GrammarSpec& spec) {
  static const model::GrammarCompiler compiler(text_model().tokenizer, demo().checkpoint.config().vocab_size,
                                               text_model().eos_ids);
  static std::map<GrammarId, std::shared_ptr<const model::CompiledGrammar>> made;
  auto& grammar = made[grammar_id(spec)];
  if (!grammar) grammar = compiler.compile(spec, now() + std::chrono::minutes(5)).value();
  return grammar;
}

const GrammarSpec dates{.kind = GrammarSpec::Kind::regex,
                        .text = "[0-9]{4}-[0-9]{2}-[0-9]{2}( or [0-9]{4}){0,9}"};
const GrammarSpec objects{
    .kind = GrammarSpec::Kind::json_schema,
    .text = R"({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]})"};

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
    if (id % 4 > 1) rules.grammar = grammar_id(id % 4 == 2 ? dates : objects);
  }
  return submissions;
}

GrammarSource grammars() {
  return [](GrammarId id) { return grammar_of(id == grammar_id(dates) ? dates : objects); };
}

Outputs run_ruled(const SchedulerLimits& limits, std::int32_t blocks,
                  const std::vector<Submission>& submissions) {
  ModelExecutor executor(*demo().ops, *demo().decoder, {*demo().communicator, *demo().communicator}, 0,
                         demo().decoder->make_cache(blocks, block_size), limits.speculation, nullptr,
                         grammars());
  executor.cache().poison();
  Engine engine(limits, make_policy("decode_first"), blocks, executor);
  return run(engine, submissions);
}

// Penalties and grammars depend on a sequence's own tokens: batches, drafts, preemption and two steps in flight change
// nothing.
TEST(ByteEquality, WithRulesThatChangeLogits) {
  SchedulerLimits limits = wide();
  limits.max_steps_in_flight = 1;
  Outputs expected;
  for (const Submission& each : ruled()) expected.merge(run_ruled(limits, many_blocks, {each}));
  limits.max_steps_in_flight = 2;
  for (const std::int32_t drafts : {0, 1, 3})
    for (const std::int32_t blocks : {many_blocks, 24}) {
      limits.speculation = drafts > 0 ? Speculation{DraftMethod::mtp, drafts} : Speculation{};
      limits.max_num_batched_tokens = blocks == many_blocks ? 2048 : 48;
      EXPECT_EQ(run_ruled(limits, blocks, ruled()), expected) << drafts << " drafts, " << blocks << " blocks";
    }
}

// Those of the whole prompt in one step, and of the same in chunks beside others.
TEST(ByteEquality, LogprobsOfPrompts) {
  const auto told = [](std::int32_t budget, std::int32_t others) {
    std::vector<Submission> submissions{request(100, 90)};
    submissions.front().sampling.prompt_logprobs = 2;
    for (std::int32_t i = 0; i < others; ++i) submissions.push_back(request(SequenceId(1 + i), 90));
    SchedulerLimits limits = wide();
    limits.max_num_batched_tokens = budget;
    ModelExecutor executor = demo().executor(others > 0 ? 16 : many_blocks);
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
TEST(ByteEquality, WithDraftsUpToTheEndOfTheContext) {
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
        demo().checkpoint, *demo().ops, {},
        {.max_tokens = 256, .max_logit_rows = 64, .max_positions = limits.max_model_len, .prediction = true});
    if (drafts > 0) limits.speculation = {DraftMethod::mtp, drafts};
    ModelExecutor executor(*demo().ops, *decoder, {*demo().communicator, *demo().communicator}, 0,
                           decoder->make_cache(many_blocks, block_size), limits.speculation);
    Engine engine(limits, make_policy("fcfs"), many_blocks, executor);
    const Outputs outputs = run(engine, submissions);
    if (drafts == 0) expected = outputs;
    EXPECT_EQ(outputs, expected) << drafts << " drafts";
    EXPECT_EQ(outputs.at(1).size(), 10u * (2 + 2 * 3));
  }
}

TEST(ByteEquality, UnderAllOfThisAtOnce) {
  constexpr std::int32_t few_blocks = 24;
  const std::vector<Submission> submissions = sixteen(48);
  const Outputs expected = alone(submissions);
  for (const std::int32_t drafts : {0, 1, 3})
    for (const std::string& policy : policy_names()) {
      SchedulerLimits limits = wide();
      limits.max_num_batched_tokens = 48;
      if (drafts > 0) limits.speculation = {DraftMethod::mtp, drafts};
      ModelExecutor executor = demo().executor(few_blocks, limits.speculation);
      executor.cache().poison();
      Engine engine(limits, make_policy(policy), few_blocks, executor);
      EXPECT_EQ(run(engine, submissions), expected) << policy << ", " << drafts << " drafts";
      EXPECT_GT(engine.stats().preemptions, 0u) << policy;
      EXPECT_GT(engine.usage().prefix_hits, 0u) << policy;
    }
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
