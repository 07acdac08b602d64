#include "model/tokenizer/utf8.hpp"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace troupe::model {
namespace {

std::string repaired(std::string_view bytes) {
  Utf8Repair repair;
  std::string text;
  repair.push(bytes, text);
  repair.finish(text);
  return text;
}

// Expected values are those of Rust's from_utf8_lossy (its own tests, library/alloc/tests/string.rs).
TEST(Utf8Repair, GroupsBrokenBytesAsRustDoes) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"ศไทย中华Việt Nam", "ศไทย中华Việt Nam"},
      {"Hello\xC2 There\xFF Goodbye", "Hello\uFFFD There\uFFFD Goodbye"},
      {"Hello\xC0\x80 There\xE6\x83 Goodbye", "Hello\uFFFD\uFFFD There\uFFFD Goodbye"},
      {"\xF5"
       "foo\xF5\x80"
       "bar",
       "\uFFFDfoo\uFFFD\uFFFDbar"},
      {"\xF1"
       "foo\xF1\x80"
       "bar\xF1\x80\x80"
       "baz",
       "\uFFFDfoo\uFFFDbar\uFFFDbaz"},
      {"\xF4"
       "foo\xF4\x80"
       "bar\xF4\xBF"
       "baz",
       "\uFFFDfoo\uFFFDbar\uFFFD\uFFFDbaz"},
      {"\xF0\x80\x80\x80"
       "foo\xF0\x90\x80\x80"
       "bar",
       "\uFFFD\uFFFD\uFFFD\uFFFDfoo\U00010000bar"},
      {"\xED\xA0\x80"
       "foo\xED\xBF\xBF"
       "bar",
       "\uFFFD\uFFFD\uFFFDfoo\uFFFD\uFFFD\uFFFDbar"},
      {"\xE6\xB1", "\uFFFD"},
      {"\xE6\xE6\xB1\x89", "\uFFFD汉"}};
  for (const auto& [bytes, text] : cases) EXPECT_EQ(repaired(bytes), text);
}

TEST(Utf8, TellsValidFromInvalid) {
  for (const std::string_view valid :
       {"", "a", "\u07FF", "\uD7FF", "\uE000", "\uFFFF", "\U00010000", "\U0010FFFF"}) {
    EXPECT_TRUE(is_utf8(valid));
  }
  for (const std::string_view invalid : {"\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80",
                                         "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "a\xE6\xB1"}) {
    EXPECT_FALSE(is_utf8(invalid));
  }
}

TEST(Utf8, KnowsOneCharacter) {
  for (const std::string text : {"a", "ü", "汉", "😀"}) EXPECT_TRUE(is_one_character(text)) << text;
  for (const std::string text : {"", "ab", "üa", "\xC3", "\xFF", "\xC3\xBC\xBC"})
    EXPECT_FALSE(is_one_character(text)) << text;
}

}  // namespace
}  // namespace troupe::model
