// What jinja2 itself made of thousands of small templates, and of real ones (see
// data/jinja/make_snippets.py).
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "model/jinja/chat_template.hpp"

namespace troupe::model {
namespace {

using nlohmann::ordered_json;

std::string read(const std::string& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file) << path;
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string read_template(const std::string& name) {
  return read(name == "demo" ? DEMO_MODEL "/chat_template.jinja"
                             : TEST_DATA "/jinja/templates/" + name + ".jinja");
}

// 2025-03-09 14:05:06, local time: the moment of make_snippets.py.
ChatTemplate::WallTime moment() {
  std::tm local{};
  local.tm_year = 125;
  local.tm_mon = 2;
  local.tm_mday = 9;
  local.tm_hour = 14;
  local.tm_min = 5;
  local.tm_sec = 6;
  local.tm_isdst = -1;
  return std::chrono::system_clock::from_time_t(std::mktime(&local));
}

// nullopt: an error, at parse or later.
std::optional<std::string> rendered(const std::string& source, const ordered_json& context) {
  try {
    const auto result =
        ChatTemplate::parse(source, "snippet").render(ordered_json::object(), context, moment());
    return result ? std::optional(result->text) : std::nullopt;
  } catch (const Error&) {
    return std::nullopt;
  }
}

TEST(Snippets, ComeOutAsJinja2RendersThem) {
  const auto data = ordered_json::parse(read(TEST_DATA "/jinja/snippets.json"));
  ASSERT_GT(data["snippets"].size(), 5000u);
  for (const auto& snippet : data["snippets"]) {
    const auto source = snippet[0].get<std::string>();
    const auto expected = snippet[1].is_null() ? std::nullopt : std::optional(snippet[1].get<std::string>());
    EXPECT_EQ(rendered(source, data["context"]), expected) << source;
  }
}

TEST(RealTemplates, ComeOutAsTransformersRendersThem) {
  const auto cases = ordered_json::parse(read(TEST_DATA "/jinja/cases.json"));
  ASSERT_EQ(cases.size(), 220u);
  for (const auto& each : cases) {
    const auto name = each["template"].get<std::string>();
    ordered_json variables = each["options"];
    variables["messages"] = each["messages"];
    variables["add_generation_prompt"] = each["add_generation_prompt"];
    const ordered_json tokens{{"bos_token", "<｜begin▁of▁sentence｜>"},
                              {"eos_token", "<｜end▁of▁sentence｜>"}};
    const auto result = ChatTemplate::parse(read_template(name), name).render(tokens, variables);
    if (each["error"].is_null()) {
      ASSERT_TRUE(result) << name << ": " << result.error().message;
      EXPECT_EQ(result->text, each["text"].get<std::string>()) << name;
    } else {
      ASSERT_FALSE(result) << name;
      EXPECT_EQ("TemplateError: " + result.error().message, each["error"].get<std::string>());
    }
  }
}

}  // namespace
}  // namespace troupe::model
