#include "launch/server_answer.hpp"

#include <algorithm>

#include "runtime/base/error.hpp"
#include "runtime/base/shortened.hpp"

namespace troupe::launch {

std::string harmless(std::string_view text) {
  std::string shown;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const auto next = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : 0);
    if (byte == 0xC2 && next >= 0x80 && next < 0xA0)  // U+0080 to U+009F: control characters, too
      ++i;
    else if ((byte >= ' ' && byte != 0x7F) || byte == '\n' || byte == '\t')
      shown += text[i];
  }
  return shown;
}

std::string one_line(const std::string& text) {
  constexpr std::size_t longest = 300;  // bytes
  std::string line = shortened(harmless(text), longest);
  std::ranges::replace_if(
      line, [](char c) { return c == '\n' || c == '\t'; }, ' ');
  return line;
}

bool has_error(const nlohmann::ordered_json& object) {
  const auto error = object.find("error");
  return error != object.end() && !error->is_null();
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
