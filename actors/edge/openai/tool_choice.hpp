// Which tools of a chat the model may or must call. Any thread.
#pragma once

#include "actors/edge/request_fields.hpp"
#include "config/edge_settings.hpp"
#include "runtime/generation/request.hpp"

namespace troupe::actors::edge::openai {

// "tool_choice". prompt has the request's tools, of which those stay that the choice allows. What is wrong is kept in
// fields.
void read_tool_choice(RequestFields& fields, const config::RequestLimits& limits,
                      runtime::ChatPrompt& prompt);

// "function_call", the older word for it.
void read_function_call(RequestFields& fields, runtime::ChatPrompt& prompt);

}  // namespace troupe::actors::edge::openai
