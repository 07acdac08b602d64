#include "model/tokenizer/tiktoken_file.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <charconv>
#include <deque>
#include <map>
#include <optional>
#include <stdexcept>
#include <unordered_set>
#include <utility>

#include "model/tokenizer/bpe_builder.hpp"
#include "model/tokenizer/byte_alphabet.hpp"
#include "model/tokenizer/named_pre_tokenizer.hpp"
#include "runtime/base/error.hpp"

namespace troupe::model {
namespace {

// With its padding; nothing: it is none.
std::optional<std::string> from_base64(std::string_view text) {
  if (text.empty() || text.size() % 4 != 0 || text.size() > BpeBuilder::max_joined_bytes) return std::nullopt;
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  std::string bytes(text.size() / 4 * 3, '\0');
  const int size =
      EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                      reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  if (size != static_cast<int>(bytes.size())) return std::nullopt;
  bytes.resize(bytes.size() - padding);
  return bytes;
}

struct RankedToken {
  std::string letters;  // in the byte alphabet
  TokenId rank;
};

// Nothing: the line is malformed.
std::optional<RankedToken> read_line(std::string_view line) {
  const auto space = line.find(' ');
  if (space == line.npos) return std::nullopt;
  const auto bytes = from_base64(line.substr(0, space));
  const std::string_view number = line.substr(space + 1);
  RankedToken token{};
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), token.rank);
  const bool is_rank = error == std::errc{} && end == number.data() + number.size() && token.rank >= 0 &&
                       token.rank <= max_token_id;
  if (!bytes || bytes->empty() || !is_rank) return std::nullopt;
  for (const unsigned char byte : *bytes) token.letters += letter_of_byte(byte);
  return token;
}

// names: what the result's names live in.
TokenNames read_ranks(std::string_view ranks, const std::string& file, std::deque<std::string>& names) {
  TokenNames tokens;
  for (std::size_t line = 1; !ranks.empty(); ++line) {
    const auto end = std::min(ranks.find('\n'), ranks.size());
    const std::string_view text = ranks.substr(0, end);
    ranks.remove_prefix(std::min(end + 1, ranks.size()));
    if (text.empty()) continue;
    auto token = read_line(text);
    const auto where = [&] { return "line " + std::to_string(line); };
    if (!token) throw Error(where() + " is no token in base64 and its rank", file);
    if (tokens.ids.contains(token->letters) || !tokens.name_of(token->rank).empty())
      throw Error(where() + " has a token or a rank that stands there already", file);
    tokens.add(names.emplace_back(std::move(token->letters)), token->rank);
  }
  return tokens;
}

// Those of added_tokens_decoder by id, and the reserved ids that it gives no name.
std::vector<AddedToken> read_added(const JsonValue& decoder, const TokenNames& ranked) {
  const auto first = static_cast<TokenId>(ranked.names.size());
  std::map<TokenId, AddedToken> added;
  for (int i = 0; i < reserved_tiktoken_ids; ++i)
    added[first + i] = {
        .id = first + i, .content = "<|reserved_token_" + std::to_string(first + i) + "|>", .special = true};
  if (!decoder.is_null() && !decoder.value().is_object()) decoder.fail("must be an object");
  std::unordered_set<std::string> contents;
  for (const auto& [key, value] : decoder.value().items()) {
    const JsonValue field = decoder[key];
    TokenId id = 0;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (error != std::errc{} || end != key.data() + key.size() || id < first || id > max_token_id)
      field.fail("is not of an id behind those of the ranks");
    AddedToken token{.id = id,
                     .content = field["content"].text(),
                     .special = field["special"].optional_boolean().value_or(false)};
    if (token.content.empty()) field["content"].fail("is empty");
    if (!contents.insert(token.content).second) field["content"].fail("was added before");
    added[id] = std::move(token);
  }
  std::vector<AddedToken> tokens;
  for (auto& [id, token] : added) tokens.push_back(std::move(token));
  return tokens;
}

}  // namespace

TokenizerParts parse_tiktoken(std::string_view ranks, const std::string& file, const JsonValue& config) {
  std::deque<std::string> names;
  const TokenNames ranked = read_ranks(ranks, file, names);
  std::vector<AddedToken> added = read_added(config["added_tokens_decoder"], ranked);
  try {
    BpeBuilder bpe(ranked, TokenSpelling::byte_letters, {});
    bpe.merge_what_joins([](TokenId id) { return std::optional<int>(id); });
    bpe.keep_whole_words();
    TokenizerParts parts{.tokens = {},
                         .names = {},
                         .added = std::move(added),
                         .pre_tokenizer = kimi_pre_tokenizer(),
                         .bpe = bpe.take()};
    name_tokens(ranked, TokenSpelling::byte_letters, parts);
    return parts;
  } catch (const std::invalid_argument& e) {
    throw Error(e.what(), file);
  }
}

}  // namespace troupe::model
