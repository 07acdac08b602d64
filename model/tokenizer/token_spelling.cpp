#include "model/tokenizer/token_spelling.hpp"

#include <charconv>
#include <optional>

#include "model/tokenizer/byte_alphabet.hpp"

namespace troupe::model {
namespace {

// The byte of <0x0A>, as Hugging Face's ByteFallback reads it.
std::optional<char> fallback_byte(std::string_view name) {
  if (name.size() != 6 || !name.starts_with("<0x") || name.back() != '>') return std::nullopt;
  unsigned char byte = 0;
  const auto [end, error] = std::from_chars(name.data() + 3, name.data() + 5, byte, 16);
  if (error != std::errc{} || end != name.data() + 5) return std::nullopt;
  return static_cast<char>(byte);
}

std::string with_spaces(std::string_view name) {
  std::string text;
  while (!name.empty()) {
    const bool space = name.starts_with(sentence_piece_space);
    text += space ? ' ' : name.front();
    name.remove_prefix(space ? sentence_piece_space.size() : 1);
  }
  return text;
}

}  // namespace

std::string name_of_byte(TokenSpelling spelling, unsigned char byte) {
  if (spelling == TokenSpelling::byte_letters) return letter_of_byte(byte);
  constexpr std::string_view digits = "0123456789ABCDEF";
  return {'<', '0', 'x', digits[byte >> 4], digits[byte & 15], '>'};
}

std::string bytes_of_name(TokenSpelling spelling, std::string_view name) {
  if (spelling == TokenSpelling::byte_letters) return bytes_of_letters(name).value_or(std::string(name));
  if (const auto byte = fallback_byte(name)) return std::string(1, *byte);
  return with_spaces(name);
}

}  // namespace troupe::model
