// A response is generated as a chat is: its request is brought into the words of the chat endpoint and read as one.
#include <algorithm>
#include <array>
#include <utility>

#include "actors/edge/fields_recording.hpp"
#include "actors/edge/generation_fields.hpp"
#include "actors/edge/openai/endpoints.hpp"
#include "actors/edge/openai/responses_answer.hpp"
#include "actors/edge/openai/responses_input.hpp"
#include "actors/edge/reply.hpp"

namespace troupe::actors::edge::openai {
namespace {

// What a response reads itself.
constexpr std::array own_fields{"input",      "instructions",      "tools",   "tool_choice",
                                "text",       "reasoning",         "include", "stream_options",
                                "truncation", "max_output_tokens", "prompt",  "top_logprobs"};

// What a chat has and a response has not, or under another name; and the value that says nothing in a chat.
struct FieldOfChats {
  const char* name;
  Json neutral;
  const char* remedy = "";
};
const std::array<FieldOfChats, 17> fields_of_chats{{
    {"messages", nullptr, "send 'input'."},
    {"max_tokens", nullptr, "send 'max_output_tokens'."},
    {"max_completion_tokens", nullptr, "send 'max_output_tokens'."},
    {"response_format", nullptr, "send 'text.format'."},
    {"reasoning_effort", nullptr, "send 'reasoning.effort'."},
    {"verbosity", nullptr, "send 'text.verbosity'."},
    {"functions", nullptr, "send 'tools'."},
    {"function_call", nullptr, "send 'tool_choice'."},
    {"logprobs", false, "send 'include' with 'message.output_text.logprobs'."},
    {"n", 1},
    {"best_of", 1},
    {"include_reasoning", true},
    {"return_token_ids", false},
    {"return_tokens_as_token_ids", false},
    {"prompt_logprobs", nullptr},
    {"continue_final_message", false},
    {"add_generation_prompt", true},
}};

void refuse_fields_of_chats(RequestFields& fields) {
  for (const auto& [name, neutral, remedy] : fields_of_chats) {
    if (auto* recording = FieldsRecording::current()) recording->leave_out(name);
    fields.unsupported_unless(name, neutral, remedy);
  }
}

void refuse_state(RequestFields& fields) {
  for (const char* name : {"previous_response_id", "conversation"})
    if (fields.find(name)) fields.unsupported(name, "nothing is stored; send the whole input.");
  if (fields.find("prompt")) fields.unsupported("prompt", "nothing is stored; send the input itself.");
  if (fields.boolean("background", false)) fields.unsupported("background", "leave it out or send false.");
}

// {"type": "function", "name", ...} with the function inside, as a chat has it.
Json read_tools(RequestFields& fields, const config::RequestLimits& limits) {
  Json tools = Json::array();
  fields.each_object("tools", limits.tools, [&](RequestFields& tool) {
    const auto type = tool.text("type"), name = tool.text("name", limits.name_bytes);
    if (!type) return tool.missing("type");
    if (*type != "function") return tool.unsupported("type", "the server has no tools of its own.");
    if (!name || name->empty()) return tool.missing("name");
    Json function = {{"name", *name}};
    if (auto description = tool.text("description")) function["description"] = std::move(*description);
    if (const Json* parameters = tool.object("parameters")) function["parameters"] = *parameters;
    if (tool.boolean("strict", false)) function["strict"] = true;
    tools.push_back({{"type", "function"}, {"function", std::move(function)}});
  });
  return tools;
}

// {"type": "function", "name"} as a chat has it. what: of the choice or of a tool that it allows.
Json read_function(RequestFields& what) {
  const auto type = what.text("type"), name = what.text("name");
  if (!type) what.missing("type");
  if (type && *type != "function") what.unsupported("type", "only 'function' is.");
  if (!name) what.missing("name");
  return {{"type", "function"}, {"function", {{"name", name.value_or("")}}}};
}

// {"type": "allowed_tools", "mode", "tools"} as a chat has it.
Json read_allowed_tools(RequestFields& choice, const config::RequestLimits& limits) {
  Json allowed = {{"mode", choice.needed_text("mode")}, {"tools", Json::array()}};
  choice.each_object("tools", limits.tools,
                     [&](RequestFields& tool) { allowed["tools"].push_back(read_function(tool)); });
  return {{"type", "allowed_tools"}, {"allowed_tools", std::move(allowed)}};
}

// A word, a function, or those that are allowed.
Json read_tool_choice(RequestFields& fields, const config::RequestLimits& limits) {
  const Json* choice = fields.find("tool_choice");
  if (!choice) return nullptr;
  if (!choice->is_object()) return *choice;
  RequestFields inside(*choice, "tool_choice.");
  const bool several = inside.text("type") == "allowed_tools";
  Json read = several ? read_allowed_tools(inside, limits) : read_function(inside);
  if (inside.refusal()) fields.keep(*inside.refusal());
  return read;
}

struct Text {
  Json format;     // as a chat's response_format
  Json verbosity;  // a word, or null
};

Text read_text(RequestFields& fields) {
  const Json* text = fields.object("text");
  if (!text) return {};
  RequestFields inside(*text, "text.");
  Text out;
  if (auto verbosity = inside.text("verbosity")) out.verbosity = std::move(*verbosity);
  if (const Json* format = inside.object("format")) {
    out.format = *format;
    if (format->contains("type") && (*format)["type"] == "json_schema") {
      RequestFields schema(*format, "text.format.");
      if (!schema.object("schema")) schema.missing("schema");
      if (schema.refusal()) inside.keep(*schema.refusal());
      out.format = {{"type", "json_schema"}, {"json_schema", *format}};
    }
  }
  if (inside.refusal()) fields.keep(*inside.refusal());
  return out;
}

struct Reasoning {
  Json effort, summary;  // words, or null
};

Reasoning read_reasoning(RequestFields& fields) {
  const Json* reasoning = fields.object("reasoning");
  if (!reasoning) return {};
  RequestFields inside(*reasoning, "reasoning.");
  Reasoning out;
  if (auto effort = inside.text("effort")) out.effort = std::move(*effort);
  for (const char* name : {"generate_summary", "summary"}) {  // the first is the second's older name
    const auto summary = inside.text(name);
    if (!summary) continue;
    if (*summary != "auto" && *summary != "concise" && *summary != "detailed")
      inside.invalid(name, "Expected 'auto', 'concise' or 'detailed'.");
    out.summary = *summary;
  }
  if (inside.refusal()) fields.keep(*inside.refusal());
  return out;
}

bool includes_logprobs(RequestFields& fields, const config::RequestLimits& limits) {
  const Json* include = fields.array("include", limits.content_parts);
  if (!include) return false;
  // Of tools that the server does not have there is nothing to include.
  static constexpr std::array known{"code_interpreter_call.outputs",  "computer_call_output.output.image_url",
                                    "file_search_call.results",       "message.input_image.image_url",
                                    "message.output_text.logprobs",   "reasoning.encrypted_content",
                                    "web_search_call.action.sources", "web_search_call.results"};
  for (std::size_t i = 0; i < include->size(); ++i) {
    const std::string element = "include[" + std::to_string(i) + "]";
    if (!(*include)[i].is_string()) fields.wrong_type("include", "an array of strings");
    if (std::ranges::find(known, (*include)[i]) == known.end())
      fields.invalid(element, "It is nothing that a response may include.");
  }
  return std::ranges::find(*include, "message.output_text.logprobs") != include->end();
}

std::string read_truncation(RequestFields& fields) {
  const std::string truncation = fields.text("truncation").value_or("disabled");
  if (truncation != "disabled" && truncation != "auto")
    fields.invalid("truncation", "Expected 'auto' or 'disabled'.");
  return truncation;
}

// What every response object repeats of its request.
Json asked(const RequestFields& fields, const Reasoning& reasoning) {
  const auto as_sent = [&](const char* name, Json otherwise) {
    const Json* found = fields.find(name);
    return found ? *found : otherwise;
  };
  Json text = as_sent("text", Json::object());
  if (!text.contains("format") || text["format"].is_null()) text["format"] = {{"type", "text"}};
  return {{"instructions", as_sent("instructions", nullptr)},
          {"max_output_tokens", as_sent("max_output_tokens", nullptr)},
          {"metadata", as_sent("metadata", Json::object())},
          {"parallel_tool_calls", as_sent("parallel_tool_calls", true)},
          {"previous_response_id", nullptr},
          {"reasoning", {{"effort", reasoning.effort}, {"summary", reasoning.summary}}},
          {"background", false},
          {"store", false},
          {"temperature", as_sent("temperature", nullptr)},
          {"text", std::move(text)},
          {"tool_choice", as_sent("tool_choice", "auto")},
          {"tools", as_sent("tools", Json::array())},
          {"top_p", as_sent("top_p", nullptr)},
          {"truncation", as_sent("truncation", "disabled")},
          {"user", as_sent("user", nullptr)}};
}

Json as_chat(RequestFields& fields, const Json& body, const Reasoning& reasoning,
             const config::RequestLimits& limits) {
  Json chat = body;
  for (const char* name : own_fields) chat.erase(name);
  for (const FieldOfChats& each : fields_of_chats) chat.erase(each.name);
  chat["messages"] = read_input(fields, limits);
  chat["tools"] = read_tools(fields, limits);
  chat["tool_choice"] = read_tool_choice(fields, limits);
  Text text = read_text(fields);
  chat["response_format"] = std::move(text.format);
  chat["verbosity"] = std::move(text.verbosity);
  chat["reasoning_effort"] = reasoning.effort;
  if (const auto most = fields.integer("max_output_tokens", 1, int32_max))
    chat["max_completion_tokens"] = *most;
  const auto top = fields.integer("top_logprobs", 0, limits.logprobs);
  if (includes_logprobs(fields, limits)) chat["logprobs"] = true, chat["top_logprobs"] = top.value_or(0);
  if (read_truncation(fields) == "auto") chat["truncate_prompt_tokens"] = -1;
  return chat;
}

// What a chat has under other names. What stands inside these here does not stand there.
const std::array<OwnName, 9> own_names{{{"reasoning_effort", "reasoning.effort"},
                                        {"verbosity", "text.verbosity"},
                                        {"response_format.json_schema", "text.format"},
                                        {"response_format", "text.format"},
                                        {"tool_choice.function", "tool_choice"},
                                        {"tool_choice.allowed_tools", "tool_choice"},
                                        {"max_tokens", "max_output_tokens"},
                                        {"max_completion_tokens", "max_output_tokens"},
                                        {"messages", "input"}}};

std::string own_name(const std::string& field) {
  return in_own_names(own_names, {RefusalKind::invalid, "", field, ""}).param;
}

}  // namespace

Expected<ApiRequest> parse_response_request(const Json& body, const ModelInfo& model,
                                            const config::RequestLimits& limits) {
  RequestFields fields(body);
  read_model(fields, model, limits);
  refuse_state(fields);
  refuse_fields_of_chats(fields);
  const Reasoning reasoning = read_reasoning(fields);
  const Json chat = as_chat(fields, body, reasoning, limits);
  fields.object("stream_options");
  if (fields.refusal()) return tl::unexpected(*fields.refusal());
  if (auto* recording = FieldsRecording::current())
    for (const char* name : own_fields) recording->leave_out(name);
  auto request = parse_chat_request(chat, model, limits);
  if (!request) return tl::unexpected(in_own_names(own_names, request.error()));
  for (OwnName& each : request->own_names) each.own = own_name(each.own);
  request->own_names.insert(request->own_names.end(), own_names.begin(), own_names.end());
  request->id_prefix = "resp_";
  request->answer = [options = ResponseOptions{asked(fields, reasoning), !reasoning.summary.is_null()}](
                        AnswerIdentity identity) {
    return make_response_answer(std::move(identity), options);
  };
  return request;
}

}  // namespace troupe::actors::edge::openai
