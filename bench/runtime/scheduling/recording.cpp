// What a recorded step costs the scheduler, which hands it over, and how many bytes it takes in the file, by sequences that decode.
#include <benchmark/benchmark.h>

#include <filesystem>

#include "runtime/scheduling/recording/schedule_recorder.hpp"

namespace troupe::runtime {
namespace {

void step(benchmark::State& state) {
  const auto sequences = SequenceId(state.range(0));
  const std::filesystem::path file = std::filesystem::temp_directory_path() / "troupe-bench-schedule";
  StepPlan plan;
  ResultCame came;
  {
    ScheduleRecorder recorder(file, {.bytes = std::size_t{1} << 32, .files = 1});
    recorder.heard(CycleBegan{}, now());
    for (SequenceId id = 1; id <= sequences; ++id) {
      Submission submission;
      submission.sequence = id;
      submission.tokens.assign(64, TokenId(id));
      recorder.heard(SequenceSubmitted{submission}, now());
      plan.extend.push_back({id, {}, {}, 1, 0, true});
      came.result.outputs.push_back({id, {{1, 0, {}}}});
      came.committed.push_back({id, 0, {1, 0, {}}, FinishReason::none, 0, {}});
    }
    for (auto _ : state) {
      ++plan.step;
      recorder.heard(BlocksReplied{0, 1, 100, 1}, now());
      recorder.heard(StepPlanned{{plan}}, now());
      recorder.heard(came, now());
    }
    if (recorder.ended()) state.SkipWithError("the recorder's thread could not keep up");
  }
  state.counters["bytes"] = double(file_size(file)) / double(state.iterations());
  remove(file);
}

BENCHMARK(step)->Arg(16)->Arg(256)->Arg(1024)->Unit(benchmark::kMicrosecond)->Iterations(10'000);

}  // namespace
}  // namespace troupe::runtime
