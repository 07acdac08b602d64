// How large a grammar may be before the engine sees it: parsing and rewriting are over in milliseconds. What its compile then
// takes is bounded by --grammar-compile-timeout. Any thread.
#pragma once

#include <cstddef>

#include "runtime/base/error.hpp"
#include "runtime/base/grammar_spec.hpp"

namespace troupe::model {

constexpr std::size_t max_grammar_bytes = std::size_t{1} << 20;
constexpr int max_schema_depth = 64;              // schemas, objects and arrays within each other
constexpr int max_parentheses = 500;              // within each other, of a grammar or a regex
constexpr std::size_t max_grammar_nodes = 20000;  // values of a schema, or choices
// Of a schema's keys with those before them in their objects; and of names while it is rewritten.
constexpr std::size_t max_grammar_comparisons = 20'000'000;
constexpr std::size_t max_rewritten_values =
    20 * max_grammar_nodes;              // copied or looked at while it is rewritten
constexpr int max_reference_chain = 16;  // references that each stand for the next alone

// Refuses a text that is over a limit, or is no JSON where it should be.
Expected<void> check_limits(const GrammarSpec& spec);

}  // namespace troupe::model
