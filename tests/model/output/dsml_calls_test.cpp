#include "model/output/dsml_calls.hpp"

#include <nlohmann/json.hpp>

#include "tests/model/output/parsing.hpp"

namespace troupe::model {
namespace {

using Calls = decltype(Whole::calls);
using nlohmann::ordered_json;

// As encoding_dsv32.py of DeepSeek-V3.2 writes calls: names, and arguments as objects.
std::string block(const std::vector<std::pair<std::string, ordered_json>>& calls) {
  std::string text = "\n\n<｜DSML｜function_calls>\n";
  for (const auto& [name, arguments] : calls) {
    text += "<｜DSML｜invoke name=\"" + name + "\">\n";
    for (const auto& [key, value] : arguments.items())
      text += "<｜DSML｜parameter name=\"" + key + "\" string=\"" + (value.is_string() ? "true" : "false") +
              "\">" + (value.is_string() ? value.get<std::string>() : value.dump()) +
              "</｜DSML｜parameter>\n";
    text += "</｜DSML｜invoke>\n";
  }
  return text + "</｜DSML｜function_calls>";
}

TEST(DsmlCalls, ArgumentsBecomeAJsonObject) {
  const Whole whole =
      parse_calls("I look it up." + block({{"search", {{"query", "a \"b\"\n\\ < größer"}, {"n", 3}}},
                                           {"now", ordered_json::object()}}));
  EXPECT_EQ(whole.content, "I look it up.");
  EXPECT_EQ(whole.calls, (Calls{{"search", R"({"query": "a \"b\"\n\\ < größer", "n": 3})"}, {"now", "{}"}}));
  EXPECT_EQ(whole.finished, 2);
}

TEST(DsmlCalls, ValuesThatAreNoStringsAreTakenAsTheyAre) {
  EXPECT_EQ(
      parse_calls(block({{"f", {{"where", {{"city", "Zürich"}, {"at", {1.5, nullptr, true}}}}}}})).calls,
      (Calls{{"f", R"({"where": {"city":"Zürich","at":[1.5,null,true]}})"}}));
}

TEST(DsmlCalls, TheEmptyLineBeforeABlockIsPartOfIt) {
  EXPECT_EQ(parse_calls("a\n" + block({{"f", ordered_json::object()}}) + "\n\nb").content, "a\n\n\nb");
  EXPECT_EQ(parse_calls("a\n\nb\n\n").content, "a\n\nb\n\n");
}

TEST(DsmlCalls, AValueWithoutAKindIsAString) {
  EXPECT_EQ(parse_calls("<｜DSML｜function_calls><｜DSML｜invoke name=\"f\"><｜DSML｜parameter name=\"a\">1"
                        "</｜DSML｜parameter></｜DSML｜invoke></｜DSML｜function_calls>")
                .calls,
            (Calls{{"f", R"({"a": "1"})"}}));
}

TEST(DsmlCalls, OfACutCallWhatIsKnownIsTold) {
  const std::string text = block({{"search", {{"query", "a\nb"}, {"n", {10, 20}}}}});
  const auto cut_behind = [&](const std::string& last) {
    const Whole whole = parse_calls(text.substr(0, text.find(last) + last.size()));
    EXPECT_EQ(whole.finished, 0);
    return whole.calls;
  };
  EXPECT_EQ(cut_behind("name=\"sear"), Calls{});
  EXPECT_EQ(cut_behind("search\">"), (Calls{{"search", ""}}));
  EXPECT_EQ(cut_behind("query\" string=\"tr"), (Calls{{"search", ""}}));
  EXPECT_EQ(cut_behind("query\" string=\"true\">"), (Calls{{"search", "{\"query\": \""}}));
  EXPECT_EQ(cut_behind("a\nb"), (Calls{{"search", R"({"query": "a\nb)"}}));
  EXPECT_EQ(cut_behind("[10,"), (Calls{{"search", R"({"query": "a\nb", "n": [10,)"}}));
}

TEST(DsmlCalls, TooLongNamesAreCutOff) {
  const std::string name(5000, 'n'), cut(CallName::max_bytes, 'n');
  EXPECT_EQ(parse_calls(block({{name, {{name, 1}}}})).calls, (Calls{{cut, "{\"" + cut + "\": 1}"}}));
}

RC_GTEST_PROP(DsmlCalls, WhatTheModelsEncoderWritesIsReadBack, ()) {
  std::vector<std::pair<std::string, ordered_json>> calls;
  for (int n = *rc::gen::inRange(1, 4); n > 0; --n) {
    const std::vector<std::string> parts{"\n", "\"",   "\\",   "ü", "</", "<｜DSML｜",
                                         "\t", "\x01", "\x7f", ">", " "};
    calls.emplace_back(
        *rc::gen::element<std::string>("get_time", "größe", "f"),
        ordered_json{{"text", random_text(parts, 6)},
                     {random_text({"k", "日本", "\\", " "}, 4), {1, {{"a", random_text(parts, 3)}}}},
                     {"last", *rc::gen::arbitrary<bool>()}});
  }
  const Whole whole = parse({.tool_calls = true}, random_pieces("So" + block(calls)));
  RC_ASSERT(whole.content == "So");
  RC_ASSERT(whole.calls.size() == calls.size());
  for (std::size_t i = 0; i < calls.size(); ++i) {
    RC_ASSERT(whole.calls[i].first == calls[i].first);
    RC_ASSERT(ordered_json::parse(whole.calls[i].second) == calls[i].second);
  }
}

RC_GTEST_PROP(DsmlCalls, AnySplitOfAnythingGivesTheSame, ()) {
  static const std::vector<std::string> parts{"<｜DSML｜invoke name=\"",
                                              "<｜DSML｜parameter name=\"",
                                              "\">",
                                              "\" string=\"true\">",
                                              "\" string=\"false\">",
                                              "</｜DSML｜parameter>",
                                              "</｜DSML｜invoke>",
                                              "</｜DSML｜function_calls>",
                                              "<｜DSML｜",
                                              "\"",
                                              "\n",
                                              "ü"};
  const std::string text = "<｜DSML｜function_calls>" + random_text(parts, 25);
  RC_ASSERT(parse({.tool_calls = true}, random_pieces(text)) == parse_calls(text));
}

}  // namespace
}  // namespace troupe::model
