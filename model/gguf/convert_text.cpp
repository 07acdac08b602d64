#include "model/gguf/convert_text.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "model/checkpoint/new_file.hpp"
#include "model/gguf/gguf_vocabulary.hpp"
#include "model/json/parse.hpp"
#include "model/json/value.hpp"
#include "model/text/text_model.hpp"
#include "model/tokenizer/vocabulary_json.hpp"
#include "runtime/base/file.hpp"

namespace troupe::model {

namespace fs = std::filesystem;

namespace {

constexpr const char *tokenizer_file = "tokenizer.json", *tokenizer_config_file = "tokenizer_config.json",
                     *template_file = "chat_template.jinja", *ranks_file = "tiktoken.model",
                     *generation_config_file = "generation_config.json";
constexpr std::string_view add_bos_key = "tokenizer.ggml.add_bos_token";

// chat_template of tokenizer_config.json: one, or a list of named ones, of which two are of use.
void put_templates(const JsonValue& given, GgufKeys& keys) {
  if (given.value().is_string()) keys.text(gguf_chat_template, given.text());
  if (!given.value().is_array()) return;
  for (const JsonValue& each : given.elements()) {
    const std::string name = each["name"].text();
    if (name == "default") keys.text(gguf_chat_template, each["template"].text());
    if (name == "tool_use") keys.text(std::string(gguf_chat_template) + "." + name, each["template"].text());
  }
}

void text_of_folder(const fs::path& folder, GgufKeys& keys) {
  if (fs::exists(folder / tokenizer_file))
    keys.text(gguf_tokenizer_json, read_file(folder / tokenizer_file, Tokenizer::max_file_bytes));
  else if (fs::exists(folder / ranks_file))
    throw Error("has its tokenizer in tiktoken.model, which a GGUF file has no key for", folder.string(),
                "convert it to a folder, or put the model's tokenizer.json beside it");
  const bool has_file = fs::exists(folder / template_file);
  if (has_file)
    keys.text(gguf_chat_template, read_file(folder / template_file, TemplateLimits{}.source_bytes));
  if (!fs::exists(folder / tokenizer_config_file)) return;
  const nlohmann::json document = load_json(folder / tokenizer_config_file, max_tokenizer_config_bytes);
  const JsonValue config(document, (folder / tokenizer_config_file).string());
  if (!has_file) put_templates(config["chat_template"], keys);
  if (const auto add_bos = config["add_bos_token"].optional_boolean()) keys.boolean(add_bos_key, *add_bos);
}

void copy_list(const GgufValue& value, std::string_view key, GgufKeys& keys) {
  const auto& texts = value.texts();
  keys.texts(key, std::vector<std::string>(texts.begin(), texts.end()));
}

void text_of_gguf(const GgufFile& file, GgufKeys& keys) {
  const std::string named_template = std::string(gguf_chat_template) + ".";
  for (const auto& [key, value] : file.keys()) {
    if (key == gguf_tokenizer_json || key == "tokenizer.ggml.model" || key == "tokenizer.ggml.pre" ||
        key == gguf_chat_template || key.starts_with(named_template))
      keys.text(key, value.text());
    if (key == "tokenizer.ggml.tokens" || key == "tokenizer.ggml.merges") copy_list(value, key, keys);
    if (key == "tokenizer.ggml.token_type") {
      const auto types = value.integers(INT32_MIN, INT32_MAX);
      keys.i32s(key, std::vector<std::int32_t>(types.begin(), types.end()));
    }
    if (key == "tokenizer.ggml.scores")
      keys.f32s(key, std::vector<float>(value.numbers().begin(), value.numbers().end()));
    if (key == add_bos_key || key == "tokenizer.ggml.add_space_prefix") keys.boolean(key, value.boolean());
    if (key == "tokenizer.ggml.unknown_token_id")
      keys.u32(key, std::uint32_t(value.integer(0, limits::vocab_size)));
  }
}

void write_text(const fs::path& path, std::string_view text) {
  NewFile file(path);
  file.append(std::as_bytes(std::span(text)));
  file.finish();
}

void write_document(const fs::path& path, const nlohmann::json& json) {
  write_text(path, json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

// What tokenizer_config.json says of a GGUF file's keys, but for templates.
nlohmann::json tokenizer_config(const GgufFile& file, const TextModel& text,
                                std::vector<std::string>& notes) {
  nlohmann::json config = nlohmann::json::object();
  for (const auto& [name, token] : text.template_variables.items()) {
    if (text.tokenizer.id_of_added(token.get<std::string>()))
      config[name] = token.get<std::string>();
    else
      notes.push_back(name + " is no control token, so tokenizer_config.json cannot name it");
  }
  if (file.has(add_bos_key))
    config["add_bos_token"] = file.at(add_bos_key).boolean() && config.contains("bos_token");
  return config;
}

// A single one has a file of its own.
void write_templates(const GgufFile& file, const fs::path& folder, nlohmann::json& config) {
  nlohmann::json named = nlohmann::json::array();
  for (const auto& [name, source] : gguf_templates(file))
    if (name == "default" || name == "tool_use")
      named.push_back(nlohmann::json{{"name", name}, {"template", source}});
  if (named.size() == 1 && named[0]["name"] == "default")
    write_text(folder / template_file, named[0]["template"].get_ref<const std::string&>());
  else if (!named.empty())
    config["chat_template"] = std::move(named);
}

std::vector<std::string> files_of_gguf(const fs::path& path, const fs::path& folder) {
  const GgufFile file = std::move(open_gguf(path).front());
  nlohmann::json config = nlohmann::json::object();
  std::vector<std::string> notes;
  std::optional<TextModel> text;
  std::string tokenizer;
  try {
    tokenizer = file.has(gguf_tokenizer_json) ? std::string(file.at(gguf_tokenizer_json).text())
                                              : tokenizer_json(gguf_vocabulary(file));
    text.emplace(TextModel::load(path));
    config = tokenizer_config(file, *text, notes);
  } catch (const Error& failure) {
    notes.push_back("the folder gets no tokenizer, and cannot be served without one: " +
                    std::string(failure.what()));
  }
  if (text) {
    write_text(folder / tokenizer_file, tokenizer);
    if (!text->eos_ids.empty())
      write_document(folder / generation_config_file, {{"eos_token_id", text->eos_ids}});
  }
  write_templates(file, folder, config);
  if (!config.empty()) write_document(folder / tokenizer_config_file, config);
  return notes;
}

}  // namespace

nlohmann::json with_special_tokens(const Checkpoint& checkpoint, nlohmann::json config) {
  const fs::path& from = checkpoint.folder();
  if (is_gguf(from) || !fs::exists(from / tokenizer_file)) return config;
  const TextModel text = TextModel::load(from);
  const auto id_of = [&](const char* name) -> std::optional<TokenId> {
    const auto found = text.template_variables.find(name);
    if (found == text.template_variables.end()) return std::nullopt;
    return text.tokenizer.id_of_added(found->get_ref<const std::string&>());
  };
  if (const auto bos = id_of("bos_token")) config["bos_token_id"] = *bos;
  std::vector<TokenId> ends = text.eos_ids;
  if (const auto first = std::ranges::find(ends, id_of("eos_token").value_or(no_token)); first != ends.end())
    std::rotate(ends.begin(), first, first + 1);
  if (!ends.empty()) config["eos_token_id"] = ends;
  return config;
}

void convert_text(const Checkpoint& checkpoint, GgufKeys& keys) {
  const fs::path& from = checkpoint.folder();
  is_gguf(from) ? text_of_gguf(open_gguf(from).front(), keys) : text_of_folder(from, keys);
}

std::vector<std::string> convert_text(const Checkpoint& checkpoint, const fs::path& folder) {
  const fs::path& from = checkpoint.folder();
  if (is_gguf(from)) return files_of_gguf(from, folder);
  for (const char* name :
       {tokenizer_file, ranks_file, tokenizer_config_file, template_file, generation_config_file})
    if (fs::exists(from / name)) fs::copy_file(from / name, folder / name);
  return {};
}

}  // namespace troupe::model
