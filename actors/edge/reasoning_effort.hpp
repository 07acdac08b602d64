// How much a model is to think, in the words of OpenAI and Anthropic. Any thread.
#pragma once

#include <optional>
#include <string>

#include "actors/edge/request_fields.hpp"

namespace troupe::actors::edge {

// One of the words that are known; what is wrong is kept in fields. or_none: OpenAI's "none" is one of them, too.
std::optional<std::string> read_reasoning_effort(RequestFields& fields, std::string_view name,
                                                 bool or_none = false);

}  // namespace troupe::actors::edge
