#include <iostream>

#include "config/settings.hpp"
#include "launch/command_line.hpp"
#include "launch/demo_model.hpp"
#include "launch/json_lines.hpp"
#include "model/text/text_model.hpp"
#include "runtime/base/file.hpp"

namespace troupe::launch {
namespace {

using nlohmann::ordered_json;

constexpr config::Page page{
    .command = "template",
    .summary = "turns JSON lines of chats into prompts",
    .description =
        "Reads lines such as {\"messages\": [...], \"tools\": [...], \"add_generation_prompt\": true} from "
        "standard input and writes a line {\"text\": \"...\"} or {\"error\": \"...\"} for each. Other fields "
        "are variables of the template.\n\n"
        "The template is that of a checkpoint folder, which also gives bos_token, eos_token and the like, or "
        "a file whose name ends in .jinja; the line gives those variables then.",
    .examples =
        "$ echo '{\"messages\": [{\"role\": \"user\", \"content\": \"Hello\"}]}' | troupe template\n"
        "$ troupe template chat_template.jinja < chats.jsonl"};

using Render = std::function<Expected<model::RenderedPrompt>(const ordered_json& line)>;

Render of_file(const std::filesystem::path& file) {
  auto parsed = std::make_shared<model::ChatTemplate>(
      model::ChatTemplate::parse(read_file(file, model::TemplateLimits{}.source_bytes), file.string()));
  return [parsed](const ordered_json& line) {
    // What transformers passes when the caller says nothing.
    ordered_json variables = {{"messages", ordered_json::array()},
                              {"tools", nullptr},
                              {"documents", nullptr},
                              {"add_generation_prompt", false}};
    variables.update(line);
    return parsed->render(ordered_json::object(), variables);
  };
}

Render of_checkpoint(const std::filesystem::path& folder) {
  auto text = std::make_shared<model::TextModel>(model::TextModel::load(folder));
  return [text](ordered_json variables) -> Expected<model::RenderedPrompt> {
    const auto take = [&](const char* name, ordered_json absent) {
      if (const auto found = variables.find(name); found != variables.end()) {
        absent = std::move(*found);
        variables.erase(name);
      }
      return absent;
    };
    const ordered_json messages = take("messages", ordered_json::array());
    const ordered_json tools = take("tools", nullptr);
    const ordered_json add_generation_prompt = take("add_generation_prompt", false);
    if (!messages.is_array()) return refuse("messages must be an array");
    if (!tools.is_null() && !tools.is_array()) return refuse("tools must be an array");
    if (!add_generation_prompt.is_boolean()) return refuse("add_generation_prompt must be true or false");
    return text->render(messages, tools, variables, add_generation_prompt.get<bool>());
  };
}

}  // namespace

int render_template(const Arguments& arguments) {
  config::Settings settings;
  config::Table table = config::select(config::schema(settings), {"model"});
  table.front().argument = "CHECKPOINT|FILE.jinja";
  table.front().help = "Checkpoint folder, or file of a chat template.";
  if (!read_command_line(page, table, arguments)) return 0;
  const bool file = std::string_view(settings.model).ends_with(".jinja");
  const Render render = file ? of_file(settings.model) : of_checkpoint(checkpoint_or_demo(settings.model));
  answer_json_lines(std::cin, std::cout, [&](const ordered_json& line) -> Expected<ordered_json> {
    return render(line).map([](const model::RenderedPrompt& prompt) {
      return ordered_json{{"text", prompt.text}};
    });
  });
  return 0;
}

}  // namespace troupe::launch
