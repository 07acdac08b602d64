// UTF-8 as a stream of bytes: what is valid, and what stands
// for what is not. Any thread; a Utf8Repair has one owner.
#pragma once

#include <string>
#include <string_view>

namespace troupe::model {

constexpr std::string_view replacement_character = "\xEF\xBF\xBD";  // U+FFFD

// Recognises one character at a time, byte by byte (Unicode 15, table 3-7).
class Utf8Automaton {
 public:
  enum class Step { complete, more, invalid };
  // invalid: the byte does not continue the character begun, or begins none; the automaton is as new then.
  Step feed(unsigned char byte);
  bool inside_character() const { return left_ > 0; }

 private:
  int left_ = 0;              // continuation bytes still to come
  unsigned char low_ = 0x80;  // bounds of the next one
  unsigned char high_ = 0xBF;
};

bool is_utf8(std::string_view text);
bool is_one_character(std::string_view text);  // valid, and no more

// Turns bytes that come in any portions into valid UTF-8. Each longest part of
// a character that is broken off becomes one U+FFFD, as in Unicode's
// recommended practice, Rust's from_utf8_lossy and so Hugging Face's decoders.
class Utf8Repair {
 public:
  void push(std::string_view bytes, std::string& out);  // appends whole characters only
  void finish(std::string& out);                        // an unfinished character becomes U+FFFD
  bool holds() const { return !begun_.empty(); }

 private:
  void push(char byte, std::string& out);

  Utf8Automaton automaton_;
  std::string begun_;  // the first bytes of an unfinished character
};

}  // namespace troupe::model
