// Where a parsed request and the service that is to answer it meet. Any thread.
#pragma once

#include <ctime>
#include <memory>
#include <optional>
#include <string>

#include "actors/edge/answer.hpp"

namespace troupe::actors::edge {

struct BegunAnswer {
  AnswerIdentity identity{};
  std::unique_ptr<Answer> answer{};
  std::optional<Json>
      whole{};  // of a request without prompts, for which nothing is to be generated: all of it
};

// Gives the generation its id, which ends with request_id where the client chose none, and begins its answer. Once. created:
// in Unix seconds.
BegunAnswer begin_answer(ApiRequest& request, const std::string& request_id, const ModelInfo& model,
                         std::int64_t created = std::time(nullptr));

}  // namespace troupe::actors::edge
