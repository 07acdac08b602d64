// Formats and meanings: https://github.com/huggingface/tokenizers, version 0.20.
// What only places special tokens around an encoded text, cuts it or fills it up
// (post_processor, truncation, padding) is not ours and is not read.
#include "model/tokenizer/tokenizer_file.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "model/json/parse.hpp"
#include "model/json/value.hpp"
#include "model/tokenizer/byte_alphabet.hpp"

namespace troupe::model {
namespace {

// Of GPT-2; what "use_regex" stands for in a ByteLevel pre-tokenizer.
constexpr std::string_view gpt2_pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

bool is_type(const JsonValue& field, std::string_view type) {
  return field["type"].text() == type;
}

// A step or a Sequence of them.
std::vector<JsonValue> steps_of(const JsonValue& field, std::string_view list) {
  return is_type(field, "Sequence") ? field[list].elements() : std::vector{field};
}

bool read_normalizer(const JsonValue& field) {
  if (field.is_null()) return false;
  const std::vector<JsonValue> steps = steps_of(field, "normalizers");
  for (const JsonValue& step : steps) {
    if (!is_type(step, "NFC")) step["type"].fail("is not supported: " + step["type"].text());
  }
  return !steps.empty();
}

Pattern read_pattern(const JsonValue& field) {
  field.allow_only({"Regex", "String"});
  const bool is_regex = field["String"].is_null();
  const JsonValue source = field[is_regex ? "Regex" : "String"];
  try {
    return is_regex ? Pattern::regex(source.text()) : Pattern::literal(source.text());
  } catch (const std::invalid_argument& e) {
    source.fail(std::string("cannot be used: ") + e.what());
  }
}

SplitBehavior read_behavior(const JsonValue& field) {
  static constexpr std::array<std::pair<std::string_view, SplitBehavior>, 5> names{{
      {"Removed", SplitBehavior::removed},
      {"Isolated", SplitBehavior::isolated},
      {"MergedWithPrevious", SplitBehavior::merged_with_previous},
      {"MergedWithNext", SplitBehavior::merged_with_next},
      {"Contiguous", SplitBehavior::contiguous},
  }};
  const std::string name = field.text();
  const auto found =
      std::find_if(names.begin(), names.end(), [&](const auto& entry) { return entry.first == name; });
  if (found == names.end()) field.fail("is not supported: " + name);
  return found->second;
}

PreTokenizer read_pre_tokenizer(const JsonValue& field) {
  if (field.is_null()) field.fail("is missing; only byte-level tokenizers are supported");
  std::vector<JsonValue> steps = steps_of(field, "pretokenizers");
  if (steps.empty() || !is_type(steps.back(), "ByteLevel")) field.fail("must end in ByteLevel");
  const JsonValue byte_level = steps.back();
  steps.pop_back();
  std::vector<Split> splits;
  for (const JsonValue& step : steps) {
    if (!is_type(step, "Split")) step["type"].fail("is not supported: " + step["type"].text());
    step.allow_only({"type", "pattern", "behavior", "invert"});
    splits.push_back({read_pattern(step["pattern"]), read_behavior(step["behavior"]),
                      step["invert"].optional_boolean().value_or(false)});
  }
  byte_level.allow_only({"type", "add_prefix_space", "trim_offsets", "use_regex"});
  std::vector<Split> last_splits;
  if (byte_level["use_regex"].optional_boolean().value_or(true))
    last_splits.push_back({Pattern::regex(gpt2_pattern)});
  return {std::move(splits), byte_level["add_prefix_space"].optional_boolean().value_or(true),
          std::move(last_splits)};
}

// The fields of the model that would change ids if they were set. unk_token, fuse_unk and byte_fallback serve
// vocabularies that lack bytes; those are refused further down.
void check_model(const JsonValue& model) {
  if (!is_type(model, "BPE")) model["type"].fail("is not supported: " + model["type"].text());
  model.allow_only({"type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix",
                    "fuse_unk", "byte_fallback", "ignore_merges", "vocab", "merges"});
  if (!model["dropout"].is_null() && model["dropout"].value() != 0.0)
    model["dropout"].fail("is not supported");
  for (const std::string_view affix : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!model[affix].is_null() && !model[affix].text().empty()) model[affix].fail("is not supported");
  }
}

// The vocabulary while it is read. Names are written in the byte alphabet and live in the JSON document.
struct Vocabulary {
  std::unordered_map<std::string_view, TokenId> ids;
  std::vector<std::string_view> names;  // by id; empty where there is none

