#include "model/output/kimi_calls.hpp"

#include <nlohmann/json.hpp>

#include "tests/model/output/parsing.hpp"

namespace troupe::model {
namespace {

using Calls = decltype(Whole::calls);
using Ids = decltype(Whole::ids);

constexpr OutputFormat kimi{.tool_calls = true, .syntax = ToolCallSyntax::kimi};

std::string kimi_call(const std::string& head, const std::string& arguments) {
  return "<|tool_call_begin|>" + head + "<|tool_call_argument_begin|>" + arguments + "<|tool_call_end|>";
}
std::string section(const std::string& calls) {
  return "<|tool_calls_section_begin|>" + calls + "<|tool_calls_section_end|>";
}
const std::string tokyo = kimi_call("functions.get_time:3", R"({"city": "Tokyo"})");

TEST(KimiCalls, OneOrSeveralWithTheirIds) {
  const Whole whole = parse(
      kimi,
      {"Let me see." + section(tokyo + kimi_call("functions.search:4", R"({"q": "a } \" {"})")) + "So."});
  EXPECT_EQ(whole.content, "Let me see.So.");
  EXPECT_EQ(whole.calls, (Calls{{"get_time", R"({"city": "Tokyo"})"}, {"search", R"({"q": "a } \" {"})"}}));
  EXPECT_EQ(whole.ids, (Ids{"functions.get_time:3", "functions.search:4"}));
  EXPECT_EQ(whole.finished, 2);
}

TEST(KimiCalls, BehindThoughts) {
  const OutputFormat format{.reasoning = true, .tool_calls = true, .syntax = ToolCallSyntax::kimi};
  const Whole whole = parse(format, {"<think>Hm. <|tool_calls_section_begin|></think>" + section(tokyo)});
  EXPECT_EQ(whole.reasoning, "Hm. <|tool_calls_section_begin|>");
  EXPECT_EQ(whole.content, "");
  EXPECT_EQ(whole.calls, (Calls{{"get_time", R"({"city": "Tokyo"})"}}));
}

TEST(KimiCalls, BlanksAroundTheirPartsAreNoPartOfThem) {
  const Whole whole =
      parse(kimi, {section("\n" + kimi_call(" functions.f:0\n", " \n{}") + "\n" + tokyo + "\n")});
  EXPECT_EQ(whole.calls, (Calls{{"f", "{}"}, {"get_time", R"({"city": "Tokyo"})"}}));
  EXPECT_EQ(whole.ids, (Ids{"functions.f:0", "functions.get_time:3"}));
  EXPECT_EQ(whole.content, "");
}

TEST(KimiCalls, AHeadOfAnotherFormHasANameAndNoId) {
  for (const auto& [head, name] :
       {std::pair{"f", "f"}, std::pair{"f:7", "f"}, std::pair{"functions.f", "f"},
        std::pair{"functions.f:", "f:"}, std::pair{"functions.f:x", "f:x"}, std::pair{"functions.f7", "f7"},
        std::pair{"17", "17"}, std::pair{":1", ""}, std::pair{"", ""}}) {
    const Whole whole = parse(kimi, {section(kimi_call(head, "{}"))});
    EXPECT_EQ(whole.calls, (Calls{{name, "{}"}})) << head;
    EXPECT_EQ(whole.ids, Ids{}) << head;
  }
  const Whole whole = parse(kimi, {section(kimi_call("functions.functions.a.b:1:20", "{}"))});
  EXPECT_EQ(whole.calls, (Calls{{"functions.a.b:1", "{}"}}));
  EXPECT_EQ(whole.ids, Ids{"functions.functions.a.b:1:20"});
}

TEST(KimiCalls, ACallMayHaveNoArguments) {
  const Whole whole = parse(kimi, {section("<|tool_call_begin|>functions.f:0<|tool_call_end|>")});
  EXPECT_EQ(whole.calls, (Calls{{"f", ""}}));
  EXPECT_EQ(whole.ids, Ids{"functions.f:0"});
  EXPECT_EQ(whole.finished, 1);
}

TEST(KimiCalls, NumbersGoOnInAnotherSection) {
  const Whole whole = parse(kimi, {section(tokyo) + "And" + section(tokyo)});
  EXPECT_EQ(whole.content, "And");
  EXPECT_EQ(whole.calls.size(), 2u);
}

TEST(KimiCalls, NothingOfACutOffCallIsContent) {
  const std::string text = "One <moment.|" + section(tokyo);
  for (std::size_t end = 0; end <= text.size(); ++end) {
    const Whole whole = parse(kimi, {text.substr(0, end)}, true);
    EXPECT_EQ(whole.content, text.substr(0, std::min(end, whole.content.size())));
    EXPECT_LE(whole.content.size(), 14u) << whole.content;  // a "<" may be text
    EXPECT_EQ(whole.finished, int(end >= text.find("<|tool_call_end|>") + 17));
    for (const auto& [name, arguments] : whole.calls) {
      EXPECT_EQ(name, "get_time");
      EXPECT_TRUE(std::string(R"({"city": "Tokyo"})").starts_with(arguments));
    }
  }
}

TEST(KimiCalls, OneCallIsTheLastThatIsTold) {
  OutputFormat format = kimi;
  format.one_call = true;
  const Whole whole = parse(format, {"So. " + section(tokyo + tokyo) + "more"});
  EXPECT_EQ(whole.calls, (Calls{{"get_time", R"({"city": "Tokyo"})"}}));
  EXPECT_EQ(whole.content, "So. ");
}

TEST(KimiCalls, OfATooLongHeadTheBeginningIsTheNameAndNothingTheId) {
  const Whole whole =
      parse(kimi, {section(kimi_call("functions." + std::string(CallName::max_bytes, 'n') + ":0", "{}"))});
  EXPECT_EQ(whole.calls, (Calls{{std::string(CallName::max_bytes - 10, 'n'), "{}"}}));
  EXPECT_EQ(whole.ids, Ids{});
}

TEST(KimiCalls, KnowsItsTokensAndNotOthers) {
  const OutputParser parser(kimi);
  for (const char* token :
       {"<|tool_calls_section_begin|>", "<|tool_call_begin|>", "<|tool_call_argument_begin|>",
        "<|tool_call_end|>", "<|tool_calls_section_end|>"}) {
    EXPECT_TRUE(parser.is_marker(token)) << token;
    EXPECT_FALSE(OutputParser({.tool_calls = true}).is_marker(token)) << token;
  }
  EXPECT_FALSE(parser.is_marker("<tool_call>") || parser.is_marker("<|im_end|>") ||
               parser.is_marker("<｜tool▁calls▁begin｜>"));
  EXPECT_EQ(parse({.tool_calls = true}, {section(tokyo)}).content, section(tokyo));
}

RC_GTEST_PROP(KimiCalls, WhatATemplateWritesIsReadBack, ()) {
  Calls expected;
  Ids ids;
  std::string calls;
  for (int n = *rc::gen::inRange(1, 4); n > 0; --n) {
    const auto name = *rc::gen::element<std::string>("get_time", "größe", "a.b", "f:1", "7");
    const auto id = "functions." + name + ":" + std::to_string(*rc::gen::inRange(0, 20));
    const nlohmann::ordered_json arguments = {
        {*rc::gen::element<std::string>("a", "日本", "\"q\\"),
         random_text({"<|tool", "\n", "\"", "\\", "}", "ü", "{", " ", "|>", "<"}, 6)},
        {"more", {{"nested", {1, 2.5, nullptr, true}}}}};
    const std::string written = arguments.dump(*rc::gen::element(-1, 2));
    calls += kimi_call(id, written);
    expected.emplace_back(name, written);
    ids.push_back(id);
  }
  const Whole whole = parse(kimi, random_pieces(section(calls)));
  RC_ASSERT(whole.calls == expected);
  RC_ASSERT(whole.ids == ids);
  RC_ASSERT(whole.content == "");
  RC_ASSERT(whole.finished == int(expected.size()));
}

RC_GTEST_PROP(KimiCalls, AnySplitOfAnythingGivesTheSame, ()) {
  static const std::vector<std::string> parts{"<|tool_calls_section_begin|>",
                                              "<|tool_calls_section_end|>",
                                              "<|tool_call_begin|>",
                                              "<|tool_call_argument_begin|>",
                                              "<|tool_call_end|>",
                                              "<|tool_call",
                                              "functions.",
                                              "f",
                                              ":",
                                              "12",
                                              " ",
                                              "\n",
                                              "{\"a",
                                              "\\\"",
                                              "ü",
                                              "|>",
                                              tokyo,
                                              "<think>",
                                              "</think>"};
  any_split_gives_the_same(ToolCallSyntax::kimi, parts);
}

}  // namespace
}  // namespace troupe::model
