#include "model/tokenizer/vocabulary_json.hpp"

#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

#include "tests/error_of.hpp"
#include "tests/model/tokenizer/fixtures.hpp"

namespace troupe::model {
namespace {

using testing::HasSubstr;

// Token b is byte b; then words, a control token that begins texts, and one of the user's.
Vocabulary vocabulary_of(const std::string& pre) {
  Vocabulary vocabulary{.where = "model.gguf", .model = "gpt2", .pre = pre};
  for (int byte = 0; byte < 256; ++byte)
    vocabulary.tokens.push_back(letter_of_byte(static_cast<unsigned char>(byte)));
  for (const char* name : {"th", "the", "Ġthe", "17", "1717", "Ã©", "<think>", "", "<x>y"})
    vocabulary.tokens.push_back(name);
  vocabulary.types.assign(262, TokenType::normal);
  for (const TokenType type : {TokenType::control, TokenType::unused, TokenType::user_defined})
    vocabulary.types.push_back(type);
  vocabulary.merges = {"t h", "th e", "Ġ the", "1 7", "17 17", "Ã ©"};
  vocabulary.bos = 262;
  return vocabulary;
}

RC_GTEST_PROP(VocabularyJson, ReadsBackAsTheSameTokenizer, ()) {
  const auto pre = *rc::gen::element<std::string>("default", "smollm", "llama-bpe", "qwen2", "deepseek-llm",
                                                  "deepseek-v3", "tekken", "kimi-k2");
  const Vocabulary vocabulary = vocabulary_of(pre);
  const Tokenizer expected = Tokenizer::from(vocabulary),
                  tokenizer = Tokenizer::parse(tokenizer_json(vocabulary), "tokenizer.json");
  const std::string text = *any_text();
  const auto ids = tokenizer.encode(text).value();
  RC_ASSERT(ids == expected.encode(text).value());
  RC_ASSERT(tokenizer.decode(ids) == expected.decode(ids));
  RC_ASSERT(tokenizer.leading() == expected.leading());
}

TEST(VocabularyJson, KeepsEveryTokensEntry) {
  const Vocabulary vocabulary = vocabulary_of("smollm");
  const Tokenizer expected = Tokenizer::from(vocabulary),
                  tokenizer = Tokenizer::parse(tokenizer_json(vocabulary), "tokenizer.json");
  ASSERT_EQ(tokenizer.vocab_size(), expected.vocab_size());
  for (TokenId id = 0; id < expected.vocab_size(); ++id) {
    EXPECT_EQ(tokenizer.vocabulary_entry(id), expected.vocabulary_entry(id)) << id;
    EXPECT_EQ(tokenizer.is_special(id), expected.is_special(id)) << id;
    EXPECT_EQ(tokenizer.is_added(id), expected.is_added(id)) << id;
  }
}

TEST(VocabularyJson, WhatItCannotSayIsRefusedByKey) {
  Vocabulary vocabulary = vocabulary_of("smollm");
  vocabulary.tokens[261] = "\xFF";
  vocabulary.merges.pop_back();
  EXPECT_THAT(error_of([&] { tokenizer_json(vocabulary); }),
              HasSubstr("model.gguf: tokenizer.ggml.tokens[261] is not UTF-8"));
  const Vocabulary llama{
      .where = "model.gguf", .model = "llama", .tokens = {"a"}, .scores = {0}, .add_space_prefix = false};
  EXPECT_THAT(error_of([&] { tokenizer_json(llama); }), HasSubstr("tokenizer.ggml.model is \"llama\""));
  EXPECT_THAT(error_of([&] { tokenizer_json(vocabulary_of("new")); }), HasSubstr("tokenizer.ggml.pre"));
}

}  // namespace
}  // namespace troupe::model
