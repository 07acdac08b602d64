#include "model/tokenizer/tiktoken_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/error_of.hpp"
#include "tests/model/tokenizer/fixtures.hpp"
#include "tests/temporary_folder.hpp"

namespace troupe::model {
namespace {

using Ids = std::vector<TokenId>;
using nlohmann::json;
using testing::HasSubstr;

// All bytes, in another order than their values, and words.
const std::vector<std::string>& words() {
  static const std::vector<std::string> all{"bc", "ab", "abc", "cd", "abcd", "北", "北京", " a"};
  return all;
}
std::string ranks() {
  std::string text;
  for (int i = 0; i < 256; ++i) text += tiktoken_line(std::string(1, char(255 - i)), i);
  for (std::size_t i = 0; i < words().size(); ++i) text += tiktoken_line(words()[i], 256 + int(i));
  return text;
}
TokenId byte(char c) {
  return 255 - static_cast<unsigned char>(c);
}

json config() {
  return {{"added_tokens_decoder",
           {{"264", {{"content", "[BOS]"}, {"special", true}}},
            {"266", {{"content", "<tool>"}, {"special", false}}}}}};
}

Tokenizer tokenizer_of_files(std::string_view ranks, const json& config) {
  const TemporaryFolder folder;
  folder.write("tiktoken.model", ranks);
  folder.write("tokenizer_config.json", config.dump());
  return Tokenizer::load_of_folder(folder.path());
}
std::string error_of_files(std::string_view ranks, const json& config) {
  return error_of([&] { tokenizer_of_files(ranks, config); });
}

TEST(TiktokenFile, MergesByTheRankOfWhatIsJoined) {
  const Tokenizer tokenizer = tokenizer_of_files(ranks(), config());
  EXPECT_EQ(tokenizer.encode("abc"), Ids{258});
  EXPECT_EQ(tokenizer.encode("abx"), (Ids{257, byte('x')}));
  EXPECT_EQ(tokenizer.encode("xbcd"), (Ids{byte('x'), 256, byte('d')}));
  EXPECT_EQ(tokenizer.encode("abcd"), Ids{260});  // a whole word
  EXPECT_EQ(tokenizer.encode("xabcd"), (Ids{byte('x'), 260}));
  EXPECT_EQ(tokenizer.encode("a北京a"), (Ids{byte('a'), 262, byte('a')}));
  EXPECT_EQ(tokenizer.decode(Ids{263, 262, byte('!')}), " a北京!");
}

TEST(TiktokenFile, TheConfigNamesAddedTokensAndTheRestIsReserved) {
  const Tokenizer tokenizer = tokenizer_of_files(ranks(), config());
  EXPECT_EQ(tokenizer.vocab_size(), 264 + reserved_tiktoken_ids);
  EXPECT_EQ(tokenizer.encode("[BOS]ab<tool>"), (Ids{264, 257, 266}));
  EXPECT_TRUE(tokenizer.is_special(264));
  EXPECT_FALSE(tokenizer.is_special(266));
  EXPECT_EQ(tokenizer.id_of_added("<|reserved_token_265|>"), 265);
  EXPECT_TRUE(tokenizer.is_special(265));
  const std::vector<ByteRange> plain{{0, 5}};
  EXPECT_EQ(tokenizer.encode("[BOS]", plain)->size(), 5u);
  EXPECT_EQ(tokenizer_of_files(ranks(), json::object()).id_of_added("<|reserved_token_264|>"), 264);
}

TEST(TiktokenFile, NamesTheLineOrTheFieldAtFault) {
  for (const std::string bad : {"YQ==", "YQ== ", "YQ== x", "YQ== 1 2", "YQ== -1", "Y 300", "YQ 300",
                                "!!!! 300", " 300", "YQ== 1048576", "YQ== 99999999999"})
    EXPECT_THAT(error_of_files(ranks() + bad + "\n", config()),
                HasSubstr("tiktoken.model: line 265 is no token in base64 and its rank"))
        << bad;
  EXPECT_THAT(error_of_files(ranks() + tiktoken_line("ab", 300), config()),
              HasSubstr("line 265 has a token or a rank"));
  EXPECT_THAT(error_of_files(ranks() + tiktoken_line("xy", 5), config()),
              HasSubstr("line 265 has a token or a rank"));
  json wrong = config();
  wrong["added_tokens_decoder"]["7"] = {{"content", "x"}};
  EXPECT_THAT(error_of_files(ranks(), wrong), HasSubstr("added_tokens_decoder.7 is not of an id behind"));
  wrong = config();
  wrong["added_tokens_decoder"]["x"] = {{"content", "x"}};
  EXPECT_THAT(error_of_files(ranks(), wrong), HasSubstr("added_tokens_decoder.x is not of an id"));
  wrong = config();
  wrong["added_tokens_decoder"]["266"]["content"] = "[BOS]";
  EXPECT_THAT(error_of_files(ranks(), wrong), HasSubstr("266.content was added before"));
  wrong["added_tokens_decoder"]["266"]["content"] = "";
  EXPECT_THAT(error_of_files(ranks(), wrong), HasSubstr("266.content is empty"));
  wrong["added_tokens_decoder"] = 7;
  EXPECT_THAT(error_of_files(ranks(), wrong), HasSubstr("added_tokens_decoder must be an object"));
}

// tiktoken's definition, in quadratic time, of a word that is no token as a whole.
Ids by_definition(const std::string& word) {
  std::vector<std::string> parts;
  for (const char c : word) parts.push_back(std::string(1, c));
  const auto rank = [](const std::string& bytes) {
    const auto found = std::find(words().begin(), words().end(), bytes);
    return bytes.size() == 1        ? byte(bytes[0])
           : found == words().end() ? -1
                                    : 256 + int(found - words().begin());
  };
  while (true) {
    std::size_t best = parts.size();
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
      const int r = rank(parts[i] + parts[i + 1]);
      if (r >= 0 && (best == parts.size() || r < rank(parts[best] + parts[best + 1]))) best = i;
    }
    if (best == parts.size()) break;
    parts[best] += parts[best + 1];
    parts.erase(parts.begin() + std::ptrdiff_t(best) + 1);
  }
  Ids ids;
  for (const std::string& part : parts) ids.push_back(rank(part));
  return ids;
}

RC_GTEST_PROP(TiktokenFile, IsTheDefinition, ()) {
  static const Tokenizer tokenizer = tokenizer_of_files(ranks(), config());
  const auto word = *rc::gen::container<std::string>(rc::gen::element('a', 'b', 'c', 'd'));
  const auto whole = std::find(words().begin(), words().end(), word);
  const Ids expected =
      whole == words().end() ? by_definition(word) : Ids{256 + TokenId(whole - words().begin())};
  RC_ASSERT(tokenizer.encode(word).value() == expected);
}

}  // namespace
}  // namespace troupe::model
