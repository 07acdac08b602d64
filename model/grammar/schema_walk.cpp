#include "model/grammar/schema_walk.hpp"

#include <array>

#include "runtime/base/utf8.hpp"

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

std::size_t values_in(const Schema& schema) {
  constexpr std::size_t bytes_of_value = 64;  // of a text
  std::size_t count = 1;
  if (schema.is_string()) count += schema.get_ref<const std::string&>().size() / bytes_of_value;
  if (schema.is_structured())
    for (const Schema& inner : schema) count += values_in(inner);
  return count;
}

std::string place_of(const SchemaPointer& at) {
  constexpr std::size_t longest = 100;  // bytes; the end tells more than the beginning
  std::string place = at.empty() ? "the root" : at.to_string();
  if (place.size() > longest) {
    place.replace(0, character_from(place, place.size() - longest), "...");
  }
  return place + " of the schema";
}

}  // namespace troupe::model
