// Encoding and decoding with the demo model's tokenizer, on the source of its training data.
#include <benchmark/benchmark.h>

#include <fstream>
#include <sstream>

#include "model/tokenizer/tokenizer.hpp"

namespace troupe::model {
namespace {

const Tokenizer& tokenizer() {
  static const Tokenizer tokenizer = Tokenizer::load(DEMO_MODEL "/tokenizer.json");
  return tokenizer;
}

const std::string& text() {
  static const std::string text = [] {
    std::ostringstream content;
    content << std::ifstream(DEMO_MODEL "/corpus.py").rdbuf();
    return content.str();
  }();
  return text;
}

void encode(benchmark::State& state) {
  std::size_t tokens = 0;
  for (auto _ : state) tokens += tokenizer().encode(text()).value().size();
  state.counters["tokens/s"] = benchmark::Counter(static_cast<double>(tokens), benchmark::Counter::kIsRate);
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text().size()));
}
BENCHMARK(encode)->Unit(benchmark::kMillisecond)->ThreadRange(1, 2)->UseRealTime();

void decode(benchmark::State& state) {
  const std::vector<TokenId> ids = tokenizer().encode(text()).value();
  std::size_t tokens = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(tokenizer().decode(ids));
    tokens += ids.size();
  }
  state.counters["tokens/s"] = benchmark::Counter(static_cast<double>(tokens), benchmark::Counter::kIsRate);
}
BENCHMARK(decode)->Unit(benchmark::kMillisecond);

void load(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(Tokenizer::load(DEMO_MODEL "/tokenizer.json"));
}
BENCHMARK(load)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace troupe::model
