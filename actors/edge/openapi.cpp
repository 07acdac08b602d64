#include "actors/edge/openapi.hpp"

#include <array>
#include <set>

#include "actors/edge/callers/callers.hpp"
#include "actors/edge/fields_recording.hpp"
#include "actors/edge/retries/idempotency_key.hpp"
#include "actors/edge/routes.hpp"

namespace troupe::actors::edge {
namespace {

// Of what an answer looks like: the keys that it has, whatever their values.
Json shape_of(const Json& answer) {
  if (answer.is_array()) return {{"type", "array"}};
  if (!answer.is_object()) return Json::object();
  Json properties = Json::object(), required = Json::array();
  for (const auto& [key, value] : answer.items()) {
    properties[key] = shape_of(value);
    required.push_back(key);
  }
  return {{"type", "object"}, {"properties", std::move(properties)}, {"required", std::move(required)}};
}

Json media(std::string_view type, Json schema) {
  Json content = Json::object();
  content[std::string(type.substr(0, type.find(';')))] = {{"schema", std::move(schema)}};
  return content;
}

std::string name_in(std::string_view path) {  // in braces; may be empty
  const auto brace = path.find('{');
  return brace == path.npos ? "" : std::string(path.substr(brace + 1, path.size() - brace - 2));
}

// The same key may come in the header that OpenAI's clients send or in that of Anthropic's.
Json either_key() {
  return Json::array({{{"bearer", Json::array()}}, {{"x-api-key", Json::array()}}});
}

// One endpoint, described by trying it out.
class Description {
 public:
  // model: under the names that whoever asks may use.
  Description(const Endpoint& endpoint, const PageRequest& request, const ModelInfo& model)
      : endpoint_(endpoint), request_(request), model_(model), example_(Json::object()) {
    if (!endpoint.example.empty()) example_ = Json::parse(endpoint.example);
    if (example_.contains("model") && !model.names.empty()) example_["model"] = model.names.front();
  }

  Json operation(const std::string& method) const {
    const bool takes_body = method != "get";
    const Json body = takes_body ? body_schema() : Json();
    const bool has_body = body.is_object() && !body["properties"].empty();
    Json operation = {{"operationId", method + " " + std::string(endpoint_.path)}};
    if (!endpoint_.about.empty()) operation["summary"] = endpoint_.about;
    if (const Json parameters = this->parameters(); !parameters.empty()) operation["parameters"] = parameters;
    if (has_body) operation["requestBody"] = request_body(body);
    operation["responses"] = responses(takes_body, has_body && body["properties"].contains("model"));
    if (asks_for_key()) operation["security"] = either_key();
    return operation;
  }

 private:
  Json parameters() const {
    Json all = Json::array();
    if (const std::string name = name_in(endpoint_.path); !name.empty())
      all.push_back({{"name", name},
                     {"in", "path"},
                     {"required", true},
                     {"schema", {{"type", "string"}, {"minLength", 1}}}});
    if (endpoint_.generation)
      all.push_back({{"name", "Idempotency-Key"},
                     {"in", "header"},
                     {"schema",
                      {{"type", "string"},
                       {"minLength", 1},
                       {"maxLength", max_idempotency_key_bytes},
                       {"pattern", "^[!-~]+$"}}}});
    if (endpoint_.resumes)
      all.push_back({{"name", "Last-Event-ID"}, {"in", "header"}, {"schema", {{"type", "string"}}}});
    return all;
  }

  bool asks_for_key() const { return endpoint_.key != KeyClass::none && request_.settings.asks_for_keys(); }

  // What its parser asks an empty body for, and the example: an empty page is refused or changes nothing.
  Json body_schema() const {
    FieldsRecording recording;
    if (endpoint_.generation) {
      parsed(Json::object());
      parsed(example_);
    } else {
      PageRequest empty = request_;
      empty.body = "{}";
      if (endpoint_.page) endpoint_.page(empty);
      if (endpoint_.awaited_page) endpoint_.awaited_page(empty, [](const Reply&) {});
    }
    return recording.schema();
  }

  Expected<ApiRequest> parsed(const Json& body) const {
    return endpoint_.generation(body, model_, request_.settings.request);
  }

