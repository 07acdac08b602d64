#include "model/tokenizer/utf8.hpp"

namespace troupe::model {

Utf8Automaton::Step Utf8Automaton::feed(unsigned char byte) {
  if (left_ > 0) {
    const bool continues = byte >= low_ && byte <= high_;
    left_ = continues ? left_ - 1 : 0;
    low_ = 0x80;
    high_ = 0xBF;
    if (!continues) return Step::invalid;
    return left_ == 0 ? Step::complete : Step::more;
  }
  if (byte < 0x80) return Step::complete;
  if (byte < 0xC2 || byte > 0xF4) return Step::invalid;
  left_ = byte < 0xE0 ? 1 : byte < 0xF0 ? 2 : 3;
  // The second byte's bounds keep out overlong forms, surrogates and what lies beyond U+10FFFF.
  low_ = byte == 0xE0 ? 0xA0 : byte == 0xF0 ? 0x90 : 0x80;
  high_ = byte == 0xED ? 0x9F : byte == 0xF4 ? 0x8F : 0xBF;
  return Step::more;
}

bool is_utf8(std::string_view text) {
  Utf8Automaton automaton;
  for (const char c : text) {
    if (automaton.feed(static_cast<unsigned char>(c)) == Utf8Automaton::Step::invalid) return false;
  }
  return !automaton.inside_character();
}

bool is_one_character(std::string_view text) {
  Utf8Automaton automaton;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto step = automaton.feed(static_cast<unsigned char>(text[i]));
    if (step != Utf8Automaton::Step::more)
      return step == Utf8Automaton::Step::complete && i + 1 == text.size();
  }
  return false;
}

void Utf8Repair::push(std::string_view bytes, std::string& out) {
  for (const char byte : bytes) push(byte, out);
}

void Utf8Repair::push(char byte, std::string& out) {
  const bool continues = automaton_.inside_character();
  switch (automaton_.feed(static_cast<unsigned char>(byte))) {
    case Utf8Automaton::Step::more:
      begun_ += byte;
      return;
    case Utf8Automaton::Step::complete:
      out += begun_;
      out += byte;
      begun_.clear();
      return;
    case Utf8Automaton::Step::invalid:
      out += replacement_character;
      begun_.clear();
      if (continues) push(byte, out);  // the byte that broke a character off may begin the next
      return;
  }
}

void Utf8Repair::finish(std::string& out) {
  if (automaton_.inside_character()) out += replacement_character;
  *this = {};
}

}  // namespace troupe::model
