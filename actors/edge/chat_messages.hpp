// Messages and tools of a chat request: checked, and brought
// into the one form that chat templates expect. Any thread.
#pragma once

#include "actors/edge/json_body.hpp"
#include "config/edge_settings.hpp"

namespace troupe::actors::edge {

// In: the array of a request's messages. Out: the same messages; "developer" is "system", content is a string
// (text parts are joined by newlines) or null beside tool calls, and fields that were null or empty lists are
// gone, since templates ask whether they are there. Calls have their type, and "function_call" and the role
// "function" of older clients are calls and answers of tools. Fields that are not OpenAI's are left for the template.
Expected<Json> check_messages(const Json& messages, const config::RequestLimits& limits);

// messages: checked. Is the last one marked as the beginning of the answer ("prefix", DeepSeek's own field)?
bool goes_on(const Json& messages);

// In: the array of a request's tools, each a function with a name. Out: the same, with the description and the
// parameters that were left out or null, since templates print them: none.
Expected<Json> check_tools(const Json& tools, const config::RequestLimits& limits);

}  // namespace troupe::actors::edge
