// As llama.cpp reads the keys tokenizer.ggml.* (llama-vocab.cpp).
#include "model/tokenizer/vocabulary.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <stdexcept>
#include <unordered_set>
#include <utility>

#include "model/tokenizer/bpe_builder.hpp"
#include "model/tokenizer/named_pre_tokenizer.hpp"
#include "model/tokenizer/token_names.hpp"
#include "runtime/base/error.hpp"

namespace troupe::model {
namespace {

class VocabularyReader {
 public:
  explicit VocabularyReader(const Vocabulary& vocabulary) : vocabulary_(vocabulary) {}

  TokenizerParts read() {
    if (vocabulary_.model != "gpt2" && vocabulary_.model != "llama")
      fail("model", "is not supported: " + vocabulary_.model);
    check_sizes();
    read_names();
    TokenizerParts parts = is_gpt2() ? read_gpt2() : read_llama();
    parts.added = added_;
    name_tokens(names_, spelling(), parts);
    return parts;
  }

 private:
  [[noreturn]] void fail(const std::string& key, const std::string& what) const {
    throw Error("tokenizer.ggml." + key + " " + what, vocabulary_.where);
  }
  bool is_gpt2() const { return vocabulary_.model == "gpt2"; }
  TokenSpelling spelling() const {
    return is_gpt2() ? TokenSpelling::byte_letters : TokenSpelling::sentence_piece;
  }
  TokenType type_of(TokenId id) const {
    return vocabulary_.types.empty() ? TokenType::normal : vocabulary_.types[std::size_t(id)];
  }

  void check_sizes() const {
    const std::size_t size = vocabulary_.tokens.size();
    if (size == 0) fail("tokens", "has no token");
    if (size > std::size_t(max_token_id) + 1)
      fail("tokens", "has more than " + std::to_string(max_token_id + 1) + " tokens");
    if (!vocabulary_.types.empty() && vocabulary_.types.size() != size)
      fail("token_type", "has another number of tokens than tokenizer.ggml.tokens");
    if (!is_gpt2() && vocabulary_.scores.size() != size)
      fail("scores", "has another number of tokens than tokenizer.ggml.tokens");
    for (const auto& [key, id] :
         {std::pair("bos_token_id", vocabulary_.bos), std::pair("eos_token_id", vocabulary_.eos),
          std::pair("unknown_token_id", vocabulary_.unknown)})
      if (id && (*id < 0 || std::size_t(*id) >= size)) fail(key, "is outside of the vocabulary");
  }

  void read_names() {
    std::unordered_set<std::string_view> contents;
    for (std::size_t i = 0; i < vocabulary_.tokens.size(); ++i) {
      const auto id = static_cast<TokenId>(i);
      const std::string& name = vocabulary_.tokens[i];
      const TokenType type = type_of(id);
      const bool special = type == TokenType::control || type == TokenType::unknown || is_end(id);
      if (name.empty()) continue;  // nothing can write it
      if (!special && type != TokenType::user_defined) {
        if (names_.ids.contains(name)) fail("tokens", "has two tokens of the same name");
        names_.add(name, id);
        continue;
      }
      if (!contents.insert(name).second) fail("tokens", "has two tokens of the same name");
      added_.push_back({.id = id, .content = name, .special = special});
    }
    for (const AddedToken& token : added_) {
      if (names_.ids.contains(token.content)) fail("tokens", "has two tokens of the same name");
      names_.add(token.content, token.id);
    }
  }

  // Files exist that call <|im_end|> and the like normal tokens.
  bool is_end(TokenId id) const {
    const std::string& name = vocabulary_.tokens[std::size_t(id)];
    return (id == vocabulary_.bos || id == vocabulary_.eos) && name.starts_with('<') && name.ends_with('>');
  }

  BpeBuilder builder() const {
    std::unordered_set<TokenId> ids;
    for (const AddedToken& token : added_) ids.insert(token.id);
    try {
      return {names_, spelling(), std::move(ids)};
    } catch (const std::invalid_argument& e) {
      fail("tokens", e.what());
    }
  }

  std::optional<TokenId> leading(bool by_default) const {
    return vocabulary_.add_bos.value_or(by_default) ? vocabulary_.bos : std::nullopt;
  }

  TokenizerParts read_gpt2() const {
    auto named = pre_tokenizer_named(vocabulary_.pre);
    if (!named) fail("pre", "is not supported: " + vocabulary_.pre);
    BpeBuilder bpe = builder();
    for (std::size_t i = 0; i < vocabulary_.merges.size(); ++i) {
      const std::string_view merge = vocabulary_.merges[i];
      const auto space = merge.find(' ', 1);  // a name may be a space in files of old
      try {
        if (space == merge.npos) throw std::invalid_argument("must be a pair of tokens");
        bpe.merge(merge.substr(0, space), merge.substr(space + 1));
      } catch (const std::invalid_argument& e) {
        fail("merges[" + std::to_string(i) + "]", e.what());
      }
    }
    if (named->whole_words) bpe.keep_whole_words();
    bpe.part_at_unknown();
    TokenizerParts parts{.tokens = {},
                         .names = {},
                         .added = {},
                         .pre_tokenizer = std::move(named->splits),
                         .bpe = bpe.take(),
                         .leading = leading(named->adds_bos)};
    if (named->nfc) parts.normalizer.add_nfc();
    return parts;
  }

  // The highest score has rank 0, and equal scores have the same: among those the leftmost pair merges first.
  std::map<float, int, std::greater<>> ranks() const {
    std::map<float, int, std::greater<>> ranks;
    for (const float score : vocabulary_.scores) {
      if (std::isnan(score)) fail("scores", "has a score that is no number");
      ranks.emplace(score, 0);
    }
    int next = 0;
    for (auto& [score, rank] : ranks) rank = next++;
    return ranks;
  }

  TokenizerParts read_llama() const {
    BpeBuilder bpe = builder();
    const auto ranks = this->ranks();
    try {
      bpe.merge_what_joins([&](TokenId id) {
        const bool is_byte = type_of(id) == TokenType::byte;  // that is no text: no text becomes it
        return is_byte ? std::nullopt : std::optional(ranks.at(vocabulary_.scores[std::size_t(id)]));
      });
    } catch (const std::invalid_argument& e) {
      fail("tokens", e.what());
    }
    if (vocabulary_.unknown) bpe.set_unknown(*vocabulary_.unknown, true);
    TokenizerParts parts{.tokens = {},
                         .names = {},
                         .added = {},
                         .pre_tokenizer = {},
                         .bpe = bpe.take(),
                         .drops_first_space = vocabulary_.add_space_prefix,
                         .leading = leading(true)};
    const std::string space(sentence_piece_space);
    if (vocabulary_.add_space_prefix) parts.normalizer.add_prepend(space);
    parts.normalizer.add_replace(" ", space);
    return parts;
  }

  const Vocabulary& vocabulary_;
  TokenNames names_;
  std::vector<AddedToken> added_;
};

}  // namespace

TokenizerParts parts_of(const Vocabulary& vocabulary) {
  return VocabularyReader(vocabulary).read();
}

}  // namespace troupe::model
