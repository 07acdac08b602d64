#include "model/tokenizer/tokenizer.hpp"

#include <algorithm>

#include "model/tokenizer/byte_alphabet.hpp"
#include "model/tokenizer/nfc.hpp"
#include "model/tokenizer/stream_decoder.hpp"
#include "model/tokenizer/utf8.hpp"
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
  return Tokenizer(parse_tokenizer_file(json, file));
}

Tokenizer::Tokenizer(TokenizerFile file) : file_(std::move(file)) {
  for (const std::string& token : file_.tokens)
    longest_token_bytes_ = std::max(longest_token_bytes_, token.size());
  for (std::size_t i = 0; i < file_.added.size(); ++i) {
    const AddedToken& token = file_.added[i];
    added_.emplace(token.id, i);
    if (!token.normalized) {
      tokens_in_text_.add(token.content, token.id);
    } else if (!file_.nfc) {
      tokens_in_normalized_text_.add(token.content, token.id);
    } else {
      const auto content = nfc(token.content, {});
      if (!content) throw Error(content.error().message, "added token " + std::to_string(token.id));
      tokens_in_normalized_text_.add(content->text, token.id);
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
    } else if (auto done = encode_between_tokens(slice(text, range), ranges_within(plain, range), ids);
               !done) {
      return tl::unexpected(done.error());
    }
  }
  return ids;
}

Expected<void> Tokenizer::encode_between_tokens(std::string_view text, std::span<const ByteRange> plain,
                                                std::vector<TokenId>& ids) const {
  if (!file_.nfc) return encode_normalized(text, plain, ids);
  const auto normalized = nfc(text, plain);
  if (!normalized) return tl::unexpected(normalized.error());
  return encode_normalized(normalized->text, normalized->plain, ids);
}

Expected<void> Tokenizer::encode_normalized(std::string_view text, std::span<const ByteRange> plain,
                                            std::vector<TokenId>& ids) const {
  for (const auto& [range, token] : tokens_in_normalized_text_.split(text, plain)) {
    if (token) {
      ids.push_back(*token);
    } else if (auto done = encode_words(slice(text, range), ids); !done) {
      return done;
    }
  }
  return {};
}

Expected<void> Tokenizer::encode_words(std::string_view text, std::vector<TokenId>& ids) const {
  const auto split = file_.pre_tokenizer.split(text);
  if (!split) return tl::unexpected(split.error());
  BytePairEncoding::Workspace workspace;
  for (const std::string_view word : split->words) file_.bpe.encode(word, workspace, ids);
  return {};
}

std::string Tokenizer::decode(std::span<const TokenId> ids, bool skip_special) const {
  StreamDecoder decoder(*this, skip_special);
  std::string text;
  for (const TokenId id : ids) text += decoder.push(id);
  return text += decoder.finish();
}

std::string_view Tokenizer::token_bytes(TokenId id) const {
  return id >= 0 && id < vocab_size() ? std::string_view(file_.tokens[static_cast<std::size_t>(id)]) : "";
}

std::string Tokenizer::vocabulary_entry(TokenId id) const {
  if (const AddedToken* token = added(id)) return token->content;
  std::string letters;
  for (const unsigned char byte : token_bytes(id)) letters += letter_of_byte(byte);
  return letters;
}

const AddedToken* Tokenizer::added(TokenId id) const {
  const auto found = added_.find(id);
  return found == added_.end() ? nullptr : &file_.added[found->second];
}

bool Tokenizer::is_added(TokenId id) const {
  return added(id) != nullptr;
}

bool Tokenizer::is_special(TokenId id) const {
  const AddedToken* token = added(id);
  return token != nullptr && token->special;
}

std::optional<TokenId> Tokenizer::id_of_added(std::string_view content) const {
  const auto found = std::find_if(file_.added.begin(), file_.added.end(),
                                  [&](const AddedToken& token) { return token.content == content; });
  return found == file_.added.end() ? std::nullopt : std::optional(found->id);
}

}  // namespace troupe::model
