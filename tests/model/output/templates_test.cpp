// Calls as the published chat templates print them in a history are read back from there: what a model was trained
// to read is what it writes.
#include "model/text/call_arguments.hpp"
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
        {{"id", "functions.tool_" + std::to_string(i) + ":" + std::to_string(i)},
         {"type", "function"},
         {"function", {{"name", "tool_" + std::to_string(i)}, {"arguments", all_arguments[i].dump()}}}});
  return {{{"role", "user"}, {"content", "Weather?"}}, std::move(message)};
}

// A published one, or one of launch/templates.
ChatTemplate template_named(const std::string& name) {
  const std::string own = SOURCE_DIR "/launch/templates/" + name + ".jinja";
  const std::string published = TEST_DATA "/jinja/templates/" + name + ".jinja";
  return ChatTemplate::parse(read_file(std::filesystem::exists(own) ? own : published, 1 << 20), name);
}

std::string rendered(const std::string& name, const ordered_json& messages) {
  const ChatTemplate source = template_named(name);
  const ordered_json variables = {{"bos_token", "<｜begin▁of▁sentence｜>"},
                                  {"eos_token", "<｜end▁of▁sentence｜>"}};
  const auto prompt = source.render(
      variables, {{"messages", takes_mappings(source, variables)       ? with_mappings(messages).value()
                               : takes_null_content(source, variables) ? messages
                                                                       : with_texts(messages)}});
  return prompt ? prompt->text : "refused: " + prompt.error().message;
}

ToolCallSyntax syntax_of(const std::string& name) {
  const ChatTemplate source = template_named(name);
  return printed_syntax(source, ordered_json::object());
}

TEST(SyntaxOfTemplates, IsWhatTheyPrint) {
  for (const char* name : {"qwen2.5", "qwen3"}) EXPECT_EQ(syntax_of(name), ToolCallSyntax::hermes) << name;
  EXPECT_EQ(syntax_of("llama-3.3"), ToolCallSyntax::llama);
  for (const char* name : {"kimi-k2", "kimi_k2"}) EXPECT_EQ(syntax_of(name), ToolCallSyntax::kimi) << name;
  EXPECT_EQ(syntax_of("deepseek-v3.1"), ToolCallSyntax::bare);
  EXPECT_EQ(syntax_of("deepseek-v3.2"), ToolCallSyntax::dsml);
  for (const char* name :
       {"deepseek-v3", "deepseek-r1-distill", "deepseek-r1-distill-llama", "deepseek-r1-distill-qwen"})
    EXPECT_EQ(syntax_of(name), ToolCallSyntax::fenced) << name;
}

class CallsOfTemplates : public testing::TestWithParam<std::tuple<const char*, std::size_t>> {};

// What an answer stands between.
std::pair<std::string, std::string> ends_of_answers(const std::string& name) {
  if (name.starts_with("qwen")) return {"<|im_start|>assistant\n", "<|im_end|>"};
  if (name.starts_with("kimi")) return {"<|im_assistant|>assistant<|im_middle|>", "<|im_end|>"};
  if (name.starts_with("llama")) return {"<|start_header_id|>assistant<|end_header_id|>\n\n", "<|eot_id|>"};
  return {"<｜Assistant｜>", "<｜end▁of▁sentence｜>"};
}

TEST_P(CallsOfTemplates, AreReadBack) {
  const auto [name, calls] = GetParam();
  const std::string text = rendered(name, history(calls));
  const auto [begin, end] = ends_of_answers(name);
  const auto answer = text.find(begin);
  ASSERT_NE(answer, text.npos) << text;
  const auto first = answer + begin.size();
  const Whole whole = parse({.reasoning = true, .tool_calls = true, .syntax = syntax_of(name)},
                            {text.substr(first, text.find(end, first) - first)});
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
INSTANTIATE_TEST_SUITE_P(Qwen, CallsOfTemplates,
                         testing::Combine(testing::Values("qwen2.5", "qwen3"),
                                          testing::Values(std::size_t(1), std::size_t(2))));
INSTANTIATE_TEST_SUITE_P(Kimi, CallsOfTemplates,
                         testing::Combine(testing::Values("kimi_k2"),  // the published one changes a list
                                          testing::Values(std::size_t(1), std::size_t(2))));
INSTANTIATE_TEST_SUITE_P(Llama, CallsOfTemplates,  // which prints one
                         testing::Combine(testing::Values("llama-3.3"), testing::Values(std::size_t(1))));

}  // namespace
}  // namespace troupe::model
