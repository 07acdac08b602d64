#include "model/jinja/lexer.hpp"

#include <algorithm>
#include <array>

#include "model/jinja/failure.hpp"
#include "model/jinja/numbers.hpp"
#include "model/jinja/string_literal.hpp"
#include "model/jinja/unicode.hpp"

namespace troupe::model::jinja {
namespace {

// Newlines of all systems as \n, and one at the very end dropped, as jinja2 does by default.
std::string normalized(std::string_view source) {
  std::string text;
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r' && i + 1 < source.size() && source[i + 1] == '\n') continue;
    text += source[i] == '\r' ? '\n' : source[i];
  }
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(normalized(source)) {}

  std::vector<Token> run() {
    while (at_ < source_.size()) outside();
    add(Token::Kind::end, "");
    return std::move(tokens_);
  }

 private:
  [[noreturn]] void fail(std::string message) const { throw SyntaxFailure{std::move(message), line_}; }

  bool looking_at(std::string_view what) const { return source_.compare(at_, what.size(), what) == 0; }
  char peek(std::size_t ahead = 0) const {
    return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0';
  }

  // Moves on, counting lines.
  void advance(std::size_t bytes) {
    line_ += int(std::count(source_.begin() + std::ptrdiff_t(at_),
                            source_.begin() + std::ptrdiff_t(at_ + bytes), '\n'));
    at_ += bytes;
    if (bytes > 0) line_starting_ = source_[at_ - 1] == '\n';
  }

  void advance_blanks() { advance(blanks_from(at_) - at_); }

  std::size_t blanks_from(std::size_t at) const {
    while (at < source_.size() && is_space(decode(source_, at).value)) at += decode(source_, at).size;
    return at;
  }

  void add(Token::Kind kind, std::string text) {
    Token token;
    token.kind = kind;
    token.text = std::move(text);
    token.line = line_;
    tokens_.push_back(std::move(token));
  }

  void add_data(std::size_t begin, std::size_t end) {
    if (end > begin) add(Token::Kind::data, source_.substr(begin, end - begin));
  }

  // Text up to the next tag, then that tag.
  void outside() {
    std::size_t tag = at_;
    while (tag < source_.size()) {
      tag = source_.find('{', tag);
      if (tag == std::string::npos || tag + 1 >= source_.size()) tag = source_.size();
      if (tag == source_.size() || std::string_view("%{#").find(source_[tag + 1]) != std::string_view::npos)
        break;
      ++tag;
    }
    if (tag == source_.size()) {
      add_data(at_, tag);
      advance(tag - at_);
      return;
    }
    const char kind = source_[tag + 1];
    const char sign = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
    add_data(at_, data_end(at_, tag, sign, kind != '{'));
    advance(tag - at_);
    const std::size_t open = sign == '-' || sign == '+' ? 3 : 2;
    if (kind == '#') return comment(open);
    if (const std::size_t body = kind == '%' ? raw_body(at_ + open) : 0) return raw(body);
    add(kind == '%' ? Token::Kind::block_begin : Token::Kind::variable_begin, "");
    advance(open);
    inside(kind == '%');
  }

  // Where text that begins at `begin` stops before a tag, given the tag's sign.
  std::size_t data_end(std::size_t begin, std::size_t tag, char sign, bool may_strip_line) const {
    std::size_t end = tag;
    const auto blank_before = [&](std::size_t at) { return is_space(decode_before(source_, at).value); };
    if (sign == '-') {
      while (end > begin && blank_before(end)) end -= decode_before(source_, end).size;
      return end;
    }
    if (sign == '+' || !may_strip_line) return tag;
    const std::size_t newline = std::string_view(source_).substr(begin, tag - begin).rfind('\n');
    if (newline == std::string_view::npos && !line_starting_) return tag;
    const std::size_t line = newline == std::string_view::npos ? begin : begin + newline + 1;
    return blanks_from(line) >= tag ? line : tag;
  }

  // After a tag that ends with `close`: white space if it ended with a minus, one newline if it is a block's.
  bool take_end(std::string_view close, bool block) {
    const bool minus = peek() == '-', plus = block && peek() == '+';
    const std::size_t sign = minus || plus ? 1 : 0;
    if (source_.compare(at_ + sign, close.size(), close) != 0) return false;
    advance(sign + close.size());
    if (minus) {
      advance_blanks();
    } else if (block && !plus && peek() == '\n') {
      advance(1);
    }
    return true;
  }

  void comment(std::size_t open) {
    const int line = line_;
    advance(open);
    for (; at_ < source_.size(); advance(1)) {
      if (take_end("#}", true)) return;
    }
    throw SyntaxFailure{"a comment has no end", line};
  }

  // The byte after "raw %}", where `at` is the byte after "{%"; 0 if this is another tag.
  std::size_t raw_body(std::size_t at) const {
    at = blanks_from(at);
    if (source_.compare(at, 3, "raw") != 0) return 0;
    at = blanks_from(at + 3);
    if (source_.compare(at, 2, "%}") == 0) return at + 2;
    return source_.compare(at, 3, "-%}") == 0 ? blanks_from(at + 3) : 0;
  }

