#include "launch/batch/batch_line.hpp"

#include "actors/edge/routes.hpp"
#include "launch/json_lines.hpp"

namespace troupe::launch::batch {
namespace {

// A text field, or why it is none.
Expected<std::string> text_of(const Json& line, const char* name) {
  const auto field = line.find(name);
  if (field == line.end() || !field->is_string() || field->get_ref<const std::string&>().empty())
    return refuse(std::string("\"") + name + "\" must be a text.", name, std::string("invalid_") + name);
  return field->get<std::string>();
}

Expected<const edge::Endpoint*> endpoint_of(const std::string& method, const std::string& url) {
  if (method != "POST") return refuse("\"method\" must be \"POST\".", "method", "invalid_method");
  const auto resource = edge::find_resource("POST", url);
  if (!resource || !resource->endpoint->generation)
    return refuse("\"url\" is nothing that generates, such as /v1/chat/completions.", "url", "invalid_url");
  return resource->endpoint;
}

Expected<void> read_fields(const Json& json, BatchLine& line) {
  auto id = text_of(json, "custom_id");
  if (!id) return tl::unexpected(id.error());
  line.custom_id = std::move(*id);
  const auto method = text_of(json, "method");
  if (!method) return tl::unexpected(method.error());
  const auto url = text_of(json, "url");
  if (!url) return tl::unexpected(url.error());
  const auto endpoint = endpoint_of(*method, *url);
  if (!endpoint) return tl::unexpected(endpoint.error());
  const auto body = json.find("body");
  if (body == json.end() || !body->is_object())
    return refuse("\"body\" must be an object.", "body", "invalid_body");
  line.endpoint = *endpoint;
  line.body = *body;
  return {};
}

std::string output_text(const BatchLine& line, const std::string& request_id, Json response, Json error) {
  return edge::dump({{"id", "batch_req_" + request_id},
                     {"custom_id", edge::text_or_null(line.custom_id)},
                     {"response", std::move(response)},
                     {"error", std::move(error)}});
}

}  // namespace

BatchLine parse_batch_line(const std::string& text, const config::RequestLimits& limits) {
  BatchLine line;
  const auto read = check_length(text)
                        .and_then([&] { return edge::parse_body(text, limits, "line"); })
                        .and_then([&](const Json& json) { return read_fields(json, line); });
  if (!read) line.fault = read.error();
  return line;
}

Expected<edge::ApiRequest> parse_batch_request(const BatchLine& line, const actors::ModelInfo& model,
                                               const config::RequestLimits& limits) {
  Json body = line.body;
  if (!body.contains("stream") || body["stream"].is_null())
    body["stream"] = false;  // Ollama's default is true
  auto request = line.endpoint->generation(body, model, limits);
  if (request && request->stream) return refuse("Answers of a batch do not stream.", "stream");
  return request;
}

std::string answer_text(const BatchLine& line, const std::string& request_id, int status, Json body) {
  return output_text(line, request_id,
                     {{"status_code", status}, {"request_id", request_id}, {"body", std::move(body)}},
                     nullptr);
}

std::string refusal_text(const BatchLine& line, const std::string& request_id, const Refusal& refusal) {
  const edge::Reply reply = line.endpoint->refusal(refusal, request_id);
  return answer_text(line, request_id, reply.status, Json::parse(reply.body));
}

std::string fault_text(const BatchLine& line, const std::string& request_id) {
  const Refusal& fault = line.fault.value();
  return output_text(
      line, request_id, nullptr,
      {{"code", fault.code.empty() ? "invalid_line" : fault.code}, {"message", fault.message}});
}

}  // namespace troupe::launch::batch
