#include "model/text/template_tools.hpp"

namespace troupe::model {
namespace {

using nlohmann::ordered_json;

ordered_json message(const char* role) {
  return {{"role", role}, {"content", "text"}};
}

ordered_json some_tool() {
  return {{"type", "function"},
          {"function",
           {{"name", "tool"},
            {"description", "text"},
            {"parameters", {{"type", "object"}, {"properties", ordered_json::object()}}}}}};
}

}  // namespace

bool prints_tools(const ChatTemplate& chat_template, const ordered_json& variables) {
  const auto now = std::chrono::system_clock::now();  // for both: templates may print the time
  const auto render = [&](const ordered_json& messages, const ordered_json& tools) {
    return chat_template.render(
        variables,
        {{"messages", messages}, {"tools", tools}, {"documents", nullptr}, {"add_generation_prompt", true}},
        now);
  };
  bool tried = false;
  for (const ordered_json& messages :
       {ordered_json::array({message("user")}), ordered_json::array({message("system"), message("user")})}) {
    const auto without = render(messages, nullptr);
    if (!without) continue;  // a chat that this template refuses
    const auto with = render(messages, ordered_json::array({some_tool()}));
    if (!with || with->text != without->text) return true;
    tried = true;
  }
  return !tried;
}

}  // namespace troupe::model
