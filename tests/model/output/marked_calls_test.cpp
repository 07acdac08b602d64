#include "model/output/marked_calls.hpp"

#include <nlohmann/json.hpp>

#include "tests/model/output/parsing.hpp"

namespace troupe::model {
namespace {

using Calls = decltype(Whole::calls);

const std::string nested =
    R"({"where": {"city": "Zürich", "at": [1.5, null, true]}, "why": "a ```b``` \"c\" \\"})";

// A block with calls, each what stands between its markers.
std::string block(const std::vector<std::string>& calls) {
  std::string text = "<｜tool▁calls▁begin｜>";
  for (const std::string& call : calls)
    text += "<｜tool▁call▁begin｜>" + call + "<｜tool▁call▁end｜>" + (&call == &calls.back() ? "" : "\n");
  return text + "<｜tool▁calls▁end｜>";
}

// As the chat templates of the models write a call.
std::string v3(const std::string& name, const std::string& arguments) {
  return "function<｜tool▁sep｜>" + name + "\n```json\n" + arguments + "\n```";
}
std::string v31(const std::string& name, const std::string& arguments) {
  return name + "<｜tool▁sep｜>" + arguments;
}

Calls calls_in(const std::string& text) {
  const Whole whole = parse_calls(text);
  EXPECT_EQ(whole.content, "");
  return whole.calls;
}

TEST(MarkedCalls, TheFormOfV3AndR1) {
  EXPECT_EQ(calls_in(block({v3("get_time", R"({"city": "Lima"})"), v3("search", nested)})),
            (Calls{{"get_time", R"({"city": "Lima"})"}, {"search", nested}}));
}

TEST(MarkedCalls, TheFormOfV31) {
  EXPECT_EQ(calls_in(block({v31("get_time", R"({"city": "Lima"})"), v31("search", nested)})),
            (Calls{{"get_time", R"({"city": "Lima"})"}, {"search", nested}}));
}

TEST(MarkedCalls, TextMayStandAroundABlock) {
  const Whole whole = parse_calls("Let me see.\n" + block({v3("f", "{}")}) + "\nSo.");
  EXPECT_EQ(whole.content, "Let me see.\n\nSo.");
  EXPECT_EQ(whole.calls, (Calls{{"f", "{}"}}));
  EXPECT_EQ(whole.finished, 1);
}

TEST(MarkedCalls, WhiteSpaceIsNoneOfNamesAndArguments) {
  EXPECT_EQ(calls_in(block({" function <｜tool▁sep｜>\n f \n\n ```json \n\n {\"a\": \" b \"}\n \n``` \n",
                            "\tg\n<｜tool▁sep｜>\n```json\n{}```", " h <｜tool▁sep｜> {\"a\": 1}"})),
            (Calls{{"f", "{\"a\": \" b \"}"}, {"g", "{}"}, {"h", "{\"a\": 1}"}}));
}

TEST(MarkedCalls, FormsMayBeMixed) {
  EXPECT_EQ(calls_in(block({"function<｜tool▁sep｜>f\n{\"a\": 1}", "g<｜tool▁sep｜>```json\n{\"b\": 2}\n```",
                            "function<｜tool▁sep｜>h ```{\"c\": 3}```", "i<｜tool▁sep｜>```{}```"})),
            (Calls{{"f", "{\"a\": 1}"}, {"g", "{\"b\": 2}"}, {"h", "{\"c\": 3}"}, {"i", "{}"}}));
}

TEST(MarkedCalls, AToolMayBeCalledFunction) {
  EXPECT_EQ(calls_in(block({v31("function", R"({"a": 1})"), v3("function", "{}"),
                            "function<｜tool▁sep｜>```json\n{}\n```"})),
            (Calls{{"function", R"({"a": 1})"}, {"function", "{}"}, {"function", "{}"}}));
}

