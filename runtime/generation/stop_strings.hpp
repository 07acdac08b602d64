// Finds stop strings in text that arrives in pieces. The result does not depend on how the text was split.
// One for each choice of a request; not thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace troupe::runtime {

class StopStrings {
 public:
  // Empty stop strings are left out. include_stop: the stop string is part of the output.
  explicit StopStrings(const std::vector<std::string>& stops, bool include_stop = false);

  // Returns what is now certain to be output: all but an end that may begin a stop string. The match is the
  // stop string that ends first, the longest if several end there; after it nothing comes out any more. counts: false:
  // one that ends in this text is none.
  std::string push(std::string_view text, bool counts = true);
  bool matched() const { return !match_.empty(); }
  const std::string& match() const { return match_; }  // empty: none so far
  bool holds() const { return !held_.empty(); }
  // The text has ended: what was held back.
  std::string finish();

 private:
  // Knuth-Morris-Pratt: of each prefix of the stop string, the longest proper prefix that is also its suffix.
  struct Stop {
    std::string text;
    std::vector<std::size_t> fallback;
    std::size_t matching = 0;  // bytes of text that the end of the input matches
  };
  static void advance(Stop& stop, char next);

  std::vector<Stop> stops_;
  bool include_stop_;
  std::string match_;
  std::string held_;  // not certain yet
};

}  // namespace troupe::runtime
