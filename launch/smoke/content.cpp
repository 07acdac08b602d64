#include "launch/smoke/content.hpp"

#include <cctype>

#include "launch/server_answer.hpp"
#include "launch/smoke/repetition.hpp"
#include "runtime/base/shortened.hpp"
#include "runtime/base/utf8.hpp"

namespace troupe::launch::smoke {
namespace {

constexpr std::size_t shown_bytes = 80;

// The end of a text, where answers stand, on one line.
std::string shown(const std::string& text) {
  const std::size_t from = character_from(text, text.size() > shown_bytes ? text.size() - shown_bytes : 0);
  return "\"" + one_line((from > 0 ? "..." : "") + text.substr(from)) + "\"";
}

bool is_digit(char c) {
  return std::isdigit(static_cast<unsigned char>(c)) != 0;
}

// As a number of its own: 1391 is another.
bool has_number(const std::string& text, const std::string& number) {
  for (auto at = text.find(number); at != text.npos; at = text.find(number, at + 1)) {
    const auto end = at + number.size();
    if ((at == 0 || !is_digit(text[at - 1])) && (end == text.size() || !is_digit(text[end]))) return true;
  }
  return false;
}

bool is_blank(const std::string& text) {
  return text.find_first_not_of(" \t\r\n") == text.npos;
}

}  // namespace

Outcome judge_arithmetic(const ChatAnswer& answer) {
  const std::string right = "391";
  if (has_number(answer.content, right)) return passed("17 * 23 = " + right);
  if (answer.finish_reason != "length") return poor("no " + right + " in " + shown(answer.content));
  if (has_number(answer.reasoning, right)) return passed(right + ", in thoughts that were cut off");
  return poor("cut off, without " + right + ", at " +
              shown(answer.content.empty() ? answer.reasoning : answer.content));
}

Outcome judge_repetition(const ChatAnswer& answer) {
  for (const auto& [what, text] :
       {std::pair("the answer", &answer.content), {"the reasoning", &answer.reasoning}})
    if (const auto loop = repeated_end(*text))
      return poor(std::string(what) + " ends with the same " + std::to_string(loop->bytes) + " bytes " +
                  std::to_string(loop->times) + " times: " + shown(*text));
  return passed("no loop at the end");
}

Outcome judge_reasoning(const ChatAnswer& answer, std::optional<bool> thinks) {
  if (!is_blank(answer.reasoning))
    return passed(std::to_string(answer.reasoning.size()) + " bytes of thoughts");
  if (thinks.value_or(answer.has_reasoning)) return poor("the model thinks, and its reasoning is empty");
  return left_out("the model does not think");
}

Outcome judge_arguments(const ChatAnswer& answer) {
  if (answer.calls.empty()) throw NothingToCheck("there is no call", "the answer");
  const std::string& arguments = answer.calls.front().arguments;
  if (arguments.find("Paris") != arguments.npos) return passed(one_line(arguments));
  return poor("no Paris in " + shown(arguments));
}

}  // namespace troupe::launch::smoke
