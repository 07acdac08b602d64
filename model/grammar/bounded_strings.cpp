#include "model/grammar/bounded_strings.hpp"

#include <xgrammar/grammar.h>

#include <algorithm>
#include <charconv>
#include <string_view>

namespace troupe::model {
namespace {

// What stands before and behind the bounds, in a schema and where the engine prints a rule: there its backslashes are escaped.
constexpr std::string_view pattern_head = R"(^[\s\S]{)", pattern_tail = "}$";
constexpr std::string_view printed_head = R"( ::= Regex("^[\\s\\S]{)", printed_tail = R"(}$")";
constexpr std::string_view of_json = ", json_string=true)";

// A character of a string as JSON writes it, as the engine reads a regex in a text. Each length and beginning of UTF-8 has a class
// of its own: within one the engine takes overlong bytes for characters, which decode to several.
constexpr std::string_view written_character =
    R"(([ !#-\\[\\]-\\u{7f}]|[\\u{80}-\\u{7ff}]|[\\u{800}-\\u{fff}]|[\\u{1000}-\\u{d7ff}]|[\\u{e000}-\\u{ffff}]|)"
    R"([\\u{10000}-\\u{3ffff}]|[\\u{40000}-\\u{10ffff}]|)"
    R"(\\\\([\"\\\\/bfnrt]|u([0-9A-CE-Fa-ce-f][0-9A-Fa-f]|[dD][0-7])[0-9A-Fa-f][0-9A-Fa-f])))";

// name ::= Regex("^[\s\S]{low,high}$", ...)
struct LengthRule {
  std::string_view name, low, high;
  bool json = false;  // a string of JSON, without its quotes
};

std::optional<LengthRule> length_rule(std::string_view line) {
  const auto head = line.find(printed_head);
  if (head == line.npos) return std::nullopt;
  const std::string_view bounds = line.substr(head + printed_head.size());
  const auto comma = bounds.find(','), tail = bounds.find(printed_tail);
  if (tail == bounds.npos || comma > tail) return std::nullopt;
  return LengthRule{.name = line.substr(0, head),
                    .low = bounds.substr(0, comma),
                    .high = bounds.substr(comma + 1, tail - comma - 1),
                    .json = bounds.substr(tail + printed_tail.size()) == of_json};
}

std::string rule_text(const LengthRule& rule) {
  std::int64_t high = 0;
  std::from_chars(rule.high.data(), rule.high.data() + rule.high.size(), high);
  const bool counted = high > max_unrolled_string;
  std::string text(rule.name);
  if (counted) text.append("[max_chars=").append(rule.high).append("]");
  text.append(" ::= Regex(\"^").append(rule.json ? written_character : R"([\\s\\S])");
  text.append("{").append(rule.low).append(",").append(counted ? "" : rule.high);
  return text.append(printed_tail).append(")");
}

}  // namespace

std::string length_pattern(std::int64_t low, std::optional<std::int64_t> high) {
  std::string pattern(pattern_head);
  pattern.append(std::to_string(low)).append(",").append(high ? std::to_string(*high) : "");
  return pattern.append(pattern_tail);
}

// By way of the engine's own text of a grammar, in which a budget is an attribute of a rule.
xgrammar::Grammar with_bounded_strings(const xgrammar::Grammar& grammar) {
  const std::string text = grammar.ToString();
  std::string bounded;
  bool changed = false;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line(text.data() + at, end - at);
    const auto rule = length_rule(line);
    changed = changed || rule;
    bounded += rule ? rule_text(*rule) : std::string(line);
    bounded += '\n';
    at = end + 1;
  }
  return changed ? xgrammar::Grammar::FromEBNF(bounded) : grammar;
}

}  // namespace troupe::model
