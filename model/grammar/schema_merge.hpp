// Two JSON schemas as one. Any thread.
#pragma once

#include <optional>

#include "model/grammar/schema_walk.hpp"

namespace troupe::model {

// Whether the keyword only describes: title, default, ...
bool is_annotation(const std::string& keyword);

// A schema of the values that both allow. References are looked up in root. Nothing: it cannot be said as one
// schema, or only with more than this knows.
std::optional<Schema> merge_schemas(const Schema& root, const Schema& a, const Schema& b);

}  // namespace troupe::model
