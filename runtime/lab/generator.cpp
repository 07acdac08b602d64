#include "runtime/lab/generator.hpp"

#include <algorithm>
#include <cmath>

#include "runtime/base/error.hpp"

namespace troupe::runtime::lab {

Generator::Generator(const GeneratorSettings& settings) : settings_(settings), random_(settings.seed) {
  const auto positive = [](double value) { return std::isfinite(value) && value > 0; };
  if (!positive(settings.rate) || !positive(settings.burstiness) || !positive(settings.spike_factor) ||
      settings.prompt_tokens < 1 || settings.output_tokens < 1 || settings.turns < 1 ||
      settings.callers < 1 || settings.longest < 1 || settings.system_tokens < 0 ||
      settings.think_seconds < 0)
    throw Error("rates, lengths, turns and callers must be above 0", "a generated trace");
  begin_conversation();
}

// A conversation begins before the turns that come at its time.
std::optional<TraceRequest> Generator::next() {
  Turn turn = coming_.top();
  coming_.pop();
  if (turn.number == 1) begin_conversation();
  if (turn.number < settings_.turns) {
    Turn later = turn;
    ++later.number;
    std::exponential_distribution<double> thought(1);
    later.request.arrives += settings_.think_seconds * thought(random_);
    later.request.prompt.push_back({turn.request.answer, turn.request.output_tokens});
    later.request.prompt.push_back(
        {new_content(), length(settings_.prompt_lengths, settings_.prompt_tokens)});
    later.request.output_tokens = length(settings_.output_lengths, settings_.output_tokens);
    later.request.answer = new_content();
    coming_.push(std::move(later));
  }
  return std::move(turn.request);
}

void Generator::begin_conversation() {
  Turn turn;
  turn.request.arrives = next_arrival();
  if (settings_.system_tokens > 0) turn.request.prompt.push_back({0, settings_.system_tokens});
  turn.request.prompt.push_back({new_content(), length(settings_.prompt_lengths, settings_.prompt_tokens)});
  turn.request.output_tokens = length(settings_.output_lengths, settings_.output_tokens);
  turn.request.answer = new_content();
  turn.request.caller = random_() % std::uint64_t(settings_.callers);
  coming_.push(std::move(turn));
}

// In a time that runs faster during the spike, gaps are of one distribution.
double Generator::next_arrival() {
  std::gamma_distribution<double> gaps(settings_.burstiness,
                                       settings_.turns / (settings_.rate * settings_.burstiness));
  double left = gaps(random_);
  const double begins = settings_.spike_begins, ends = begins + settings_.spike_seconds;
  if (last_ < begins && last_ + left >= begins) {
    left -= begins - last_;
    last_ = begins;
  }
  if (last_ >= begins && last_ < ends) {
    const double lasts = (ends - last_) * settings_.spike_factor;
    if (left < lasts) return last_ += left / settings_.spike_factor;
    left -= lasts;
    last_ = ends;
  }
  return last_ += left;
}

std::int32_t Generator::length(Lengths kind, std::int32_t mean) {
  double drawn = mean;
  if (kind == Lengths::uniform) drawn = std::uniform_real_distribution<double>(1, 2.0 * mean)(random_);
  if (kind == Lengths::exponential) drawn = std::exponential_distribution<double>(1.0 / mean)(random_);
  if (kind == Lengths::lognormal)  // whose mean is exp(mu + 1 / 2)
    drawn = std::lognormal_distribution<double>(std::log(double(mean)) - 0.5, 1)(random_);
  return std::int32_t(std::clamp(std::round(drawn), 1.0, double(settings_.longest)));
}

}  // namespace troupe::runtime::lab
