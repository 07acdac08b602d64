// Messages and tools of a chat request: checked, and brought
// into the one form that chat templates expect. Any thread.
#pragma once

#include "actors/edge/json_body.hpp"
#include "config/edge_settings.hpp"

namespace troupe::actors::edge {

// In: the array of a request's messages. Out: the same messages; "developer" is "system", content is a string
// (text parts are joined by newlines) or null beside tool calls, and fields that were null or empty lists are
// gone, since templates ask whether they are there. Fields that are not OpenAI's are left for the template.
Expected<Json> check_messages(const Json& messages, const config::RequestLimits& limits);

// In: the array of a request's tools. Each must be a function with a name.
Expected<void> check_tools(const Json& tools, const config::RequestLimits& limits);

}  // namespace troupe::actors::edge
