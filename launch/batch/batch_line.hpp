// A line of a batch and its answer in the form of OpenAI's batch files. Any thread.
//
//   {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {...}}
//   {"id": "batch_req_...", "custom_id": "a", "response": {"status_code": 200, "request_id": "...", "body": {...}},
//    "error": null}
// A line that asks nothing has "response": null, "error": {"code", "message"}.
#pragma once

#include <optional>
#include <string>

#include "actors/edge/protocol.hpp"

namespace troupe::launch::batch {

namespace edge = actors::edge;
using edge::Json;

struct BatchLine {
  std::string custom_id;  // empty: it could not be read
  const edge::Endpoint* endpoint = nullptr;
  Json body;
  std::optional<Refusal> fault;  // why the line asks nothing; there is no endpoint then
};
BatchLine parse_batch_line(const std::string& text, const config::RequestLimits& limits);

// The body as a request that is answered whole.
Expected<edge::ApiRequest> parse_batch_request(const BatchLine& line, const actors::ModelInfo& model,
                                               const config::RequestLimits& limits);

// request_id: the end of the answer's id. These have no line feed.
std::string answer_text(const BatchLine& line, const std::string& request_id, int status, Json body);
std::string refusal_text(const BatchLine& line, const std::string& request_id, const Refusal& refusal);
std::string fault_text(const BatchLine& line, const std::string& request_id);

}  // namespace troupe::launch::batch
