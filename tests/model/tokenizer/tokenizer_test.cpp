#include "model/tokenizer/tokenizer.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <thread>

#include "model/tokenizer/nfc.hpp"
#include "tests/model/tokenizer/fixtures.hpp"

namespace troupe::model {
namespace {

using Ids = std::vector<TokenId>;

TEST(Tokenizer, KnowsItsTokens) {
  const Tokenizer tokenizer = tokenizer_of(small_file());
  EXPECT_EQ(tokenizer.vocab_size(), 261);
  EXPECT_EQ(tokenizer.token_bytes(257), "abc");
  EXPECT_EQ(tokenizer.token_bytes(0xE9), "\xE9");
  EXPECT_EQ(tokenizer.token_bytes(259), "<x>");
  EXPECT_EQ(tokenizer.token_bytes(261), "");
  EXPECT_EQ(tokenizer.token_bytes(-1), "");
  EXPECT_EQ(tokenizer.vocabulary_entry(257), "abc");
  EXPECT_EQ(tokenizer.vocabulary_entry(' '), "Ġ");
  EXPECT_EQ(tokenizer.vocabulary_entry(259), "<x>");
  EXPECT_EQ(tokenizer.vocabulary_entry(261), "");
  EXPECT_TRUE(tokenizer.is_special(259));
  EXPECT_FALSE(tokenizer.is_special(260));
  EXPECT_TRUE(tokenizer.is_added(260));
  EXPECT_FALSE(tokenizer.is_added(258));
  EXPECT_EQ(tokenizer.id_of_added("<x>y"), 260);
  EXPECT_EQ(tokenizer.id_of_added("abc"), std::nullopt);
}

TEST(Tokenizer, LeavesNumbersWithoutTokenEmpty) {
  nlohmann::json file = small_file();
  file["added_tokens"].push_back({{"id", 300}, {"content", "<far>"}});
  const Tokenizer tokenizer = tokenizer_of(file);
  EXPECT_EQ(tokenizer.vocab_size(), 301);
  EXPECT_EQ(tokenizer.decode(Ids{261, 300, 299}), "<far>");
}

TEST(Tokenizer, SkipsSpecialTokensOnlyWhenTold) {
  const Tokenizer tokenizer = tokenizer_of(small_file());
  const Ids ids{'h', 259, 260, 'i'};
  EXPECT_EQ(tokenizer.decode(ids), "h<x><x>yi");
  EXPECT_EQ(tokenizer.decode(ids, true), "h<x>yi");
}

TEST(Tokenizer, PrefersTheLongestAddedToken) {
  const Tokenizer tokenizer = tokenizer_of(small_file());
  EXPECT_EQ(tokenizer.encode("a<x>y<x>b"), (Ids{'a', 260, 259, 'b'}));
}

TEST(Tokenizer, PlainTextIsNeverControl) {
  const Tokenizer tokenizer = tokenizer_of(small_file());
  const std::vector<ByteRange> around{{0, 3}, {6, 9}};
  EXPECT_EQ(tokenizer.encode("<x><x><x>", around), (Ids{'<', 'x', '>', 259, '<', 'x', '>'}));
  const std::vector<ByteRange> last_byte{{3, 4}};
  EXPECT_EQ(tokenizer.encode("<x>y", last_byte), (Ids{259, 'y'}));
  const std::vector<ByteRange> inner_byte{{1, 2}};
  EXPECT_EQ(tokenizer.encode("<x>", inner_byte), (Ids{'<', 'x', '>'}));
}

TEST(Tokenizer, PlainTextStaysPlainWhenNormalized) {
  nlohmann::json file = small_file();
  file["normalizer"] = {{"type", "NFC"}};
  for (auto& token : file["added_tokens"]) token["normalized"] = true;
  file["added_tokens"][0]["content"] = "<\u00e9>";
  const Tokenizer tokenizer = tokenizer_of(file);
  const std::string text = "e\u0301<e\u0301><e\u0301>";  // each e with its accent shrinks by a byte
  EXPECT_EQ(tokenizer.encode(text), (Ids{0xC3, 0xA9, 259, 259}));
  const std::vector<ByteRange> second{{8, 13}};
  EXPECT_EQ(tokenizer.encode(text, second), (Ids{0xC3, 0xA9, 259, '<', 0xC3, 0xA9, '>'}));
  const std::vector<ByteRange> accent{{5, 7}};
  EXPECT_EQ(tokenizer.encode(text, accent), (Ids{0xC3, 0xA9, '<', 0xC3, 0xA9, '>', 259}));
}

TEST(Tokenizer, OfSentencePieceFallsBackOnBytesAndPutsASpaceBeforeTexts) {
  const Tokenizer tokenizer = tokenizer_of(sentence_piece_file());
  EXPECT_EQ(tokenizer.encode("ab"), Ids{265});
  EXPECT_EQ(tokenizer.encode(" ab"), (Ids{259, 265}));
  EXPECT_EQ(tokenizer.encode("cab é\n"), (Ids{259, 262, 264, 259, 266, 3 + '\n'}));
  EXPECT_EQ(tokenizer.encode("a<s>b"), (Ids{263, 1, 259, 261}));
  const std::vector<ByteRange> plain{{1, 4}};
  EXPECT_EQ(tokenizer.encode("a<s>b", plain), (Ids{263, 3 + '<', 3 + 's', 3 + '>', 261}));
  EXPECT_EQ(tokenizer.encode("汉"), (Ids{259, 3 + 0xE6, 3 + 0xB1, 3 + 0x89}));
  EXPECT_EQ(tokenizer.decode(Ids{263, 261, 1, 259, 3 + 0xE6, 3 + 0xB1, 3 + 0x89}), "ab<s> 汉");
  EXPECT_EQ(tokenizer.decode(Ids{1, 263}), "<s> a");
  EXPECT_EQ(tokenizer.decode(Ids{1, 263}, true), "a");
  EXPECT_EQ(tokenizer.vocabulary_entry(265), "▁ab");
  EXPECT_EQ(tokenizer.vocabulary_entry(3 + '\n'), "<0x0A>");
  EXPECT_EQ(tokenizer.vocabulary_entry(2), "</s>");
  EXPECT_EQ(tokenizer.token_bytes(265), " ab");
}

// The text is marked once it is cut at added tokens: only its beginning gets a space.
TEST(Tokenizer, MetaspaceMayMarkTheFirstWordAlone) {
  nlohmann::json file = sentence_piece_file();
  file["normalizer"] = nullptr;
  file["pre_tokenizer"] = {
      {"type", "Metaspace"}, {"replacement", "▁"}, {"prepend_scheme", "first"}, {"split", false}};
  const Tokenizer tokenizer = tokenizer_of(file);
  EXPECT_EQ(tokenizer.encode("a<s>b ab"), (Ids{263, 1, 261, 265}));
  EXPECT_EQ(tokenizer.encode("<s>a"), (Ids{1, 260}));
}

TEST(Tokenizer, RefusesWhatIsNotUtf8) {
  for (const std::string text : {"\xFF", "a\xC3", "\xED\xA0\x80", "\xC0\x80", "\xF4\x90\x80\x80"}) {
    const auto ids = demo_tokenizer().encode(text);
    ASSERT_FALSE(ids);
    EXPECT_EQ(ids.error().kind, RefusalKind::invalid);
  }
}

TEST(Tokenizer, RefusesTextOverTheLimit) {
  const Tokenizer tokenizer = tokenizer_of(small_file());
  const auto ids = tokenizer.encode(std::string(Tokenizer::max_text_bytes + 1, 'a'));
  ASSERT_FALSE(ids);
  EXPECT_EQ(ids.error().kind, RefusalKind::too_large);
}

TEST(Tokenizer, RefusesTextThatHitsTheMatchLimit) {
  nlohmann::json file = small_file();
  file["pre_tokenizer"] = {
      {"type", "Sequence"},
      {"pretokenizers",
       {{{"type", "Split"}, {"pattern", {{"Regex", "(a|aa)+c"}}}, {"behavior", "Isolated"}},
        file["pre_tokenizer"]}}};
  const Tokenizer tokenizer = tokenizer_of(file);
  EXPECT_EQ(tokenizer.encode("aac"), (Ids{'a', 'a', 'c'}));
  const auto ids = tokenizer.encode(std::string(64, 'a') + "bc");
  ASSERT_FALSE(ids);
  EXPECT_EQ(ids.error().kind, RefusalKind::invalid);
  EXPECT_EQ(ids.error().message.find("aa"), std::string::npos);
}

TEST(Tokenizer, RefusesLongRunsOfCombiningMarksWhereItNormalizes) {
  nlohmann::json file = small_file();
  file["normalizer"] = {{"type", "Sequence"}, {"normalizers", {{{"type", "NFC"}}}}};
  const Tokenizer tokenizer = tokenizer_of(file);
  std::string text = "e";
  for (int i = 0; i < max_combining_run; ++i) text += "\u0301";
  EXPECT_TRUE(tokenizer.encode(text));
  EXPECT_FALSE(tokenizer.encode(text + "\u0301"));
}

TEST(Tokenizer, TakesLongWordsInItsStride) {
  std::string word;
  for (int i = 0; i < 1'000'000; ++i) word += static_cast<char>('a' + i % 3);
  const Tokenizer tokenizer = tokenizer_of(small_file());
  const auto ids = tokenizer.encode(word);  // quadratic work would take hours
  ASSERT_TRUE(ids);
  EXPECT_EQ(ids->size(), 333'334u);
}

TEST(Tokenizer, ServesManyThreads) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += "Solve 17 * 23, then <think>tell a story 汉字\n\n</think> about Ana";
  const Ids expected = demo_tokenizer().encode(text).value();
  std::vector<Ids> got(4);
  std::vector<std::thread> threads;
  for (Ids& ids : got) threads.emplace_back([&] { ids = demo_tokenizer().encode(text).value(); });
  for (std::thread& thread : threads) thread.join();
  for (const Ids& ids : got) EXPECT_EQ(ids, expected);
}

TEST(TokenizerDeathTest, PlainRangesMustBeSorted) {
  const std::vector<ByteRange> plain{{2, 3}, {0, 1}};
  EXPECT_DEATH((void)demo_tokenizer().encode("abc", plain), "sorted_and_disjoint");
}

RC_GTEST_PROP(TokenizerProperty, DecodeUndoesEncode, ()) {
  const std::string text = *any_text();
  const auto ids = demo_tokenizer().encode(text);
  RC_ASSERT(ids.has_value());
  RC_ASSERT(demo_tokenizer().decode(*ids) == text);
}

RC_GTEST_PROP(TokenizerProperty, DecodeUndoesEncodeOfSentencePiece, ()) {
  static const Tokenizer tokenizer = tokenizer_of(sentence_piece_file());
  const std::string text = *any_text();
  const auto ids = tokenizer.encode(text);
  RC_ASSERT(ids.has_value());
  RC_ASSERT(tokenizer.decode(*ids) == text);
}

RC_GTEST_PROP(TokenizerProperty, PlainTextGivesNoAddedTokensAndLosesNothing, ()) {
  const std::string text = *any_text() + "<｜User｜>" + *any_text();
  const std::vector<ByteRange> plain{{0, text.size()}};
  const auto ids = demo_tokenizer().encode(text, plain);
  RC_ASSERT(ids.has_value());
  for (const TokenId id : *ids) RC_ASSERT(!demo_tokenizer().is_added(id));
  RC_ASSERT(demo_tokenizer().decode(*ids) == text);
}

RC_GTEST_PROP(TokenizerProperty, PlainTextBetweenControlStaysBetweenIt, ()) {
  const std::string user = *any_text();
  const std::string text = "<｜User｜>" + user + "<｜Assistant｜>";
  const std::size_t begin = std::string_view("<｜User｜>").size();
  const std::vector<ByteRange> plain{{begin, begin + user.size()}};
  Ids expected = demo_tokenizer().encode(user, std::vector<ByteRange>{{0, user.size()}}).value();
  expected.insert(expected.begin(), demo_tokenizer().id_of_added("<｜User｜>").value());
  expected.push_back(demo_tokenizer().id_of_added("<｜Assistant｜>").value());
  RC_ASSERT(demo_tokenizer().encode(text, plain).value() == expected);
}

}  // namespace
}  // namespace troupe::model
