#include "model/output/llama_calls.hpp"

#include <nlohmann/json.hpp>

#include "tests/model/output/parsing.hpp"

namespace troupe::model {
namespace {

using Calls = decltype(Whole::calls);

constexpr OutputFormat llama{.tool_calls = true, .syntax = ToolCallSyntax::llama};

const std::string oslo = R"({"name": "get_time", "parameters": {"city": "Oslo"}})";
const Calls to_oslo{{"get_time", R"({"city": "Oslo"})"}};

TEST(LlamaCalls, AnAnswerMayBeACall) {
  for (const std::string before : {"", "<|python_tag|>", "\n ", " <|python_tag|>\n"}) {
    const Whole whole = parse(llama, {before + oslo + "\n"});
    EXPECT_EQ(whole.calls, to_oslo);
    EXPECT_EQ(whole.content, "");
    EXPECT_EQ(whole.finished, 1);
  }
}

TEST(LlamaCalls, SeveralStandBehindSemicolons) {
  const Whole whole =
      parse(llama, {oslo + "; " + R"({"type": "function", "name": "f", "parameters": {}})" + ";" + oslo});
  EXPECT_EQ(whole.calls, (Calls{to_oslo[0], {"f", "{}"}, to_oslo[0]}));
  EXPECT_EQ(whole.finished, 3);
  EXPECT_EQ(whole.content, "");
}

TEST(LlamaCalls, ATextIsContent) {
  for (const std::string text :
       {"Hello.", " {", "\n\n", R"({"a": 1})", R"({"name": "Ann", "age": 7})", R"({"name": "f"})",
        "{\"name\": \"f", "So: {\"name\": \"f\", \"parameters\": {}}",
        "; {\"name\": \"f\", \"parameters\": {}}", "a <|pyth", "<", ""}) {
    const Whole whole = parse(llama, {text});
    EXPECT_EQ(whole.content, text);
    EXPECT_EQ(whole.calls, Calls{});
  }
}

TEST(LlamaCalls, TheTagBeginsACallInAText) {
  const Whole whole = parse(llama, {"I look.<|python_tag|>" + oslo + " So."});
  EXPECT_EQ(whole.content, "I look. So.");
  EXPECT_EQ(whole.calls, to_oslo);
  EXPECT_EQ(parse(llama, {"<|python_tag|>print(1)"}).content, "print(1)");
}

TEST(LlamaCalls, WithinArgumentsTheTagIsText) {
  const std::string call = R"({"name": "f", "parameters": {"a": "<|python_tag|>"}})";
  EXPECT_EQ(parse(llama, {call}).calls, (Calls{{"f", R"({"a": "<|python_tag|>"})"}}));
}

TEST(LlamaCalls, BehindThoughts) {
  const OutputFormat format{
      .reasoning = true, .starts_in_reasoning = true, .tool_calls = true, .syntax = ToolCallSyntax::llama};
  const Whole whole = parse(format, {"Hm {</think>\n\n" + oslo});
  EXPECT_EQ(whole.reasoning, "Hm {");
  EXPECT_EQ(whole.calls, to_oslo);
  EXPECT_EQ(whole.content, "");
}

TEST(LlamaCalls, OfACutOffCallWhatIsKnownIsTold) {
  for (std::size_t end = 0; end < oslo.size(); ++end) {
    const Whole whole = parse(llama, {oslo.substr(0, end)}, true);
    EXPECT_EQ(whole.finished, 0);
    // Until its arguments begin it may have been a text.
    EXPECT_EQ(whole.content, whole.calls.empty() ? oslo.substr(0, end) : "");
    for (const auto& [name, arguments] : whole.calls) EXPECT_TRUE(to_oslo[0].second.starts_with(arguments));
  }
  EXPECT_EQ(parse(llama, {"So <|pyth"}, true).content, "So ");
  EXPECT_EQ(parse(llama, {"a <"}, true).content, "a <");
}

TEST(LlamaCalls, SaysWhatIsWrittenByNow) {
  OutputParser parser(llama);
  EXPECT_TRUE(parser.answers());
  parser.push("{\"name\": \"f\", \"parameters\": {");
  EXPECT_FALSE(parser.answers() || parser.thinks());
  OutputParser text(llama);
  text.push("Hello");
  EXPECT_TRUE(text.answers());
}

TEST(LlamaCalls, OneCallIsTheLastThatIsTold) {
  for (const std::string& text : {oslo + "; " + oslo, oslo + "x"}) {
    const OutputFormat format{.tool_calls = true, .one_call = true, .syntax = ToolCallSyntax::llama};
    const Whole whole = parse(format, {text});
    EXPECT_EQ(whole.calls, to_oslo);
    EXPECT_EQ(whole.content, "");
  }
}

TEST(LlamaCalls, KnowsItsToken) {
  EXPECT_TRUE(OutputParser(llama).is_marker("<|python_tag|>"));
  EXPECT_FALSE(OutputParser(llama).is_marker("<tool_call>") ||
               OutputParser({.syntax = ToolCallSyntax::llama}).is_marker("<|python_tag|>"));
}

RC_GTEST_PROP(LlamaCalls, AnySplitOfAnythingGivesTheSame, ()) {
  static const std::vector<std::string> parts{"<|python_tag|>",
                                              "<|py",
                                              "\n",
                                              " ",
                                              "; ",
                                              ";",
                                              "{",
                                              "}",
                                              "{\"name\": \"f\", \"parameters\": {",
                                              "\"name\"",
                                              ": ",
                                              "\"parameters\"",
                                              ",",
                                              "1",
                                              "\"a\"",
                                              "ü",
                                              oslo,
                                              "<think>",
                                              "</think>",
                                              "\\\"",
                                              "text"};
  any_split_gives_the_same(ToolCallSyntax::llama, parts);
}

}  // namespace
}  // namespace troupe::model
