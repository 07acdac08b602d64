#include "launch/server_answer.hpp"

#include <algorithm>

#include "runtime/base/error.hpp"

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

std::string first_model(const std::string& page, const std::string& server) {
  const auto models = nlohmann::ordered_json::parse(page, nullptr, false);
  try {
    return models.at("data").at(0).at("id").get<std::string>();
  } catch (const nlohmann::ordered_json::exception&) {
    throw Error("/v1/models names no model", server, "give --model");
  }
}

}  // namespace troupe::launch
