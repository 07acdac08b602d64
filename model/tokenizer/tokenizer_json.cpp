// Formats and meanings: https://github.com/huggingface/tokenizers, version 0.20.
// What cuts an encoded text or fills it up (truncation, padding) is not ours and is not read, nor is
// what the post_processor puts behind it.
#include "model/tokenizer/tokenizer_json.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <unordered_set>
#include <utility>

#include "model/json/parse.hpp"
#include "model/json/value.hpp"
#include "model/tokenizer/bpe_builder.hpp"
#include "model/tokenizer/token_names.hpp"
#include "model/tokenizer/token_spelling.hpp"

namespace troupe::model {
namespace {

bool is_type(const JsonValue& field, std::string_view type) {
  return field["type"].text() == type;
}

// A step or a Sequence of them.
std::vector<JsonValue> steps_of(const JsonValue& field, std::string_view list) {
  return is_type(field, "Sequence") ? field[list].elements() : std::vector{field};
}

// What a text gets in place of what it had.
std::string read_inserted(const JsonValue& field) {
  std::string text = field.text();
  if (text.size() > Normalizer::max_inserted_bytes)
    field.fail("has more than " + std::to_string(Normalizer::max_inserted_bytes) + " bytes");
  return text;
}

void read_replace(const JsonValue& step, Normalizer& normalizer) {
  step.allow_only({"type", "pattern", "content"});
  step["pattern"].allow_only({"String"});
  std::string pattern = step["pattern"]["String"].text();
  if (pattern.empty()) step["pattern"]["String"].fail("is empty");
  normalizer.add_replace(std::move(pattern), read_inserted(step["content"]));
}

Normalizer read_normalizer(const JsonValue& field) {
  Normalizer normalizer;
  if (field.is_null()) return normalizer;
  for (const JsonValue& step : steps_of(field, "normalizers")) {
    const std::string type = step["type"].text();
    if (type == "NFC")
      normalizer.add_nfc();
    else if (type == "Prepend")
      normalizer.add_prepend(read_inserted(step["prepend"]));
    else if (type == "Replace")
      read_replace(step, normalizer);
    else
      step["type"].fail("is not supported: " + type);
  }
  return normalizer;
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

Split read_split(const JsonValue& step) {
  if (is_type(step, "Digits")) {
    step.allow_only({"type", "individual_digits"});
    const bool each = step["individual_digits"].optional_boolean().value_or(false);
    return {Pattern::regex(R"(\p{N})"), each ? SplitBehavior::isolated : SplitBehavior::contiguous};
  }
  if (!is_type(step, "Split")) step["type"].fail("is not supported: " + step["type"].text());
  step.allow_only({"type", "pattern", "behavior", "invert"});
  return {read_pattern(step["pattern"]), read_behavior(step["behavior"]),
          step["invert"].optional_boolean().value_or(false)};
}

PreTokenizer read_byte_level(const JsonValue& field) {
  if (field.is_null()) field.fail("is missing; a byte-level tokenizer has one");
  std::vector<JsonValue> steps = steps_of(field, "pretokenizers");
  if (steps.empty() || !is_type(steps.back(), "ByteLevel")) field.fail("must end in ByteLevel");
  const JsonValue byte_level = steps.back();
  steps.pop_back();
  std::vector<Split> splits;
  for (const JsonValue& step : steps) splits.push_back(read_split(step));
  byte_level.allow_only({"type", "add_prefix_space", "trim_offsets", "use_regex"});
  std::vector<Split> last_splits;
  if (byte_level["use_regex"].optional_boolean().value_or(true))
    last_splits.push_back({Pattern::regex(gpt2_pattern)});
  return {std::move(splits), byte_level["add_prefix_space"].optional_boolean().value_or(true),
          std::move(last_splits)};
}

Metaspace::Prepend read_prepend_scheme(const JsonValue& field) {
  const std::string scheme = field["prepend_scheme"].optional_text().value_or(
      field["add_prefix_space"].optional_boolean().value_or(true) ? "always" : "never");
  if (scheme == "never") return Metaspace::Prepend::never;
  if (scheme == "first") return Metaspace::Prepend::first;
  if (scheme != "always") field["prepend_scheme"].fail("is not supported: " + scheme);
  return Metaspace::Prepend::always;
}

// Of SentencePiece's BPE.
PreTokenizer read_metaspace(const JsonValue& field) {
  if (field.is_null()) return {};
  if (!is_type(field, "Metaspace")) field["type"].fail("is not supported: " + field["type"].text());
  field.allow_only({"type", "replacement", "str_rep", "prepend_scheme", "add_prefix_space", "split"});
  for (const std::string_view name : {"replacement", "str_rep"})
    if (field[name].optional_text().value_or(std::string(sentence_piece_space)) != sentence_piece_space)
      field[name].fail("must be ▁");
  return PreTokenizer(Metaspace{.prepend = read_prepend_scheme(field),
                                .split = field["split"].optional_boolean().value_or(true)});
}

// The fields of the model that would change ids if they were set.
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

TokenNames read_vocabulary(const JsonValue& vocab) {
  TokenNames vocabulary;
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

void read_merges(const JsonValue& field, BpeBuilder& bpe) {
  const nlohmann::json& merges = field.value();
  if (!merges.is_array()) field.fail("must be an array");
  for (std::size_t i = 0; i < merges.size(); ++i) {
    const auto [left, right] = read_merge(merges[i]);
    if (left.empty() || right.empty()) field.element(i).fail("must be a pair of tokens");
    try {
      bpe.merge(left, right);
    } catch (const std::invalid_argument& e) {
      field.element(i).fail(e.what());
    }
  }
}

BytePairEncoding read_bpe(const JsonValue& model, const TokenNames& vocabulary, TokenSpelling spelling,
                          const std::vector<AddedToken>& added) {
  std::unordered_set<TokenId> ids;
  for (const AddedToken& token : added) ids.insert(token.id);
  try {
    BpeBuilder bpe(vocabulary, spelling, std::move(ids));
    read_merges(model["merges"], bpe);
    if (model["ignore_merges"].optional_boolean().value_or(false)) bpe.keep_whole_words();
    const auto unknown = vocabulary.ids.find(model["unk_token"].optional_text().value_or(""));
    if (unknown != vocabulary.ids.end())
      bpe.set_unknown(unknown->second, model["fuse_unk"].optional_boolean().value_or(false));
    return bpe.take();
  } catch (const std::invalid_argument& e) {
    model["vocab"].fail(e.what());
  }
}

AddedToken read_added_token(const JsonValue& field, const TokenNames& vocabulary) {
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

std::vector<AddedToken> read_added_tokens(const JsonValue& field, const TokenNames& vocabulary) {
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

// How texts are put together from tokens.
struct Decoder {
  TokenSpelling spelling = TokenSpelling::byte_letters;
  bool drops_first_space = false;
};

// SentencePiece's: spaces for ▁, bytes for <0x0A>, all in one, and perhaps without the space that was put before the text.
Decoder read_decoder(const JsonValue& field) {
  const char* const unknown =
      "must be ByteLevel, or a Sequence of Replace (▁ by a space), ByteFallback, Fuse, and Strip of one space";
  if (field.is_null()) field.fail(unknown);
  if (is_type(field, "ByteLevel")) return {};
  if (!is_type(field, "Sequence")) field.fail(unknown);
  const auto steps = field["decoders"].elements();
  const auto is_step = [&](std::size_t i, const nlohmann::json& step) {
    return i < steps.size() && steps[i].value() == step;
  };
  const bool known =
      is_step(0, {{"type", "Replace"}, {"pattern", {{"String", sentence_piece_space}}}, {"content", " "}}) &&
      is_step(1, {{"type", "ByteFallback"}}) && is_step(2, {{"type", "Fuse"}});
  const bool strips = is_step(3, {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  if (!known || steps.size() != (strips ? 4u : 3u)) field.fail(unknown);
  return {TokenSpelling::sentence_piece, strips};
}

// What a TemplateProcessing puts before a text.
std::optional<TokenId> read_leading(const JsonValue& field, const std::vector<AddedToken>& added) {
  if (field.is_null()) return std::nullopt;
  std::optional<TokenId> leading;
  for (const JsonValue& step : steps_of(field, "processors")) {
    if (!is_type(step, "TemplateProcessing")) continue;
    for (const JsonValue& piece : step["single"].elements()) {
      const JsonValue token = piece["SpecialToken"];
      if (token.is_null()) break;  // the text
      const std::string content = token["id"].text();
      const auto found = std::find_if(added.begin(), added.end(),
                                      [&](const AddedToken& each) { return each.content == content; });
      if (found == added.end()) token["id"].fail("is no added token");
      if (leading) step["single"].fail("puts several tokens before a text, which is not supported");
      leading = found->id;
    }
  }
  return leading;
}

}  // namespace

TokenizerParts parse_tokenizer_json(std::string_view json, const std::string& file) {
  const nlohmann::json document = parse_json(json, file);
  const JsonValue root(document, file);
  root.allow_only({"version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer",
                   "post_processor", "decoder", "model"});
  const Decoder decoder = read_decoder(root["decoder"]);
  const bool byte_level = decoder.spelling == TokenSpelling::byte_letters;
  const JsonValue model = root["model"];
  check_model(model);
  if (!byte_level && !model["byte_fallback"].optional_boolean().value_or(false))
    model["byte_fallback"].fail("must be true where ByteLevel does not decode");
  const TokenNames vocabulary = read_vocabulary(model["vocab"]);
  std::vector<AddedToken> added = read_added_tokens(root["added_tokens"], vocabulary);
  BytePairEncoding bpe = read_bpe(model, vocabulary, decoder.spelling, added);
  TokenizerParts parts{.tokens = {},
                       .names = {},
                       .added = std::move(added),
                       .normalizer = read_normalizer(root["normalizer"]),
                       .pre_tokenizer = byte_level ? read_byte_level(root["pre_tokenizer"])
                                                   : read_metaspace(root["pre_tokenizer"]),
                       .bpe = std::move(bpe),
                       .drops_first_space = decoder.drops_first_space};
  parts.leading = read_leading(root["post_processor"], parts.added);
  name_tokens(vocabulary, decoder.spelling, parts);
  return parts;
}

}  // namespace troupe::model
