// Against what Hugging Face's tokenizers give.
#include <gtest/gtest.h>

#include "model/tokenizer/tokenizer.hpp"
#include "tests/model/tokenizer/fixtures.hpp"
#include "tests/temporary_folder.hpp"

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

nlohmann::json changed(nlohmann::json file, const nlohmann::json& changes) {
  for (const auto& [pointer, value] : changes.items()) {
    if (pointer != "remove") file[nlohmann::json::json_pointer(pointer)] = value;
  }
  const nlohmann::json removed = changes.value("remove", nlohmann::json::array());
  for (const auto& name : removed) file["model"]["vocab"].erase(name.get<std::string>());
  return file;
}

// Qwen's, Llama 3's, SmolLM2's and GPT-2's pre-tokenizers, NFC, every split behaviour, Oniguruma's constructs.
TEST(Goldens, Variants) {
  const auto goldens = read_json(TEST_DATA "/tokenizer/variants.json");
  for (const auto& variant : goldens["variants"]) {
    const nlohmann::json file = changed(demo_file(), variant["change"]);
    const Tokenizer tokenizer = tokenizer_of(file);
    for (const auto& c : variant["cases"]) {
      EXPECT_EQ(tokenizer.encode(c["text"].get<std::string>()), c["ids"].get<std::vector<TokenId>>())
          << variant["name"] << " " << c["text"];
    }
  }
}

// Llama 2's form of tokenizer.json, old and new, and bytes that have no token.
TEST(Goldens, SentencePieceBothWays) {
  const auto goldens = read_json(TEST_DATA "/tokenizer/sentence-piece.json");
  for (const auto& variant : goldens["variants"]) {
    const Tokenizer tokenizer = tokenizer_of(changed(goldens["file"], variant["change"]));
    for (const auto& c : variant["cases"]) {
      const auto ids = c["ids"].get<std::vector<TokenId>>();
      EXPECT_EQ(tokenizer.encode(c["text"].get<std::string>()), ids) << variant["name"] << " " << c["text"];
      EXPECT_EQ(tokenizer.decode(ids), c["decoded"].get<std::string>())
          << variant["name"] << " " << c["text"];
    }
  }
}

TEST(Goldens, KimisTiktoken) {
  std::string ranks;
  TokenId next = 0;
  for (TokenId id = 0; id < demo_tokenizer().vocab_size(); ++id)
    if (!demo_tokenizer().is_added(id)) ranks += tiktoken_line(demo_tokenizer().token_bytes(id), next++);
  const TemporaryFolder folder;
  folder.write("tiktoken.model", ranks);
  const nlohmann::json added = {{std::to_string(next), {{"content", "[BOS]"}, {"special", true}}},
                                {std::to_string(next + 1), {{"content", "[EOS]"}, {"special", true}}}};
  folder.write("tokenizer_config.json", nlohmann::json{{"added_tokens_decoder", added}}.dump());
  const Tokenizer tokenizer = Tokenizer::load_of_folder(folder.path());
  const auto goldens = read_json(TEST_DATA "/tokenizer/kimi.json");
  for (const auto& c : goldens["cases"])
    EXPECT_EQ(tokenizer.encode(c["text"].get<std::string>()), c["ids"].get<std::vector<TokenId>>())
        << c["text"];
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
