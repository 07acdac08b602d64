// How large a grammar may be: what is within these compiles in seconds, whatever it says. Checked before the engine
// sees it. Any thread.
#pragma once

#include <cstddef>
#include <string_view>

#include "runtime/base/error.hpp"
#include "runtime/base/grammar_spec.hpp"

namespace troupe::model {

constexpr std::size_t max_grammar_bytes = std::size_t{1} << 20;
constexpr int max_schema_depth = 64;           // objects and arrays within each other
constexpr std::size_t max_grammar_nodes = 5000;   // values of a schema, atoms of a regex, or characters of choices, all repetitions counted
constexpr std::int64_t max_repetition = 10000;     // maxItems, maxLength, {m,n}

// Refuses a text that is over a limit, or is no JSON where it should be.
Expected<void> check_limits(const GrammarSpec& spec);

}  // namespace troupe::model
