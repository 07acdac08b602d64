// What a step costs outside of the model, by sequences that decode and the context that each has: the scheduler's CPU time
// (propose, dispose, commit), the block pool's, and that of writing a rank's plan and its result for their links and reading
// them there; and the plan's bytes. One group; one step in flight, so that all of it stands in line.
#include <benchmark/benchmark.h>

#include <caf/all.hpp>

#include "actors/system_config.hpp"
#include "runtime/base/clock.hpp"
#include "runtime/base/error.hpp"
#include "runtime/scheduling/block_pool.hpp"
#include "runtime/scheduling/scheduler.hpp"

namespace troupe::actors {
namespace {

using runtime::StepPlan;

// As over a link. wire: is overwritten.
template <class Message>
Message carried(caf::actor_system& system, const Message& message, std::vector<char>& wire) {
  wire.clear();
  caf::binary_serializer writer(system, wire);
  CHECK(!writer(const_cast<Message&>(message)));
  Message read;
  caf::binary_deserializer reader(system, wire);
  CHECK(!reader(read));
  return read;
}

runtime::StepResult result_of(const StepPlan& plan) {
  runtime::StepResult result{plan.epoch, plan.step, plan.group, {}, {}};
  for (const runtime::Extend& part : plan.extend)
    if (part.samples) result.outputs.push_back({part.sequence, {{1, 0, {}}}});
  return result;
}

double microseconds(Duration time) {
  return std::chrono::duration<double, std::micro>(time).count();
}

void step(benchmark::State& state) {
  const auto sequences = std::int32_t(state.range(0)), context = std::int32_t(state.range(1));
  const runtime::SchedulerLimits limits{.max_num_batched_tokens = 1 << 20,
                                        .max_step_time = std::chrono::milliseconds(0),
                                        .max_num_seqs = sequences,
                                        .max_model_len = context + (1 << 20),
                                        .max_steps_in_flight = 1,
                                        .max_waiting = sequences,
                                        .prefix_caching = false};
  runtime::Scheduler scheduler(
      limits, [] { return runtime::make_policy("decode_first"); }, 1, 0);
  runtime::BlockPool pool(sequences * (context / limits.block_size + 1024), limits.block_size, false);
  for (SequenceId id = 1; id <= SequenceId(sequences); ++id) {
    runtime::Submission submission;
    submission.sequence = submission.arrival = id;
    submission.tokens.assign(std::size_t(context), TokenId(id));
    submission.prompt_tokens = context;
    submission.max_output_tokens = 1 << 20;
    (void)scheduler.submit(std::move(submission));
  }
  LocalConfig config;
  caf::actor_system system{config};
  Duration scheduling{}, blocks{}, links{};
  std::vector<char> wire;
  std::size_t bytes = 0;
  const auto one_step = [&] {
    const TimePoint began = now();
    const auto requests = scheduler.propose();
    const TimePoint asked = now();
    auto reply = pool.reserve(requests.front());
    const TimePoint answered = now();
    const auto plans = scheduler.dispose(std::move(reply));
    const TimePoint planned = now();
    const StepPlan plan = carried(system, plans.front(), wire);
    const TimePoint heard = now();
    bytes += wire.size();
    runtime::StepResult result = result_of(plan);
    const TimePoint computed = now();
    result = carried(system, result, wire);
    const TimePoint answered_back = now();
    scheduler.commit(std::move(result));
    scheduling += asked - began + (planned - answered) + (now() - answered_back);
    blocks += answered - asked;
    links += heard - planned + (answered_back - computed);
  };
  while (scheduler.stats().prompt_tokens_computed < std::uint64_t(sequences) * std::uint64_t(context))
    one_step();
  scheduling = blocks = links = {};
  bytes = 0;
  for (auto _ : state) one_step();
  const auto steps = double(state.iterations());
  state.counters["plan_bytes"] = double(bytes) / steps;
  state.counters["scheduler_us"] = microseconds(scheduling) / steps;
  state.counters["blocks_us"] = microseconds(blocks) / steps;
  state.counters["link_us"] = microseconds(links) / steps;
}

BENCHMARK(step)
    ->ArgsProduct({{1, 64, 256, 1024}, {4096, 32768}})
    ->Unit(benchmark::kMicrosecond)
    ->Iterations(500);

}  // namespace
}  // namespace troupe::actors
