// The fields that Ollama's chats and plain prompts share. Any thread.
#pragma once

#include <string>

#include "actors/edge/answer.hpp"
#include "actors/edge/request_fields.hpp"

namespace troupe::actors::edge::ollama {

// Fills all of request but the prompts; what is wrong is kept in fields. Options that are about the place where a model
// runs are taken and have no effect here.
void read_generation_options(RequestFields& fields, const ModelInfo& model,
                             const config::RequestLimits& limits, bool chat, ApiRequest& request);

// "think": true, false, or how much.
void read_think(RequestFields& fields, const ModelInfo& model, runtime::ChatPrompt& prompt);

// What the model cannot look at.
void refuse_images(RequestFields& fields);

}  // namespace troupe::actors::edge::ollama
