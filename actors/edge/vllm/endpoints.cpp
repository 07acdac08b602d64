#include "actors/edge/vllm/endpoints.hpp"

#include <array>

#include "actors/edge/callers/callers.hpp"
#include "actors/edge/status_pages.hpp"

namespace troupe::actors::edge::vllm {
namespace {

Reply load_page(const PageRequest& request) {
  return json_reply(200, {{"server_load", request.service.load()}});
}

Reply server_info_page(const PageRequest& request) {
  const ModelInfo model = model_of_caller(request.service.model(), request.caller);
  const runtime::ReplicaView replica = request.service.replica();
  return json_reply(200, {{"version", request.version},
                          {"model", model.root},
                          {"served_model_name", model.names},
                          {"max_model_len", model.max_model_len},
                          {"system_fingerprint", model.fingerprint},
                          {"ranks", replica.ranks.size()},
                          {"layout",
                           {{"tensor_parallel_size", model.layout.tensor_parallel},
                            {"data_parallel_size", model.layout.data_parallel},
                            {"enable_expert_parallel", model.layout.expert_parallel},
                            {"experts", model.layout.experts}}},
                          {"state", to_string(replica.state)}});
}

}  // namespace

std::span<const Endpoint> endpoints() {
  static constexpr std::array table{
      Endpoint{.path = "/tokenize",
               .allow = post_only,
               .awaited_page = tokenize_page,
               .about = "The tokens of a prompt, or of a chat as the chat endpoint would read it."},
      Endpoint{.path = "/detokenize",
               .allow = post_only,
               .awaited_page = detokenize_page,
               .about = "The text of tokens."},
      Endpoint{.path = "/ping",
               .allow = read_or_post,
               .key = KeyClass::none,
               .page = readiness_page,
               .about = "Whether requests are served."},
      Endpoint{.path = "/load",
               .key = KeyClass::metrics,
               .page = load_page,
               .about = "How many generations are in progress."},
      Endpoint{.path = "/server_info", .page = server_info_page, .about = "The model, and what computes it."},
  };
  return table;
}

}  // namespace troupe::actors::edge::vllm
