#include "actors/edge/begin_answer.hpp"

#include <ctime>

namespace troupe::actors::edge {

std::unique_ptr<Answer> begin_answer(ApiRequest& request, const std::string& request_id,
                                     const ModelInfo& model) {
  std::string& id = request.generation.id;
  id = request.id_prefix + (request.request_id.empty() ? request_id : request.request_id);
  return request.answer(
      {id, model.names.front(), model.fingerprint, std::int64_t(std::time(nullptr)), request_id});
}

}  // namespace troupe::actors::edge
