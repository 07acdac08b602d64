// Ollama's names of models, "name:tag", beside those that are served. Any thread.
#pragma once

#include <string>

#include "actors/edge/request_fields.hpp"
#include "actors/service.hpp"

namespace troupe::actors::edge::ollama {

// A model's name in a field, as the client wrote it. "NAME:latest" is NAME. What is wrong is kept in fields.
std::string read_model_name(RequestFields& fields, std::string_view field, const ModelInfo& model,
                            const config::RequestLimits& limits);

}  // namespace troupe::actors::edge::ollama
