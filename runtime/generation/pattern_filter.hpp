// A filter by patterns. A text is read from left to right: the match that begins first counts, of those that begin at one
// place the one of the first rule; the text goes on behind it. What a rule sees of a match and behind it is hold_back bytes
// from where it begins, so that no more of an answer ever waits.
#pragma once

#include "runtime/generation/filter_pattern.hpp"
#include "runtime/generation/output_filter.hpp"

namespace troupe::runtime {

struct FilterRule {
  std::string filter;  // whose rule it is
  std::string source;  // of the pattern
  FilterPattern pattern;
  bool masks = false;           // else it stops
  std::string replacement{};    // what is told where it masks
  std::size_t hold_back = 256;  // bytes; at least those of a character
};

class PatternFilter final : public OutputFilter {
 public:
  using Rules = std::vector<std::shared_ptr<const FilterRule>>;

  explicit PatternFilter(Rules rules) : rules_(std::move(rules)) {}

  std::unique_ptr<FilteredText> begin(bool may_change) const override;
  std::string digest() const override;

 private:
  const Rules rules_;
};

}  // namespace troupe::runtime
