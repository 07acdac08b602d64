// The schemas within a JSON schema. Any thread.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace troupe::model {

using Schema = nlohmann::ordered_json;
using SchemaPointer = Schema::json_pointer;

// Those that stand right in the one at `at`, which is `schema`.
std::vector<SchemaPointer> subschemas(const Schema& schema, const SchemaPointer& at);

// Values in it, itself among them; a long text counts as several.
std::size_t values_in(const Schema& schema);

// "the root of the schema", "/properties/a of the schema"
std::string place_of(const SchemaPointer& at);

}  // namespace troupe::model
