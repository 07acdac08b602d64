// Schemas that require themselves without end, so that no finite value is valid. Any thread.
#pragma once

#include <optional>

#include "model/grammar/schema_walk.hpp"

namespace troupe::model {

// A schema into which an answer could get, by way of the root, and then never end: a model that has to write it would write
// until it is cut off. None: there is no such schema. root: after rewrite_schema(), with a type where there are words of
// one; what else is wrong with it is nothing here. Takes time and memory in proportion to its size, besides
// looking up each reference once.
std::optional<SchemaPointer> endless_schema(const Schema& root);

}  // namespace troupe::model
