#include "model/grammar/regex_check.hpp"

#include <algorithm>
#include <charconv>
#include <string>
#include <vector>

#include "model/grammar/grammar_limits.hpp"

namespace troupe::model {
namespace {

// Letters behind a backslash that the engine knows, or refuses by name.
constexpr std::string_view known_escapes = "dDwWsSbBpPkcuxnrtfv";

struct Group {
  bool behind_something = false;  // where it stands something must have come
  std::size_t atoms = 0;          // so far
  std::size_t last = 0;           // of them, what a repetition would repeat
  // Of the alternative at hand: something must come, and an end was asked for, behind which nothing may; and of any of them.
  bool begun = false, ended = false, any_ended = false;
};

// Of the class that begins at a byte, the last one.
std::size_t end_of_class(std::string_view regex, std::size_t at) {
  for (++at; at < regex.size() && regex[at] != ']'; ++at) at += regex[at] == '\\';
  return std::min(at, regex.size() - 1);
}

class Scan {
 public:
  explicit Scan(std::string_view regex) : regex_(regex) {}

  Expected<void> run() {
    while (at_ < regex_.size() && fault_.empty()) step();
    if (fault_.empty()) return {};
    return refuse("position " + std::to_string(at_ + 1) + " of the regex: " + fault_);
  }

 private:
  void step() {
    switch (regex_[at_]) {
      case '(':
        open();
        break;
      case ')':
        close();
        break;
      case '|':
        groups_.back().last = 0;
        groups_.back().begun = groups_.back().ended = false;
        break;
      case '[':
        at_ = end_of_class(regex_, at_);
        atom(1);
        break;
      case '\\':
        escape();
        break;
      case '{':
        repeat();
        break;
      case '^':
        if (groups_.back().begun || groups_.back().behind_something) fault_ = "^ where nothing begins";
        break;
      case '$':
        groups_.back().ended = groups_.back().any_ended = true;
        break;
      case '*':
      case '+':
        if (groups_.back().ended) fault_ = "a repetition of a $";
        break;
      case '?':
        break;
      default:
        atom(1);
    }
    if (fault_.empty()) ++at_;
  }

  // With what says that it only groups: (?:
  void open() {
    const Group& outer = groups_.back();
    if (outer.ended) fault_ = "something behind a $";
    groups_.push_back({.behind_something = outer.behind_something || outer.begun});
    if (groups_.size() > std::size_t(max_parentheses))
      fault_ = "more than " + std::to_string(max_parentheses) + " parentheses within each other";
    else if (regex_.substr(at_).starts_with("(?:"))
      at_ += 2;
  }

  void atom(std::size_t count) {
    Group& group = groups_.back();
    if (group.ended) fault_ = "something behind a $";
    group.begun = true;
    group.last = count;
    group.atoms = std::min(group.atoms + count, max_regex_atoms + 1);
    if (group.atoms > max_regex_atoms)
      fault_ =
          "with its repetitions written out, it has over " + std::to_string(max_regex_atoms) + " characters";
  }

  void close() {
    if (groups_.size() < 2) return;  // the engine names it
    const Group inner = groups_.back();
    groups_.pop_back();
    atom(inner.atoms);
    Group& outer = groups_.back();
    outer.ended = inner.any_ended;
    outer.any_ended = outer.any_ended || inner.any_ended;
  }

  // With the braces that belong to it: \u{2014}
  void escape() {
    const char c = at_ + 1 < regex_.size() ? regex_[at_ + 1] : '\\';
    const bool letter = ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z');
    if (letter && known_escapes.find(c) == std::string_view::npos) {
      fault_ = "an escape that is not supported";
      return;
    }
    ++at_;
    atom(1);
    if (std::string_view("upP").find(c) != std::string_view::npos && regex_.substr(at_ + 1).starts_with('{'))
      at_ = end_of_braces(at_ + 1);
  }

  // The engine refuses what has no end.
  std::size_t end_of_braces(std::size_t at) const { return std::min(regex_.find('}', at), regex_.size()); }

  void repeat() {
    if (groups_.back().ended) {
      fault_ = "a repetition of a $";
      return;
    }
    const std::size_t end = end_of_braces(at_);
    std::size_t low = 0, high = 0;
    const char* const last = regex_.data() + end;
    const auto first = std::from_chars(regex_.data() + at_ + 1, last, low);
    const bool open = first.ptr < last && *first.ptr == ',';
    const auto second = open ? std::from_chars(first.ptr + 1, last, high) : std::from_chars_result{};
    const bool too_far =
        first.ec == std::errc::result_out_of_range || second.ec == std::errc::result_out_of_range;
    const std::size_t times = std::max({low, high, std::size_t{1}});
    if (too_far || times > max_regex_repetition) {
      fault_ = "more than " + std::to_string(max_regex_repetition) + " repetitions";
      return;
    }
    const std::size_t repeated = groups_.back().last;
    if (times > 1) atom(repeated * (times - 1));
    groups_.back().last = repeated * times;
    at_ = end;
  }

  const std::string_view regex_;
  std::size_t at_ = 0;
  std::vector<Group> groups_{1};
  std::string fault_;
};

}  // namespace

Expected<void> check_regex(std::string_view regex) {
  return Scan(regex).run();
}

std::string with_dots_within_lines(std::string_view regex) {
  std::string out;
  for (std::size_t at = 0; at < regex.size(); ++at) {
    std::size_t last = at;
    if (regex[at] == '[') last = end_of_class(regex, at);
    if (regex[at] == '\\') last = std::min(at + 1, regex.size() - 1);
    if (regex[at] == '.')
      out += R"([^\n\r\u2028\u2029])";
    else
      out += regex.substr(at, last - at + 1);
    at = last;
  }
  return out;
}

}  // namespace troupe::model
