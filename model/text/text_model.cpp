#include "model/text/text_model.hpp"

#include <algorithm>
#include <array>

#include "model/config.hpp"
#include "model/gguf/gguf_config.hpp"
#include "model/gguf/gguf_vocabulary.hpp"
#include "model/json/parse.hpp"
#include "model/json/value.hpp"
#include "model/output/output_parser.hpp"
#include "model/text/call_arguments.hpp"
#include "model/text/template_tools.hpp"
#include "runtime/base/file.hpp"

namespace troupe::model {

using nlohmann::json;
using nlohmann::ordered_json;
using std::filesystem::path;

namespace {

// What transformers hands to templates besides the chat (SpecialTokensMixin.SPECIAL_TOKENS_ATTRIBUTES).
constexpr std::array special_tokens{"bos_token", "eos_token", "unk_token", "sep_token",
                                    "pad_token", "cls_token", "mask_token"};
// What the request says in fields of its own, or what would choose the template.
constexpr std::array reserved{"messages", "tools",         "documents",
                              "tokenize", "chat_template", "add_generation_prompt"};

// A token is written as its text, or as an object that has it in "content"; empty if there is none.
std::string token_text(const JsonValue& token) {
  if (token.is_null()) return {};
  return token.value().is_object() ? token["content"].text() : token.text();
}

ordered_json special_token_texts(const JsonValue& config) {
  ordered_json variables = ordered_json::object();
  for (const char* name : special_tokens)
    if (std::string text = token_text(config[name]); !text.empty()) variables[name] = std::move(text);
  return variables;
}

// chat_template of tokenizer_config.json: one, or a list of named ones.
void take_templates(TextModel& model, const JsonValue& given, const std::string& where) {
  const auto parse = [&](const JsonValue& source) {
    return LoadedTemplate{ChatTemplate::parse(source.text(), where + ": chat_template")};
  };
  if (!given.value().is_array()) {
    if (!given.is_null()) model.chat_template = parse(given);
    return;
  }
  for (const JsonValue& each : given.elements()) {
    const std::string name = each["name"].text();
    if (name == "default") model.chat_template = parse(each["template"]);
    if (name == "tool_use") model.tool_use_template = parse(each["template"]);
  }
}

TokenId added_token(const Tokenizer& tokenizer, const JsonValue& token) {
  const auto id = tokenizer.id_of_added(token_text(token));
  if (!id) token.fail("is no added token of the tokenizer");
  return *id;
}

// eos_token and add_bos_token, which takes the place of what the tokenizer's file puts before a text.
void take_special_tokens(TextModel& model, const JsonValue& config) {
  const auto is_set = [&](const char* name) { return model.template_variables.contains(name); };
  if (is_set("eos_token")) model.eos_ids.push_back(added_token(model.tokenizer, config["eos_token"]));
  const auto add_bos = config["add_bos_token"].optional_boolean();
  if (add_bos) model.leading_token.reset();
  if (!add_bos.value_or(false)) return;
  if (!is_set("bos_token")) config["add_bos_token"].fail("is set and bos_token is not");
  model.leading_token = added_token(model.tokenizer, config["bos_token"]);
}

// What stands for the checkpoint's template: vLLM's rule, by which no name of a file has braces or line ends.
ChatTemplate given_template(const std::string& given) {
  constexpr const char* flag = "--chat-template";
  std::error_code unreadable;  // a template is too long for a name
  if (std::filesystem::exists(given, unreadable))
    return ChatTemplate::parse(read_file(given, TemplateLimits{}.source_bytes), given);
  if (given.find_first_of("{}\n") == std::string::npos)
    throw Error("no such file", given, "give the file of a chat template, or the template itself");
  std::string source;
  for (std::size_t i = 0; i < given.size(); ++i) {
    const bool line_end = given.compare(i, 2, "\\n") == 0;
    source += line_end ? '\n' : given[i];
    i += line_end;
  }
  return ChatTemplate::parse(std::move(source), flag);
}

Refusal no_tools(const Tokenizer& tokenizer) {
  std::string message =
      "The model's chat template does not print tools, so the model would not know of them. The server takes "
      "a template that does with --chat-template FILE";
  if (tokenizer.id_of_added("<｜tool▁calls▁begin｜>"))
    message +=
        "; launch/templates has deepseek_v3.jinja, deepseek_r1.jinja (for R1-0528) and deepseek_v31.jinja, which "
        "print them for those models";
  return {RefusalKind::invalid, message + ".", "tools", {}};
}

Expected<void> check_variables(const ordered_json& variables, const ordered_json& own) {
  if (!variables.is_object())
    return refuse("chat_template_kwargs must be an object.", "chat_template_kwargs");
  for (const auto& [name, value] : variables.items())
    if (own.contains(name) || std::find(reserved.begin(), reserved.end(), name) != reserved.end())
      return refuse(
          "chat_template_kwargs may not set messages, tools, add_generation_prompt, "
          "or the model's own tokens.",
          "chat_template_kwargs");
  return {};
}

// Stands behind a message that goes on. As transformers has it, with a space, which shows whether the template trims
// what it prints.
constexpr std::string_view end_mark = "CONTINUE_FINAL_MESSAGE_TAG ";

// Drops the mark and what is behind it; false: it is not there.
bool cut_at_mark(RenderedPrompt& prompt) {
  std::string& text = prompt.text;
  auto end = text.rfind(end_mark.substr(0, end_mark.size() - 1));
  if (end == text.npos) return false;
  if (!std::string_view(text).substr(end).starts_with(end_mark))
    end = std::string_view(text).substr(0, end).find_last_not_of(" \t\n\v\f\r") + 1;
  text.resize(end);
  while (!prompt.plain.empty() && prompt.plain.back().begin >= end) prompt.plain.pop_back();
  if (!prompt.plain.empty()) prompt.plain.back().end = std::min(prompt.plain.back().end, end);
  return true;
}

void check_vocabulary(const Tokenizer& tokenizer, std::int64_t vocab_size, const path& where) {
  if (tokenizer.vocab_size() > vocab_size)
    throw Error("its tokenizer has ids up to " + std::to_string(tokenizer.vocab_size() - 1) +
                    ", but the model has a vocab_size of " + std::to_string(vocab_size),
                where.string(), "it belongs to another model");
}

Tokenizer tokenizer_of(const GgufFile& file) {
  if (!file.has(gguf_tokenizer_json)) return Tokenizer::from(gguf_vocabulary(file));
  return Tokenizer::parse(file.at(gguf_tokenizer_json).text(),
                          file.path().string() + ": " + std::string(gguf_tokenizer_json));
}

}  // namespace

Tokenizer tokenizer_of(const path& folder_or_gguf) {
  return is_gguf(folder_or_gguf) ? tokenizer_of(open_gguf(folder_or_gguf).front())
                                 : Tokenizer::load_of_folder(folder_or_gguf);
}

Tokenizer load_tokenizer(const path& folder, std::int64_t vocab_size) {
  Tokenizer tokenizer = Tokenizer::load_of_folder(folder);
  check_vocabulary(tokenizer, vocab_size, folder);
  return tokenizer;
}

namespace {

// All but templates.
TextModel without_templates(Tokenizer tokenizer, const ModelConfig& config) {
  TextModel model{.tokenizer = std::move(tokenizer),
                  .chat_template = {},
                  .tool_use_template = {},
                  .takes_tools = false,
                  .default_variables = ordered_json::object(),
                  .template_variables = ordered_json::object(),
                  .defaults = {},
                  .eos_ids = config.eos_token_ids,
                  .leading_token = {}};
  model.leading_token = model.tokenizer.leading();
  return model;
}

TextModel of_folder(const path& folder) {
  const ModelConfig config = load_config(folder / "config.json");
  TextModel model = without_templates(load_tokenizer(folder, config.vocab_size), config);
  model.defaults = load_generation_config(folder, config.vocab_size);
  const auto& further = model.defaults.eos_token_ids;
  model.eos_ids.insert(model.eos_ids.end(), further.begin(), further.end());
  if (const path file = folder / "tokenizer_config.json"; exists(file)) {
    const json document = load_json(file, max_tokenizer_config_bytes);
    const JsonValue tokenizer_config(document, file.string());
    model.template_variables = special_token_texts(tokenizer_config);
    take_special_tokens(model, tokenizer_config);
    take_templates(model, tokenizer_config["chat_template"], file.string());
  }
  if (const path file = folder / "chat_template.jinja"; exists(file)) {
    model.chat_template =
        LoadedTemplate{ChatTemplate::parse(read_file(file, TemplateLimits{}.source_bytes), file.string())};
    model.tool_use_template.reset();
  }
  return model;
}

// Where the file holds a whole tokenizer.json, what it says goes for the text before an answer, too.
void take_leading_token(TextModel& model, const GgufFile& file) {
  constexpr std::string_view add_bos = "tokenizer.ggml.add_bos_token", bos = "tokenizer.ggml.bos_token_id";
  if (!file.has(gguf_tokenizer_json) || !file.has(add_bos)) return;
  model.leading_token.reset();
  if (file.at(add_bos).boolean())
    model.leading_token = TokenId(file.at(bos).integer(0, model.tokenizer.vocab_size() - 1));
}

// Control tokens that end an answer in whatever model has them, beside those that a file's keys name (llama.cpp's
// llama-vocab.cpp). Of a file that holds a whole tokenizer.json the keys say them all.
void take_named_ends(TextModel& model, const GgufFile& file) {
  constexpr std::array names{"<|endoftext|>", "<|end_of_text|>", "<|eot_id|>",    "<|eom_id|>",
                             "<|im_end|>",    "<|end|>",         "<end_of_turn>", "<｜end▁of▁sentence｜>"};
  if (file.has(gguf_tokenizer_json)) return;
  for (const char* name : names)
    if (const auto id = model.tokenizer.id_of_added(name); id && model.tokenizer.is_special(*id))
      model.eos_ids.push_back(*id);
}

TextModel of_gguf(const path& file) {
  const std::vector<GgufFile> files = open_gguf(file);
  const GgufFile& first = files.front();
  const ModelConfig config = parse_config(gguf_config(files), file.string());
  TextModel model = without_templates(tokenizer_of(first), config);
  check_vocabulary(model.tokenizer, config.vocab_size, file);
  take_leading_token(model, first);
  take_named_ends(model, first);
  for (const auto& [name, key] : {std::pair{"bos_token", "tokenizer.ggml.bos_token_id"},
                                  std::pair{"eos_token", "tokenizer.ggml.eos_token_id"},
                                  std::pair{"unk_token", "tokenizer.ggml.unknown_token_id"}})
    if (first.has(key))
      model.template_variables[name] = model.tokenizer.vocabulary_entry(
          TokenId(first.at(key).integer(0, model.tokenizer.vocab_size() - 1)));
  for (auto& [name, source] : gguf_templates(first)) {
    if (name != "default" && name != "tool_use") continue;
    LoadedTemplate loaded{
        ChatTemplate::parse(std::move(source), file.string() + ": tokenizer.chat_template")};
    (name == "default" ? model.chat_template : model.tool_use_template) = std::move(loaded);
  }
  return model;
}

}  // namespace

TextModel TextModel::load(const path& folder_or_gguf, const std::string& chat_template) {
  TextModel model = is_gguf(folder_or_gguf) ? of_gguf(folder_or_gguf) : of_folder(folder_or_gguf);
  if (!chat_template.empty()) {
    model.chat_template = LoadedTemplate{given_template(chat_template)};
    model.tool_use_template.reset();
  }
  for (auto* each : {&model.chat_template, &model.tool_use_template}) {
    if (!*each) continue;
    LoadedTemplate& loaded = **each;
    loaded.takes_mappings = takes_mappings(loaded.source, model.template_variables);
    loaded.takes_null_content = takes_null_content(loaded.source, model.template_variables);
    loaded.call_syntax = printed_syntax(loaded.source, model.template_variables);
  }
  if (const auto* chosen = model.template_for(true))
    model.takes_tools = prints_tools(chosen->source, model.template_variables);
  std::sort(model.eos_ids.begin(), model.eos_ids.end());
  model.eos_ids.erase(std::unique(model.eos_ids.begin(), model.eos_ids.end()), model.eos_ids.end());
  return model;
}

const LoadedTemplate* TextModel::template_for(bool with_tools) const {
  const auto& chosen = with_tools && tool_use_template ? tool_use_template : chat_template;
  return chosen ? &*chosen : nullptr;
}

ToolCallSyntax TextModel::call_syntax() const {
  const LoadedTemplate* chosen = template_for(true);
  return chosen ? chosen->call_syntax : ToolCallSyntax::bare;
}

bool TextModel::calls_tools() const {
  const auto tokens = OutputParser::tokens_of_calls(call_syntax());
  // A text is enough for the forms whose tags may be spelled out.
  const bool by_text = call_syntax() == ToolCallSyntax::hermes || call_syntax() == ToolCallSyntax::llama;
  return by_text || std::ranges::any_of(tokens, [&](std::string_view token) {
           return tokenizer.id_of_added(token).has_value();
         });
}

void TextModel::set_default_variables(ordered_json variables) {
  if (const auto checked = check_variables(variables, template_variables); !checked)
    throw Error(checked.error().message, "--default-chat-template-kwargs");
  default_variables = std::move(variables);
}

Expected<RenderedPrompt> TextModel::render(const ordered_json& messages, const ordered_json& tools,
                                           const ordered_json& variables, bool add_generation_prompt) const {
  const bool has_tools = tools.is_array() && !tools.empty();
  const LoadedTemplate* chosen = template_for(has_tools);
  if (!chosen)
    return refuse("This model has no chat template, so it cannot chat; it completes texts.", "messages");
  if (has_tools && !takes_tools) return tl::unexpected(no_tools(tokenizer));
  if (auto checked = check_variables(variables, template_variables); !checked)
    return tl::unexpected(checked.error());
  // As transformers' apply_chat_template passes them: always there, and none if not given.
  ordered_json untrusted = default_variables;
  untrusted.update(variables);
  untrusted["messages"] = chosen->takes_null_content ? messages : with_texts(messages);
  if (chosen->takes_mappings) {
    auto mapped = with_mappings(std::move(untrusted["messages"]));
    if (!mapped) return tl::unexpected(mapped.error());
    untrusted["messages"] = std::move(*mapped);
  }
  untrusted["tools"] = has_tools ? tools : ordered_json();
  untrusted["documents"] = nullptr;
  untrusted["add_generation_prompt"] = add_generation_prompt;
  return chosen->source.render(template_variables, untrusted);
}

Expected<RenderedPrompt> TextModel::render_open(const ordered_json& messages, const ordered_json& tools,
                                                const ordered_json& variables) const {
  ordered_json marked = messages;
  ordered_json& content = marked.back()["content"];
  if (!content.is_string())
    return refuse("The last message has no content to go on with.", "continue_final_message");
  content = content.get_ref<const std::string&>() + std::string(end_mark);
  auto prompt = render(marked, tools, variables, false);
  if (!prompt || cut_at_mark(*prompt)) return prompt;
  return refuse("The chat template leaves out the last message, so the model cannot go on with it.",
                "continue_final_message");
}

Expected<std::vector<TokenId>> TextModel::encode_prompt(std::string_view text, bool add_leading) const {
  auto ids = tokenizer.encode(text);
  if (ids && add_leading && leading_token && (ids->empty() || ids->front() != *leading_token))
    ids->insert(ids->begin(), *leading_token);
  return ids;
}

}  // namespace troupe::model
