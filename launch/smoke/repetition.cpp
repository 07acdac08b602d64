#include "launch/smoke/repetition.hpp"

namespace troupe::launch::smoke {

std::optional<Repetition> repeated_end(std::string_view text) {
  while (!text.empty() && (text.back() == ' ' || text.back() == '\n')) text.remove_suffix(1);
  for (std::size_t period = 1; period * least_repetitions <= text.size(); ++period) {
    std::size_t same = 0;  // bytes at the end that are those a period before
    while (same + period < text.size() &&
           text[text.size() - 1 - same] == text[text.size() - 1 - same - period])
      ++same;
    const std::size_t repeated = same + period;
    if (repeated / period >= least_repetitions && repeated >= least_repeated_bytes)
      return Repetition{period, repeated / period};
  }
  return std::nullopt;
}

}  // namespace troupe::launch::smoke
