// Differences by https://github.com/kkos/oniguruma/blob/master/doc/RE and pcre2pattern(3).
#include "model/tokenizer/oniguruma.hpp"

#include <algorithm>
#include <cctype>
#include <stdexcept>

namespace troupe::model {
namespace {

// UTS 18, annex C; PCRE2's \w has less.
constexpr std::string_view word_characters = R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc})";

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_alphanumeric(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0;
}

class Translator {
 public:
  explicit Translator(std::string_view pattern) : rest_(pattern) {}

  std::string run() {
    while (!rest_.empty()) {
      switch (rest_.front()) {
        case '\\':
          escape(false);
          break;
        case '[':
          character_class();
          break;
        case '(':
          group();
          break;
        case '{':
          interval();
          break;
        default:
          copy(1);
      }
    }
    return std::move(out_);
  }

 private:
  void copy(std::size_t n) {
    out_ += rest_.substr(0, n);
    rest_.remove_prefix(std::min(n, rest_.size()));
  }
  void replace(std::size_t n, std::string_view with) {
    out_ += with;
    rest_.remove_prefix(n);
  }
  [[noreturn]] void refuse(std::size_t n) const {
    throw std::invalid_argument("the construct " + std::string(rest_.substr(0, n)) + " is not supported");
  }

  void group() {
    if (rest_.starts_with("(*")) refuse(2);
    if (!rest_.starts_with("(?")) return copy(1);
    for (const std::string_view opening : {"(?:", "(?=", "(?!", "(?>", "(?<=", "(?<!", "(?i:"}) {
      if (rest_.starts_with(opening)) return copy(opening.size());
    }
    refuse(4);
  }

  // {n,m}+ is no possessive quantifier in Ruby's syntax, {n}? is no reluctant one, and {,m} is one at all.
  void interval() {
    std::size_t end = 1;
    while (end < rest_.size() && (is_digit(rest_[end]) || rest_[end] == ',')) ++end;
    if (end == rest_.size() || rest_[end] != '}' || end == 1) return copy(1);  // a literal brace in both
    const std::string_view body = rest_.substr(1, end - 1);
    if (!is_digit(body.front())) refuse(end + 1);
    const char next = end + 1 < rest_.size() ? rest_[end + 1] : '\0';
    if (next == '+' || (next == '?' && body.find(',') == body.npos)) refuse(end + 2);
    copy(end + 1);
  }

  void character_class(bool in_intersection = false) {
    const std::size_t begin = out_.size();
    const bool negated = rest_.starts_with("[^");
    copy(negated ? 2 : 1);
    if (rest_.starts_with(']')) refuse(1);
    while (!rest_.starts_with(']')) {
      if (rest_.empty()) throw std::invalid_argument("a character class is not closed");
      if (rest_.starts_with("&&[") && !negated && !in_intersection) return intersection(begin);
      if (rest_.starts_with('[') || rest_.starts_with("&&"))
        refuse(2);  // sets of sets, [:posix:], other intersections
      if (rest_.front() == '\\') {
        escape(true);
      } else {
        copy(1);
      }
    }
    copy(1);
  }

  // [left&&[right]], of which the left begins at out_[begin]: what is left, if it is right.
  void intersection(std::size_t begin) {
    const std::string left = out_.substr(begin) + "]";
    out_.resize(begin);
    rest_.remove_prefix(2);
    out_ += "(?:(?=";
    character_class(true);
    if (!rest_.starts_with(']')) refuse(1);
    replace(1, ")" + left + ")");
  }

  void escape(bool in_class) {
    if (rest_.size() < 2) throw std::invalid_argument("the pattern ends in a backslash");
    const char letter = rest_[1];
    if (!is_alphanumeric(letter)) return copy(2);
    switch (letter) {
      case 's':  // PCRE2's \s also holds U+180E
        return replace(2, R"(\p{White_Space})");
      case 'S':
        return replace(2, R"(\P{White_Space})");
      case 'v':  // all vertical white space in PCRE2
        return replace(2, R"(\x0b)");
      case 'w':
        return replace(2, in_class ? std::string(word_characters) : bracketed("["));
      case 'W':
        if (in_class) refuse(2);
        return replace(2, bracketed("[^"));
      case 'p':
      case 'P':
        return property();
      case 'x':
        return hexadecimal();
      default: {
        const std::string_view same = in_class ? "adDefnrt" : "adDefnrtAzZ";
        if (same.find(letter) == same.npos) refuse(2);
        return copy(2);
      }
    }
  }

  static std::string bracketed(std::string_view opening) {
    return std::string(opening).append(word_characters) + "]";
  }

  // A script's name alone means its extensions, too, in
  // PCRE2, hence "sc:". Categories have one or two letters.
  void property() {
    const std::size_t end = rest_.find('}');
    if (end == rest_.npos || rest_.size() < 3 || rest_[2] != '{') refuse(2);
    std::string_view name = rest_.substr(3, end - 3);
    const bool negated = name.starts_with('^');
    if (negated) name.remove_prefix(1);
    if (name.empty() ||
        !std::all_of(name.begin(), name.end(), [](char c) { return is_alphanumeric(c) || c == '_'; })) {
      refuse(end + 1);
    }
    std::string property(rest_.substr(0, negated ? 4 : 3));
    if (name.size() > 2) property += "sc:";
    replace(end + 1, property.append(name) + "}");
  }

  // \xHH is a byte in Oniguruma and a character in PCRE2: the same below 0x80 only.
  void hexadecimal() {
    if (rest_.substr(2, 1) == "{") return copy(3);
    const bool ascii = rest_.size() >= 4 && rest_[2] >= '0' && rest_[2] <= '7' &&
                       std::isxdigit(static_cast<unsigned char>(rest_[3]));
    if (!ascii) refuse(4);
    copy(4);
  }

  std::string_view rest_;
  std::string out_;
};

}  // namespace

std::string pcre2_from_oniguruma(std::string_view pattern) {
  return Translator(pattern).run();
}

}  // namespace troupe::model
