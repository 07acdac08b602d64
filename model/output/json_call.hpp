// Reads one call that is a JSON object: {"name": "NAME", "arguments": {...}}, or "parameters" in place of "arguments"; in any
// order, and with other keys besides. Its arguments are told as they come, once the name has. One owner.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "model/output/tool_calls.hpp"

namespace troupe::model {

class JsonCall {
 public:
  static constexpr std::size_t max_literal_bytes = 8192;  // of a key or the name, as written
  enum class Verdict : std::uint8_t {
    open,    // it may become a call
    called,  // it is one
    over,    // it was one
    none,    // it is none
  };

  // Takes text up to the end of the object, to where a string in it begins or ends, or to what shows that it is no call;
  // returns how much. None: a string was taken to begin in a number or word that
  // ended there, and the next call takes more.
  std::size_t read(std::string_view text, ToolCallWriter& calls);
  Verdict verdict() const { return verdict_; }
  // What comes is text of a string, whatever it looks like.
  bool in_string() const {
    return going_on() && (place_ == Place::key_text || (place_ == Place::in_value && in_string_));
  }
  // All that was taken, until it is a call.
  const std::string& seen() const { return seen_; }

 private:
  enum class Place : std::uint8_t { before, key, key_text, colon, value, in_value, behind_value };
  enum class Role : std::uint8_t { name, arguments, other };
  bool going_on() const { return verdict_ == Verdict::open || verdict_ == Verdict::called; }
  bool take(char c, ToolCallWriter& calls);
  void give_up();
  void begin_value(char c, ToolCallWriter& calls);
  bool take_of_value(char c, ToolCallWriter& calls);
  bool take_of_literal(char c);
  void end_value(ToolCallWriter& calls);
  void end_key();

  Verdict verdict_ = Verdict::open;
  Place place_ = Place::before;
  Role role_ = Role::other;
  std::string seen_, literal_, arguments_;
  CallName name_;
  bool named_ = false, has_arguments_ = false;
  // Of a value: within a string, behind a backslash of it, brackets that are open; a number or a word has none of them.
  bool in_string_ = false, escaped_ = false, is_word_ = false;
  std::int64_t depth_ = 0;
};

}  // namespace troupe::model
