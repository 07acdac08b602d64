#include "model/tokenizer/vocabulary.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>

#include "tests/error_of.hpp"
#include "tests/model/tokenizer/fixtures.hpp"

namespace troupe::model {
namespace {

using Ids = std::vector<TokenId>;
using testing::HasSubstr;
using testing::StartsWith;

// Token b is byte b; 256 "ab", 257 "abc", 258 "bc", 259 "<|end|>" (control), 260 "<x>" (user-defined).
Vocabulary byte_level() {
  Vocabulary vocabulary{.where = "model.gguf", .model = "gpt2", .pre = "gpt-2"};
  for (int byte = 0; byte < 256; ++byte)
    vocabulary.tokens.push_back(letter_of_byte(static_cast<unsigned char>(byte)));
  for (const char* name : {"ab", "abc", "bc", "<|end|>", "<x>"}) vocabulary.tokens.push_back(name);
  vocabulary.types.assign(259, TokenType::normal);
  vocabulary.types.push_back(TokenType::control);
  vocabulary.types.push_back(TokenType::user_defined);
  vocabulary.merges = {"a b", "b c", "ab c"};
  vocabulary.eos = 259;
  return vocabulary;
}

// 0 <unk>, 1 <s>, 2 </s>, 3 + b byte b, then words, the earlier the better their score.
Vocabulary sentence_piece(const std::vector<std::string>& words) {
  Vocabulary vocabulary{.where = "model.gguf", .model = "llama"};
  vocabulary.tokens = {"<unk>", "<s>", "</s>"};
  vocabulary.types = {TokenType::unknown, TokenType::control, TokenType::control};
  for (int byte = 0; byte < 256; ++byte) {
    vocabulary.tokens.push_back(
        name_of_byte(TokenSpelling::sentence_piece, static_cast<unsigned char>(byte)));
    vocabulary.types.push_back(TokenType::byte);
  }
  vocabulary.scores.assign(259, 0.0f);
  for (const std::string& word : words) {
    vocabulary.tokens.push_back(word);
    vocabulary.types.push_back(TokenType::normal);
    vocabulary.scores.push_back(-float(vocabulary.tokens.size()));
  }
  vocabulary.bos = 1;
  vocabulary.eos = 2;
  vocabulary.unknown = 0;
  return vocabulary;
}

std::string error_in(const Vocabulary& vocabulary) {
  return error_of([&] { Tokenizer::from(vocabulary); });
}

TEST(Vocabulary, OfBytesIsReadAsTokenizerJsonIs) {
  const Tokenizer tokenizer = Tokenizer::from(byte_level());
  EXPECT_EQ(tokenizer.vocab_size(), 261);
  EXPECT_EQ(tokenizer.encode("abc abc"), (Ids{257, ' ', 257}));
  EXPECT_EQ(tokenizer.encode("a<|end|>b<x>"), (Ids{'a', 259, 'b', 260}));
  const std::vector<ByteRange> plain{{1, 8}};
  EXPECT_EQ(tokenizer.encode("a<|end|>b", plain)->size(), 9u);
  EXPECT_TRUE(tokenizer.is_special(259));
  EXPECT_FALSE(tokenizer.is_special(260));
  EXPECT_EQ(tokenizer.id_of_added("<x>"), 260);
  EXPECT_EQ(tokenizer.decode(Ids{257, 259}), "abc<|end|>");
  EXPECT_EQ(tokenizer.vocabulary_entry(' '), "Ġ");
  EXPECT_EQ(tokenizer.leading(), std::nullopt);
}

TEST(Vocabulary, ThePreTokenizerSaysWhetherMergesCount) {
  Vocabulary vocabulary = byte_level();
  vocabulary.tokens.push_back("zz");
  vocabulary.types.push_back(TokenType::normal);
  vocabulary.bos = 259;
  EXPECT_EQ(Tokenizer::from(vocabulary).encode("zz"), (Ids{'z', 'z'}));
  vocabulary.pre = "llama-bpe";
  EXPECT_EQ(Tokenizer::from(vocabulary).encode("zz"), Ids{261});
  EXPECT_EQ(Tokenizer::from(vocabulary).leading(), 259);
  vocabulary.add_bos = false;
  EXPECT_EQ(Tokenizer::from(vocabulary).leading(), std::nullopt);
}

TEST(Vocabulary, OfQwenNormalizes) {
  Vocabulary vocabulary = byte_level();
  vocabulary.pre = "qwen2";
  EXPECT_EQ(Tokenizer::from(vocabulary).encode("e\u0301"), (Ids{0xC3, 0xA9}));
}

// The pair whose token has the best score merges first, and of equal ones the leftmost.
TEST(Vocabulary, ScoresSayWhatMergesFirst) {
  Vocabulary vocabulary = sentence_piece({"▁", "a", "b", "c", "bc", "ab", "▁a", "abc"});
  EXPECT_EQ(Tokenizer::from(vocabulary).encode("abc"), (Ids{265, 263}));
  vocabulary.add_space_prefix = false;
  EXPECT_EQ(Tokenizer::from(vocabulary).encode("abc"), Ids{266});
  EXPECT_EQ(Tokenizer::from(vocabulary).encode("abb"), (Ids{264, 261}));
  vocabulary.scores[266] = -INFINITY;
  EXPECT_EQ(Tokenizer::from(vocabulary).encode("abc"), Ids{266});  // bad as it is, nothing else merges
  vocabulary.scores[264] = vocabulary.scores[263];
  vocabulary.tokens[266] = "zzz";
  EXPECT_EQ(Tokenizer::from(vocabulary).encode("abc"), (Ids{264, 262}));
}

TEST(Vocabulary, OfSentencePieceFallsBackOnBytes) {
  const Tokenizer tokenizer = Tokenizer::from(sentence_piece({"▁", "a", "é", "<0x", "41>"}));
  EXPECT_EQ(tokenizer.encode("a é\n汉"), (Ids{259, 260, 259, 261, 3 + '\n', 3 + 0xE6, 3 + 0xB1, 3 + 0x89}));
  EXPECT_EQ(tokenizer.decode(*tokenizer.encode("a é\n汉 ")), "a é\n汉 ");
  const Ids letters = tokenizer.encode("<0x41>").value();
  for (const TokenId id : letters) EXPECT_NE(id, 3 + 'A');  // it is no text
  EXPECT_EQ(tokenizer.encode("a</s>a"), (Ids{259, 260, 2, 259, 260}));
  EXPECT_EQ(tokenizer.leading(), 1);
  EXPECT_EQ(tokenizer.vocabulary_entry(259), "▁");
}

TEST(Vocabulary, TheEndIsControlWhateverItsType) {
  Vocabulary vocabulary = byte_level();
  vocabulary.types[259] = TokenType::normal;
  EXPECT_TRUE(Tokenizer::from(vocabulary).is_special(259));
  vocabulary.eos = 'x';  // a letter stays one
  EXPECT_FALSE(Tokenizer::from(vocabulary).is_added('x'));
}

// As llama.cpp has it: SmolLM2's vocabulary, for one, lacks 21 bytes.
TEST(Vocabulary, AByteWithoutATokenPartsWhatIsAroundIt) {
  const Vocabulary vocabulary{
      .where = "model.gguf", .pre = "gpt-2", .tokens = {"a", "c", "ac"}, .merges = {"a c"}};
  EXPECT_EQ(Tokenizer::from(vocabulary).encode("abcac"), (Ids{0, 1, 2}));
}

TEST(Vocabulary, AddedTokensHaveLimits) {
  Vocabulary vocabulary = byte_level();
  vocabulary.tokens[259] = std::string(max_added_token_bytes, 'x');
  EXPECT_EQ(error_in(vocabulary), "no error");
  vocabulary.tokens[259] += 'x';
  EXPECT_THAT(error_in(vocabulary), HasSubstr("added token 259: has more than max_added_token_bytes"));
  vocabulary = byte_level();
  for (std::size_t i = 0; i <= max_added_bytes / max_added_token_bytes; ++i) {
    std::string name = std::to_string(i);
    name.resize(max_added_token_bytes, 'x');
    vocabulary.tokens.push_back(name);
    vocabulary.types.push_back(TokenType::control);
  }
  EXPECT_THAT(error_in(vocabulary), HasSubstr("max_added_bytes"));
}

TEST(Vocabulary, NamesTheKeyAtFault) {
  const auto error_with = [](auto change, Vocabulary vocabulary = byte_level()) {
    change(vocabulary);
    const std::string error = error_in(vocabulary);
    EXPECT_THAT(error, StartsWith("model.gguf: "));
    return error;
  };
  using V = Vocabulary;
  EXPECT_THAT(error_with([](V& v) { v.model = "bert"; }),
              HasSubstr("tokenizer.ggml.model is not supported: bert"));
  EXPECT_THAT(error_with([](V& v) { v.pre = "new"; }), HasSubstr("tokenizer.ggml.pre is not supported: new"));
  EXPECT_THAT(error_with([](V& v) { v.tokens.clear(); }), HasSubstr("tokenizer.ggml.tokens has no token"));
  EXPECT_THAT(error_with([](V& v) { v.tokens.resize(std::size_t(max_token_id) + 2); }),
              HasSubstr("tokenizer.ggml.tokens has more than 1048576"));
  EXPECT_THAT(error_with([](V& v) { v.types.pop_back(); }),
              HasSubstr("tokenizer.ggml.token_type has another"));
  EXPECT_THAT(error_with([](V& v) { v.tokens[257] = "ab"; }), HasSubstr("two tokens of the same name"));
  EXPECT_THAT(error_with([](V& v) { v.tokens[260] = "<|end|>"; }), HasSubstr("two tokens of the same name"));
  EXPECT_THAT(error_with([](V& v) { v.tokens[260] = "ab"; }), HasSubstr("two tokens of the same name"));
  EXPECT_THAT(error_with([](V& v) { v.merges[1] = "b"; }),
              HasSubstr("tokenizer.ggml.merges[1] must be a pair of tokens"));
  EXPECT_THAT(error_with([](V& v) { v.merges[1] = "b d"; }),
              HasSubstr("merges[1] names a token that is not"));
  EXPECT_THAT(error_with([](V& v) { v.types[257] = TokenType::control; }),
              HasSubstr("merges[2] lets plain text become added token 257"));
  for (const TokenId id : {-1, 261}) {
    EXPECT_THAT(error_with([&](V& v) { v.bos = id; }), HasSubstr("tokenizer.ggml.bos_token_id is outside"));
    EXPECT_THAT(error_with([&](V& v) { v.eos = id; }), HasSubstr("tokenizer.ggml.eos_token_id is outside"));
    EXPECT_THAT(error_with([&](V& v) { v.unknown = id; }), HasSubstr("unknown_token_id is outside"));
  }
  const Vocabulary llama = sentence_piece({"▁", "a"});
  EXPECT_THAT(error_with([](V& v) { v.scores.pop_back(); }, llama),
              HasSubstr("tokenizer.ggml.scores has another"));
  EXPECT_THAT(error_with([](V& v) { v.scores[260] = NAN; }, llama),
              HasSubstr("tokenizer.ggml.scores has a score"));
  EXPECT_THAT(error_with([](V& v) { v.tokens[260] = std::string(1025, 'a'); }, llama),
              HasSubstr("has a token of more than 1024 bytes"));
  EXPECT_EQ(error_in(byte_level()), "no error");
}

// By the definition: of all neighbours that join to a token the one of the best score, the leftmost first.
Ids by_definition(const Vocabulary& vocabulary, const std::string& text) {
  std::vector<std::string> symbols;
  for (const char c : text) symbols.push_back(std::string(1, c));
  const auto id_of = [&](const std::string& name) {
    const auto found = std::find(vocabulary.tokens.begin(), vocabulary.tokens.end(), name);
    return found == vocabulary.tokens.end() ? -1 : TokenId(found - vocabulary.tokens.begin());
  };
  while (true) {
    std::size_t best = symbols.size();
    float score = 0;
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
      const TokenId id = id_of(symbols[i] + symbols[i + 1]);
      if (id < 0 || (best < symbols.size() && vocabulary.scores[std::size_t(id)] <= score)) continue;
      best = i;
      score = vocabulary.scores[std::size_t(id)];
    }
    if (best == symbols.size()) break;
    symbols[best] += symbols[best + 1];
    symbols.erase(symbols.begin() + std::ptrdiff_t(best) + 1);
  }
  Ids ids;
  for (const std::string& symbol : symbols) ids.push_back(id_of(symbol));
  return ids;
}

RC_GTEST_PROP(Vocabulary, ScoresAreTheDefinition, ()) {
  Vocabulary vocabulary = sentence_piece({"a", "b", "c"});
  vocabulary.add_space_prefix = false;
  const auto letters = rc::gen::container<std::string>(rc::gen::element('a', 'b', 'c'));
  for (int n = *rc::gen::inRange(0, 12); n > 0; --n) {
    const std::string word = *letters;
    const auto& known = vocabulary.tokens;
    if (word.size() < 2 || std::find(known.begin(), known.end(), word) != known.end()) continue;
    vocabulary.tokens.push_back(word);
    vocabulary.types.push_back(TokenType::normal);
    vocabulary.scores.push_back(float(*rc::gen::inRange(-4, 4)));
  }
  const std::string text = *letters;
  RC_ASSERT(Tokenizer::from(vocabulary).encode(text).value() == by_definition(vocabulary, text));
}

}  // namespace
}  // namespace troupe::model
