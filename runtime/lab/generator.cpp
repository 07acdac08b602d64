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
}

std::optional<TraceRequest> Generator::next() {
  TraceRequest request;
  request.arrives = next_arrival();
  if (settings_.system_tokens > 0) request.prompt.push_back({0, settings_.system_tokens});
  request.prompt.push_back({new_content(), length(settings_.prompt_lengths, settings_.prompt_tokens)});
  request.output_tokens = length(settings_.output_lengths, settings_.output_tokens);
  request.answer = new_content();
  request.caller = random_() % std::uint64_t(settings_.callers);
  for (std::int32_t turn = 1; turn < settings_.turns; ++turn) request.later.push_back(later_turn());
  return request;
}

LaterTurn Generator::later_turn() {
  LaterTurn turn;
  turn.thinks = settings_.think_seconds * std::exponential_distribution<double>(1)(random_);
  turn.says = {new_content(), length(settings_.prompt_lengths, settings_.prompt_tokens)};
  turn.output_tokens = length(settings_.output_lengths, settings_.output_tokens);
  turn.answer = new_content();
  return turn;
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
