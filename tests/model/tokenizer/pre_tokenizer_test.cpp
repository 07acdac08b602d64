#include "model/tokenizer/pre_tokenizer.hpp"

#include <gtest/gtest.h>

namespace troupe::model {
namespace {

using Words = std::vector<std::string>;

Words words_of(const PreTokenizer& pre_tokenizer, std::string_view text) {
  const auto split = pre_tokenizer.split(text);
  EXPECT_TRUE(split);
  return {split->words.begin(), split->words.end()};
}
Words words_of(SplitBehavior behavior, bool invert, std::string_view text) {
  std::vector<Split> splits;
  splits.push_back({Pattern::literal("-"), behavior, invert});
  return words_of(PreTokenizer(std::move(splits), false, {}), text);
}

// The first case of each is the example in the documentation of Hugging Face's SplitDelimiterBehavior.
TEST(PreTokenizer, Behaviors) {
  const std::string_view text = "the-final--countdown";
  EXPECT_EQ(words_of(SplitBehavior::removed, false, text), (Words{"the", "final", "countdown"}));
  EXPECT_EQ(words_of(SplitBehavior::isolated, false, text),
            (Words{"the", "-", "final", "-", "-", "countdown"}));
  EXPECT_EQ(words_of(SplitBehavior::merged_with_previous, false, text),
            (Words{"the-", "final-", "-", "countdown"}));
  EXPECT_EQ(words_of(SplitBehavior::merged_with_next, false, text),
            (Words{"the", "-final", "-", "-countdown"}));
  EXPECT_EQ(words_of(SplitBehavior::contiguous, false, text),
            (Words{"the", "-", "final", "--", "countdown"}));
  EXPECT_EQ(words_of(SplitBehavior::removed, true, text), (Words{"-", "-", "-"}));
  EXPECT_EQ(words_of(SplitBehavior::merged_with_next, true, text),
            (Words{"the-", "final-", "-", "countdown"}));
}

// As Hugging Face's Metaspace: its documentation has the first case.
TEST(PreTokenizer, MarksSpacesAsSentencePieceDoes) {
  using Prepend = Metaspace::Prepend;
  const auto words = [](Prepend prepend, bool split, std::string_view text, bool is_first) {
    const PreTokenizer pre_tokenizer(Metaspace{prepend, split});
    const auto result = pre_tokenizer.split(text, is_first);
    EXPECT_TRUE(result);
    return Words(result->words.begin(), result->words.end());
  };
  EXPECT_EQ(words(Prepend::always, true, "Hey my  friend", true), (Words{"▁Hey", "▁my", "▁", "▁friend"}));
  EXPECT_EQ(words(Prepend::always, false, "Hey my", false), Words{"▁Hey▁my"});
  EXPECT_EQ(words(Prepend::first, false, "Hey my", true), Words{"▁Hey▁my"});
  EXPECT_EQ(words(Prepend::first, false, "Hey my", false), Words{"Hey▁my"});
  EXPECT_EQ(words(Prepend::never, false, "Hey my", true), Words{"Hey▁my"});
  EXPECT_EQ(words(Prepend::always, false, " Hey", true), Words{"▁Hey"});
  EXPECT_EQ(words(Prepend::always, false, "▁Hey", true), Words{"▁Hey"});
}

TEST(PreTokenizer, GivesNoEmptyWords) {
  for (const auto behavior :
       {SplitBehavior::removed, SplitBehavior::isolated, SplitBehavior::merged_with_previous,
        SplitBehavior::merged_with_next, SplitBehavior::contiguous}) {
    EXPECT_EQ(words_of(behavior, false, ""), Words{});
    EXPECT_EQ(words_of(behavior, false, "a"), Words{"a"});
  }
  EXPECT_EQ(words_of(SplitBehavior::removed, false, "--"), Words{});
}

TEST(PreTokenizer, PatternsSeeOneWordOfThePatternBeforeThem) {
  std::vector<Split> splits;
  splits.push_back({Pattern::literal("x")});
  splits.push_back({Pattern::regex(R"(\s+(?!\S))")});
  EXPECT_EQ(words_of(PreTokenizer(std::move(splits), false, {}), "a  xb  c"),
            (Words{"a", "  ", "x", "b", " ", " c"}));
}

TEST(PreTokenizer, PrefixesEachWordOnce) {
  std::vector<Split> splits;
  splits.push_back({Pattern::literal("-"), SplitBehavior::removed});
  std::vector<Split> last;
  last.push_back({Pattern::regex("e"), SplitBehavior::merged_with_previous});
  EXPECT_EQ(words_of(PreTokenizer(std::move(splits), true, std::move(last)), "the- end"),
            (Words{" the", " e", "nd"}));
}

TEST(PreTokenizer, PassesRefusalsOn) {
  std::vector<Split> splits;
  splits.push_back({Pattern::regex("(a|aa)+c")});
  EXPECT_FALSE(PreTokenizer(std::move(splits), false, {}).split(std::string(64, 'a').append("bc")));
}

}  // namespace
}  // namespace troupe::model