  void add(std::string_view name, TokenId id) {
    if (names.size() <= static_cast<std::size_t>(id)) names.resize(static_cast<std::size_t>(id) + 1);
    names[static_cast<std::size_t>(id)] = name;
    ids[name] = id;
  }
  std::string_view name_of(TokenId id) const {
    return static_cast<std::size_t>(id) < names.size() ? names[static_cast<std::size_t>(id)]
                                                       : std::string_view{};
  }
};

Vocabulary read_vocabulary(const JsonValue& vocab) {
  Vocabulary vocabulary;
  if (!vocab.value().is_object()) vocab.fail("must be an object");
  vocabulary.ids.reserve(vocab.value().size());
  for (const auto& [name, value] : vocab.value().items()) {
    if (name.empty()) vocab.fail("has a token without bytes");
    const bool fits = value.is_number_unsigned() && value.get<std::uint64_t>() <= std::uint64_t{max_token_id};
    if (!fits) vocab[name].fail("must be an id from 0 to " + std::to_string(max_token_id));
    const auto id = value.get<TokenId>();
    if (!vocabulary.name_of(id).empty()) vocab[name].fail("has the id of another token");
    vocabulary.add(name, id);
  }
  return vocabulary;
}

// A merge is "left right" or ["left", "right"].
std::pair<std::string_view, std::string_view> read_merge(const nlohmann::json& merge) {
  if (const auto* text = merge.get_ptr<const std::string*>()) {
    const std::size_t space = text->find(' ');
    if (space == text->npos || text->find(' ', space + 1) != text->npos) return {};
    return {std::string_view(*text).substr(0, space), std::string_view(*text).substr(space + 1)};
  }
  if (!merge.is_array() || merge.size() != 2 || !merge[0].is_string() || !merge[1].is_string()) return {};
  return {merge[0].get_ref<const std::string&>(), merge[1].get_ref<const std::string&>()};
}

class BpeReader {
 public:
  BpeReader(const JsonValue& model, const Vocabulary& vocabulary, const std::vector<AddedToken>& added)
      : model_(model), vocabulary_(vocabulary) {
    for (const AddedToken& token : added) added_.insert(token.id);
  }

  BytePairEncoding read() const {
    BytePairEncoding bpe(byte_tokens());
    read_merges(bpe);
    if (model_["ignore_merges"].optional_boolean().value_or(false)) add_words(bpe);
    return bpe;
  }

 private:
  std::array<TokenId, 256> byte_tokens() const {
    std::array<TokenId, 256> tokens{};
    for (int byte = 0; byte < 256; ++byte) {
      const bool in_utf8 = byte < 0xC0 || (byte > 0xC1 && byte < 0xF5);
      const auto found = vocabulary_.ids.find(letter_of_byte(static_cast<unsigned char>(byte)));
      if (found == vocabulary_.ids.end()) {
        if (in_utf8)
          model_["vocab"].fail("has no token for byte " + std::to_string(byte) + ", so texts would lose it");
        continue;
      }
      refuse_added(found->second);
      tokens[byte] = found->second;
    }
    return tokens;
  }

  void read_merges(BytePairEncoding& bpe) const {
    const nlohmann::json& merges = model_["merges"].value();
    if (!merges.is_array()) model_["merges"].fail("must be an array");
    std::string name;
    for (std::size_t i = 0; i < merges.size(); ++i) {
      const auto [left, right] = read_merge(merges[i]);
      name.assign(left).append(right);
      const auto merged = vocabulary_.ids.find(name);
      const auto left_id = vocabulary_.ids.find(left);
      const auto right_id = vocabulary_.ids.find(right);
      if (left.empty() || right.empty()) model_["merges"].element(i).fail("must be a pair of tokens");
      for (const auto& part : {merged, left_id, right_id}) {
        if (part == vocabulary_.ids.end())
          model_["merges"].element(i).fail("names a token that is not in the vocabulary");
      }
      refuse_added(merged->second);
      bpe.add_merge(left_id->second, right_id->second, merged->second);
    }
  }

