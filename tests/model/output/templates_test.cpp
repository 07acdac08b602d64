// Calls as the published chat templates print them in a history are read back from there: what a model was trained
// to read is what it writes.
#include "model/call_arguments.hpp"
#include "runtime/base/file.hpp"
#include "tests/model/output/parsing.hpp"

namespace troupe::model {
namespace {

using nlohmann::ordered_json;

const std::vector<ordered_json> all_arguments{
    {{"city", "Zürich"}, {"note", "\"so\"\n```\\ <b>"}},
    {{"days", {1, 2}}, {"where", {{"at", {1.5, nullptr, true}}}}, {"text", ""}}};

// The history of a chat with so many calls.
ordered_json history(std::size_t calls) {
  ordered_json message = {{"role", "assistant"}, {"content", nullptr}, {"tool_calls", ordered_json::array()}};
  for (std::size_t i = 0; i < calls; ++i)
    message["tool_calls"].push_back(
        {{"id", "call_" + std::to_string(i)},
         {"type", "function"},
         {"function", {{"name", "tool_" + std::to_string(i)}, {"arguments", all_arguments[i].dump()}}}});
  return {{{"role", "user"}, {"content", "Weather?"}}, std::move(message)};
}

std::string rendered(const std::string& name, const ordered_json& messages) {
  const auto source =
      ChatTemplate::parse(read_file(TEST_DATA "/jinja/templates/" + name + ".jinja", 1 << 20), name);
  const ordered_json variables = {{"bos_token", "<｜begin▁of▁sentence｜>"},
                                  {"eos_token", "<｜end▁of▁sentence｜>"}};
  const auto prompt = source.render(
      variables,
      {{"messages", takes_mappings(source, variables) ? with_mappings(messages).value() : messages}});
  return prompt ? prompt->text : "refused: " + prompt.error().message;
}

class CallsOfTemplates : public testing::TestWithParam<std::tuple<const char*, std::size_t>> {};

TEST_P(CallsOfTemplates, AreReadBack) {
  const auto [name, calls] = GetParam();
  const std::string text = rendered(name, history(calls));
  const auto answer = text.find("<｜Assistant｜>");
  ASSERT_NE(answer, text.npos) << text;
  const Whole whole = parse_calls(text.substr(answer));
  ASSERT_EQ(whole.calls.size(), calls) << text;
  EXPECT_EQ(whole.finished, int(calls));
  for (std::size_t i = 0; i < calls; ++i) {
    EXPECT_EQ(whole.calls[i].first, "tool_" + std::to_string(i));
    EXPECT_EQ(ordered_json::parse(whole.calls[i].second), all_arguments[i]);
  }
}

INSTANTIATE_TEST_SUITE_P(DeepSeek, CallsOfTemplates,
                         testing::Combine(testing::Values("deepseek-v3", "deepseek-v3.1", "deepseek-v3.2",
                                                          "deepseek-r1-distill", "deepseek-r1-distill-llama",
                                                          "deepseek-r1-distill-qwen"),
                                          testing::Values(std::size_t(1), std::size_t(2))));

}  // namespace
}  // namespace troupe::model
