#include "actors/edge/chat_messages.hpp"
#include "actors/edge/generation_fields.hpp"
#include "actors/edge/openai/answer_fields.hpp"
#include "actors/edge/openai/endpoints.hpp"

namespace troupe::actors::edge::openai {
namespace {

void read_tools(RequestFields& fields, const config::RequestLimits& limits, runtime::ChatPrompt& prompt) {
  const Json* tools = fields.array("tools", limits.tools);
  if (tools)
    if (const auto ok = check_tools(*tools, limits); !ok) return fields.keep(ok.error());
  if (tools && !tools->empty()) prompt.tools = *tools;
  // OpenAI's clients leave out the parameters of a function
  // that takes none; templates print them all the same.
  for (Json& tool : prompt.tools)
    if (!tool["function"].contains("parameters"))
      tool["function"]["parameters"] = {{"type", "object"}, {"properties", Json::object()}};
  fields.boolean("parallel_tool_calls", true);
  const Json* choice = fields.find("tool_choice");
  if (!choice || *choice == "auto") return;
  if (*choice == "none") {
    prompt.tools = nullptr;
    return;
  }
  if (!choice->is_string() && !choice->is_object())
    return fields.wrong_type("tool_choice", "a string or an object");
  if (choice->is_object() || *choice == "required")
    return fields.unsupported("tool_choice",
                              "the model cannot be forced to call a tool; send 'auto' or 'none'.");
  fields.invalid("tool_choice", "Expected 'auto' or 'none'.");
}

void read_template_fields(RequestFields& fields, runtime::ChatPrompt& prompt) {
  prompt.template_kwargs = Json::object();
  if (const Json* kwargs = fields.object("chat_template_kwargs")) {
    for (const char* taken : {"messages", "tools", "add_generation_prompt", "continue_final_message"})
      if (kwargs->contains(taken))
        fields.invalid("chat_template_kwargs",
                       "'" + std::string(taken) + "' is a field of the request itself.");
    prompt.template_kwargs = *kwargs;
  }
  prompt.add_generation_prompt = fields.boolean("add_generation_prompt", true);
  prompt.continue_final_message = fields.boolean("continue_final_message", false);
  if (!prompt.continue_final_message) return;
  if (prompt.add_generation_prompt)
    fields.invalid("continue_final_message", "It needs 'add_generation_prompt' to be false.");
  if (prompt.messages.is_array() && prompt.messages.back()["role"] != "assistant")
    fields.invalid("continue_final_message", "The last message must be the assistant's.");
}

void read_logprobs(RequestFields& fields, const config::RequestLimits& limits,
                   runtime::GenerationRequest& out) {
  const bool wanted = fields.boolean("logprobs", false);
  const auto top = fields.integer("top_logprobs", 0, limits.logprobs);
  if (top.value_or(0) > 0 && !wanted)
    fields.invalid("top_logprobs", "It is only allowed when 'logprobs' is true.");
  if (wanted) out.logprobs = std::int32_t(top.value_or(0));
}

void refuse_unsupported_in_chat(RequestFields& fields) {
  for (const char* name : {"functions", "function_call", "audio", "prediction", "web_search_options",
                           "chat_template", "documents", "mm_processor_kwargs", "echo"})
    if (const Json* value = fields.find(name); value && !value->empty() && *value != false)
      fields.unsupported(name, "leave it out.");
  const Json* modalities = fields.find("modalities");
  if (modalities && *modalities != Json::array({"text"}))
    fields.unsupported("modalities", "only [\"text\"] is.");
}

}  // namespace

Expected<ApiRequest> parse_chat_request(const Json& body, const ModelInfo& model,
                                        const config::RequestLimits& limits) {
  ApiRequest request;
  runtime::ChatPrompt prompt;
  RequestFields fields(body);
  read_generation_fields(fields, model, limits, request);
  refuse_unsupported_in_chat(fields);
  if (const Json* messages = fields.array("messages", limits.messages)) {
    auto checked = check_messages(*messages, limits);
    if (checked)
      prompt.messages = std::move(*checked);
    else
      fields.keep(checked.error());
  } else {
    fields.missing("messages");
  }
  read_tools(fields, limits, prompt);
  read_template_fields(fields, prompt);
  read_logprobs(fields, limits, request.generation);
  request.generation.prompts.emplace_back(std::move(prompt));
  check_choices(fields, limits, request);
  const AnswerOptions options = read_answer_fields(fields, request);
  if (fields.refusal()) return tl::unexpected(*fields.refusal());
  request.id_prefix = "chatcmpl-";
  request.answer = [options](AnswerIdentity identity) {
    return make_chat_answer(std::move(identity), options);
  };
  return request;
}

}  // namespace troupe::actors::edge::openai
