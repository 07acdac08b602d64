#include "model/tokenizer/tokenizer_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>

#include "runtime/base/error.hpp"
#include "tests/error_of.hpp"
#include "tests/model/tokenizer/fixtures.hpp"
#include "tests/temporary_folder.hpp"

namespace troupe::model {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::AnyOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::StartsWith;

std::string error_in(const json& file) {
  return error_of([&] { tokenizer_of(file); });
}
std::string error_with(std::string_view pointer, json value) {
  json file = small_file();
  file[json::json_pointer(std::string(pointer))] = std::move(value);
  return error_in(file);
}
json split(std::string_view pattern) {
  return {
      {"type", "Sequence"},
      {"pretokenizers",
       {{{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}},
        {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}}}};
}

TEST(TokenizerFile, NamesFileAndField) {
  const std::string message = error_with("/model/type", "WordPiece");
  EXPECT_THAT(message, AllOf(StartsWith("tokenizer.json: model.type"), HasSubstr("WordPiece")));
}

TEST(TokenizerFile, RefusesUnknownFieldsByName) {
  EXPECT_THAT(error_with("/surprise", 1), HasSubstr("surprise is not supported"));
  EXPECT_THAT(error_with("/model/surprise", 1), HasSubstr("model.surprise is not supported"));
  EXPECT_THAT(error_with("/pre_tokenizer/surprise", 1), HasSubstr("pre_tokenizer.surprise is not supported"));
  EXPECT_THAT(error_with("/added_tokens/0/surprise", 1),
              HasSubstr("added_tokens[0].surprise is not supported"));
}

TEST(TokenizerFile, RefusesByNameWhatWouldChangeIds) {
  EXPECT_THAT(error_with("/model/dropout", 0.1), HasSubstr("model.dropout"));
  EXPECT_THAT(error_with("/model/end_of_word_suffix", "</w>"), HasSubstr("model.end_of_word_suffix"));
  EXPECT_THAT(error_with("/model/continuing_subword_prefix", "##"),
              HasSubstr("model.continuing_subword_prefix"));
  EXPECT_THAT(error_with("/normalizer", {{"type", "Lowercase"}}),
              HasSubstr("normalizer.type is not supported: Lowercase"));
  EXPECT_THAT(error_with("/pre_tokenizer", {{"type", "Metaspace"}}),
              HasSubstr("pre_tokenizer must end in ByteLevel"));
  EXPECT_THAT(error_with("/pre_tokenizer", nullptr), HasSubstr("pre_tokenizer is missing"));
  EXPECT_THAT(error_with("/decoder", nullptr), HasSubstr("decoder must be ByteLevel"));
  EXPECT_THAT(error_with("/decoder/type", "Metaspace"), HasSubstr("decoder must be ByteLevel"));
  for (const std::string flag : {"lstrip", "rstrip", "single_word"}) {
    EXPECT_THAT(error_with("/added_tokens/1/" + flag, true), HasSubstr("added_tokens[1]." + flag));
  }
  json two = split("a");
  two["pretokenizers"][0] = {{"type", "Digits"}};
  EXPECT_THAT(error_with("/pre_tokenizer", two), HasSubstr("pretokenizers[0].type is not supported: Digits"));
  two = split("a");
  two["pretokenizers"][0]["behavior"] = "Shuffled";
  EXPECT_THAT(error_with("/pre_tokenizer", two), HasSubstr("behavior is not supported: Shuffled"));
}

TEST(TokenizerFile, AcceptsWhatChangesNothing) {
  json file = small_file();
  file["normalizer"] = {{"type", "Sequence"}, {"normalizers", json::array()}};
  file["post_processor"] = {{"type", "TemplateProcessing"}, {"single", json::array()}};
  file["truncation"] = nullptr;
  file["model"].update(
      {{"dropout", nullptr}, {"unk_token", nullptr}, {"end_of_word_suffix", ""}, {"byte_fallback", false}});
  EXPECT_EQ(error_in(file), "no error");
}

TEST(TokenizerFile, RefusesTruncatedJson) {
  const std::string whole = small_file().dump();
  for (std::size_t size = 0; size < whole.size(); size += 1 + size / 8) {
    EXPECT_THAT(error_of([&] { Tokenizer::parse(whole.substr(0, size), "t.json"); }),
                StartsWith("t.json: is not valid JSON"));
  }
}

TEST(TokenizerFile, RefusesWrongIds) {
  for (const json& id :
       {json(-1), json(1.5), json("7"), json(nullptr), json(max_token_id + 1), json(UINT64_MAX)}) {
    EXPECT_THAT(error_with("/model/vocab/ab", id),
                HasSubstr("model.vocab.ab must be an id from 0 to 1048575"));
    EXPECT_THAT(
        error_with("/added_tokens/0/id", id),
        AnyOf(HasSubstr("added_tokens[0].id must be an integer"), HasSubstr("added_tokens[0].id is missing"),
              ContainsRegex("added_tokens.0..id is .*; it must be between 0 and 1048575")));
  }
  EXPECT_EQ(error_with("/added_tokens/0/id", max_token_id), "no error");
}

TEST(TokenizerFile, RefusesContradictions) {
  EXPECT_THAT(error_with("/model/vocab/ab", 257), HasSubstr("has the id of another token"));
  EXPECT_THAT(error_with("/added_tokens/1/id", 259), HasSubstr("added_tokens[1].id was given"));
  EXPECT_THAT(error_with("/added_tokens/1/content", "<x>"),
              HasSubstr("added_tokens[1].content was added before"));
  EXPECT_THAT(error_with("/added_tokens/0/id", 256), HasSubstr("contradicts model.vocab"));
  EXPECT_THAT(error_with("/model/vocab/<x>", 300), HasSubstr("contradicts model.vocab"));
  EXPECT_EQ(error_with("/model/vocab/<x>", 259), "no error");
  EXPECT_THAT(error_with("/added_tokens/0/content", ""), HasSubstr("added_tokens[0].content is empty"));
}

TEST(TokenizerFile, RefusesWrongMerges) {
  const std::string missing = "model.merges[1] names a token that is not in the vocabulary";
  EXPECT_THAT(error_with("/model/merges/1", "zz a"), HasSubstr(missing));
  EXPECT_THAT(error_with("/model/merges/1", "a zz"), HasSubstr(missing));
  EXPECT_THAT(error_with("/model/merges/1", "z z"), HasSubstr(missing));
  for (const json& merge :
       {json("a"), json("a b c"), json(" a"), json(""), json(7), json::array({"a"}), json::array({"a", 1})}) {
    EXPECT_THAT(error_with("/model/merges/1", merge), HasSubstr("model.merges[1] must be a pair of tokens"));
  }
  EXPECT_THAT(error_with("/model/merges", {{"a", "b"}}), HasSubstr("model.merges must be an array"));
}

TEST(TokenizerFile, RefusesAVocabularyThatWouldLoseText) {
  json file = small_file();
  file["model"]["vocab"].erase(letter_of_byte(0xC0));  // never occurs in UTF-8
  EXPECT_EQ(error_in(file), "no error");
  file["model"]["vocab"].erase("!");
  EXPECT_THAT(error_in(file), HasSubstr("has no token for byte 33"));
}

TEST(TokenizerFile, RefusesControlTokensThatTextCouldBecome) {
  EXPECT_THAT(error_with("/added_tokens/0", {{"id", 256}, {"content", "ab"}, {"special", true}}),
              HasSubstr("lets plain text become added token 256"));
  EXPECT_THAT(error_with("/added_tokens/0", {{"id", 33}, {"content", "!"}, {"special", true}}),
              HasSubstr("lets plain text become added token 33"));
  json file = small_file();  // a whole word is no way in either
  file["model"]["vocab"]["<x>"] = 259;
  file["model"]["ignore_merges"] = true;
  const Tokenizer tokenizer = tokenizer_of(file);
  EXPECT_EQ(tokenizer.encode("<x>", std::vector<ByteRange>{{0, 3}}), (std::vector<TokenId>{'<', 'x', '>'}));
}

TEST(TokenizerFile, RefusesBadPatterns) {
  const std::string field = "pre_tokenizer.pretokenizers[0].pattern.Regex cannot be used: ";
  EXPECT_THAT(error_with("/pre_tokenizer", split("(a")), HasSubstr(field));
  EXPECT_THAT(error_with("/pre_tokenizer", split("[a&&b]")),
              HasSubstr(field + "the construct && is not supported"));
}

TEST(TokenizerFile, NeverCrashesOnWrongTypes) {
  const json file = small_file();
  const json leaves = file.flatten();
  for (const auto& [pointer, value] : leaves.items()) {
    if (pointer.starts_with("/model/vocab/")) continue;  // RefusesWrongIds
    for (json::json_pointer at(pointer); !at.empty(); at.pop_back()) {
      for (const json& wrong :
           {json(nullptr), json(true), json(-7), json("?"), json::array({1}), json::object({{"?", 1}})}) {
        json changed = file;
        changed[at] = wrong;
        const std::string message = error_in(changed);
        EXPECT_TRUE(message == "no error" || message.starts_with("tokenizer.json: ")) << message;
      }
    }
  }
}

TEST(TokenizerFile, RefusesFilesThatCannotBeReadOrAreTooLarge) {
  EXPECT_THAT(error_of([] { Tokenizer::load("/nonexistent/tokenizer.json"); }),
              StartsWith("/nonexistent/tokenizer.json: no such file"));
  const TemporaryFolder folder;
  const auto path = folder.write("tokenizer.json", "");
  std::filesystem::resize_file(path, Tokenizer::max_file_bytes + 1);  // sparse
  EXPECT_THAT(error_of([&] { Tokenizer::load(path); }),
              HasSubstr("has 134217729 bytes, more than the 134217728"));
}

}  // namespace
}  // namespace troupe::model
