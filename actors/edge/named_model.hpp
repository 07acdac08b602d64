// The field "model" where a request may leave it out. Any thread.
#pragma once

#include <string>
#include <string_view>

#include "actors/edge/request_fields.hpp"
#include "actors/service.hpp"

namespace troupe::actors::edge {

// A model's name as clients sent it, where a message repeats it, as those of other servers do.
constexpr std::size_t max_told_name_bytes = 64;
std::string told_name(std::string_view name);

// With the tag "latest" where a name has none, as Ollama has it: names that are equal so are of one model.
std::string tagged(std::string_view name);

// Keeps a 404 in fields when it names a model that is not served.
void check_named_model(RequestFields& fields, const ModelInfo& model, const config::RequestLimits& limits);

}  // namespace troupe::actors::edge
