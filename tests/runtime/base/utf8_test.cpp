#include "runtime/base/utf8.hpp"

#include <gtest/gtest.h>

namespace troupe {
namespace {

TEST(Utf8, CharactersBeginWhereTheyDo) {
  constexpr std::string_view text = "a\xC3\xA9\xE2\x82\xACz";  // of 1, 2, 3 and 1 bytes
  constexpr std::size_t from[]{0, 1, 3, 3, 6, 6, 6, 7}, to[]{0, 1, 1, 3, 3, 3, 6, 7};
  for (std::size_t at = 0; at <= text.size(); ++at) {
    EXPECT_EQ(character_from(text, at), from[at]) << at;
    EXPECT_EQ(character_to(text, at), to[at]) << at;
  }
}

TEST(Utf8, WhatHasNoBeginningEndsWithTheText) {
  constexpr std::string_view text = "\x80\x80\x80";
  EXPECT_EQ(character_from(text, 0), 3u);
  EXPECT_EQ(character_to(text, 2), 0u);
  EXPECT_EQ(character_from("", 0), 0u);
  EXPECT_EQ(character_to("", 0), 0u);
}

}  // namespace
}  // namespace troupe
