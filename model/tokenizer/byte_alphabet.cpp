#include "model/tokenizer/byte_alphabet.hpp"

#include <array>

namespace troupe::model {
namespace {

constexpr int letters_end = 0x100 + 68;  // one past the highest code point of the alphabet

constexpr bool stands_for_itself(int byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

struct Alphabet {
  std::array<int, 256> code_point{};
  std::array<int, letters_end> byte{};  // by code point; -1: no letter

  constexpr Alphabet() {
    byte.fill(-1);
    int next = 0x100;
    for (int b = 0; b < 256; ++b) {
      code_point[b] = stands_for_itself(b) ? b : next++;
      byte[code_point[b]] = b;
    }
  }
};
constexpr Alphabet alphabet;

}  // namespace

std::string letter_of_byte(unsigned char byte) {
  const int code_point = alphabet.code_point[byte];
  if (code_point < 0x80) return {static_cast<char>(code_point)};
  return {static_cast<char>(0xC0 | code_point >> 6), static_cast<char>(0x80 | (code_point & 0x3F))};
}

std::optional<std::string> bytes_of_letters(std::string_view letters) {
  std::string bytes;
  for (std::size_t i = 0; i < letters.size(); ++i) {
    int code_point = static_cast<unsigned char>(letters[i]);
    if (code_point >= 0xC0 && code_point < 0xE0 && i + 1 < letters.size()) {
      code_point = (code_point & 0x1F) << 6 | (static_cast<unsigned char>(letters[++i]) & 0x3F);
    } else if (code_point >= 0x80) {
      return std::nullopt;  // three bytes or more: beyond the alphabet
    }
    if (code_point >= letters_end || alphabet.byte[code_point] < 0) return std::nullopt;
    bytes += static_cast<char>(alphabet.byte[code_point]);
  }
  return bytes;
}

}  // namespace troupe::model
