// What a careless client makes of a valid body.
#pragma once

#include <string>
#include <vector>

#include "actors/edge/json_body.hpp"

namespace troupe::actors::edge {

inline void collect_pointers(const Json& value, const Json::json_pointer& here,
                             std::vector<Json::json_pointer>& out) {
  if (!here.empty()) out.push_back(here);
  if (value.is_object())
    for (const auto& [key, inside] : value.items()) collect_pointers(inside, here / key, out);
  if (value.is_array())
    for (std::size_t i = 0; i < value.size(); ++i) collect_pointers(value[i], here / i, out);
}

// Every body in which one value of the valid one, however deep, is of another kind.
inline std::vector<Json> mutations(const Json& valid) {
  std::vector<Json::json_pointer> pointers;
  collect_pointers(valid, Json::json_pointer(), pointers);
  std::vector<Json> bodies;
  for (const auto& pointer : pointers)
    for (const char* kind : {"null", "true", "-1", "0.5", "18446744073709551615", "\"\"", "\"x\"", "[]",
                             "[[]]", "[null]", "[1]", "{}", "{\"x\": 1}"}) {
      bodies.push_back(valid);
      bodies.back()[pointer] = Json::parse(kind);
    }
  return bodies;
}

}  // namespace troupe::actors::edge
