#include "model/output_parser.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace troupe::model {
namespace {

const std::string two_calls =
    "<｜tool▁calls▁begin｜>"
    "<｜tool▁call▁begin｜>get_time<｜tool▁sep｜>{\"city\": \"Lima\"}<｜tool▁call▁end｜>\n"
    "<｜tool▁call▁begin｜>search<｜tool▁sep｜>{\"query\": \"a < b\"}<｜tool▁call▁end｜><｜tool▁calls▁end｜>";
constexpr OutputFormat everything{true, true, true};

struct Whole {
  ParsedOutput output;  // pieces of a call joined
  int finished = 0;
};

Whole parse(OutputFormat format, const std::vector<std::string>& pieces) {
  OutputParser parser(format);
  Whole whole;
  const auto take = [&](const ParsedOutput& delta) {
    whole.output.content += delta.content;
    whole.output.reasoning += delta.reasoning;
    for (const ToolCallPiece& piece : delta.tool_calls) {
      if (piece.begins) {
        EXPECT_EQ(piece.index, int(whole.output.tool_calls.size()));
        whole.output.tool_calls.push_back({piece.index, true, piece.name, ""});
      }
      ASSERT_LT(std::size_t(piece.index), whole.output.tool_calls.size());
      whole.output.tool_calls[std::size_t(piece.index)].arguments += piece.arguments;
    }
  };
  for (const std::string& piece : pieces) {
    ParsedOutput delta;
    parser.push(piece, delta);
    take(delta);
  }
  ParsedOutput delta;
  parser.finish(delta);
  take(delta);
  whole.finished = parser.finished_calls();
  return whole;
}

TEST(OutputParser, SplitsReasoningAnswerAndCalls) {
  const auto whole = parse(everything, {"I need the time.</think>One moment. " + two_calls});
  EXPECT_EQ(whole.output.reasoning, "I need the time.");
  EXPECT_EQ(whole.output.content, "One moment. ");
  ASSERT_EQ(whole.output.tool_calls.size(), 2u);
  EXPECT_EQ(whole.output.tool_calls[0].name, "get_time");
  EXPECT_EQ(whole.output.tool_calls[1].arguments, "{\"query\": \"a < b\"}");
  EXPECT_EQ(whole.finished, 2);
}

TEST(OutputParser, WithoutFormatsEverythingIsContent) {
  const std::string text = "<think>a</think>" + two_calls;
  EXPECT_EQ(parse({}, {text}).output.content, text);
}

TEST(OutputParser, AnOutputMayOpenItsReasoningItself) {
  const OutputFormat format{true, false, true};
  EXPECT_EQ(parse(format, {"<thi", "nk>why</think>", "so"}).output.reasoning, "why");
  EXPECT_EQ(parse(format, {"so <think>"}).output.content, "so <think>");
  EXPECT_EQ(parse(format, {two_calls}).output.tool_calls.size(), 2u);
}

TEST(OutputParser, WhatLooksLikeAMarkerAndIsNoneComesOut) {
  EXPECT_EQ(parse({false, false, true}, {"a <", "｜tool▁calls▁be", "ad"}).output.content,
            "a <｜tool▁calls▁bead");
  EXPECT_EQ(parse({true, true, false}, {"x</thin"}).output.reasoning, "x</thin");
}

TEST(OutputParser, ACutOffCallIsNotFinished) {
  const auto whole = parse({false, false, true}, {two_calls.substr(0, 90)});
  EXPECT_EQ(whole.output.tool_calls.size(), 1u);
  EXPECT_EQ(whole.finished, 0);
}

TEST(OutputParser, ATooLongNameIsCutOff) {
  const auto whole = parse({false, false, true}, {"<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>" +
                                                  std::string(5000, 'n') + "<｜tool▁sep｜>{}"});
  EXPECT_EQ(whole.output.tool_calls.at(0).name.size(), OutputParser::max_name_bytes);
}

RC_GTEST_PROP(OutputParser, AnySplitGivesTheSame, ()) {
  const std::string text =
      *rc::gen::element<std::string>("I need it.</think>Hm < " + two_calls, "</think>",
                                     "plain <｜tool▁call text", two_calls + "after", two_calls.substr(0, 70));
  const OutputFormat format{*rc::gen::arbitrary<bool>(), *rc::gen::arbitrary<bool>(),
                            *rc::gen::arbitrary<bool>()};
  std::vector<std::string> pieces;
  for (std::size_t at = 0; at < text.size();) {
    const auto n = *rc::gen::inRange<std::size_t>(1, 12);
    pieces.push_back(text.substr(at, n));
    at += n;
  }
  const Whole split = parse(format, pieces), whole = parse(format, {text});
  RC_ASSERT(split.output.content == whole.output.content);
  RC_ASSERT(split.output.reasoning == whole.output.reasoning);
  RC_ASSERT(split.output.tool_calls.size() == whole.output.tool_calls.size());
  for (std::size_t i = 0; i < whole.output.tool_calls.size(); ++i)
    RC_ASSERT(split.output.tool_calls[i].arguments == whole.output.tool_calls[i].arguments);
  RC_ASSERT(split.finished == whole.finished);
}

}  // namespace
}  // namespace troupe::model
