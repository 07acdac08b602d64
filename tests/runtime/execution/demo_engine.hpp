// Engines over the demo model, and what sequences got of them as bytes.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <map>
#include <vector>

#include "kernels/cpu/cpu_ops.hpp"
#include "model/grammar/grammar_compiler.hpp"
#include "model/text/text_model.hpp"
#include "runtime/base/clock.hpp"
#include "runtime/execution/engine.hpp"
#include "runtime/execution/model_executor.hpp"
#include "transport/host/device_communicator.hpp"
#include "transport/host/threads_mesh.hpp"

namespace troupe::runtime {

constexpr std::int32_t block_size = 16;
constexpr std::int32_t many_blocks = 256;
constexpr std::int32_t output_tokens = 8;

// The demo model on a device, loaded once.
struct Demo {
  std::unique_ptr<kernels::Ops> ops;
  model::Checkpoint checkpoint = model::Checkpoint::open(DEMO_MODEL);
  std::unique_ptr<transport::Communicator> communicator =
      transport::device_communicator(transport::ThreadsMesh(1).communicator(0), *ops);
  std::unique_ptr<model::Decoder> decoder = model::load_decoder(
      checkpoint, *ops, {},
      {.max_tokens = 2048, .max_logit_rows = 128, .max_positions = 256, .prediction = true});

  ModelExecutor executor(std::int32_t blocks = many_blocks, Speculation speculation = {},
                         GrammarSource grammars = {}) {
    return ModelExecutor(*ops, *decoder, {*communicator, *communicator}, 0,
                         decoder->make_cache(blocks, block_size), speculation, nullptr, std::move(grammars));
  }
};

inline Demo& demo() {
  static Demo instance{kernels::make_cpu_ops(2)};
  return instance;
}

// Greedy when id is even, else sampled with a seed. Prompts of a family begin with the same `shared` tokens.
inline Submission request(SequenceId id, std::int32_t prompt, std::int32_t shared = 0) {
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

inline void append(Bytes& bytes, const SampledToken& output) {
  bytes.push_back(std::uint32_t(output.token));
  bytes.push_back(std::bit_cast<std::uint32_t>(output.logprob));
  for (const TokenLogprob& each : output.top) {
    bytes.push_back(std::uint32_t(each.token));
    bytes.push_back(std::bit_cast<std::uint32_t>(each.logprob));
  }
}

// However long its steps take: how crowded an engine is must not depend on the machine.
inline SchedulerLimits wide() {
  SchedulerLimits limits{
      .max_num_batched_tokens = 2048, .max_num_seqs = 16, .max_model_len = 256, .block_size = block_size};
  limits.max_step_time = {};
  return limits;
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
inline Outputs run(Engine& engine, const std::vector<Submission>& submissions) {
  return run(engine, submissions, [](const auto&) {});
}

inline const model::TextModel& text_model() {
  static const auto text = model::TextModel::load(DEMO_MODEL);
  return text;
}

// Made ready once.
inline std::shared_ptr<const model::CompiledGrammar> grammar_of(const GrammarSpec& spec) {
  static const model::GrammarCompiler compiler(text_model().tokenizer, demo().checkpoint.config().vocab_size,
                                               text_model().eos_ids);
  static std::map<GrammarId, std::shared_ptr<const model::CompiledGrammar>> made;
  auto& grammar = made[grammar_id(spec)];
  if (!grammar) grammar = compiler.compile(spec, now() + std::chrono::minutes(5)).value();
  return grammar;
}

}  // namespace troupe::runtime
