// The arguments of a tool call as JSON objects, for protocols that do not tell them as the text that a model writes
// and a template prints. Any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "actors/edge/json_body.hpp"
#include "runtime/generation/request.hpp"

namespace troupe::actors::edge {

// Of a call that a model wrote; no text is an empty object. What is no object is told as {"INVALID_JSON": text}: the name
// that Anthropic gives to such input.
Json arguments_object(std::string_view written);

// Whether the choice ended within the arguments of its last call, for whatever reason: it has none then. in_call: see Delta.
bool ends_in_cut_call(bool in_call, std::span<const runtime::ToolCallDelta> calls);

// Of a call in a history: on one line with ", " and ": ", as Python's json.dumps writes it and models learnt it.
std::string arguments_text(const Json& object);

}  // namespace troupe::actors::edge
