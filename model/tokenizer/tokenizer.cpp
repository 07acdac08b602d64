#include "model/tokenizer/tokenizer.hpp"

#include <algorithm>

#include "model/json/parse.hpp"
#include "model/json/value.hpp"
#include "model/tokenizer/byte_alphabet.hpp"
#include "model/tokenizer/stream_decoder.hpp"
#include "model/tokenizer/tiktoken_file.hpp"
#include "model/tokenizer/tokenizer_json.hpp"
#include "model/tokenizer/utf8.hpp"
#include "model/tokenizer/vocabulary.hpp"
#include "runtime/base/file.hpp"

namespace troupe::model {
namespace {

bool sorted_and_disjoint(std::span<const ByteRange> ranges) {
  std::size_t end = 0;
  return std::all_of(ranges.begin(), ranges.end(), [&](const ByteRange& range) {
    const bool follows = end <= range.begin && range.begin <= range.end;
    end = range.end;
    return follows;
  });
}

std::string_view slice(std::string_view text, ByteRange range) {
  return text.substr(range.begin, range.end - range.begin);
}

}  // namespace

Tokenizer Tokenizer::load(const std::filesystem::path& tokenizer_json) {
  return parse(read_file(tokenizer_json, max_file_bytes), tokenizer_json.string());
}

Tokenizer Tokenizer::parse(std::string_view json, const std::string& file) {
  return Tokenizer(parse_tokenizer_json(json, file));
}

Tokenizer Tokenizer::load_of_folder(const std::filesystem::path& folder) {
  const auto ranks = folder / "tiktoken.model", json = folder / "tokenizer.json";
  if (exists(json) || !exists(ranks)) return load(json);
  const auto config = folder / "tokenizer_config.json";
  const nlohmann::json document = load_json(config, max_tokenizer_config_bytes);
  return Tokenizer(
      parse_tiktoken(read_file(ranks, max_file_bytes), ranks.string(), JsonValue(document, config.string())));
}

Tokenizer Tokenizer::from(const Vocabulary& vocabulary) {
  return Tokenizer(parts_of(vocabulary));
}

Tokenizer::Tokenizer(TokenizerParts parts) : parts_(std::move(parts)) {
  for (const std::string& token : parts_.tokens)
    longest_token_bytes_ = std::max(longest_token_bytes_, token.size());
  std::size_t bytes = 0;
  const auto add = [&](TokenTrie& trie, std::string_view content, const AddedToken& token) {
    bytes += content.size();
    if (content.size() > max_added_token_bytes || bytes > max_added_bytes)
      throw Error("has more than max_added_token_bytes, " + std::to_string(max_added_token_bytes) +
                      ", or with those before it more than max_added_bytes, " +
                      std::to_string(max_added_bytes),
                  "added token " + std::to_string(token.id));
    trie.add(content, token.id);
  };
  for (std::size_t i = 0; i < parts_.added.size(); ++i) {
    const AddedToken& token = parts_.added[i];
    added_.emplace(token.id, i);
    if (!token.normalized) {
      add(tokens_in_text_, token.content, token);
    } else {
      const auto content = parts_.normalizer.apply(token.content, {});
      if (!content) throw Error(content.error().message, "added token " + std::to_string(token.id));
      add(tokens_in_normalized_text_, content->text, token);
    }
  }
}

Expected<std::vector<TokenId>> Tokenizer::encode(std::string_view text,
                                                 std::span<const ByteRange> plain) const {
  CHECK(sorted_and_disjoint(plain));
  if (text.size() > max_text_bytes) {
    return refuse(RefusalKind::too_large,
                  "the text is longer than " + std::to_string(max_text_bytes) + " bytes");
  }
  if (!is_utf8(text)) return refuse("the text is not valid UTF-8");
  std::vector<TokenId> ids;
  for (const auto& [range, token] : tokens_in_text_.split(text, plain)) {
    if (token) {
      ids.push_back(*token);
    } else if (auto done = encode_between_tokens(slice(text, range), ranges_within(plain, range),
                                                 range.begin == 0, ids);
               !done) {
      return tl::unexpected(done.error());
    }
  }
  return ids;
}

Expected<void> Tokenizer::encode_between_tokens(std::string_view text, std::span<const ByteRange> plain,
                                                bool is_first, std::vector<TokenId>& ids) const {
  if (parts_.normalizer.empty()) return encode_normalized(text, plain, is_first, ids);
  const auto normalized = parts_.normalizer.apply(text, plain);
  if (!normalized) return tl::unexpected(normalized.error());
  return encode_normalized(normalized->text, normalized->plain, is_first, ids);
}

Expected<void> Tokenizer::encode_normalized(std::string_view text, std::span<const ByteRange> plain,
                                            bool is_first, std::vector<TokenId>& ids) const {
  for (const auto& [range, token] : tokens_in_normalized_text_.split(text, plain)) {
    if (token) {
      ids.push_back(*token);
    } else if (auto done = encode_words(slice(text, range), is_first && range.begin == 0, ids); !done) {
      return done;
    }
  }
  return {};
}

Expected<void> Tokenizer::encode_words(std::string_view text, bool is_first,
                                       std::vector<TokenId>& ids) const {
  const auto split = parts_.pre_tokenizer.split(text, is_first);
  if (!split) return tl::unexpected(split.error());
  BytePairEncoding::Workspace workspace;
  for (const std::string_view word : split->words) parts_.bpe.encode(word, workspace, ids);
  return {};
}

std::string Tokenizer::decode(std::span<const TokenId> ids, bool skip_special) const {
  StreamDecoder decoder(*this, skip_special, true);
  std::string text;
  for (const TokenId id : ids) text += decoder.push(id);
  return text += decoder.finish();
}

std::string_view Tokenizer::token_bytes(TokenId id) const {
  return id >= 0 && id < vocab_size() ? std::string_view(parts_.tokens[static_cast<std::size_t>(id)]) : "";
}

std::string Tokenizer::vocabulary_entry(TokenId id) const {
  if (const AddedToken* token = added(id)) return token->content;
  if (!parts_.names.empty()) return id >= 0 && id < vocab_size() ? parts_.names[std::size_t(id)] : "";
  std::string letters;
  for (const unsigned char byte : token_bytes(id)) letters += letter_of_byte(byte);
  return letters;
}

const AddedToken* Tokenizer::added(TokenId id) const {
  const auto found = added_.find(id);
  return found == added_.end() ? nullptr : &parts_.added[found->second];
}

bool Tokenizer::is_added(TokenId id) const {
  return added(id) != nullptr;
}

bool Tokenizer::is_special(TokenId id) const {
  const AddedToken* token = added(id);
  return token != nullptr && token->special;
}

std::optional<TokenId> Tokenizer::id_of_added(std::string_view content) const {
  const auto found = std::find_if(parts_.added.begin(), parts_.added.end(),
                                  [&](const AddedToken& token) { return token.content == content; });
  return found == parts_.added.end() ? std::nullopt : std::optional(found->id);
}

}  // namespace troupe::model
