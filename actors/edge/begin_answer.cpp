#include "actors/edge/begin_answer.hpp"

namespace troupe::actors::edge {

BegunAnswer begin_answer(ApiRequest& request, const std::string& request_id, const ModelInfo& model,
                         std::int64_t created) {
  std::string& id = request.generation.id;
  id = request.id_prefix + (request.request_id.empty() ? request_id : request.request_id);
  BegunAnswer begun{.identity = {id, model.names.front(), model.fingerprint, created, request_id}};
  begun.answer = request.answer(begun.identity);
  if (request.generation.prompts.empty()) begun.whole = begun.answer->whole({});
  return begun;
}

}  // namespace troupe::actors::edge
