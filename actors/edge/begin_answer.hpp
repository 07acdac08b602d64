// Where a parsed request and the service that is to answer it meet. Any thread.
#pragma once

#include <memory>
#include <string>

#include "actors/edge/answer.hpp"

namespace troupe::actors::edge {

// Gives the generation its id, which ends with request_id where the client chose none, and begins its answer. Once.
std::unique_ptr<Answer> begin_answer(ApiRequest& request, const std::string& request_id,
                                     const ModelInfo& model);

}  // namespace troupe::actors::edge
