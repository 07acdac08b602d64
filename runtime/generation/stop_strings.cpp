#include "runtime/generation/stop_strings.hpp"

#include <algorithm>
#include <utility>

namespace troupe::runtime {

StopStrings::StopStrings(const std::vector<std::string>& stops, bool include_stop)
    : include_stop_(include_stop) {
  for (const std::string& text : stops) {
    if (text.empty()) continue;
    Stop stop{text, {0, 0}, 0};
    for (std::size_t i = 1; i < text.size(); ++i) {  // the stop string, sought in itself from its second byte
      advance(stop, text[i]);
      stop.fallback.push_back(stop.matching);
    }
    stop.matching = 0;
    stops_.push_back(std::move(stop));
  }
}

void StopStrings::advance(Stop& stop, char next) {
  while (stop.matching > 0 && stop.text[stop.matching] != next) stop.matching = stop.fallback[stop.matching];
  if (stop.text[stop.matching] == next) ++stop.matching;
}

std::string StopStrings::push(std::string_view text, bool counts) {
  if (matched()) return {};
  for (char next : text) {
    held_ += next;
    for (Stop& stop : stops_) {
      advance(stop, next);
      if (stop.matching < stop.text.size()) continue;
      if (counts && stop.matching > match_.size()) match_ = stop.text;
      stop.matching = stop.fallback[stop.matching];  // its end may begin another
    }
    if (!matched()) continue;
    if (!include_stop_) held_.resize(held_.size() - match_.size());
    return std::exchange(held_, {});
  }
  std::size_t uncertain = 0;
  for (const Stop& stop : stops_) uncertain = std::max(uncertain, stop.matching);
  std::string certain = held_.substr(0, held_.size() - uncertain);
  held_.erase(0, certain.size());
  return certain;
}

std::string StopStrings::finish() {
  return std::exchange(held_, {});
}

}  // namespace troupe::runtime
