// Messages and tools of a chat request: checked, and brought
// into the one form that chat templates expect. Any thread.
#pragma once

#include "actors/edge/request_fields.hpp"
#include "config/edge_settings.hpp"
#include "runtime/generation/request.hpp"

namespace troupe::actors::edge {

// In: the array of a request's messages. Out: the same messages; "developer" is "system", content is a string
// (text parts are joined by newlines) or null beside tool calls, and fields that were null and an empty list of tool
// calls are gone, since templates ask whether they are there. Calls have their type, and "function_call" and the role
// "function" of older clients are calls and answers of tools. Fields that are not OpenAI's are left for the template.
Expected<Json> check_messages(const Json& messages, const config::RequestLimits& limits);

// messages: checked. Is the last one marked as the beginning of the answer ("prefix", DeepSeek's own field)?
bool goes_on(const Json& messages);

// Of protocols where a last message of the assistant's is the beginning of the answer, unless it calls tools. prompt has
// its messages, checked.
void go_on_with_last_of_assistant(runtime::ChatPrompt& prompt);

// In: the array of a request's tools, each a function with a name. Out: the same, with the type, the description and the
// parameters that were left out or null, since templates print them: a function's, none and none.
Expected<Json> check_tools(const Json& tools, const config::RequestLimits& limits);

// A tool's function: its name, description, parameters and "strict". What is wrong is kept in function.
void check_declaration(RequestFields& function, const config::RequestLimits& limits);

// tools: checked. Is there one of this name?
bool has_tool(const Json& tools, std::string_view name);

}  // namespace troupe::actors::edge
