#include "model/output/output_parser.hpp"

#include "tests/model/output/parsing.hpp"

namespace troupe::model {
namespace {

using Calls = decltype(Whole::calls);

const std::string two_calls =
    "<｜tool▁calls▁begin｜>"
    "<｜tool▁call▁begin｜>get_time<｜tool▁sep｜>{\"city\": \"Lima\"}<｜tool▁call▁end｜>\n"
    "<｜tool▁call▁begin｜>search<｜tool▁sep｜>{\"query\": \"a < b\"}<｜tool▁call▁end｜><｜tool▁calls▁end｜>";
const std::string dsml_call =
    "<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"get_time\">\n"
    "<｜DSML｜parameter name=\"city\" string=\"true\">Lima</｜DSML｜parameter>\n"
    "</｜DSML｜invoke>\n</｜DSML｜function_calls>";
const std::string fenced_call =
    "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_time\n```json\n{\"city\": \"Lima\"}\n```"
    "<｜tool▁call▁end｜><｜tool▁calls▁end｜>";
constexpr OutputFormat everything{true, true, true};

TEST(OutputParser, SplitsReasoningAnswerAndCalls) {
  const auto whole = parse(everything, {"I need the time.</think>One moment. " + two_calls});
  EXPECT_EQ(whole.reasoning, "I need the time.");
  EXPECT_EQ(whole.content, "One moment. ");
  EXPECT_EQ(whole.calls, (Calls{{"get_time", "{\"city\": \"Lima\"}"}, {"search", "{\"query\": \"a < b\"}"}}));
  EXPECT_EQ(whole.finished, 2);
}

TEST(OutputParser, WhatIsWrittenTellsTheForm) {
  const auto whole = parse(everything, {"Hm.</think>So:\n\n" + dsml_call + " and " + two_calls});
  EXPECT_EQ(whole.content, "So: and ");
  EXPECT_EQ(whole.calls, (Calls{{"get_time", "{\"city\": \"Lima\"}"},
                                {"get_time", "{\"city\": \"Lima\"}"},
                                {"search", "{\"query\": \"a < b\"}"}}));
  EXPECT_EQ(whole.finished, 3);
}

TEST(OutputParser, WithoutFormatsEverythingIsContent) {
  const std::string text = "<think>a</think>" + two_calls + "\n\n" + dsml_call;
  EXPECT_EQ(parse({}, {text}).content, text);
}

TEST(OutputParser, AnOutputMayOpenItsReasoningItself) {
  const OutputFormat format{true, false, true};
  EXPECT_EQ(parse(format, {"<thi", "nk>why</think>", "so"}).reasoning, "why");
  EXPECT_EQ(parse(format, {"so <think>"}).content, "so <think>");
  EXPECT_EQ(parse(format, {"<thi"}).content, "<thi");
  EXPECT_EQ(parse(format, {two_calls}).calls.size(), 2u);
}

TEST(OutputParser, WhiteSpaceMayStandBeforeTheOpeningTag) {
  const OutputFormat format{true, false, true};
  const auto whole = parse(format, {"\n", "\n <think>why</think>\nso"});
  EXPECT_EQ(whole.reasoning, "why");
  EXPECT_EQ(whole.content, "\nso");
  EXPECT_EQ(parse(format, {"\n", "\nso"}).content, "\n\nso");
  EXPECT_EQ(parse(format, {"\n\n"}).content, "\n\n");
}

TEST(OutputParser, AnOpeningTagThatRepeatsThePromptsIsNoThought) {
  EXPECT_EQ(parse(everything, {"<think>why</think>so"}).reasoning, "why");
  EXPECT_EQ(parse(everything, {"\n<thi", "nk>\nwhy</think>so"}).reasoning, "\nwhy");
  EXPECT_EQ(parse(everything, {"\nwhy <think> so</think>so"}).reasoning, "\nwhy <think> so");
  EXPECT_EQ(parse(everything, {"\n<thi"}).reasoning, "\n<thi");
}

// As vLLM's deepseek_r1 has it: the first closing tag ends the thoughts, and what follows is the answer as it is.
TEST(OutputParser, TheFirstClosingTagEndsTheThoughts) {
  const auto whole = parse(everything, {"why</think>so</think>", " then"});
  EXPECT_EQ(whole.reasoning, "why");
  EXPECT_EQ(whole.content, "so</think> then");
}

TEST(OutputParser, AClosingTagThatRepeatsThePromptsIsNoAnswer) {
  const OutputFormat format{true, false, true};
  EXPECT_EQ(parse(format, {"</thi", "nk>so"}).content, "so");
  EXPECT_EQ(parse(format, {"\n</think>\nso"}).content, "\nso");
  EXPECT_EQ(parse(format, {"so</think>then"}).content, "so</think>then");
  EXPECT_EQ(parse(format, {"</thi"}).content, "</thi");
  EXPECT_EQ(parse({}, {"</think>so"}).content, "</think>so");
}

TEST(OutputParser, SaysWhatIsWrittenByNow) {
  OutputParser thinking(everything);
  EXPECT_TRUE(thinking.thinks());
  thinking.push("\n");  // it may be before a tag
  EXPECT_TRUE(thinking.thinks() && !thinking.answers());
  thinking.push("why</think>");
  EXPECT_TRUE(!thinking.thinks() && thinking.answers());
  thinking.push("<｜tool▁calls▁begin｜>");
  EXPECT_FALSE(thinking.thinks() || thinking.answers());
  OutputParser plain({true, false, true});
  plain.push("\n");
  EXPECT_TRUE(!plain.thinks() && plain.answers());
  plain.push("<think>");
  EXPECT_TRUE(plain.thinks() && !plain.answers());
}

TEST(OutputParser, WhiteSpaceIsWaitedThroughUpToALimit) {
  const std::string most(OutputParser::max_leading_blanks, ' ');
  OutputParser parser({.reasoning = true});
  parser.push(most);
  EXPECT_TRUE(parser.take().empty());
  parser.push(" ");
  EXPECT_EQ(parser.take().content, most + " ");
  EXPECT_EQ(parse({.reasoning = true}, {most + "<think>x"}).reasoning, "x");
  EXPECT_EQ(parse({.reasoning = true}, {most + " <think>x"}).content, most + " <think>x");
}

TEST(OutputParser, WhatLooksLikeAMarkerAndIsNoneComesOut) {
  EXPECT_EQ(parse({false, false, true}, {"a <", "｜tool▁calls▁be", "ad"}).content, "a <｜tool▁calls▁bead");
  EXPECT_EQ(parse({true, true, false}, {"x</thin"}).reasoning, "x</thin");
}

TEST(OutputParser, ACutOffCallIsNotFinished) {
  const auto whole = parse_calls(two_calls.substr(0, 90));
  EXPECT_EQ(whole.calls.size(), 1u);
  EXPECT_EQ(whole.finished, 0);
}

// Wherever the limit cuts a call off: nothing of its tags is content or an argument.
TEST(OutputParser, ATagThatWasCutOffIsNoText) {
  const auto begins_a_character = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; };
  for (const std::string& call : {two_calls, fenced_call, dsml_call, "\n\n" + dsml_call}) {
    const std::string text = "One moment." + call;
    for (std::size_t end = 0; end <= text.size(); ++end) {
      if (end < text.size() && !begins_a_character(text[end])) continue;
      const std::string cut = text.substr(0, end);
      const auto whole = parse({.tool_calls = true}, {cut}, true);
      const std::string said = "One moment.", seen = cut.substr(0, whole.content.size());
      EXPECT_EQ(whole.content, seen);
      // A lone "<" may be one that was meant.
      EXPECT_TRUE(whole.content.size() <= said.size() || said + "<" == seen || said + "\n" == seen ||
                  said + "\n\n" == seen || said + "\n\n<" == seen)
          << cut;
      static const std::vector<std::string> arguments{"{\"city\": \"Lima\"}", "{\"query\": \"a < b\"}"};
      for (std::size_t i = 0; i < whole.calls.size(); ++i)
        EXPECT_TRUE(arguments[i].starts_with(whole.calls[i].second)) << cut;
    }
  }
}

TEST(OutputParser, WhatMayBeTextStaysWhereItWasCutOff) {
  for (const std::string text : {"<", "a <", "a\n\n", "<thi", "</thin"}) {
    EXPECT_EQ(parse({true, false, true}, {text}, true).content, text);
    EXPECT_EQ(parse(everything, {text}, true).reasoning, text);
  }
  EXPECT_EQ(parse({false, false, true}, {"a <｜tool"}).content,
            "a <｜tool");  // a model that ended there meant it
}

TEST(OutputParser, OneCallIsTheLastThatIsTold) {
  for (const std::string& text : {two_calls, dsml_call + two_calls, dsml_call + dsml_call}) {
    OutputParser parser({.tool_calls = true, .one_call = true});
    Whole whole;
    for (const char c : "Well. " + text + "after") {
      parser.push(std::string(1, c));
      add(parser.take(), whole);
    }
    EXPECT_TRUE(parser.over());
    parser.finish();
    add(parser.take(), whole);
    EXPECT_EQ(whole.content, "Well. ");
    EXPECT_EQ(whole.calls, (Calls{{"get_time", "{\"city\": \"Lima\"}"}}));
    EXPECT_EQ(whole.finished + parser.finished_calls(), 1);
  }
}

TEST(OutputParser, KnowsWhatTokensItNeeds) {
  const OutputParser nothing({}), reasoning({.reasoning = true}), calls({.tool_calls = true});
  for (const char* token :
       {"<｜tool▁calls▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁call▁end｜>", "｜DSML｜", "</｜DSML｜"}) {
    EXPECT_TRUE(calls.is_marker(token)) << token;
    EXPECT_FALSE(nothing.is_marker(token) || reasoning.is_marker(token)) << token;
  }
  EXPECT_TRUE(reasoning.is_marker("<think>") && reasoning.is_marker("</think>"));
  EXPECT_FALSE(calls.is_marker("<think>") || calls.is_marker("<｜User｜>"));
}

RC_GTEST_PROP(OutputParser, AnySplitGivesTheSame, ()) {
  static const std::vector<std::string> parts{"<think>",
                                              "</think>",
                                              "\n",
                                              " ",
                                              "Hm < ",
                                              "größer 你好",
                                              "<｜tool▁call",
                                              "<｜DSML｜",
                                              two_calls,
                                              dsml_call,
                                              fenced_call,
                                              "\n\n",
                                              two_calls.substr(0, 70),
                                              "<｜tool▁sep｜>",
                                              dsml_call.substr(0, 90)};
  const std::string text = random_text(parts, 8);
  const OutputFormat format{*rc::gen::arbitrary<bool>(), *rc::gen::arbitrary<bool>(),
                            *rc::gen::arbitrary<bool>(), *rc::gen::arbitrary<bool>()};
  const bool cut_off = *rc::gen::arbitrary<bool>();
  const std::string read = text.substr(0, *rc::gen::inRange<std::size_t>(0, text.size() + 1));
  RC_ASSERT(parse(format, random_pieces(read), cut_off) == parse(format, {read}, cut_off));
}

}  // namespace
}  // namespace troupe::model
