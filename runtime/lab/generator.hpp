// Requests that are drawn instead of recorded. The same seed draws the same ones, for one build of the standard library. Owned
// by one thread.
#pragma once

#include <random>
#include <string>

#include "runtime/lab/trace.hpp"

namespace troupe::runtime::lab {

enum class Lengths {
  fixed,
  uniform,  // from 1 to twice the mean
  exponential,
  lognormal,  // sigma 1: what published traces look like
};

struct GeneratorSettings {
  double rate = 1;        // requests a second, on average and outside of the spike
  double burstiness = 1;  // shape of the gamma distribution of gaps: 1 Poisson, less: bursts, more: even
  double spike_begins = 0, spike_seconds = 0,
         spike_factor = 1;  // "nine in the morning": so many times the rate for a while
  std::int32_t prompt_tokens = 1024, output_tokens = 128;  // means; of a turn, what is new in its prompt
  Lengths prompt_lengths = Lengths::fixed, output_lengths = Lengths::fixed;
  std::int32_t longest = 1 << 16;  // tokens of either
  std::int32_t system_tokens = 0;  // that all prompts begin with
  std::int32_t turns = 1;     // of a conversation; the next turn's prompt is all before it and something new
  double think_seconds = 10;  // from an answer's end to the next turn's arrival, on average
  std::int32_t callers = 1;   // who ask with equal probability
  std::uint64_t seed = 0;
};

class Generator final : public Trace {
 public:
  // Conversations without end, each drawn with all its turns: what is asked does not depend on who answers how fast. Throws Error for settings of which nothing can be drawn.
  explicit Generator(const GeneratorSettings& settings);
  std::optional<TraceRequest> next() override;
  bool shares_prefixes() const override { return settings_.turns > 1 || settings_.system_tokens > 0; }

 private:
  double next_arrival();
  std::int32_t length(Lengths kind, std::int32_t mean);
  ContentId new_content() { return ++contents_; }
  LaterTurn later_turn();

  GeneratorSettings settings_;
  std::mt19937_64 random_;
  ContentId contents_ = 0;
  double last_ = 0;  // arrival of a conversation
};

}  // namespace troupe::runtime::lab
