#include "model/tokenizer/tokenizer_json.hpp"

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

TEST(TokenizerJson, NamesFileAndField) {
  const std::string message = error_with("/model/type", "WordPiece");
  EXPECT_THAT(message, AllOf(StartsWith("tokenizer.json: model.type"), HasSubstr("WordPiece")));
}

TEST(TokenizerJson, RefusesUnknownFieldsByName) {
  EXPECT_THAT(error_with("/surprise", 1), HasSubstr("surprise is not supported"));
  EXPECT_THAT(error_with("/model/surprise", 1), HasSubstr("model.surprise is not supported"));
  EXPECT_THAT(error_with("/pre_tokenizer/surprise", 1), HasSubstr("pre_tokenizer.surprise is not supported"));
  EXPECT_THAT(error_with("/added_tokens/0/surprise", 1),
              HasSubstr("added_tokens[0].surprise is not supported"));
}

TEST(TokenizerJson, RefusesByNameWhatWouldChangeIds) {
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
  two["pretokenizers"][0] = {{"type", "Punctuation"}};
  EXPECT_THAT(error_with("/pre_tokenizer", two),
              HasSubstr("pretokenizers[0].type is not supported: Punctuation"));
  two = split("a");
  two["pretokenizers"][0]["behavior"] = "Shuffled";
  EXPECT_THAT(error_with("/pre_tokenizer", two), HasSubstr("behavior is not supported: Shuffled"));
}

TEST(TokenizerJson, AcceptsWhatChangesNothing) {
  json file = small_file();
  file["normalizer"] = {{"type", "Sequence"}, {"normalizers", json::array()}};
  file["post_processor"] = {{"type", "TemplateProcessing"}, {"single", json::array()}};
  file["truncation"] = nullptr;
  file["model"].update(
      {{"dropout", nullptr}, {"unk_token", nullptr}, {"end_of_word_suffix", ""}, {"byte_fallback", false}});
  EXPECT_EQ(error_in(file), "no error");
}

std::string error_of_sentence_piece(std::string_view pointer, json value) {
  json file = sentence_piece_file();
  file[json::json_pointer(std::string(pointer))] = std::move(value);
  return error_in(file);
}

TEST(TokenizerJson, OfSentencePieceRefusesByNameWhatWouldChangeIds) {
  EXPECT_EQ(error_in(sentence_piece_file()), "no error");
  EXPECT_THAT(error_of_sentence_piece("/model/byte_fallback", false),
              HasSubstr("model.byte_fallback must be true"));
  EXPECT_THAT(error_of_sentence_piece("/model/vocab/<0x41>", nullptr), HasSubstr("<0x41> must be an id"));
  EXPECT_THAT(error_of_sentence_piece("/pre_tokenizer", {{"type", "Whitespace"}}),
              HasSubstr("pre_tokenizer.type is not supported: Whitespace"));
  EXPECT_THAT(error_of_sentence_piece("/pre_tokenizer", {{"type", "Metaspace"}, {"replacement", "_"}}),
              HasSubstr("pre_tokenizer.replacement must be"));
  EXPECT_THAT(error_of_sentence_piece("/pre_tokenizer", {{"type", "Metaspace"}, {"prepend_scheme", "last"}}),
              HasSubstr("pre_tokenizer.prepend_scheme is not supported: last"));
  EXPECT_THAT(error_of_sentence_piece("/normalizer/normalizers/1/pattern", {{"Regex", " "}}),
              HasSubstr("normalizers[1].pattern.Regex is not supported"));
  EXPECT_THAT(error_of_sentence_piece("/normalizer/normalizers/1/pattern/String", ""), HasSubstr("is empty"));
  EXPECT_THAT(error_of_sentence_piece("/normalizer/normalizers/1/content", std::string(17, 'a')),
              HasSubstr("has more than 16 bytes"));
  EXPECT_THAT(error_of_sentence_piece("/decoder/decoders/3/start", 2),
              HasSubstr("decoder must be ByteLevel, or"));
  EXPECT_THAT(error_of_sentence_piece("/decoder/decoders/0/content", "_"), HasSubstr("decoder must be"));
  EXPECT_THAT(error_of_sentence_piece("/decoder/decoders/4", {{"type", "Fuse"}}),
              HasSubstr("decoder must be"));
}

