// Anthropic's messages, which are made of content blocks, in the form that chat templates expect: OpenAI's. Any thread.
#pragma once

#include "actors/edge/request_fields.hpp"
#include "config/edge_settings.hpp"

namespace troupe::actors::edge::anthropic {

// The fields "system" and "messages". A tool's result becomes a message of its own; texts of one message are joined by
// newlines, as the parts of OpenAI's are. What is wrong is kept in fields.
Json read_conversation(RequestFields& fields, const config::RequestLimits& limits);

}  // namespace troupe::actors::edge::anthropic
