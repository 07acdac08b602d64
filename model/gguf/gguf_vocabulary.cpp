#include "model/gguf/gguf_vocabulary.hpp"

#include "runtime/base/error.hpp"

namespace troupe::model {
namespace {

constexpr std::string_view tokenizer_prefix = "tokenizer.ggml.";

class TokenizerKeys {
 public:
  explicit TokenizerKeys(const GgufFile& file) : file_(file) {}

  const GgufValue* find(std::string_view name) const {
    const std::string key = std::string(tokenizer_prefix) + std::string(name);
    return file_.has(key) ? &file_.at(key) : nullptr;
  }
  const GgufValue& at(std::string_view name) const {
    return file_.at(std::string(tokenizer_prefix) + std::string(name));
  }
  std::string text(std::string_view name, std::string_view otherwise) const {
    const GgufValue* const value = find(name);
    return std::string(value ? value->text() : otherwise);
  }
  std::vector<std::string> texts(std::string_view name) const {
    const auto& views = at(name).texts();
    return {views.begin(), views.end()};
  }
  std::optional<bool> boolean(std::string_view name) const {
    const GgufValue* const value = find(name);
    return value ? std::optional(value->boolean()) : std::nullopt;
  }
  std::optional<TokenId> token(std::string_view name, std::size_t tokens) const {
    const GgufValue* const value = find(name);
    return value ? std::optional(TokenId(value->integer(0, std::int64_t(tokens) - 1))) : std::nullopt;
  }

 private:
  const GgufFile& file_;
};

}  // namespace

Vocabulary gguf_vocabulary(const GgufFile& first) {
  const TokenizerKeys keys(first);
  Vocabulary vocabulary;
  vocabulary.where = first.path().string();
  vocabulary.model = keys.text("model", vocabulary.model);
  vocabulary.pre = keys.text("pre", vocabulary.pre);
  constexpr std::size_t most = std::size_t(max_token_id) + 1;
  if (keys.at("tokens").texts().size() > most)  // before they are copied
    keys.at("tokens").fail("has more than " + std::to_string(most) + " tokens");
  vocabulary.tokens = keys.texts("tokens");
  const std::size_t tokens = vocabulary.tokens.size();
  if (const GgufValue* const types = keys.find("token_type"))
    for (const std::int64_t type : types->integers(0, 6)) vocabulary.types.push_back(TokenType(type));
  if (const GgufValue* const scores = keys.find("scores"))
    for (const double score : scores->numbers()) vocabulary.scores.push_back(float(score));
  for (const auto& [name, size] :
       {std::pair{"token_type", vocabulary.types.size()}, std::pair{"scores", vocabulary.scores.size()}})
    if (size != 0 && size != tokens) keys.at(name).fail("is not as long as tokenizer.ggml.tokens");
  if (keys.find("merges")) vocabulary.merges = keys.texts("merges");
  vocabulary.bos = keys.token("bos_token_id", tokens);
  vocabulary.eos = keys.token("eos_token_id", tokens);
  vocabulary.unknown = keys.token("unknown_token_id", tokens);
  vocabulary.add_bos = keys.boolean("add_bos_token");
  vocabulary.add_space_prefix = keys.boolean("add_space_prefix").value_or(true);
  return vocabulary;
}

std::vector<std::pair<std::string, std::string>> gguf_templates(const GgufFile& first) {
  std::vector<std::pair<std::string, std::string>> templates;
  const std::string named = std::string(gguf_chat_template) + ".";
  for (const auto& [key, value] : first.keys()) {
    if (key == gguf_chat_template) templates.emplace_back("default", value.text());
    if (key.starts_with(named)) templates.emplace_back(key.substr(named.size()), value.text());
  }
  return templates;
}

}  // namespace troupe::model
