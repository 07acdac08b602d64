// The input of a response, which is a text or a list of items, as the messages of a chat. Any thread.
#pragma once

#include "actors/edge/request_fields.hpp"
#include "config/edge_settings.hpp"

namespace troupe::actors::edge::openai {

// Reads "input" and "instructions". What is wrong is kept in fields.
Json read_input(RequestFields& fields, const config::RequestLimits& limits);

}  // namespace troupe::actors::edge::openai
