#include "model/tokenizer/named_pre_tokenizer.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/model/tokenizer/fixtures.hpp"

namespace troupe::model {
namespace {

using Words = std::vector<std::string>;

Words pieces_of(std::string_view name, std::string_view text) {
  const auto named = pre_tokenizer_named(name);
  const auto split = named->splits.split(text);
  EXPECT_TRUE(split);
  return {split->words.begin(), split->words.end()};
}

TEST(NamedPreTokenizer, CutsAsTheModelsDo) {
  EXPECT_EQ(pieces_of("gpt-2", "It's  2024!\n\n x"), (Words{"It", "'s", " ", " 2024", "!", "\n\n", " x"}));
  EXPECT_EQ(pieces_of("smollm", "in 2024"), (Words{"in", " ", "2", "0", "2", "4"}));
  EXPECT_EQ(pieces_of("llama-bpe", "IT'S 12345\n\nx"), (Words{"IT", "'S", " ", "123", "45", "\n\n", "x"}));
  EXPECT_EQ(pieces_of("qwen2", "It's 123"), (Words{"It", "'s", " ", "1", "2", "3"}));
  EXPECT_EQ(pieces_of("deepseek-v3", "a汉字b 1234"), (Words{"a", "汉字", "b", " ", "123", "4"}));
  EXPECT_EQ(pieces_of("deepseek-coder", "a汉字b 12\n"), (Words{"a", "汉字", "b", " ", "1", "2", "\n"}));
  // Its third pattern's :-~ holds ASCII's letters, so they part from others.
  EXPECT_EQ(pieces_of("deepseek-llm", "Größe汉字 12!\n"),
            (Words{"Gr", "öß", "e", "汉字", " ", "12", "!", "\n"}));
  EXPECT_EQ(pieces_of("tekken", "helloWorld 12"), (Words{"hello", "World", " ", "1", "2"}));
  EXPECT_EQ(pieces_of("default", "a+b 1234"), (Words{"a", "+", "b", " ", "123", "4"}));
  EXPECT_EQ(pieces_of("kimi-k2", "中文English混合"), (Words{"中文", "English", "混合"}));
  EXPECT_EQ(pieces_of("kimi-k2", "北京市 Pascal'S 1234"), (Words{"北京市", " Pascal'S", " ", "123", "4"}));
}

TEST(NamedPreTokenizer, KnowsWhatGoesWithIt) {
  EXPECT_TRUE(pre_tokenizer_named("llama-bpe")->whole_words && pre_tokenizer_named("llama-bpe")->adds_bos);
  EXPECT_TRUE(pre_tokenizer_named("qwen2")->nfc);
  const auto v3 = pre_tokenizer_named("deepseek-v3");
  EXPECT_FALSE(v3->whole_words || v3->adds_bos || v3->nfc);
  EXPECT_FALSE(pre_tokenizer_named("no such name"));
}

// Of names that no file of the tests has, too.
TEST(NamedPreTokenizer, LosesNothing) {
  for (const char* name : {"default",          "gpt-2",     "phi-2",     "olmo",         "smollm",
                           "starcoder",        "refact",    "command-r", "llama-bpe",    "llama3",
                           "llama-v3",         "falcon3",   "dbrx",      "smaug-bpe",    "qwen2",
                           "deepseek-r1-qwen", "stablelm2", "tekken",    "deepseek-llm", "deepseek-coder",
                           "deepseek-v3",      "kimi-k2"}) {
    ASSERT_TRUE(pre_tokenizer_named(name)) << name;
    std::string joined;
    const std::string text =
        "I'd say: Größe 汉字テ각  \u00a0\t\n\r\n 12345 e\u0301 <x> 々〇 😀\u200d!?¿ Ǆ ʰ ١٢";
    for (const std::string& word : pieces_of(name, text)) joined += word;
    EXPECT_EQ(joined, text) << name;
  }
}

}  // namespace
}  // namespace troupe::model
