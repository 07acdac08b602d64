#include "model/text/generation_config.hpp"

#include <gmock/gmock.h>

#include "tests/model/checkpoint/checkpoint_folder.hpp"

namespace troupe::model {
namespace {

using testing::HasSubstr;

GenerationDefaults parse(const char* text) {
  return parse_generation_config(nlohmann::json::parse(text), 100, "generation_config.json");
}

TEST(GenerationConfig, ReadsWhatIsThere) {
  const GenerationDefaults defaults =
      parse(R"({"_from_model_config": true, "bos_token_id": 0, "eos_token_id": [1, 7],
      "do_sample": true, "temperature": 0.6, "top_p": 0.95, "top_k": 20, "min_p": 0.05, "max_new_tokens": 64,
      "repetition_penalty": 1.0, "transformers_version": "4.39.3"})");
  EXPECT_EQ(defaults.temperature, 0.6);
  EXPECT_EQ(defaults.top_p, 0.95);
  EXPECT_EQ(defaults.top_k, 20);
  EXPECT_EQ(defaults.min_p, 0.05);
  EXPECT_EQ(defaults.max_new_tokens, 64);
  EXPECT_EQ(defaults.eos_token_ids, (std::vector<TokenId>{1, 7}));
}

TEST(GenerationConfig, AbsentStaysAbsent) {
  const TemporaryFolder folder;
  for (const GenerationDefaults& defaults :
       {parse("{}"), parse(R"({"temperature": null})"), load_generation_config(folder.path(), 100)}) {
    EXPECT_EQ(defaults.temperature, std::nullopt);
    EXPECT_EQ(defaults.top_p, std::nullopt);
    EXPECT_EQ(defaults.top_k, std::nullopt);
    EXPECT_EQ(defaults.min_p, std::nullopt);
    EXPECT_EQ(defaults.max_new_tokens, std::nullopt);
    EXPECT_TRUE(defaults.eos_token_ids.empty());
  }
}

TEST(GenerationConfig, WithoutSamplingIsGreedy) {
  EXPECT_EQ(parse(R"({"do_sample": false, "temperature": 0.6})").temperature, 0);
}

TEST(GenerationConfig, TokensAndWordsMayBeForbidden) {
  const GenerationDefaults defaults =
      parse(R"({"suppress_tokens": [3, 4], "bad_words_ids": [[5, 6], [7]], "min_new_tokens": 2})");
  EXPECT_EQ(defaults.bad_words, (std::vector<std::vector<TokenId>>{{3}, {4}, {5, 6}, {7}}));
  EXPECT_EQ(defaults.min_new_tokens, 2);
  EXPECT_EQ(note_on(defaults), "");
  const std::string many =
      nlohmann::json{{"suppress_tokens", std::vector<int>(max_suppressed_tokens + 1, 1)}}.dump();
  EXPECT_THAT(error_of([&] { parse(many.c_str()); }), HasSubstr("suppress_tokens lists more than 1024"));
  const std::string words =
      nlohmann::json{{"bad_words_ids", std::vector(max_bad_words + 1, std::vector{1})}}.dump();
  EXPECT_THAT(error_of([&] { parse(words.c_str()); }), HasSubstr("bad_words_ids lists more than 1024"));
}

TEST(GenerationConfig, WhatHasNoEffectIsTold) {
  EXPECT_EQ(
      note_on(
          parse(R"({"max_length": 4096, "min_length": 3, "begin_suppress_tokens": [1], "penalty_alpha": 0.6,
                              "forced_eos_token_id": 1})")),
      "generation_config.json has fields without effect here: begin_suppress_tokens, forced_eos_token_id, "
      "max_length, min_length, penalty_alpha");
  EXPECT_EQ(
      note_on(parse(R"({"max_length": 20, "min_length": 0, "begin_suppress_tokens": [], "penalty_alpha": null,
                              "guidance_scale": 1.0})")),
      "");
}

TEST(GenerationConfig, NamesTheFieldThatIsWrong) {
  for (const auto& [text, message] : {
           std::pair(R"({"temperature": "hot"})", "generation_config.json: temperature must be a number"),
           std::pair(R"({"temperature": -1})", "temperature is -1"),
           std::pair(R"({"top_p": 1.5})", "top_p is 1.5"),
           std::pair(R"({"top_p": 0})", "top_p is 0"),
           std::pair(R"({"min_p": 2})", "min_p is 2"),
           std::pair(R"({"top_k": 1.5})", "top_k must be an integer"),
           std::pair(R"({"top_k": -1})", "top_k is -1"),
           std::pair(R"({"max_new_tokens": 0})", "max_new_tokens is 0"),
           std::pair(R"({"eos_token_id": 100})", "eos_token_id is 100"),
           std::pair(R"({"suppress_tokens": 3})", "suppress_tokens must be"),
           std::pair(R"({"suppress_tokens": [100]})", "suppress_tokens[0] is 100"),
           std::pair(R"({"bad_words_ids": [[]]})", "bad_words_ids[0] has no token"),
           std::pair(R"({"min_new_tokens": -1})", "min_new_tokens is -1"),
           std::pair(R"({"do_sample": 1})", "do_sample must be true or false"),
           std::pair(R"({"repetition_penalty": -1})", "repetition_penalty is -1"),
           std::pair(R"({"num_beams": 4})", "num_beams is set"),
           std::pair("[]", "must be a JSON object"),
       }) {
    EXPECT_THAT(error_of([&, text = text] { parse(text); }), HasSubstr(message));
  }
}

TEST(GenerationConfig, ReadsTheDemoModelsFile) {
  EXPECT_EQ(load_generation_config(DEMO_MODEL, 1536).temperature, 0.6);
}

}  // namespace
}  // namespace troupe::model
