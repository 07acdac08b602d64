#include "model/tokenizer/vocabulary_json.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "model/tokenizer/named_pre_tokenizer.hpp"
#include "model/tokenizer/utf8.hpp"
#include "runtime/base/error.hpp"

namespace troupe::model {

using nlohmann::json;

namespace {

json written_splits(const NamedPreTokenizer& named) {
  json steps = json::array();
  for (const std::string_view pattern : named.patterns)
    steps.push_back(json{
        {"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}});
  steps.push_back(
      json{{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}});
  return {{"type", "Sequence"}, {"pretokenizers", steps}};
}

json written_added(const std::vector<AddedToken>& added) {
  json all = json::array();
  for (const AddedToken& token : added)
    all.push_back(json{{"id", token.id},
                       {"content", token.content},
                       {"single_word", false},
                       {"lstrip", false},
                       {"rstrip", false},
                       {"normalized", token.normalized},
                       {"special", token.special}});
  return all;
}

json written_leading(const TokenizerParts& parts) {
  const auto leading = std::ranges::find(parts.added, parts.leading,
                                         [](const AddedToken& token) { return std::optional(token.id); });
  if (leading == parts.added.end()) return nullptr;
  const std::string& content = leading->content;
  const json before{{"SpecialToken", {{"id", content}, {"type_id", 0}}}};
  const auto text = [](const char* id) { return json{{"Sequence", {{"id", id}, {"type_id", 0}}}}; };
  return {{"type", "TemplateProcessing"},
          {"single", json::array({before, text("A")})},
          {"pair", json::array({before, text("A"), before, text("B")})},
          {"special_tokens",
           {{content,
             {{"id", content}, {"ids", json::array({leading->id})}, {"tokens", json::array({content})}}}}}};
}

json written_vocabulary(const Vocabulary& vocabulary) {
  json ids = json::object();
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    const std::string& name = vocabulary.tokens[id];
    if (!is_utf8(name))
      throw Error("tokenizer.ggml.tokens[" + std::to_string(id) + "] is not UTF-8, as JSON is",
                  vocabulary.where);
    if (!name.empty()) ids[name] = id;
  }
  return ids;
}

// Which parts_of() has found to be pairs of tokens.
json written_merges(const Vocabulary& vocabulary) {
  json pairs = json::array();
  for (const std::string& merge : vocabulary.merges) {
    const auto space = merge.find(' ', 1);
    pairs.push_back(json::array({merge.substr(0, space), merge.substr(space + 1)}));
  }
  return pairs;
}

}  // namespace

std::string tokenizer_json(const Vocabulary& vocabulary) {
  const TokenizerParts parts = parts_of(vocabulary);
  if (vocabulary.model != "gpt2")
    throw Error(
        "tokenizer.ggml.model is \"" + vocabulary.model + "\", whose scores tokenizer.json has no place for",
        vocabulary.where);
  const NamedPreTokenizer named = pre_tokenizer_named(vocabulary.pre).value();
  const json byte_level{
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}};
  return json{{"version", "1.0"},
              {"truncation", nullptr},
              {"padding", nullptr},
              {"added_tokens", written_added(parts.added)},
              {"normalizer", named.nfc ? json{{"type", "NFC"}} : json()},
              {"pre_tokenizer", written_splits(named)},
              {"post_processor", written_leading(parts)},
              {"decoder", byte_level},
              {"model",
               {{"type", "BPE"},
                {"dropout", nullptr},
                {"unk_token", nullptr},
                {"continuing_subword_prefix", nullptr},
                {"end_of_word_suffix", nullptr},
                {"fuse_unk", false},
                {"byte_fallback", false},
                {"ignore_merges", named.whole_words},
                {"vocab", written_vocabulary(vocabulary)},
                {"merges", written_merges(vocabulary)}}}}
      .dump();
}

}  // namespace troupe::model
