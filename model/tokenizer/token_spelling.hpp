// How a vocabulary writes the bytes of its tokens. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace troupe::model {

enum class TokenSpelling : std::uint8_t {
  byte_letters,    // in GPT-2's byte alphabet
  sentence_piece,  // as text, ▁ for a space; <0x0A> is a byte
};

constexpr std::string_view sentence_piece_space = "\xE2\x96\x81";  // ▁, U+2581

std::string name_of_byte(TokenSpelling spelling, unsigned char byte);
// What a token of that name decodes to; a name that is not of the spelling stands for itself.
std::string bytes_of_name(TokenSpelling spelling, std::string_view name);

}  // namespace troupe::model
