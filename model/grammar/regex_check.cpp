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
  std::size_t atoms = 0;  // so far
  std::size_t last = 0;   // of them, what a repetition would repeat
};

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
        groups_.push_back({});
        if (groups_.size() > std::size_t(max_parentheses))
          fault_ = "more than " + std::to_string(max_parentheses) + " parentheses within each other";
        break;
      case ')':
        close();
        break;
      case '|':
        groups_.back().last = 0;
        break;
      case '[':
        at_ = end_of_class();
        atom(1);
        break;
      case '\\':
        escape();
        break;
      case '{':
        repeat();
        break;
      case '^':
        if (!begins()) fault_ = "^ where nothing begins";
        break;
      case '$':
        if (!ends()) fault_ = "$ where nothing ends";
        break;
      case '*':
      case '+':
      case '?':
      case ':':
        break;
      default:
        atom(1);
    }
    if (fault_.empty()) ++at_;
  }

  void atom(std::size_t count) {
    Group& group = groups_.back();
    group.last = count;
    group.atoms = std::min(group.atoms + count, max_regex_atoms + 1);
    if (group.atoms > max_regex_atoms)
      fault_ =
          "with its repetitions written out, it has over " + std::to_string(max_regex_atoms) + " characters";
  }

  void close() {
    if (groups_.size() < 2) return;  // the engine names it
    const std::size_t inner = groups_.back().atoms;
    groups_.pop_back();
    atom(inner);
  }

  // At the class's last byte.
  std::size_t end_of_class() const {
    std::size_t at = at_ + 1;
    for (; at < regex_.size() && regex_[at] != ']'; ++at) at += regex_[at] == '\\';
    return std::min(at, regex_.size() - 1);
  }

  void escape() {
    const char c = at_ + 1 < regex_.size() ? regex_[at_ + 1] : '\\';
    const bool letter = ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z');
    if (letter && known_escapes.find(c) == std::string_view::npos)
      fault_ = "an escape that is not supported";
    else
      ++at_, atom(1);
  }

  void repeat() {
    const std::size_t end = regex_.find('}', at_);
    if (end == std::string_view::npos) return;  // the engine names it
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

  bool begins() const {
    return at_ == 0 || regex_[at_ - 1] == '(' || regex_[at_ - 1] == '|' || regex_[at_ - 1] == ':';
  }
  bool ends() const { return at_ + 1 == regex_.size() || regex_[at_ + 1] == ')' || regex_[at_ + 1] == '|'; }

  const std::string_view regex_;
  std::size_t at_ = 0;
  std::vector<Group> groups_{1};
  std::string fault_;
};

}  // namespace

Expected<void> check_regex(std::string_view regex) {
  return Scan(regex).run();
}

}  // namespace troupe::model
