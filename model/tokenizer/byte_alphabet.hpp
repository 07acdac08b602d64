// GPT-2's byte alphabet: each byte is written as one printable character, so that a vocabulary of bytes fits
// into JSON (openai/gpt-2, encoder.py, bytes_to_unicode). Any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace troupe::model {

std::string letter_of_byte(unsigned char byte);  // UTF-8

// The bytes that `letters` stand for; none if a character of it is not a letter of the alphabet.
std::optional<std::string> bytes_of_letters(std::string_view letters);

}  // namespace troupe::model
