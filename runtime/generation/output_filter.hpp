// What stands between what a model writes and who reads it: an operator's rules on the text of answers. A filter reads each part
// of an answer as a text of its own: its thoughts, what it says before, between and behind its calls of tools, and each
// call's arguments. What comes out does not depend on the pieces in which a text came.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::runtime {

enum class FilterAction : std::uint8_t {
  stop,   // the answer ends before what matched
  mask,   // something else is told in its place
  limit,  // it ends where a rule could not be decided within its limits
};
std::string_view to_string(FilterAction action);

struct FilterMatch {
  std::string filter;  // its name, as the operator gave it
  FilterAction action = FilterAction::stop;
};

// One part of one answer, as it comes. One owner; the filter outlives it.
class FilteredText {
 public:
  virtual ~FilteredText() = default;
  // text: whole characters. Returns what is now certain to be told; nothing any more, once it has stopped.
  virtual std::string push(std::string_view text) = 0;
  virtual std::string finish() = 0;  // the part has ended: what was held back
  virtual bool holds() const = 0;    // something is held back
  virtual bool stopped() const = 0;
  virtual std::vector<FilterMatch> take_matches() = 0;  // since the last call
};

// Immutable; any thread.
class OutputFilter {
 public:
  virtual ~OutputFilter() = default;
  // may_change: false: what would be masked stops the answer instead.
  virtual std::unique_ptr<FilteredText> begin(bool may_change) const = 0;
  // Of all that decides what it does: those of one digest give the same answers.
  virtual std::string digest() const = 0;
};

}  // namespace troupe::runtime
