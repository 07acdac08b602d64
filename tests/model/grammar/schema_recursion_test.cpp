#include "model/grammar/schema_recursion.hpp"

#include <gtest/gtest.h>

namespace troupe::model {
namespace {

std::string endless(const std::string& schema) {
  const auto found = endless_schema(Schema::parse(schema));
  return found ? "at " + found->to_string() : "none";
}

TEST(SchemaRecursion, WhatRequiresItselfHasNoEnd) {
  EXPECT_EQ(endless(R"({"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]})"), "at ");
  EXPECT_EQ(endless(R"({"$ref":"#"})"), "at ");
  EXPECT_EQ(
      endless(R"({"$ref":"#/$defs/a","$defs":{"a":{"type":"array","minItems":1,"items":{"$ref":"#/$defs/b"}},
                        "b":{"type":"object","properties":{"x":{"$ref":"#/$defs/a"}},"required":["x"]}}})"),
      "at ");
  EXPECT_EQ(endless(R"({"type":"array","minItems":2,"prefixItems":[true,{"$ref":"#"}]})"), "at ");
}

TEST(SchemaRecursion, AWayOutIsEnough) {
  for (const char* schema :
       {"true", "{}", R"({"type":"object","properties":{"a":{"$ref":"#"}}})",
        R"({"type":"array","items":{"$ref":"#"}})",
        R"({"type":"array","minItems":1,"prefixItems":[true,{"$ref":"#"}]})",
        R"({"type":["object","null"],"properties":{"a":{"$ref":"#"}},"required":["a"]})",
        R"({"type":"object","properties":{"a":{"anyOf":[{"$ref":"#"},{"type":"null"}]}},"required":["a"]})",
        R"({"type":"object","properties":{"a":false},"required":["a"]})",
        R"({"type":"object","properties":{"a":{"$ref":"#/nowhere"}},"required":["a"]})",
        R"({"type":"object","properties":{"a":{"$ref":"other.json"}},"required":["a"]})",
        R"({"type":"object","properties":{"a":{"$ref":"#no/pointer"}},"required":["a"]})",
        R"({"$defs":{"a":{"$ref":"#/$defs/a"}},"type":"string"})"})
    EXPECT_EQ(endless(schema), "none") << schema;
}

// A model without sense takes any of them.
TEST(SchemaRecursion, WhereAnAnswerMayGetIntoItCounts) {
  const std::string loop = R"({"type":"object","properties":{"n":{"$ref":"#/$defs/l"}},"required":["n"]})";
  EXPECT_EQ(
      endless(R"({"type":"object","properties":{"a":{"$ref":"#/$defs/l"}},"$defs":{"l":)" + loop + "}}"),
      "at /properties/a");
  EXPECT_EQ(endless(R"({"anyOf":[{"type":"null"},{"$ref":"#/$defs/l"}],"$defs":{"l":)" + loop + "}}"),
            "at /anyOf/1");
  EXPECT_EQ(
      endless(
          R"({"type":"object","properties":{"$defs":{"type":"array","items":{"$ref":"#/$defs/l"}}},"$defs":{"l":)" +
          loop + "}}"),
      "at /properties/$defs/items");
}

TEST(SchemaRecursion, ALongChainTakesTimeInProportion) {
  Schema schema{{"$ref", "#/$defs/n0"}};
  constexpr int links = 6000;
  for (int i = 0; i < links; ++i)
    schema["$defs"]["n" + std::to_string(i)] = {{"$ref", "#/$defs/n" + std::to_string(i + 1)}};
  schema["$defs"]["n" + std::to_string(links)] = {{"type", "null"}};
  EXPECT_FALSE(endless_schema(schema));
  schema["$defs"]["n" + std::to_string(links)] = {{"$ref", "#/$defs/n0"}};
  EXPECT_TRUE(endless_schema(schema));
}

}  // namespace
}  // namespace troupe::model