  Json request_body(const Json& schema) const {
    Json content = media("application/json", schema);
    Json& example = content["application/json"]["example"];
    example = example_;
    if (example.empty()) content["application/json"].erase("example");
    return {{"required", true}, {"content", std::move(content)}};
  }

  Json responses(bool has_body, bool names_model) const {
    Json all = Json::object();
    all[std::to_string(endpoint_.success)] = {{"description", endpoint_.success < 300 ? "Done." : "Refused."},
                                              {"content", success_content()}};
    std::set<RefusalKind> refusals{RefusalKind::invalid, RefusalKind::timeout, RefusalKind::headers_too_large,
                                   RefusalKind::internal, RefusalKind::unavailable};
    if (has_body) refusals.insert(RefusalKind::too_large);
    if (endpoint_.generation)
      refusals.insert(RefusalKind::unprocessable);  // another body under an Idempotency-Key
    if (endpoint_.resumes) refusals.insert(RefusalKind::gone);
    if (asks_for_key())
      refusals.insert({RefusalKind::unauthorized, RefusalKind::forbidden, RefusalKind::rate_limited});
    if (names_model || !name_in(endpoint_.path).empty()) refusals.insert(RefusalKind::not_found);
    for (const RefusalKind kind : refusals) add_refusal(kind, all);
    return all;
  }

  void add_refusal(RefusalKind kind, Json& all) const {
    // What is wrong with the HTTP of a request is told before its endpoint is known.
    for (const Reply& told : {endpoint_.refusal({kind, "", "", ""}, ""), refusal_reply({kind, "", "", ""})}) {
      Json& answer = all[std::to_string(told.status)];
      if (!answer.is_null()) continue;
      answer = {{"description", "Refused."}, {"content", media(told.content_type, Json::object())}};
    }
  }

  // Whole and streamed, as far as the field "stream" leads there.
  Json success_content() const {
    if (!endpoint_.generation) return media(endpoint_.produces, Json::object());
    Json content = Json::object();
    for (const bool wanted : {false, true}) {
      Json body = example_;
      body["stream"] = wanted;
      const auto request = parsed(body);
      if (!request) continue;  // even the example is beyond the operator's limits, or the caller's
      const auto answer = request->answer({});
      if (request->stream)
        content.update(media(answer->stream_type(), Json::object()));  // events
      else
        content.update(media("application/json", shape_of(whole(*request, *answer))));
    }
    return content;
  }

  static Json whole(const ApiRequest& request, Answer& answer) {
    for (std::size_t i = 0; i < request.choices(); ++i) {
      runtime::Delta last;
      last.choice = std::int32_t(i);
      last.finish = runtime::ChoiceEnd::stop;
      answer.collect(std::move(last));
    }
    return answer.whole({});
  }

  const Endpoint& endpoint_;
  const PageRequest& request_;
  const ModelInfo& model_;
  Json example_;
};

Json paths(const PageRequest& request) {
  const ModelInfo model = model_of_caller(request.service.model(), request.caller);
  Json all = Json::object();
  for (const Endpoint* each : all_endpoints()) {
    if (each->replica_control && !request.settings.replica_control) continue;
    const Description description(*each, request, model);
    using Method = std::pair<const char*, const char*>;
    for (const auto& [method, word] :
         {Method{"GET", "get"}, {"POST", "post"}, {"PUT", "put"}, {"DELETE", "delete"}})
      if (allows(*each, method)) all[each->path][word] = description.operation(word);
  }
  return all;
}

Reply openapi_page(const PageRequest& request) {
  Json document = {{"openapi", "3.1.0"},
                   {"info", {{"title", "Troupe"}, {"version", request.version}}},
                   {"paths", paths(request)}};
  if (!request.settings.root_path.empty())
    document["servers"] = Json::array({{{"url", request.settings.root_path}}});
  if (request.settings.asks_for_keys())
    document["components"]["securitySchemes"] = {
        {"bearer", {{"type", "http"}, {"scheme", "bearer"}}},
        {"x-api-key", {{"type", "apiKey"}, {"in", "header"}, {"name", "x-api-key"}}}};
  return json_reply(200, document);
}

}  // namespace

std::span<const Endpoint> openapi_endpoints() {
  static constexpr std::array table{Endpoint{
      .path = "/openapi.json", .page = openapi_page, .about = "This description of what is served."}};
  return table;
}

}  // namespace troupe::actors::edge
