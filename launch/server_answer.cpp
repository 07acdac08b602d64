#include "launch/server_answer.hpp"

#include <algorithm>

namespace troupe::launch {

std::string one_line(std::string text) {
  constexpr std::size_t longest = 300;
  text.resize(std::min(text.size(), longest));
  for (char& c : text)
    if ((c >= 0 && c < ' ') || c == '\x7F') c = ' ';
  return text;
}

std::string reason_of(const nlohmann::ordered_json& answer) {
  if (!answer.is_object() || !answer.contains("error") || !answer.at("error").is_object()) return "";
  const auto message = answer.at("error").find("message");
  const bool there = message != answer.at("error").end() && message->is_string();
  return there ? ": " + one_line(message->get<std::string>()) : "";
}

}  // namespace troupe::launch