  void raw(std::size_t body) {
    const int line = line_;
    advance(body - at_);
    const std::size_t begin = at_;
    for (std::size_t tag = begin; (tag = source_.find("{%", tag)) != std::string::npos; ++tag) {
      const char sign = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
      const std::size_t word = blanks_from(tag + (sign == '-' || sign == '+' ? 3 : 2));
      if (source_.compare(word, 6, "endraw") != 0) continue;
      const std::size_t end = blanks_from(word + 6);
      const std::size_t close =
          end + (end < source_.size() && (source_[end] == '-' || source_[end] == '+') ? 1 : 0);
      if (source_.compare(close, 2, "%}") != 0) continue;
      add_data(begin, data_end(begin, tag, sign, true));
      advance(end - at_);
      take_end("%}", true);
      return;
    }
    throw SyntaxFailure{"a raw block has no end", line};
  }

  void inside(bool block) {
    std::vector<char> brackets;
    while (true) {
      if (brackets.empty() && take_tag_end(block)) return;
      if (at_ >= source_.size()) fail("a tag has no end");
      const CodePoint c = decode(source_, at_);
      if (is_space(c.value)) {
        advance(c.size);
      } else if (is_ascii_digit(c.value)) {
        number();
      } else if (is_identifier_start(c.value)) {
        name();
      } else if (c.value == '\'' || c.value == '"') {
        string();
      } else {
        symbol(brackets);
      }
    }
  }

  bool take_tag_end(bool block) {
    const int line = line_;
    if (!take_end(block ? "%}" : "}}", block)) return false;
    add(block ? Token::Kind::block_end : Token::Kind::variable_end, "");
    tokens_.back().line = line;
    return true;
  }

  void name() {
    std::size_t end = at_;
    while (end < source_.size() && is_identifier_part(decode(source_, end).value))
      end += decode(source_, end).size;
    add(Token::Kind::name, source_.substr(at_, end - at_));
    advance(end - at_);
  }

  void string() {
    const char quote = peek();
    std::size_t end = at_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) fail("a string has no end");
    const auto value = string_literal(std::string_view(source_).substr(at_ + 1, end - at_ - 1));
    if (!value) fail("a string has an escape that is not supported");
    add(Token::Kind::string, *value);
    advance(end + 1 - at_);
  }

  // Digits with single underscores between them.
  std::size_t digits_from(std::size_t at, bool test(char32_t)) const {
    while (at < source_.size()) {
      const std::size_t digit = source_[at] == '_' ? at + 1 : at;
      if (digit >= source_.size() || !test(static_cast<unsigned char>(source_[digit]))) break;
      at = digit + 1;
    }
    return at;
  }

  void number() {
    const auto digit_at = [&](std::size_t at) {
      return at < source_.size() && is_ascii_digit(static_cast<unsigned char>(source_[at]));
    };
    const std::size_t whole = digits_from(at_, is_ascii_digit);
    std::size_t end = whole;
    const bool after_point = at_ > 0 && source_[at_ - 1] == '.';
    if (!after_point && end < source_.size() && source_[end] == '.' && digit_at(end + 1))
      end = digits_from(end + 1, is_ascii_digit);
    if (!after_point && end < source_.size() && (source_[end] == 'e' || source_[end] == 'E')) {
      const bool sign = end + 1 < source_.size() && (source_[end + 1] == '+' || source_[end + 1] == '-');
      if (digit_at(end + 1 + sign)) end = digits_from(end + 1 + sign, is_ascii_digit);
    }
    if (end > whole) return add_number(end);
    integer(whole);
  }

  void add_number(std::size_t end) {
    add(Token::Kind::number, "");
    tokens_.back().number = parse_float(std::string_view(source_).substr(at_, end - at_)).value_or(0);
    advance(end - at_);
  }

  void integer(std::size_t whole) {
    std::size_t end = whole;
    int base = 10;
    if (peek() == '0') {
      const char mark = char(peek(1) | 0x20);
      const std::size_t prefixed =
          mark == 'x'
              ? digits_from(at_ + 2,
                            [](char32_t c) {
                              return is_ascii_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
                            })
          : mark == 'o' ? digits_from(at_ + 2, [](char32_t c) { return c >= '0' && c <= '7'; })
          : mark == 'b' ? digits_from(at_ + 2, [](char32_t c) { return c == '0' || c == '1'; })
                        : 0;
      base = prefixed > at_ + 2 ? 0 : 10;
      end = base == 0 ? prefixed : digits_from(at_, [](char32_t c) { return c == '0'; });
    }
    add(Token::Kind::integer, "");
    try {
      tokens_.back().integer = parse_int(std::string_view(source_).substr(at_, end - at_), base).value_or(0);
    } catch (const Failure&) {
      fail("an integer has more than 128 bits");
    }
    advance(end - at_);
  }

  void symbol(std::vector<char>& brackets) {
    static constexpr std::array<std::string_view, 26> symbols{
        "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
        "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ",", ";"};
    const auto* found =
        std::find_if(symbols.begin(), symbols.end(), [&](std::string_view s) { return looking_at(s); });
    if (found == symbols.end()) fail("a character is not expected here");
    const char c = (*found)[0];
    if (c == '(' || c == '[' || c == '{') brackets.push_back(c == '(' ? ')' : c == '[' ? ']' : '}');
    if (c == ')' || c == ']' || c == '}') {
      if (brackets.empty() || brackets.back() != c) fail(std::string("'") + c + "' is not expected here");
      brackets.pop_back();
    }
    add(Token::Kind::symbol, std::string(*found));
    advance(found->size());
  }

  const std::string source_;
  std::size_t at_ = 0;
  int line_ = 1;
  bool line_starting_ = true;  // nothing of the current line has been read
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize(std::string_view source) {
  return Lexer(source).run();
}

}  // namespace troupe::model::jinja
