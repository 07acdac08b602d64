// The text side of a checkpoint: what turns chats and texts into tokens, and tokens into text. Immutable
// after loading; any thread.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/grammar/tool_calls.hpp"
#include "model/jinja/chat_template.hpp"
#include "model/text/generation_config.hpp"
#include "model/tokenizer/tokenizer.hpp"

namespace troupe::model {

// The tokenizer of a checkpoint's folder (Tokenizer::load_of_folder). Throws Error, also when its ids do not fit vocab_size.
Tokenizer load_tokenizer(const std::filesystem::path& folder, std::int64_t vocab_size);

// Of a folder or a GGUF file, without regard to the model's vocabulary. Throws Error.
Tokenizer tokenizer_of(const std::filesystem::path& folder_or_gguf);

// A chat template, and how it takes and prints calls in a history (call_arguments.hpp).
struct LoadedTemplate {
  ChatTemplate source;
  bool takes_mappings = false, takes_null_content = true;
  ToolCallSyntax call_syntax = ToolCallSyntax::bare;
};

struct TextModel {
  // Reads config.json, the tokenizer's file and, where they are there, tokenizer_config.json,
  // chat_template.jinja (it goes before the one in tokenizer_config.json) and
  // generation_config.json; of a GGUF file its keys. chat_template, if not empty, takes the place of the checkpoint's: the name of a file,
  // or else the template itself, in which \n stands for the end of a line. Throws Error that names file and
  // field, and the line of a template.
  static TextModel load(const std::filesystem::path& folder_or_gguf, const std::string& chat_template = {});

  // Variables of every chat whose request does not set them. Throws Error for what a request may not set.
  void set_default_variables(nlohmann::ordered_json variables);

  // A chat as the model was trained to read it. messages: array; tools: array or null; variables: what the
  // caller adds for the template (chat_template_kwargs), an object. Characters that come from any of the
  // three are text wherever the template puts them, and never control tokens. Refuses what the template
  // refuses, tools of which the template would tell the model nothing, and variables that would stand in for
  // what is not the caller's to set.
  Expected<RenderedPrompt> render(const nlohmann::ordered_json& messages, const nlohmann::ordered_json& tools,
                                  const nlohmann::ordered_json& variables, bool add_generation_prompt) const;
  // The same up to the end of the last message's content, which the model is to go on with: what transformers'
  // apply_chat_template makes with continue_final_message. Refuses what has no such place, too.
  Expected<RenderedPrompt> render_open(const nlohmann::ordered_json& messages,
                                       const nlohmann::ordered_json& tools,
                                       const nlohmann::ordered_json& variables) const;

  // A prompt of the completions API, as vLLM reads it: added tokens in it are control tokens, and the
  // beginning-of-sequence token comes first if the checkpoint says so and the text does not begin with it.
  // add_leading: false leaves that token out.
  Expected<std::vector<TokenId>> encode_prompt(std::string_view text, bool add_leading = true) const;

  // Of chats with or without tools; null if there is none.
  const LoadedTemplate* template_for(bool with_tools) const;
  // In which form the model was trained to call tools, by what its template prints.
  ToolCallSyntax call_syntax() const;
  // Whether it was trained to call tools at all, by that and by its tokens.
  bool calls_tools() const;

  Tokenizer tokenizer;
  std::optional<LoadedTemplate> chat_template;
  // For chats with tools; absent: chat_template serves them too.
  std::optional<LoadedTemplate> tool_use_template;
  bool takes_tools = false;                   // the one that serves chats with tools prints them
  nlohmann::ordered_json default_variables;   // object
  nlohmann::ordered_json template_variables;  // bos_token, eos_token, ...: texts
  GenerationDefaults defaults;
  std::vector<TokenId> eos_ids;          // sorted: any of them ends an answer
  std::optional<TokenId> leading_token;  // put before prompts of the completions API
};

}  // namespace troupe::model
