// The arguments of a tool call as JSON objects, for protocols that do not tell them as the text that a model writes
// and a template prints. Any thread.
#pragma once

#include <string>
#include <string_view>

#include "actors/edge/json_body.hpp"

namespace troupe::actors::edge {

// Of a call that a model wrote; no text is an empty object. What is no object, a call that was cut off among it, is told
// as {"INVALID_JSON": text}: the name that Anthropic gives to such input.
Json arguments_object(std::string_view written);

// Of a call in a history: on one line with ", " and ": ", as Python's json.dumps writes it and models learnt it.
std::string arguments_text(const Json& object);

}  // namespace troupe::actors::edge
