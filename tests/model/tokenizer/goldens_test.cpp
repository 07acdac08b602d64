// Against what Hugging Face's tokenizers give.
#include <gtest/gtest.h>

#include "model/tokenizer/tokenizer.hpp"
#include "tests/model/tokenizer/fixtures.hpp"

namespace troupe::model {
namespace {

TEST(Goldens, DeepSeekV3BothWays) {
  const Tokenizer tokenizer = Tokenizer::load(DEEPSEEK_TOKENIZER);
  EXPECT_EQ(tokenizer.vocab_size(), 128815);
  const auto cases = read_json(TEST_DATA "/tokenizer/deepseek-v3-cases.json");
  ASSERT_GT(cases.size(), 100u);
  for (const auto& c : cases) {
    const auto text = c["text"].get<std::string>();
    const auto ids = tokenizer.encode(text);
    ASSERT_TRUE(ids) << ids.error().message;
    EXPECT_EQ(*ids, c["ids"].get<std::vector<TokenId>>()) << text;
    EXPECT_EQ(tokenizer.decode(*ids), c["decoded"].get<std::string>());
  }
}

TEST(Goldens, DemoModelBothWays) {
  for (const auto& golden : read_json(TEST_DATA "/demo-goldens.json")) {
    EXPECT_EQ(demo_tokenizer().encode(golden["prompt"].get<std::string>()),
              golden["prompt_ids"].get<std::vector<TokenId>>());
    const auto output = golden["output_ids"].get<std::vector<TokenId>>();
    EXPECT_EQ(demo_tokenizer().decode(output), golden["output"].get<std::string>());
    EXPECT_EQ(demo_tokenizer().encode(golden["output"].get<std::string>()), output);
  }
}

// Qwen's, Llama 3's and GPT-2's pre-tokenizers, NFC, every split behaviour, Oniguruma's constructs.
TEST(Goldens, Variants) {
  const auto goldens = read_json(TEST_DATA "/tokenizer/variants.json");
  for (const auto& variant : goldens["variants"]) {
    nlohmann::json file = demo_file();
    for (const auto& [pointer, value] : variant["change"].items())
      file[nlohmann::json::json_pointer(pointer)] = value;
    const Tokenizer tokenizer = tokenizer_of(file);
    for (const auto& c : variant["cases"]) {
      EXPECT_EQ(tokenizer.encode(c["text"].get<std::string>()), c["ids"].get<std::vector<TokenId>>())
          << variant["name"] << " " << c["text"];
    }
  }
}

TEST(Goldens, DecodedBrokenCharacters) {
  const auto goldens = read_json(TEST_DATA "/tokenizer/variants.json");
  for (const auto& c : goldens["decoded"]) {
    EXPECT_EQ(demo_tokenizer().decode(c["ids"].get<std::vector<TokenId>>(), c["skip_special"].get<bool>()),
              c["text"].get<std::string>());
  }
}

}  // namespace
}  // namespace troupe::model
