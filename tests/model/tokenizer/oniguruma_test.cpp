#include "model/tokenizer/oniguruma.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

namespace troupe::model {
namespace {

TEST(Oniguruma, TranslatesWhatDiffers) {
  EXPECT_EQ(pcre2_from_oniguruma(R"(\s\S[^\s\r])"), R"(\p{White_Space}\P{White_Space}[^\p{White_Space}\r])");
  EXPECT_EQ(
      pcre2_from_oniguruma(R"(\w+[\w-]\W)"),
      R"([\p{Alphabetic}\p{M}\p{Nd}\p{Pc}]+[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}-][^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}])");
  EXPECT_EQ(pcre2_from_oniguruma(R"([\p{Han}\p{^Latin}]\P{Greek}\v)"),
            R"([\p{sc:Han}\p{^sc:Latin}]\P{sc:Greek}\x0b)");
}

TEST(Oniguruma, IntersectsClasses) {
  EXPECT_EQ(pcre2_from_oniguruma(R"([\p{L}a&&[^\p{Han}\s]]+b)"),
            R"((?:(?=[^\p{sc:Han}\p{White_Space}])[\p{L}a])+b)");
}

TEST(Oniguruma, KeepsWhatIsTheSame) {
  for (const std::string_view pattern :
       {R"((?i:'s|'t)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[!"&'()*+,\-./@\[\\\]^_`{|}~]*?)",
        R"((?<=a)(?<!b)(?=c)(?!d)(?>e)(f)(?:g))", R"(a{2}b{2,}c{2,3}?{x}{)", R"(^\A\d\D$\x41\x{1F600}\z)"}) {
    EXPECT_EQ(pcre2_from_oniguruma(pattern), pattern);
  }
}

TEST(Oniguruma, RefusesByNameWhatItCannotTranslate) {
  const auto message = [](std::string_view pattern) -> std::string {
    try {
      return pcre2_from_oniguruma(pattern);
    } catch (const std::invalid_argument& e) {
      return e.what();
    }
  };
  for (const auto& [pattern, construct] :
       std::initializer_list<std::pair<std::string_view, std::string_view>>{
           {R"(\bx)", R"(\b)"}, {R"(\h)", R"(\h)"},   {R"(a\1)", R"(\1)"},    {R"([\W])", R"(\W)"},
           {R"(\pL)", R"(\p)"}, {R"(\p{L)", R"(\p)"}, {R"(\p{})", R"(\p{})"}, {R"(\x80)", R"(\x80)"},
           {R"(\Kx)", R"(\K)"}, {"(?i)a", "(?i)"},    {"(?m:.)", "(?m:"},     {"(*FAIL)", "(*"},
           {"(?<n>a)", "(?<n"}, {"a{2}+", "{2}+"},    {"a{1,2}+", "{1,2}+"},  {"a{2}?", "{2}?"},
           {"a{,3}", "{,3}"},   {"[a&&b]", "&&"},     {"[[a]b]", "[a"},       {"[[:alpha:]]", "[:"},
           {"[]a]", "]"},       {"[^a&&[b]]", "&&"},  {"[a&&[b]c]", "c"},     {"[a&&[b&&[c]]]", "&&"}}) {
    EXPECT_EQ(message(pattern), "the construct " + std::string(construct) + " is not supported");
  }
  EXPECT_THAT(message("[a"), testing::HasSubstr("not closed"));
  EXPECT_THAT(message("a\\"), testing::HasSubstr("ends in a backslash"));
}

}  // namespace
}  // namespace troupe::model
