#include "runtime/generation/system_prompt.hpp"

#include <algorithm>

namespace troupe::runtime {
namespace {

using nlohmann::ordered_json;

bool is_of(const ordered_json& message, std::string_view role) {
  return message.at("role") == role;
}

ordered_json folded(const ordered_json& messages) {
  std::string texts;
  ordered_json rest = ordered_json::array();
  for (const ordered_json& message : messages)
    if (is_of(message, "system"))
      texts += message.at("content").get_ref<const std::string&>() + "\n\n";
    else
      rest.push_back(message);
  const auto user = std::ranges::find_if(rest, [](const auto& each) { return is_of(each, "user"); });
  if (user == rest.end()) {
    texts.resize(texts.size() - 2);
    rest.insert(rest.begin(), ordered_json{{"role", "user"}, {"content", texts}});
  } else {
    (*user)["content"] = texts + (*user)["content"].get_ref<const std::string&>();
  }
  return rest;
}

}  // namespace

Expected<ordered_json> with_system_prompt(SystemPrompt how, const ordered_json& messages) {
  const bool any = std::ranges::any_of(messages, [](const auto& each) { return is_of(each, "system"); });
  if (how == SystemPrompt::keep || !any) return messages;
  if (how == SystemPrompt::fold) return folded(messages);
  return refuse(
      "This server takes no system messages (--system-prompt reject): put the instructions into a "
      "message of the user.",
      "messages", "unsupported_value");
}

}  // namespace troupe::runtime
