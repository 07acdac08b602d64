// What a step costs the host: propose, reserve, dispose and commit, with as many sequences running as the
// argument says and as many waiting.
#include <benchmark/benchmark.h>

#include "runtime/block_pool.hpp"
#include "runtime/scheduler.hpp"

namespace troupe::runtime {
namespace {

constexpr std::int32_t prompt_tokens = 512, max_model_len = 1 << 20;

Submission endless(SequenceId id) {
  Submission submission;
  submission.sequence = submission.arrival = id;
  submission.prompt_tokens = prompt_tokens;
  submission.max_output_tokens = max_model_len;
  for (std::int32_t i = 0; i < prompt_tokens; ++i) submission.tokens.push_back(TokenId(id) + i);
  return submission;
}

StepResult result_of(const StepPlan& plan) {
  StepResult result{plan.epoch, plan.step, plan.groups[0].group, {}, {}};
  for (const Slice& slice : plan.groups[0].slices)
    if (slice.samples) result.outputs.push_back({slice.sequence, 1, 0, {}});
  return result;
}

void decode_step(benchmark::State& state, std::string_view policy) {
  const auto sequences = std::int32_t(state.range(0));
  const SchedulerLimits limits{.max_num_batched_tokens = std::max(2048, sequences),
                               .max_num_seqs = sequences,
                               .max_model_len = max_model_len,
                               .max_waiting = 2 * sequences};
  Scheduler scheduler(limits, make_policy(policy), 1);
  BlockPool pool(1 << 20, limits.block_size);
  for (std::int32_t i = 0; i < 2 * sequences; ++i) (void)scheduler.submit(endless(SequenceId(i) + 1));
  const auto step = [&] {
    auto request = scheduler.propose();
    auto plan = scheduler.dispose(pool.reserve(*request));
    scheduler.commit(result_of(*plan));
  };
  while (scheduler.stats().last_step_tokens != sequences) step();  // until all of them decode
  for (auto _ : state) step();
  state.SetItemsProcessed(state.iterations() * sequences);
}

BENCHMARK_CAPTURE(decode_step, fcfs, "fcfs")->Arg(16)->Arg(256)->Arg(1024)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(decode_step, decode_first, "decode_first")->Arg(16)->Arg(256)->Arg(1024)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(decode_step, priority, "priority")->Arg(16)->Arg(256)->Arg(1024)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace troupe::runtime
