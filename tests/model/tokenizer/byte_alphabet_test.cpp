#include "model/tokenizer/byte_alphabet.hpp"

#include <gtest/gtest.h>

namespace troupe::model {
namespace {

TEST(ByteAlphabet, IsThatOfGpt2) {
  EXPECT_EQ(letter_of_byte(' '), "Ġ");
  EXPECT_EQ(letter_of_byte('\n'), "Ċ");
  EXPECT_EQ(letter_of_byte('a'), "a");
  EXPECT_EQ(letter_of_byte(0), "Ā");
  EXPECT_EQ(letter_of_byte(0xAD), "Ń");
  EXPECT_EQ(letter_of_byte(0xFF), "ÿ");
}

TEST(ByteAlphabet, GoesBothWays) {
  std::string bytes, letters;
  for (int byte = 0; byte < 256; ++byte) {
    bytes += static_cast<char>(byte);
    letters += letter_of_byte(static_cast<unsigned char>(byte));
  }
  EXPECT_EQ(bytes_of_letters(letters), bytes);
}

TEST(ByteAlphabet, HasNoOtherLetters) {
  for (const std::string_view other : {"a b", "a\n", "\u00ad", "\u0144", "汉", "<｜User｜>", "😀"}) {
    EXPECT_EQ(bytes_of_letters(other), std::nullopt) << other;
  }
}

}  // namespace
}  // namespace troupe::model
