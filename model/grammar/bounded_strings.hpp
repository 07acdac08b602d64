// Strings whose length is bounded. The engine's own regexes of strings know no escapes, so that such a string could hold no
// quote and no new line; and it writes a bounded repetition out, a state for each time, and makes the masks of each: 40 characters
// take it a second at a vocabulary of 129,280. It can count instead: a rule may have a budget of characters, behind which it
// must end as soon as it can. Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace xgrammar {
class Grammar;
}

namespace troupe::model {

constexpr std::int64_t max_unrolled_string =
    8;  // characters that are states all the same: their count is exact

// The pattern that stands for a length in a schema for the engine. high: nothing if there is no bound.
std::string length_pattern(std::int64_t low, std::optional<std::int64_t> high);

// A grammar whose rules for such patterns know escapes, and have a budget where the bound is above max_unrolled_string. An escape
// spends as many characters as it is written in, so that a string may have to end sooner than it must, and never later. Half of
// a surrogate pair is no escape.
xgrammar::Grammar with_bounded_strings(const xgrammar::Grammar& grammar);

}  // namespace troupe::model
