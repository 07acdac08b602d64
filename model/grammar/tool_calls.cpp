#include "model/grammar/tool_calls.hpp"

#include <string_view>

#include "model/grammar/call_watch.hpp"
#include "model/output/dsml_calls.hpp"
#include "model/output/hermes_calls.hpp"
#include "model/output/kimi_calls.hpp"
#include "model/output/llama_calls.hpp"
#include "model/output/marked_calls.hpp"

namespace troupe::model {
namespace {

using Json = nlohmann::ordered_json;

// What stands around calls and within one: markers and text, in the order in which they are written.
struct Words {
  std::vector<std::string_view> opening, before_name, behind_name, closing_call, separator, closing;
  std::string_view number = {};  // a regex of what a call's number is behind its name, where it has one
};

const Words& words_of(ToolCallSyntax form) {
  static const Words fenced{
      .opening = {"<｜tool▁calls▁begin｜>"},
      .before_name = {"<｜tool▁call▁begin｜>", "function", "<｜tool▁sep｜>"},
      .behind_name = {"\n```json\n"},
      .closing_call = {"\n```", "<｜tool▁call▁end｜>"},
      .separator = {"\n"},
      .closing = {"<｜tool▁calls▁end｜>"},
  };
  static const Words bare{
      .opening = {"<｜tool▁calls▁begin｜>"},
      .before_name = {"<｜tool▁call▁begin｜>"},
      .behind_name = {"<｜tool▁sep｜>"},
      .closing_call = {"<｜tool▁call▁end｜>"},
      .separator = {},
      .closing = {"<｜tool▁calls▁end｜>"},
  };
  static const Words dsml{
      .opening = {"<", "｜DSML｜", "function_calls>\n"},
      .before_name = {"<", "｜DSML｜", "invoke name=\""},
      .behind_name = {"\">\n"},
      .closing_call = {"</", "｜DSML｜", "invoke>\n"},
      .separator = {},
      .closing = {"</", "｜DSML｜", "function_calls>"},
  };
  // A call's line end stands with its tags, so that a block is of one call or of several.
  static const Words hermes{
      .opening = {"<tool_call>"},
      .before_name = {"\n{\"name\": "},
      .behind_name = {", \"arguments\": "},
      .closing_call = {"}\n"},
      .separator = {"</tool_call>", "\n", "<tool_call>"},
      .closing = {"</tool_call>"},
  };
  static const Words llama{
      .opening = {},
      .before_name = {"{\"name\": "},
      .behind_name = {", \"parameters\": "},
      .closing_call = {"}"},
      .separator = {"; "},
      .closing = {},
  };
  // Calls are numbered through a whole conversation, which the model has before it.
  static const Words kimi{
      .opening = {"<|tool_calls_section_begin|>"},
      .before_name = {"<|tool_call_begin|>", "functions."},
      .behind_name = {"<|tool_call_argument_begin|>"},
      .closing_call = {"<|tool_call_end|>"},
      .separator = {},
      .closing = {"<|tool_calls_section_end|>"},
      .number = ":(0|[1-9][0-9]{0,3})",
  };
  switch (form) {
    case ToolCallSyntax::fenced:
      return fenced;
    case ToolCallSyntax::bare:
      return bare;
    case ToolCallSyntax::dsml:
      return dsml;
    case ToolCallSyntax::hermes:
      return hermes;
    case ToolCallSyntax::llama:
      return llama;
    case ToolCallSyntax::kimi:
      return kimi;
  }
  CHECK(false, "a form of tool calls that nobody knows");
}

Json text_format(std::string_view text) {
  return {{"type", "const_string"}, {"value", text}};
}

void append(Json& elements, std::span<const std::string_view> words, const Tokenizer& tokenizer) {
  for (const std::string_view word : words)
    if (const auto id = tokenizer.id_of_added(word))
      elements.push_back({{"type", "token"}, {"token", *id}});
    else
      elements.push_back(text_format(word));
}

Json regex_format(std::string_view pattern) {
  return {{"type", "regex"}, {"pattern", pattern}};
}

Json sequence(Json elements) {
  return {{"type", "sequence"}, {"elements", std::move(elements)}};
}

// The tool's name as it stands in a call.
std::string written_name(ToolCallSyntax form, const Json& name) {
  const bool in_json = form == ToolCallSyntax::hermes || form == ToolCallSyntax::llama;
  return in_json ? name.dump() : name.get<std::string>();
}

Json call_format(ToolCallSyntax form, const Json& tool, const Tokenizer& tokenizer) {
  const Words& words = words_of(form);
  const bool as_parameters = form == ToolCallSyntax::dsml;
  Json elements = Json::array();
  append(elements, words.before_name, tokenizer);
  elements.push_back(text_format(written_name(form, tool["name"])));
  if (!words.number.empty()) elements.push_back(regex_format(words.number));
  append(elements, words.behind_name, tokenizer);
  elements.push_back({{"type", "json_schema"},
                      {"json_schema", tool["parameters"]},
                      {"style", as_parameters ? "deepseek_xml" : "json"}});
  append(elements, words.closing_call, tokenizer);
  return sequence(std::move(elements));
}

Json calls_text(ToolCallSyntax form, std::span<const CallableTool> tools, bool several) {
  Json list = Json::array();
  for (const CallableTool& tool : tools) {
    Json parameters = tool.parameters;
    if (parameters.is_null()) parameters = {{"type", "object"}, {"additionalProperties", true}};
    list.push_back({{"name", tool.name}, {"parameters", std::move(parameters)}});
  }
  return {{"form", form}, {"several", several}, {"tools", std::move(list)}};
}

bool is_free(const Json& calls) {
  return calls.contains("may_think");
}

// An answer that begins as no call does, in any of the ways that LlamaCalls takes for one; it may be empty.
Json no_call_format() {
  return regex_format(R"([ \t\r\n]*([^ \t\r\n{][\s\S]*)?)");
}

// Of an opening's words, those that the grammar of free calls begins with: from the first that is a token on.
std::span<const std::string_view> from_token(std::span<const std::string_view> words,
                                             const Tokenizer& tokenizer) {
  while (!words.empty() && !tokenizer.id_of_added(words.front())) words = words.subspan(1);
  return words;
}

}  // namespace

GrammarSpec tool_call_grammar(ToolCallSyntax form, std::span<const CallableTool> tools, bool several) {
  return {.kind = GrammarSpec::Kind::tool_calls, .text = calls_text(form, tools, several).dump()};
}

GrammarSpec free_call_grammar(ToolCallSyntax form, std::span<const CallableTool> tools, bool several,
                              bool may_think) {
  Json text = calls_text(form, tools, several);
  text["may_think"] = may_think;
  return {.kind = GrammarSpec::Kind::tool_calls, .text = text.dump()};
}

Expected<std::optional<CallOpening>> opening_of_calls(const GrammarSpec& spec, const Tokenizer& tokenizer) {
  if (spec.kind != GrammarSpec::Kind::tool_calls) return std::nullopt;
  const Json calls = Json::parse(*spec.text);
  if (!is_free(calls)) return std::nullopt;
  const auto form = calls["form"].get<ToolCallSyntax>();
  const bool may_think = calls["may_think"].get<bool>();
  if (form == ToolCallSyntax::llama && may_think)
    return refuse("calls are held to no grammar where an answer of this form may begin with thoughts");
  if (form == ToolCallSyntax::llama) return std::nullopt;
  const auto words = from_token(words_of(form).opening, tokenizer);
  if (words.empty()) return refuse("the model has no token that begins calls of its chat template's form");
  return CallOpening(form, *tokenizer.id_of_added(words.front()), may_think, tokenizer);
}

std::optional<TokenId> token_in_calls(const GrammarSpec& spec, const Tokenizer& tokenizer) {
  if (spec.kind != GrammarSpec::Kind::tool_calls) return std::nullopt;
  switch (Json::parse(*spec.text)["form"].get<ToolCallSyntax>()) {
    case ToolCallSyntax::fenced:
    case ToolCallSyntax::bare:
      return tokenizer.id_of_added(MarkedCalls::call_end);
    case ToolCallSyntax::dsml:
      return tokenizer.id_of_added(DsmlCalls::token);
    case ToolCallSyntax::hermes:
      return tokenizer.id_of_added(HermesCalls::closing);
    case ToolCallSyntax::llama:
      return tokenizer.id_of_added(LlamaCalls::tag);
    case ToolCallSyntax::kimi:
      return tokenizer.id_of_added(KimiCalls::call_end);
  }
  CHECK(false, "a form of tool calls that nobody knows");
}

Json tool_calls_format(const Json& calls, const Tokenizer& tokenizer) {
  const auto form = calls["form"].get<ToolCallSyntax>();
  const Words& words = words_of(form);
  Json any = Json::array();
  for (const Json& tool : calls["tools"]) any.push_back(call_format(form, tool, tokenizer));
  const Json call{{"type", "or"}, {"elements", std::move(any)}};

  Json elements = Json::array();
  const std::span<const std::string_view> opening = words.opening;
  append(elements, is_free(calls) ? from_token(opening, tokenizer) : opening, tokenizer);
  elements.push_back(call);
  if (calls["several"].get<bool>()) {
    Json more = Json::array();
    append(more, words.separator, tokenizer);
    more.push_back(call);
    elements.push_back({{"type", "star"}, {"content", sequence(std::move(more))}});
  }
  append(elements, words.closing, tokenizer);
  Json block = sequence(std::move(elements));
  if (!is_free(calls)) return block;
  if (form == ToolCallSyntax::llama)
    return {{"type", "or"}, {"elements", {std::move(block), no_call_format()}}};
  return {{"type", "star"}, {"content", std::move(block)}};
}

}  // namespace troupe::model
