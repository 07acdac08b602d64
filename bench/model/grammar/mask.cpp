// What a token costs that a grammar allows, and what a grammar costs before its first one, at DeepSeek V3's vocabulary.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "model/grammar/grammar_compiler.hpp"
#include "model/grammar/grammar_matcher.hpp"

namespace troupe::model {
namespace {

using Kind = GrammarSpec::Kind;

struct Case {
  const char* name;
  GrammarSpec spec;
  std::string answer;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all{
      {"any object",
       {.kind = Kind::json_object},
       R"({"name": "Ada Lovelace", "born": 1815, "works": ["Notes on the Analytical Engine"], "alive": false})"},
      {"weather call",
       {.kind = Kind::json_schema,
        .text =
            R"({"type":"object","properties":{"city":{"type":"string"},"unit":{"enum":["celsius","fahrenheit"]},"days":{"type":"integer","minimum":1,"maximum":7}},"required":["city","unit"]})"},
       R"({"city": "San Francisco, California", "unit": "celsius", "days": 5})"},
      {"steps of reasoning",
       {.kind = Kind::json_schema,
        .text =
            R"({"type":"object","properties":{"steps":{"type":"array","items":{"type":"object","properties":{"explanation":{"type":"string"},"output":{"type":"string"}},"required":["explanation","output"]}},"final_answer":{"type":"string"}},"required":["steps","final_answer"]})"},
       R"({"steps": [{"explanation": "Subtract 7 from both sides of the equation.", "output": "8x = -30"}, {"explanation": "Divide by 8.", "output": "x = -3.75"}], "final_answer": "x = -3.75"})"},
      {"tree by reference",
       {.kind = Kind::json_schema,
        .text =
            R"({"$defs":{"node":{"type":"object","properties":{"label":{"type":"string"},"children":{"type":"array","items":{"$ref":"#/$defs/node"}}},"required":["label","children"]}},"$ref":"#/$defs/node"})"},
       R"({"label": "the root of it all", "children": [{"label": "a leaf", "children": []}, {"label": "another", "children": []}]})"},
      {"short text",
       {.kind = Kind::json_schema,
        .text =
            R"({"type":"object","properties":{"title":{"type":"string","maxLength":40}},"required":["title"]})"},
       R"({"title": "On computable numbers"})"},
      {"text to its bound",
       {.kind = Kind::json_schema,
        .text =
            R"({"type":"object","properties":{"title":{"type":"string","maxLength":200}},"required":["title"]})"},
       R"({"title": ")" + std::string(180, 'x') + R"(computable numbers"})"},
      {"regex",
       {.kind = Kind::regex, .text = R"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z)"},
       "2026-11-28T23:59:59Z"},
  };
  return all;
}

struct DeepSeek {
  static constexpr std::int64_t logits = 129280;
  static constexpr TokenId eos = 1;
  const Tokenizer tokenizer = Tokenizer::load(DEEPSEEK_TOKENIZER);
  const GrammarCompiler compiler{tokenizer, logits, std::array{eos}};
};

const DeepSeek& deepseek() {
  static const DeepSeek model;
  return model;
}

auto compiled(const Case& one) {
  return deepseek().compiler.compile(one.spec, now() + std::chrono::minutes(5)).value();
}

double microseconds(Duration time) {
  return 1000 * milliseconds(time);
}

// A token: it is accepted, what is forced behind it is looked for, and the mask of the next one is made.
void token(benchmark::State& state) {
  const Case& one = cases()[std::size_t(state.range(0))];
  const auto grammar = compiled(one);
  const std::vector<TokenId> answer = deepseek().tokenizer.encode(one.answer).value();
  std::vector<std::uint32_t> mask(mask_words(DeepSeek::logits));
  std::vector<double> times;
  for (auto _ : state) {
    GrammarMatcher matcher(grammar);
    for (const TokenId next : answer) {
      const TimePoint begin = now();
      if (!matcher.accept(next)) return state.SkipWithError("the grammar does not allow the answer");
      benchmark::DoNotOptimize(matcher.forced(16));
      benchmark::DoNotOptimize(matcher.fill(mask));
      times.push_back(microseconds(now() - begin));
    }
  }
  std::ranges::sort(times);
  state.counters["p50_us"] = times[times.size() / 2];
  state.counters["p99_us"] = times[times.size() * 99 / 100];
  state.SetLabel(one.name);
}
BENCHMARK(token)->DenseRange(0, std::ssize(cases()) - 1)->Unit(benchmark::kMicrosecond);

void compile(benchmark::State& state) {
  const Case& one = cases()[std::size_t(state.range(0))];
  for (auto _ : state) state.counters["bytes"] = double(compiled(one)->bytes());
  state.SetLabel(one.name);
}
BENCHMARK(compile)->DenseRange(0, std::ssize(cases()) - 1)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace troupe::model
