#include "model/text_model.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>

#include "model/config.hpp"
#include "model/json_fields.hpp"

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
std::string token_text(const json& config, std::string_view name, const std::string& where) {
  const auto found = config.find(name);
  if (found == config.end() || found->is_null()) return {};
  const json* text = &*found;
  if (text->is_object() && text->contains("content")) text = &text->at("content");
  if (!text->is_string())
    throw Error(std::string(name) + " must be a text, or an object with a text in \"content\"", where);
  return text->get<std::string>();
}

ordered_json special_token_texts(const json& config, const std::string& where) {
  ordered_json variables = ordered_json::object();
  for (const char* name : special_tokens)
    if (std::string text = token_text(config, name, where); !text.empty()) variables[name] = std::move(text);
  return variables;
}

std::string read_template(const path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  if (!stream || !text) throw Error("cannot be read", file.string());
  return std::move(text).str();
}

// chat_template of tokenizer_config.json: one, or a list of named ones.
void take_templates(TextModel& model, const json& given, const std::string& where) {
  const auto parse = [&](const json& source) {
    if (!source.is_string()) throw Error("chat_template must be a text or a list of {name, template}", where);
    return ChatTemplate::parse(source.get<std::string>(), where + ": chat_template");
  };
  if (!given.is_array()) {
    model.chat_template = parse(given);
    return;
  }
  for (const json& each : given) {
    if (!each.is_object() || !each.contains("name") || !each.contains("template"))
      throw Error("chat_template must be a text or a list of {name, template}", where);
    if (each["name"] == "default") model.chat_template = parse(each["template"]);
    if (each["name"] == "tool_use") model.tool_use_template = parse(each["template"]);
  }
}

TokenId added_token(const Tokenizer& tokenizer, const std::string& text, std::string_view name,
                    const std::string& where) {
  const auto id = tokenizer.id_of_added(text);
  if (!id) throw Error(std::string(name) + " is no added token of tokenizer.json", where);
  return *id;
}

// eos_token and add_bos_token.
void take_special_tokens(TextModel& model, const json& config, const std::string& where) {
  JsonFields fields(config, where);
  const auto& variables = model.template_variables;
  if (variables.contains("eos_token"))
    model.eos_ids.push_back(
        added_token(model.tokenizer, variables["eos_token"].get<std::string>(), "eos_token", where));
  if (!fields.optional_boolean("add_bos_token").value_or(false)) return;
  if (!variables.contains("bos_token")) throw Error("add_bos_token is set and bos_token is not", where);
  model.leading_token =
      added_token(model.tokenizer, variables["bos_token"].get<std::string>(), "bos_token", where);
}

Expected<void> check_variables(const ordered_json& variables, const ordered_json& own) {
  if (!variables.is_object())
    return refuse("chat_template_kwargs must be an object.", "chat_template_kwargs");
  for (const auto& [name, value] : variables.items())
    if (own.contains(name) || std::find(reserved.begin(), reserved.end(), name) != reserved.end())
      return refuse(
          "chat_template_kwargs may not set messages, tools, add_generation_prompt, or the model's own "
          "tokens.",
          "chat_template_kwargs");
  return {};
}

}  // namespace

TextModel TextModel::load(const path& folder) {
  const ModelConfig config = load_config(folder / "config.json");
  TextModel model{.tokenizer = Tokenizer::load(folder / "tokenizer.json"),
                  .chat_template = {},
                  .tool_use_template = {},
                  .template_variables = ordered_json::object(),
                  .defaults = load_generation_config(folder, config.vocab_size),
                  .eos_ids = config.eos_token_ids,
                  .leading_token = {}};
  if (model.tokenizer.vocab_size() > config.vocab_size)
    throw Error("has ids up to " + std::to_string(model.tokenizer.vocab_size() - 1) +
                    ", but config.json has a vocab_size of " + std::to_string(config.vocab_size),
                (folder / "tokenizer.json").string(), "it belongs to another model");
  const auto& further = model.defaults.eos_token_ids;
  model.eos_ids.insert(model.eos_ids.end(), further.begin(), further.end());

  if (const path file = folder / "tokenizer_config.json"; exists(file)) {
    const json tokenizer_config = load_json(file, max_tokenizer_config_bytes);
    JsonFields fields(tokenizer_config, file.string());
    model.template_variables = special_token_texts(tokenizer_config, file.string());
    take_special_tokens(model, tokenizer_config, file.string());
    if (const json* given = fields.find("chat_template")) take_templates(model, *given, file.string());
  }
  if (const path file = folder / "chat_template.jinja"; exists(file)) {
    model.chat_template = ChatTemplate::parse(read_template(file), file.string());
    model.tool_use_template.reset();
  }
  std::sort(model.eos_ids.begin(), model.eos_ids.end());
  model.eos_ids.erase(std::unique(model.eos_ids.begin(), model.eos_ids.end()), model.eos_ids.end());
  return model;
}

Expected<RenderedPrompt> TextModel::render(const ordered_json& messages, const ordered_json& tools,
                                           const ordered_json& variables, bool add_generation_prompt) const {
  const bool has_tools = tools.is_array() && !tools.empty();
  const auto& chosen = has_tools && tool_use_template ? tool_use_template : chat_template;
  if (!chosen)
    return refuse("This model has no chat template, so it cannot chat; it completes texts.", "messages");
  if (auto checked = check_variables(variables, template_variables); !checked)
    return tl::unexpected(checked.error());
  // As transformers' apply_chat_template passes them: always there, and none if not given.
  ordered_json untrusted = variables;
  untrusted["messages"] = messages;
  untrusted["tools"] = has_tools ? tools : ordered_json();
  untrusted["documents"] = nullptr;
  untrusted["add_generation_prompt"] = add_generation_prompt;
  return chosen->render(template_variables, untrusted);
}

Expected<std::vector<TokenId>> TextModel::render_chat(const ordered_json& messages, const ordered_json& tools,
                                                      const ordered_json& variables,
                                                      bool add_generation_prompt) const {
  const auto prompt = render(messages, tools, variables, add_generation_prompt);
  if (!prompt) return tl::unexpected(prompt.error());
  return tokenizer.encode(prompt->text, prompt->plain);
}

Expected<std::vector<TokenId>> TextModel::encode_prompt(std::string_view text) const {
  auto ids = tokenizer.encode(text);
  if (ids && leading_token && (ids->empty() || ids->front() != *leading_token))
    ids->insert(ids->begin(), *leading_token);
  return ids;
}

}  // namespace troupe::model
