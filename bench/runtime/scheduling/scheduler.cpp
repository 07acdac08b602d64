// What a step costs the host: propose, reserve, dispose and commit, with as many
// sequences running as the first argument says and as many waiting as the second.
// Whoever finishes is followed by a new sequence, so that prompts and decodes are mixed.
#include <benchmark/benchmark.h>

#include "runtime/scheduling/block_pool.hpp"
#include "runtime/scheduling/scheduler.hpp"

namespace troupe::runtime {
namespace {

constexpr std::int32_t prompt_tokens = 512, most_outputs = 512;

Submission submission_of(SequenceId id) {
  Submission submission;
  submission.sequence = submission.arrival = id;
  submission.prompt_tokens = prompt_tokens;
  submission.max_output_tokens = 1 + std::int32_t(id * 7919 % most_outputs);
  for (std::int32_t i = 0; i < prompt_tokens; ++i) submission.tokens.push_back(TokenId(id) + i);
  return submission;
}

StepResult result_of(const StepPlan& plan) {
  StepResult result{plan.epoch, plan.step, plan.group, {}, {}};
  for (const Extend& part : plan.extend)
    if (part.samples) result.outputs.push_back({part.sequence, {{1, 0, {}}}});
  return result;
}

void step(benchmark::State& state, std::string_view policy) {
  const auto sequences = std::int32_t(state.range(0)), waiting = std::int32_t(state.range(1));
  const SchedulerLimits limits{.max_num_batched_tokens = std::max(2048, sequences),
                               .max_num_seqs = sequences,
                               .max_model_len = prompt_tokens + most_outputs,
                               .max_waiting = sequences + waiting};
  Scheduler scheduler(
      limits, [&] { return make_policy(policy); }, 1, 0);
  BlockPool pool(sequences * limits.max_model_len / limits.block_size, limits.block_size);
  SequenceId last = 0;
  while (last < SequenceId(sequences + waiting)) (void)scheduler.submit(submission_of(++last));
  std::int64_t tokens = 0;
  const auto step = [&] {
    const auto requests = scheduler.propose();
    const auto plans = scheduler.dispose(pool.reserve(requests.front()));
    for (const CommittedToken& token : scheduler.commit(result_of(plans.front())))
      if (token.finish != FinishReason::none) (void)scheduler.submit(submission_of(++last));
    tokens += scheduler.stats().last_step_tokens;
  };
  for (int i = 0; i < most_outputs; ++i) step();  // until young and old are mixed
  tokens = 0;
  for (auto _ : state) step();
  state.SetItemsProcessed(tokens);
}

void crowds(benchmark::internal::Benchmark* bench) {
  bench->Args({16, 16})
      ->Args({256, 256})
      ->Args({1024, 1024})
      ->Args({8, 10000})
      ->Unit(benchmark::kMicrosecond);
}

BENCHMARK_CAPTURE(step, fcfs, "fcfs")->Apply(crowds);
BENCHMARK_CAPTURE(step, decode_first, "decode_first")->Apply(crowds);
BENCHMARK_CAPTURE(step, priority, "priority")->Apply(crowds);
BENCHMARK_CAPTURE(step, edf, "edf")->Apply(crowds);

}  // namespace
}  // namespace troupe::runtime