TEST(MarkedCalls, ArgumentsMayBeMissing) {
  EXPECT_EQ(calls_in(block({"f", "g<｜tool▁sep｜>", "function<｜tool▁sep｜>h", "function<｜tool▁sep｜>i\n",
                            "function<｜tool▁sep｜> ", "function<｜tool▁sep｜>j\n```json\n```"})),
            (Calls{{"f", ""}, {"g", ""}, {"h", ""}, {"i", ""}, {"function", ""}, {"j", ""}}));
}

TEST(MarkedCalls, OfACutCallWhatIsKnownIsTold) {
  const std::string text = block({v3("search", R"({"query": "so: ```", "n": 10})")});
  const auto cut_behind = [&](const std::string& last) {
    const Whole whole = parse_calls(text.substr(0, text.find(last) + last.size()));
    EXPECT_EQ(whole.finished, 0);
    return whole.calls;
  };
  EXPECT_EQ(cut_behind("function"), Calls{});
  EXPECT_EQ(cut_behind("sear"), Calls{});
  EXPECT_EQ(cut_behind("search\n"), (Calls{{"search", ""}}));
  EXPECT_EQ(cut_behind("```js"), (Calls{{"search", ""}}));
  EXPECT_EQ(cut_behind("so: ``"), (Calls{{"search", R"({"query": "so: ``)"}}));
  EXPECT_EQ(cut_behind("\"n\": "), (Calls{{"search", R"({"query": "so: ```", "n":)"}}));
  EXPECT_EQ(cut_behind("10}\n``"), (Calls{{"search", R"({"query": "so: ```", "n": 10})"}}));
}

TEST(MarkedCalls, ATooLongNameIsCutOff) {
  for (const std::string& text :
       {block({v31(std::string(5000, 'n'), "{}")}), block({v3(std::string(5000, 'n'), "{}")})})
    EXPECT_EQ(calls_in(text), (Calls{{std::string(CallName::max_bytes, 'n'), "{}"}}));
  // 2 bytes a character: the limit cuts one.
  std::string name = "n";
  for (int i = 0; i < 1000; ++i) name += "ü";
  EXPECT_EQ(calls_in(block({v31(name, "{}")})), (Calls{{name.substr(0, CallName::max_bytes - 1), "{}"}}));
}

RC_GTEST_PROP(MarkedCalls, WhatATemplateWritesIsReadBack, ()) {
  Calls expected;
  std::vector<std::string> calls;
  for (int n = *rc::gen::inRange(1, 4); n > 0; --n) {
    const auto name = *rc::gen::element<std::string>("get_time", "function", "größe", "f");
    const nlohmann::ordered_json arguments = {
        {*rc::gen::element<std::string>("a", "日本", "\"q\\"),
         random_text({"```", "\n", "\"", "\\", "}", "ü", "{", " ", "json", "<"}, 6)},
        {"more", {{"nested", {1, 2.5, nullptr, true}}}}};
    const int indent = *rc::gen::element(-1, 2);
    calls.push_back(*rc::gen::arbitrary<bool>() ? v3(name, arguments.dump(indent))
                                                : v31(name, arguments.dump(indent)));
    expected.emplace_back(name, arguments.dump(indent));
  }
  const Whole whole = parse({.tool_calls = true}, random_pieces(block(calls)));
  RC_ASSERT(whole.calls == expected);
  RC_ASSERT(whole.finished == int(expected.size()));
}

RC_GTEST_PROP(MarkedCalls, AnySplitOfAnythingGivesTheSame, ()) {
  static const std::vector<std::string> parts{"<｜tool▁call▁begin｜>",
                                              "<｜tool▁sep｜>",
                                              "<｜tool▁call▁end｜>",
                                              "<｜tool▁calls▁end｜>",
                                              "<｜tool",
                                              "function",
                                              "name",
                                              "```json\n",
                                              "\n```",
                                              "`",
                                              "\n",
                                              " ",
                                              nested,
                                              "{\"a",
                                              "\\\"",
                                              "ü"};
  const std::string text = "<｜tool▁calls▁begin｜>" + random_text(parts, 20);
  RC_ASSERT(parse({.tool_calls = true}, random_pieces(text)) == parse_calls(text));
}

}  // namespace
}  // namespace troupe::model
