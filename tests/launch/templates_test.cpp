// The templates of launch/templates, rendered by the program.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/launch/program.hpp"

namespace troupe::launch {
namespace {

using nlohmann::ordered_json;
using ::testing::ElementsAreArray;
using Texts = std::vector<std::string>;

const std::string bos = "<｜begin▁of▁sentence｜>", eos = "<｜end▁of▁sentence｜>";

ordered_json user(const char* text) {
  return {{"role", "user"}, {"content", text}};
}
ordered_json calls(const ordered_json& content, std::initializer_list<const char*> cities) {
  ordered_json list = ordered_json::array();
  for (const char* city : cities)
    list.push_back(
        {{"id", city},
         {"type", "function"},
         {"function", {{"name", "weather"}, {"arguments", "{\"city\": \"" + std::string(city) + "\"}"}}}});
  return {{"role", "assistant"}, {"content", content}, {"tool_calls", list}};
}
ordered_json output(const char* text) {
  return {{"role", "tool"}, {"content", text}};
}

const ordered_json tools = ordered_json::parse(R"([
  {"type": "function", "function": {"name": "weather", "description": "Weather \"now\"",
   "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}},
  {"type": "function", "function": {"name": "time", "description": null, "parameters": {}}}])");

class Templates : public ProgramTest {
 protected:
  // name: of a file of launch/templates.
  Texts render(const std::string& name, const std::vector<ordered_json>& chats) {
    std::string lines;
    for (ordered_json chat : chats) {
      chat["bos_token"] = bos;
      lines += chat.dump() + "\n";
    }
    const Outcome outcome = run("template '" SOURCE_DIR "/launch/templates/" + name + ".jinja'", lines);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    Texts texts;
    std::istringstream answers(outcome.out);
    for (std::string line; std::getline(answers, line);)
      texts.push_back(ordered_json::parse(line).value("text", line));
    return texts;
  }
  std::string render(const std::string& name, const ordered_json& messages, const ordered_json& given_tools) {
    return render(name,
                  std::vector<ordered_json>{
                      {{"messages", messages}, {"tools", given_tools}, {"add_generation_prompt", true}}})
        .at(0);
  }

  // Without tools they print what the published templates do, of which the recorded cases tell.
  void expect_as_published(const std::string& name, const std::string& published, bool with_calls) {
    std::vector<ordered_json> chats;
    Texts expected;
    for (const ordered_json& each : ordered_json::parse(read_file(TEST_DATA "/jinja/cases.json"))) {
      if (each["template"] != published || each["options"].contains("tools")) continue;
      if (!with_calls && each["messages"].dump().find("tool_calls") != std::string::npos) continue;
      ordered_json chat = each["options"];
      chat["messages"] = each["messages"];
      chat["add_generation_prompt"] = each["add_generation_prompt"];
      chats.push_back(std::move(chat));
      expected.push_back(each["text"]);
    }
    ASSERT_GT(chats.size(), 5u);
    EXPECT_THAT(render(name, chats), ElementsAreArray(expected));
  }
};

TEST_F(Templates, PrintAsPublishedWithoutTools) {
  expect_as_published("deepseek_v31", "deepseek-v3.1", true);
  expect_as_published("deepseek_v3", "deepseek-v3", false);  // which leaves a single call open
  expect_as_published("kimi_k2", "kimi-k2", true);
}

// Calls of other models get ids of Kimi's form; their results come in their order.
TEST_F(Templates, OfKimiKeepsIdsOfItsForm) {
  ordered_json of_two = calls(nullptr, {"Lima", "Oslo"});
  of_two["tool_calls"][0]["id"] = "functions.weather:4";
  ordered_json sun = output("sun"), snow = output("snow");
  sun["tool_call_id"] = "functions.weather:4";
  snow["tool_call_id"] = "Oslo";
  EXPECT_EQ(
      render("kimi_k2", {user("Weather?"), of_two, sun, snow}, nullptr),
      "<|im_system|>system<|im_middle|>You are Kimi, an AI assistant created by Moonshot AI.<|im_end|>\n"
      "<|im_user|>user<|im_middle|>Weather?<|im_end|><|im_assistant|>assistant<|im_middle|>"
      "<|tool_calls_section_begin|>"
      "<|tool_call_begin|>functions.weather:4<|tool_call_argument_begin|>{\"city\": \"Lima\"}<|tool_call_end|>"
      "<|tool_call_begin|>functions.weather:1<|tool_call_argument_begin|>{\"city\": \"Oslo\"}<|tool_call_end|>"
      "<|tool_calls_section_end|><|im_end|>"
      "<|im_system|>tool<|im_middle|>## Return of functions.weather:4\nsun<|im_end|>"
      "<|im_system|>tool<|im_middle|>## Return of functions.weather:1\nsnow<|im_end|>"
      "<|im_assistant|>assistant<|im_middle|>");
}

TEST_F(Templates, OfV31FollowsItsModelCard) {
  const std::string described =
      "\n\n## Tools\nYou have access to the following tools:\n\n"
      "### weather\nDescription: Weather \"now\"\n\n"
      "Parameters: {\"type\": \"object\", \"properties\": {\"city\": {\"type\": \"string\"}}}\n\n"
      "### time\nDescription: \n\nParameters: {}\n\n"
      "IMPORTANT: ALWAYS adhere to this exact format for tool use:\n"
      "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>tool_call_name<｜tool▁sep｜>tool_call_arguments<｜tool▁call▁end｜>"
      "{additional_tool_calls}<｜tool▁calls▁end｜>\n\nWhere:\n"
      "- `tool_call_name` must be an exact match to one of the available tools\n"
      "- `tool_call_arguments` must be valid JSON that strictly follows the tool's Parameters Schema\n"
      "- For multiple tool calls, chain them directly without separators or spaces";
  EXPECT_EQ(render("deepseek_v31", ordered_json::array({user("Paris?")}), tools),
            bos + described + "<｜User｜>Paris?<｜Assistant｜></think>");
  EXPECT_EQ(
      render("deepseek_v31",
             {{{"role", "system"}, {"content", "Be brief."}},
              user("Paris?"),
              calls("Let me see.", {"Paris", "Oslo"}),
              output("20"),
              output("5"),
              calls(nullptr, {"Rome"})},
             tools),
      bos + "Be brief." + described +
          "<｜User｜>Paris?<｜Assistant｜></think>Let me see.<｜tool▁calls▁begin｜>"
          "<｜tool▁call▁begin｜>weather<｜tool▁sep｜>{\"city\": \"Paris\"}<｜tool▁call▁end｜>"
          "<｜tool▁call▁begin｜>weather<｜tool▁sep｜>{\"city\": \"Oslo\"}<｜tool▁call▁end｜><｜tool▁calls▁end｜>" +
          eos +
          "<｜tool▁output▁begin｜>20<｜tool▁output▁end｜><｜tool▁output▁begin｜>5<｜tool▁output▁end｜>"
          "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>weather<｜tool▁sep｜>{\"city\": \"Rome\"}<｜tool▁call▁end｜>"
          "<｜tool▁calls▁end｜>" +
          eos);
}

TEST_F(Templates, OfV3AndR1FenceToolsAndCalls) {
  const std::string described =
      "## Tools\n\n### Function\n\nYou have the following functions available:\n\n"
      "- `weather`:\n```json\n{\n    \"name\": \"weather\",\n    \"description\": \"Weather \\\"now\\\"\",\n"
      "    \"parameters\": {\n        \"type\": \"object\",\n        \"properties\": {\n            \"city\": {\n"
      "                \"type\": \"string\"\n            }\n        }\n    }\n}\n```\n\n"
      "- `time`:\n```json\n{\n    \"name\": \"time\",\n    \"description\": null,\n    \"parameters\": {}\n}\n```";
  const std::string called =
      "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>weather\n```json\n{\"city\": \"Paris\"}\n"
      "```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>weather\n```json\n{\"city\": \"Oslo\"}\n"
      "```<｜tool▁call▁end｜><｜tool▁calls▁end｜>" +
      eos;
  const std::string answered =
      "<｜tool▁outputs▁begin｜><｜tool▁output▁begin｜>20<｜tool▁output▁end｜>\n"
      "<｜tool▁output▁begin｜>5<｜tool▁output▁end｜><｜tool▁outputs▁end｜>";
  const ordered_json begun{{{"role", "system"}, {"content", "Be brief."}}, user("Paris?")};
  ordered_json messages = begun;
  for (const ordered_json& each :
       {calls("<think>hm</think>Let me see.", {"Paris", "Oslo"}), output("20"), output("5")})
    messages.push_back(each);
  for (const auto& [name, text] :
       {std::pair("deepseek_v3", "<think>hm</think>Let me see."), std::pair("deepseek_r1", "Let me see.")}) {
    EXPECT_EQ(render(name, ordered_json::array({user("Paris?")}), tools),
              bos + described + "<｜User｜>Paris?<｜Assistant｜>");
    EXPECT_EQ(
        render(name, messages, tools),
        bos + "Be brief.\n\n" + described + "<｜User｜>Paris?<｜Assistant｜>" + text + called + answered);
    ordered_json further = messages;
    further.push_back({{"role", "assistant"}, {"content", "Warm."}});
    further.push_back(user("Thanks"));
    EXPECT_EQ(render(name, further, nullptr), bos + "Be brief.<｜User｜>Paris?<｜Assistant｜>" + text +
                                                  called + answered + "Warm." + eos +
                                                  "<｜User｜>Thanks<｜Assistant｜>");
  }
}

}  // namespace
}  // namespace troupe::launch
