#include "model/grammar/schema_walk.hpp"

#include <array>

namespace troupe::model {

std::vector<SchemaPointer> subschemas(const Schema& schema, const SchemaPointer& at) {
  constexpr std::array maps{"properties", "patternProperties", "$defs", "definitions"};
  constexpr std::array lists{"prefixItems", "anyOf", "oneOf", "allOf"};
  constexpr std::array single{
      "items",         "additionalItems", "unevaluatedItems",     "additionalProperties",
      "propertyNames", "contains",        "unevaluatedProperties"};
  std::vector<SchemaPointer> found;
  if (!schema.is_object()) return found;
  const auto has = [&](const char* key, Schema::value_t type) {
    return schema.contains(key) && schema[key].type() == type;
  };
  for (const char* key : maps)
    if (has(key, Schema::value_t::object))
      for (const auto& [name, value] : schema[key].items()) found.push_back(at / key / name);
  for (const char* key : lists)
    if (has(key, Schema::value_t::array))
      for (std::size_t i = 0; i < schema[key].size(); ++i) found.push_back(at / key / i);
  for (const char* key : single)
    if (has(key, Schema::value_t::object)) found.push_back(at / key);
  return found;
}

std::string place_of(const SchemaPointer& at) {
  return (at.empty() ? "the root" : at.to_string()) + " of the schema";
}

}  // namespace troupe::model