TEST(TokenizerJson, TellsWhatStandsBeforeATextThatIsNoChat) {
  EXPECT_EQ(tokenizer_of(sentence_piece_file()).leading(), 1);
  EXPECT_EQ(tokenizer_of(small_file()).leading(), std::nullopt);
  json file = small_file();  // as Llama 3's
  file["post_processor"] = {{"type", "Sequence"},
                            {"processors",
                             {{{"type", "ByteLevel"}},
                              {{"type", "TemplateProcessing"},
                               {"single",
                                {{{"SpecialToken", {{"id", "<x>"}, {"type_id", 0}}}},
                                 {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}}}}}};
  EXPECT_EQ(tokenizer_of(file).leading(), 259);
  json& single = file["post_processor"]["processors"][1]["single"];
  const json first = single[0];
  single.insert(single.begin(), first);
  EXPECT_THAT(error_in(file), HasSubstr("puts several tokens before a text"));
  single[0]["SpecialToken"]["id"] = "<y>";
  EXPECT_THAT(error_in(file), HasSubstr("single[0].SpecialToken.id is no added token"));
}

TEST(TokenizerJson, CutsDigits) {
  json file = small_file();
  file["model"]["vocab"]["12"] = 261;
  file["model"]["merges"].push_back("1 2");
  const auto ids = [&](bool individual) {
    json steps = split("a");
    steps["pretokenizers"][0] = {{"type", "Digits"}, {"individual_digits", individual}};
    file["pre_tokenizer"] = steps;
    return tokenizer_of(file).encode("ab12").value();
  };
  EXPECT_EQ(ids(true), (std::vector<TokenId>{256, '1', '2'}));
  EXPECT_EQ(ids(false), (std::vector<TokenId>{256, 261}));
}

TEST(TokenizerJson, RefusesTruncatedJson) {
  const std::string whole = small_file().dump();
  for (std::size_t size = 0; size < whole.size(); size += 1 + size / 8) {
    EXPECT_THAT(error_of([&] { Tokenizer::parse(whole.substr(0, size), "t.json"); }),
                StartsWith("t.json: is not valid JSON"));
  }
}

TEST(TokenizerJson, RefusesWrongIds) {
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

TEST(TokenizerJson, RefusesContradictions) {
  EXPECT_THAT(error_with("/model/vocab/ab", 257), HasSubstr("has the id of another token"));
  EXPECT_THAT(error_with("/added_tokens/1/id", 259), HasSubstr("added_tokens[1].id was given"));
  EXPECT_THAT(error_with("/added_tokens/1/content", "<x>"),
              HasSubstr("added_tokens[1].content was added before"));
  EXPECT_THAT(error_with("/added_tokens/0/id", 256), HasSubstr("contradicts model.vocab"));
  EXPECT_THAT(error_with("/model/vocab/<x>", 300), HasSubstr("contradicts model.vocab"));
  EXPECT_EQ(error_with("/model/vocab/<x>", 259), "no error");
  EXPECT_THAT(error_with("/added_tokens/0/content", ""), HasSubstr("added_tokens[0].content is empty"));
}

TEST(TokenizerJson, RefusesWrongMerges) {
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

// As Hugging Face has it. SmolLM2's vocabulary lacks a few control characters.
TEST(TokenizerJson, WhatHasNoTokenIsUnknownOrLeftOut) {
  json file = small_file();
  file["model"]["vocab"].erase("!");
  const auto ids = [&](std::string_view text) { return tokenizer_of(file).encode(text).value(); };
  EXPECT_EQ(ids("a!!b"), (std::vector<TokenId>{256}));
  file["model"]["unk_token"] = "z";
  EXPECT_EQ(ids("a!!b"), (std::vector<TokenId>{'a', 'z', 'z', 'b'}));
  file["model"]["fuse_unk"] = true;
  EXPECT_EQ(ids("a!!b!"), (std::vector<TokenId>{'a', 'z', 'b', 'z'}));
  file["model"]["unk_token"] = "no token";
  EXPECT_EQ(ids("a!!b"), (std::vector<TokenId>{256}));

  file = sentence_piece_file();
  file["model"]["vocab"].erase(name_of_byte(TokenSpelling::sentence_piece, 0xB1));  // of 汉: E6 B1 89
  EXPECT_EQ(ids("a汉汉é"), (std::vector<TokenId>{263, 0, 266}));
}

TEST(TokenizerJson, RefusesControlTokensThatTextCouldBecome) {
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

TEST(TokenizerJson, RefusesBadPatterns) {
  const std::string field = "pre_tokenizer.pretokenizers[0].pattern.Regex cannot be used: ";
  EXPECT_THAT(error_with("/pre_tokenizer", split("(a")), HasSubstr(field));
  EXPECT_THAT(error_with("/pre_tokenizer", split("[a&&b]")),
              HasSubstr(field + "the construct && is not supported"));
}

class WrongTypes : public testing::TestWithParam<json (*)()> {};

TEST_P(WrongTypes, NeverCrash) {
  const json file = GetParam()();
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

INSTANTIATE_TEST_SUITE_P(TokenizerJson, WrongTypes, testing::Values(&small_file, &sentence_piece_file));

TEST(TokenizerJson, RefusesFilesThatCannotBeReadOrAreTooLarge) {
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
