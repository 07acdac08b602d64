// Whether and how much to think, in the words of DeepSeek, of chat templates and of OpenAI. Any thread.
#pragma once

#include "actors/edge/answer.hpp"
#include "actors/edge/request_fields.hpp"

namespace troupe::actors::edge::openai {

// "thinking", "enable_thinking" and "reasoning_effort", which must agree with each other and with what prompt has in its
// template_kwargs; and the budget of thoughts that "thinking" may hold. What is wrong is kept in fields.
void read_thinking(RequestFields& fields, const ModelInfo& model, runtime::ChatPrompt& prompt,
                   ApiRequest& request);

}  // namespace troupe::actors::edge::openai
