#include "launch/pull/selection.hpp"

#include <gmock/gmock.h>

#include "tests/error_of.hpp"

namespace troupe::launch::pull {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Names = std::vector<std::string>;

Listing listing_of(const Names& names) {
  Listing listing;
  for (const std::string& name : names)
    listing.files.push_back({.name = name, .size = 1, .sha256 = "", .git_blob = ""});
  return listing;
}
Names chosen(const Names& names, const Selection& selection = {}) {
  Names found;
  for (const RemoteFile& each : select(listing_of(names), selection, "o/m")) found.push_back(each.name);
  return found;
}
std::string fault_of_choice(const Names& names, const Selection& selection = {}) {
  return error_of([&] { chosen(names, selection); });
}

TEST(Selection, IsWhatACheckpointNeeds) {
  EXPECT_THAT(chosen({".gitattributes", "LICENSE", "README.md", "config.json", "configuration_deepseek.py",
                      "consolidated.safetensors", "figures/a.png", "generation_config.json",
                      "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
                      "model.safetensors.index.json", "onnx/model.safetensors", "pytorch_model.bin",
                      "tokenizer.json", "tokenizer_config.json"}),
              ElementsAre("config.json", "generation_config.json", "model-00001-of-00002.safetensors",
                          "model-00002-of-00002.safetensors", "model.safetensors.index.json",
                          "tokenizer.json", "tokenizer_config.json"));
  EXPECT_THAT(chosen({"chat_template.jinja", "hf_quant_config.json", "model-1-of-61.safetensors",
                      "tiktoken.model", "x.gguf"}),
              ElementsAre("chat_template.jinja", "hf_quant_config.json", "model-1-of-61.safetensors",
                          "tiktoken.model"));
}

TEST(Selection, IsTheOneGgufFileWhereThereAreNoSafetensors) {
  EXPECT_THAT(chosen({"README.md", "config.json", "x.gguf"}), ElementsAre("x.gguf"));
  EXPECT_THAT(chosen({"q/x-00001-of-00002.gguf", "q/x-00002-of-00002.gguf"}),
              ElementsAre("q/x-00001-of-00002.gguf", "q/x-00002-of-00002.gguf"));
  EXPECT_THAT(fault_of_choice({"x-Q4_K_M.gguf", "x-Q8_0.gguf"}),
              AllOf(HasSubstr("o/m: has 2 GGUF files: x-Q4_K_M.gguf x-Q8_0.gguf"), HasSubstr("--include")));
  EXPECT_THAT(chosen({"x-Q4_K_M.gguf", "x-Q8_0.gguf"}, {.include = {}, .exclude = {"*Q4*"}}),
              ElementsAre("x-Q8_0.gguf"));
  EXPECT_THAT(fault_of_choice({"README.md", "pytorch_model.bin"}), HasSubstr("neither safetensors nor GGUF"));
}

TEST(Selection, IsWhatPatternsSay) {
  const Names names{"a/b.bin", "a/c.txt", "config.json"};
  EXPECT_EQ(chosen(names, {.include = {"*"}, .exclude = {}}), names);
  EXPECT_THAT(chosen(names, {.include = {"*.bin", "config.json"}, .exclude = {}}),
              ElementsAre("a/b.bin", "config.json"));
  EXPECT_THAT(chosen(names, {.include = {"a/*"}, .exclude = {"*.txt"}}), ElementsAre("a/b.bin"));
  EXPECT_THAT(fault_of_choice(names, {.include = {"*.gguf"}, .exclude = {}}),
              HasSubstr("no file that was asked for"));
  EXPECT_EQ((Selection{.include = {"*"}, .exclude = {"a b"}}.text()), " --include '*' --exclude 'a b'");
}

// They are written down in a line of the manifest.
TEST(Selection, PatternsThatNoNameCouldMatchAreRefused) {
  const auto fault = [](const Selection& selection) { return error_of([&] { selection.check(); }); };
  EXPECT_EQ(fault({.include = {"*.gguf", "b [0-9] \\*"}, .exclude = {"é"}}), "no error");
  EXPECT_THAT(fault({.include = {"*", "a\nb"}, .exclude = {}}), HasSubstr("--include: is empty, or"));
  for (const std::string& pattern : {std::string(), std::string("\x7f"), std::string(1025, 'a')})
    EXPECT_THAT(fault({.include = {}, .exclude = {pattern}}), HasSubstr("--exclude: is empty, or"));
}

TEST(Selection, IsNothingThatThePullWritesItself) {
  EXPECT_THAT(fault_of_choice({"MANIFEST.sha256"}, {.include = {"*"}, .exclude = {}}),
              HasSubstr("written here itself"));
  EXPECT_THAT(fault_of_choice({"MANIFEST.sha256.partial"}, {.include = {"*"}, .exclude = {}}),
              HasSubstr("written here itself"));
  EXPECT_THAT(fault_of_choice({".troupe-pull/journal"}, {.include = {"*"}, .exclude = {}}),
              HasSubstr("written here itself"));
}

}  // namespace
}  // namespace troupe::launch::pull
