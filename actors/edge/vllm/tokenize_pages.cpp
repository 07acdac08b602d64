#include "actors/edge/callers/callers.hpp"
#include "actors/edge/generation_fields.hpp"
#include "actors/edge/named_model.hpp"
#include "actors/edge/openai/endpoints.hpp"
#include "actors/edge/vllm/endpoints.hpp"

namespace troupe::actors::edge::vllm {
namespace {

using Answer = std::function<void(Reply)>;

ModelInfo model_of(const PageRequest& request) {
  return model_of_caller(request.service.model(), request.caller);
}

// A chat is read as the chat endpoint would read it, so that it has the tokens that it would have there.
Expected<runtime::GenerationRequest> read_chat(Json chat, const PageRequest& request) {
  const ModelInfo model = model_of(request);
  const bool named = chat.contains("model") && !chat["model"].is_null();
  if (!named && !model.names.empty()) chat["model"] = model.names.front();
  return openai::parse_chat_request(chat, model, request.settings.request).map([](ApiRequest&& parsed) {
    return std::move(parsed.generation);
  });
}

struct TokenizeRequest {
  runtime::GenerationRequest generation;
  bool names = false;  // the vocabulary's entries are asked for, too
};

Expected<TokenizeRequest> read_tokenize(const Json& body, const PageRequest& request) {
  RequestFields fields(body);
  check_named_model(fields, model_of(request), request.settings.request);
  const bool chat = fields.find("messages") != nullptr;
  const bool names = fields.boolean("return_token_strs", false);
  const auto text = fields.text("prompt");
  runtime::GenerationRequest generation;
  generation.add_special_tokens = fields.boolean("add_special_tokens", !chat);
  if (chat && text) fields.invalid("prompt", "It excludes 'messages'.");
  if (!chat && !text) fields.invalid("prompt", "Expected it or 'messages'.", "missing_required_parameter");
  if (fields.refusal()) return tl::unexpected(*fields.refusal());
  if (chat)
    return read_chat(body, request).map([&](runtime::GenerationRequest&& read) {
      return TokenizeRequest{std::move(read), names};
    });
  generation.prompts = {*text};
  return TokenizeRequest{std::move(generation), names};
}

Expected<std::vector<TokenId>> read_tokens(const Json& body, const PageRequest& request) {
  RequestFields fields(body);
  check_named_model(fields, model_of(request), request.settings.request);
  std::vector<TokenId> tokens;
  if (const Json* ids = fields.find("tokens"))
    tokens = read_token_ids(fields, "tokens", *ids);
  else
    fields.missing("tokens");
  if (fields.refusal()) return tl::unexpected(*fields.refusal());
  return tokens;
}

Reply tokens_reply(const Expected<std::vector<TokenId>>& tokens, bool names, const Service& service) {
  if (!tokens) return refusal_reply(tokens.error());
  Json entries;
  if (names) entries = Json::array();
  if (names)
    for (const TokenId each : *tokens) entries.push_back(service.vocabulary_entry(each));
  return json_reply(200, {{"count", tokens->size()},
                          {"max_model_len", service.model().max_model_len},
                          {"tokens", *tokens},
                          {"token_strs", std::move(entries)}});
}

}  // namespace

void tokenize_page(PageRequest request, Answer answer) {
  auto read = parse_body(request.body, request.settings.request).and_then([&](const Json& body) {
    return read_tokenize(body, request);
  });
  if (!read) return answer(refusal_reply(read.error()));
  read->generation.caller = request.caller_name();
  Service& service = request.service;
  auto done = [answer = std::move(answer), names = read->names,
               &service](const Expected<std::vector<TokenId>>& tokens) {
    answer(tokens_reply(tokens, names, service));
  };
  service.tokenize(std::move(read->generation), std::move(done));
}

void detokenize_page(PageRequest request, Answer answer) {
  auto tokens = parse_body(request.body, request.settings.request).and_then([&](const Json& body) {
    return read_tokens(body, request);
  });
  if (!tokens) return answer(refusal_reply(tokens.error()));
  request.service.detokenize(
      std::move(*tokens), request.caller_name(),
      [answer = std::move(answer)](const Expected<std::string>& text) {
        answer(text ? json_reply(200, {{"prompt", *text}}) : refusal_reply(text.error()));
      });
}

}  // namespace troupe::actors::edge::vllm
