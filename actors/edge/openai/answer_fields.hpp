// The fields that say how an answer is told, not what is generated. Any thread.
#pragma once

#include "actors/edge/openai/chunked_answer.hpp"
#include "actors/edge/request_fields.hpp"

namespace troupe::actors::edge::openai {

// Call once the prompts are known. Sets request.stream and request.request_id.
AnswerOptions read_answer_fields(RequestFields& fields, const config::RequestLimits& limits,
                                 ApiRequest& request);

}  // namespace troupe::actors::edge::openai
