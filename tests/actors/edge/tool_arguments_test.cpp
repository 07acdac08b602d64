#include "actors/edge/tool_arguments.hpp"

#include <gtest/gtest.h>

namespace troupe::actors::edge {
namespace {

TEST(ToolArguments, AnObjectIsToldAsOneInItsOwnOrder) {
  EXPECT_EQ(arguments_object(R"({"z": 1, "a": {"b": [true]}})").dump(), R"({"z":1,"a":{"b":[true]}})");
  EXPECT_EQ(arguments_object("").dump(), "{}");
}

TEST(ToolArguments, WhatIsNoObjectIsToldAsText) {
  EXPECT_EQ(arguments_object(R"({"city": "Li)").dump(), R"({"INVALID_JSON":"{\"city\": \"Li"})");
  EXPECT_EQ(arguments_object("[1]").dump(), R"({"INVALID_JSON":"[1]"})");
  const std::string deep = R"({"a":)" + std::string(100'000, '[');
  EXPECT_EQ(arguments_object(deep)["INVALID_JSON"], deep);
}

TEST(ToolArguments, ACutCallIsTheLastOfAChoiceThatEndedWithinIt) {
  const std::vector<runtime::ToolCallDelta> cut{{0, "", "f", "{}"}, {1, "", "g", "{"}},
      whole{{0, "", "f", "{}"}}, empty{{0, "", "f", ""}};
  EXPECT_TRUE(ends_in_cut_call(true, cut));
  EXPECT_TRUE(ends_in_cut_call(true, empty));
  EXPECT_FALSE(ends_in_cut_call(true, whole)) << "but for its closing marker";
  EXPECT_FALSE(ends_in_cut_call(true, {}));
  EXPECT_FALSE(ends_in_cut_call(false, cut)) << "the model wrote no JSON, and said that this is all";
}

TEST(ToolArguments, TheTextIsThatOfPythonsJson) {
  EXPECT_EQ(arguments_text(Json::parse(R"({"a":[1,2],"b":{"c":"d"},"e":null})")),
            R"({"a": [1, 2], "b": {"c": "d"}, "e": null})");
  EXPECT_EQ(arguments_text(Json::parse(R"({"a,b:c":"x\",\\:\"y","ü":"\\"})")),
            R"({"a,b:c": "x\",\\:\"y", "ü": "\\"})");
  EXPECT_EQ(arguments_text(Json::object()), "{}");
}

}  // namespace
}  // namespace troupe::actors::edge
