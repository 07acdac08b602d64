#include "model/output/hermes_calls.hpp"

#include <nlohmann/json.hpp>

#include "tests/model/output/parsing.hpp"

namespace troupe::model {
namespace {

using Calls = decltype(Whole::calls);

constexpr OutputFormat hermes{.tool_calls = true, .syntax = ToolCallSyntax::hermes};
constexpr OutputFormat thinking_hermes{
    .reasoning = true, .tool_calls = true, .syntax = ToolCallSyntax::hermes};

std::string hermes_call(const std::string& name, const std::string& arguments) {
  return "<tool_call>\n{\"name\": \"" + name + "\", \"arguments\": " + arguments + "}\n</tool_call>";
}
const std::string lima = hermes_call("get_time", R"({"city": "Lima"})");

TEST(HermesCalls, OneOrSeveralWithTextBefore) {
  const Whole whole =
      parse(hermes, {"Let me see.\n" + lima + "\n" + hermes_call("search", R"({"q": "a } \" {"})")});
  EXPECT_EQ(whole.content, "Let me see.");
  EXPECT_EQ(whole.calls, (Calls{{"get_time", R"({"city": "Lima"})"}, {"search", R"({"q": "a } \" {"})"}}));
  EXPECT_EQ(whole.finished, 2);
}

TEST(HermesCalls, BehindThoughts) {
  const Whole whole = parse(thinking_hermes, {"<think>\nHm. <tool_call>\n</think>\n\n" + lima});
  EXPECT_EQ(whole.reasoning, "\nHm. <tool_call>\n");
  EXPECT_EQ(whole.content, "");
  EXPECT_EQ(whole.calls, (Calls{{"get_time", R"({"city": "Lima"})"}}));
}

TEST(HermesCalls, KeysMayComeInAnyOrderAndWithOthers) {
  EXPECT_EQ(
      parse(hermes, {"<tool_call>{\"arguments\": {\"a\": [1, {\"b\": null}]}, \"name\" : \"f\"}</tool_call>"})
          .calls,
      (Calls{{"f", R"({"a": [1, {"b": null}]})"}}));
  EXPECT_EQ(
      parse(
          hermes,
          {"<tool_call>\n{\"id\": 7, \"type\":\"function\",\"x\": [true, \"]\"], \"name\":\"gr\\u00f6\\\"\", "
           "\"parameters\":{}, \"name\": \"g\", \"arguments\": {\"no\": 1}}\n</tool_call>"})
          .calls,
      (Calls{{"grö\"", "{}"}}));
}

TEST(HermesCalls, WhatIsNoCallIsContentAsItStands) {
  for (const std::string body :
       {"\nhello\n", "{}", "{\"name\": \"f\"}", "{\"name\": 7, \"arguments\": {}}", "[1]", "",
        "{\"name\": \"f\", \"arguments\": \"{}\"}", "{\"arguments\": {}}", "{\"name\" \"f\"}",
        "{\"name\": \"f", "{\"name\": \"\\x\", \"arguments\": {}}"}) {
    const std::string text = "a\n<tool_call>" + body + "</tool_call> b";
    const Whole whole = parse(hermes, {text});
    EXPECT_EQ(whole.content, text);
    EXPECT_EQ(whole.calls, Calls{});
    EXPECT_EQ(whole.finished, 0);
  }
  EXPECT_EQ(parse(hermes, {"a <tool_call>\n{\"na"}).content, "a <tool_call>\n{\"na");  // it ended there
}

TEST(HermesCalls, WhatTurnsOutToBeNoneAtAStringsEndIsClosedToo) {
  const std::string none = R"(<tool_call>{"name": "\x", "arguments": {}}</tool_call>)";
  const Whole whole = parse(hermes, {none + lima});
  EXPECT_EQ(whole.content, none);
  EXPECT_EQ(whole.calls, (Calls{{"get_time", R"({"city": "Lima"})"}}));
}

TEST(HermesCalls, AWordWithAQuoteInItIsNoCallHoweverItIsCut) {
  const std::string text = "<tool_call>{\"a\":b\"\n</tool_call> so";
  EXPECT_EQ(parse(hermes, {text}).content, text);
  for (std::size_t cut = 1; cut < text.size(); ++cut)
    EXPECT_EQ(parse(hermes, {text.substr(0, cut), text.substr(cut)}).content, text) << cut;
}

TEST(HermesCalls, TheClosingEndsACallThatIsBroken) {
  const Whole whole =
      parse(hermes, {"<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": [1\n</tool_call>\nso"});
  EXPECT_EQ(whole.calls, (Calls{{"f", "{\"a\": [1\n"}}));
  EXPECT_EQ(whole.finished, 1);
  EXPECT_EQ(whole.content, "\nso");
}

TEST(HermesCalls, TheClosingIsTextWithinAString) {
  const std::string arguments = R"({"</tool_call>": "</tool_call>", "b": ["\"</tool_call>", 1]})";
  const Whole whole = parse(hermes, {hermes_call("f", arguments) + "so"});
  EXPECT_EQ(whole.calls, (Calls{{"f", arguments}}));
  EXPECT_EQ(whole.finished, 1);
  EXPECT_EQ(whole.content, "so");
}

TEST(HermesCalls, AnObjectThatIsWholeIsACallWithoutItsClosing) {
  const Whole whole = parse(hermes, {lima.substr(0, lima.size() - 13)});
  EXPECT_EQ(whole.calls, (Calls{{"get_time", R"({"city": "Lima"})"}}));
  EXPECT_EQ(whole.finished, 1);
}

TEST(HermesCalls, NothingOfACutOffCallIsContent) {
  const std::string text = "One moment.\n" + lima;
  for (std::size_t end = 0; end <= text.size(); ++end) {
    const Whole whole = parse(hermes, {text.substr(0, end)}, true);
    const std::string said = text.substr(0, std::min(end, whole.content.size()));
    EXPECT_EQ(whole.content, said);
    EXPECT_LE(whole.content.size(), 17u) << whole.content;  // "\n<tool" may be text
    for (const auto& [name, arguments] : whole.calls)
      EXPECT_TRUE(std::string(R"({"city": "Lima"})").starts_with(arguments));
  }
}

TEST(HermesCalls, OneCallIsTheLastThatIsTold) {
  OutputParser parser({.tool_calls = true, .one_call = true, .syntax = ToolCallSyntax::hermes});
  parser.push("So. " + lima + lima + "more");
  EXPECT_TRUE(parser.over());
  const ParsedOutput out = parser.take();
  EXPECT_EQ(out.content, "So. ");
  EXPECT_EQ(parser.finished_calls(), 1);
}

TEST(HermesCalls, ATooLongNameIsNone) {
  const std::string text = hermes_call(std::string(JsonCall::max_literal_bytes, 'n'), "{}");
  EXPECT_EQ(parse(hermes, {text}).content, text);
  EXPECT_EQ(parse(hermes, {hermes_call(std::string(5000, 'n'), "{}")}).calls,
            (Calls{{std::string(CallName::max_bytes, 'n'), "{}"}}));
}

TEST(HermesCalls, KnowsItsTokensAndNotOthers) {
  const OutputParser parser(hermes);
  EXPECT_TRUE(parser.is_marker("<tool_call>") && parser.is_marker("</tool_call>"));
  EXPECT_FALSE(parser.is_marker("<｜tool▁calls▁begin｜>") || parser.is_marker("<|python_tag|>"));
  const std::string deepseeks = "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{}";
  EXPECT_EQ(parse(hermes, {deepseeks}).content, deepseeks);
  EXPECT_EQ(parse({.tool_calls = true}, {lima}).content, lima);
}

RC_GTEST_PROP(HermesCalls, WhatATemplateWritesIsReadBack, ()) {
  Calls expected;
  std::string text;
  for (int n = *rc::gen::inRange(1, 4); n > 0; --n) {
    const auto name = *rc::gen::element<std::string>("get_time", "größe", "f\"\\");
    const nlohmann::ordered_json arguments = {
        {*rc::gen::element<std::string>("a", "日本", "\"q\\"),
         random_text({"<tool", "</tool_call>", "\n", "\"", "\\", "}", "ü", "{", " ", "]", "<"}, 6)},
        {"more", {{"nested", {1, 2.5, nullptr, true}}}}};
    const std::string written = arguments.dump(*rc::gen::element(-1, 2));
    const std::string quoted = nlohmann::json(name).dump();
    text += (text.empty() ? "" : "\n") + hermes_call(quoted.substr(1, quoted.size() - 2), written);
    expected.emplace_back(name, written);
  }
  const Whole whole = parse(hermes, random_pieces(text));
  RC_ASSERT(whole.calls == expected);
  RC_ASSERT(whole.content == "");
  RC_ASSERT(whole.finished == int(expected.size()));
}

RC_GTEST_PROP(HermesCalls, AnySplitOfAnythingGivesTheSame, ()) {
  static const std::vector<std::string> parts{"<tool_call>",
                                              "</tool_call>",
                                              "\n",
                                              "\n\n",
                                              "<tool",
                                              "{",
                                              "}",
                                              "{\"name\": \"f\", \"arguments\": {",
                                              "\"name\"",
                                              ": ",
                                              "\"arguments\"",
                                              ",",
                                              "1",
                                              "\"a\"",
                                              "ü",
                                              lima,
                                              "<think>",
                                              "</think>",
                                              " ",
                                              "\\\""};
  const std::string text = random_text(parts, 20);
  OutputFormat format = *rc::gen::element(hermes, thinking_hermes);
  format.one_call = *rc::gen::arbitrary<bool>();
  format.starts_in_reasoning = *rc::gen::arbitrary<bool>();
  const bool cut_off = *rc::gen::arbitrary<bool>();
  RC_ASSERT(parse(format, random_pieces(text), cut_off) == parse(format, {text}, cut_off));
}

}  // namespace
}  // namespace troupe::model