  void add_words(BytePairEncoding& bpe) const {
    for (const auto& [name, id] : vocabulary_.ids) {
      if (added_.contains(id)) continue;
      if (auto bytes = bytes_of_letters(name)) bpe.add_word(std::move(*bytes), id);
    }
  }

  // If merges made an added token, what a user writes could be taken for control.
  void refuse_added(TokenId id) const {
    if (added_.contains(id)) model_["vocab"].fail("lets plain text become added token " + std::to_string(id));
  }

  const JsonValue& model_;
  const Vocabulary& vocabulary_;
  std::unordered_set<TokenId> added_;
};

AddedToken read_added_token(const JsonValue& field, const Vocabulary& vocabulary) {
  field.allow_only({"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"});
  for (const std::string_view flag : {"single_word", "lstrip", "rstrip"}) {
    if (field[flag].optional_boolean().value_or(false)) field[flag].fail("is not supported");
  }
  AddedToken token{.id = static_cast<TokenId>(field["id"].integer(0, max_token_id)),
                   .content = field["content"].text(),
                   .special = field["special"].optional_boolean().value_or(false),
                   .normalized = field["normalized"].optional_boolean().value_or(false)};
  if (token.content.empty()) field["content"].fail("is empty");
  const auto in_vocabulary = vocabulary.ids.find(token.content);
  const bool contradicts = in_vocabulary == vocabulary.ids.end() ? !vocabulary.name_of(token.id).empty()
                                                                 : in_vocabulary->second != token.id;
  if (contradicts) field["id"].fail("contradicts model.vocab");
  return token;
}

std::vector<AddedToken> read_added_tokens(const JsonValue& field, const Vocabulary& vocabulary) {
  std::vector<AddedToken> added;
  if (field.is_null()) return added;
  std::unordered_set<std::string> contents;
  std::unordered_set<TokenId> ids;
  for (const JsonValue& element : field.elements()) {
    added.push_back(read_added_token(element, vocabulary));
    if (!ids.insert(added.back().id).second) element["id"].fail("was given to another added token");
    if (!contents.insert(added.back().content).second) element["content"].fail("was added before");
  }
  return added;
}

// As Hugging Face's ByteLevel decoder: what is not written in the byte alphabet stands for itself.
std::vector<std::string> decoded(Vocabulary vocabulary, const std::vector<AddedToken>& added) {
  for (const AddedToken& token : added) vocabulary.add(token.content, token.id);
  std::vector<std::string> tokens;
  tokens.reserve(vocabulary.names.size());
  for (const std::string_view name : vocabulary.names) {
    tokens.push_back(bytes_of_letters(name).value_or(std::string(name)));
  }
  return tokens;
}

}  // namespace

TokenizerFile parse_tokenizer_file(std::string_view json, const std::string& file) {
  const nlohmann::json document = parse_json(json, file);
  const JsonValue root(document, file);
  root.allow_only({"version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer",
                   "post_processor", "decoder", "model"});
  if (root["decoder"].is_null() || !is_type(root["decoder"], "ByteLevel")) {
    root["decoder"].fail("must be ByteLevel");
  }
  const JsonValue model = root["model"];
  check_model(model);
  const Vocabulary vocabulary = read_vocabulary(model["vocab"]);
  std::vector<AddedToken> added = read_added_tokens(root["added_tokens"], vocabulary);
  BytePairEncoding bpe = BpeReader(model, vocabulary, added).read();
  std::vector<std::string> tokens = decoded(vocabulary, added);
  return {.tokens = std::move(tokens),
          .added = std::move(added),
          .nfc = read_normalizer(root["normalizer"]),
          .pre_tokenizer = read_pre_tokenizer(root["pre_tokenizer"]),
          .bpe = std::move(bpe)};
}

}  // namespace troupe::model
