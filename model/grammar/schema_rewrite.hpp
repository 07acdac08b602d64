// A JSON schema in the words that the grammar engine takes whole. Any thread.
#pragma once

#include "model/grammar/schema_walk.hpp"
#include "runtime/base/error.hpp"

namespace troupe::model {

constexpr std::int64_t max_min_length = 128;  // each character is a state of the grammar
constexpr std::int64_t max_max_length = 1'000'000'000;

// The engine looks at one keyword of a schema and forgets others beside it, and unrolls bounded strings badly. So
// types that are left out are filled in, conditions beside anyOf and oneOf are put into each alternative, allOf becomes one
// schema, bounds and some formats of strings become patterns, and other properties than those with names and patterns are
// none. What the result allows, the schema allows. Refuses what cannot be said in this way, by JSON pointer.
Expected<Schema> rewrite_schema(const Schema& schema);

}  // namespace troupe::model
