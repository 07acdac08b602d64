#include "actors/edge/begin_answer.hpp"

#include <ctime>

namespace troupe::actors::edge {

BegunAnswer begin_answer(ApiRequest& request, const std::string& request_id, const ModelInfo& model) {
  std::string& id = request.generation.id;
  id = request.id_prefix + (request.request_id.empty() ? request_id : request.request_id);
  BegunAnswer begun{request.answer(
      {id, model.names.front(), model.fingerprint, std::int64_t(std::time(nullptr)), request_id})};
  if (request.generation.prompts.empty()) begun.whole = begun.answer->whole({});
  return begun;
}

}  // namespace troupe::actors::edge
