// What the rewriting of one schema may take: a small schema can ask for much. Of one thread.
#pragma once

#include <cstddef>

#include "model/grammar/grammar_limits.hpp"

namespace troupe::model {

class SchemaBudget {
 public:
  void copy(std::size_t values) { values_ += values; }        // or look at them
  void compare(std::size_t pairs) { comparisons_ += pairs; }  // of names
  void chain(int references) { chained_ = chained_ || references > max_reference_chain; }
  bool spent() const {
    return values_ > max_rewritten_values || comparisons_ > max_grammar_comparisons || chained_;
  }

 private:
  std::size_t values_ = 0, comparisons_ = 0;
  bool chained_ = false;
};

}  // namespace troupe::model
