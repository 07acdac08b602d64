#include "actors/edge/own_names.hpp"

#include <cctype>
#include <string_view>

namespace troupe::actors::edge {
namespace {

bool fits(std::string_view param, std::string_view name) {
  return param.starts_with(name) &&
         (param.size() == name.size() || param[name.size()] == '.' || param[name.size()] == '[');
}

bool is_part_of_a_name(char each) {
  return std::isalnum(static_cast<unsigned char>(each)) || each == '_';
}

void replace_in_message(std::string& message, const OwnName& name) {
  const bool is_word = name.chat.find('_') == std::string::npos;
  std::size_t at = 0;
  while ((at = message.find(name.chat, at)) != std::string::npos) {
    const std::size_t end = at + name.chat.size();
    const char before = at > 0 ? message[at - 1] : ' ', after = end < message.size() ? message[end] : ' ';
    const bool whole = !is_part_of_a_name(before) && !is_part_of_a_name(after);
    const bool replaced = whole && (!is_word || before == '\'');
    if (replaced) message.replace(at, name.chat.size(), name.own);
    at += replaced ? name.own.size() : name.chat.size();
  }
}

}  // namespace

Refusal in_own_names(std::span<const OwnName> names, Refusal refusal) {
  for (const OwnName& each : names) {
    if (!fits(refusal.param, each.chat)) continue;
    refusal.param.replace(0, each.chat.size(), each.own);
    replace_in_message(refusal.message, each);
    break;
  }
  return refusal;
}

}  // namespace troupe::actors::edge
