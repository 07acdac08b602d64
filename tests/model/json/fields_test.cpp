#include "model/json/fields.hpp"

#include "tests/error_of.hpp"

namespace troupe::model {
namespace {

using nlohmann::json;

TEST(JsonFields, RefusesWhatNobodyAskedFor) {
  const json object = json::parse(R"({"a": 1, "b": 2, "c": null, "d": false})");
  JsonFields fields(JsonValue{object, "file"});
  EXPECT_EQ(fields["a"].integer(0, 9), 1);
  EXPECT_TRUE(fields["absent"].is_null());
  fields.ignore({"b"});
  EXPECT_EQ(error_of([&] { fields.refuse_others(); }),
            "file: d is not supported; remove it if it changes nothing");
  fields.ignore({"d"});
  EXPECT_NO_THROW(fields.refuse_others());
}

TEST(JsonFields, OthersAreThoseThatSwitchSomethingOn) {
  const json object = json::parse(
      R"({"asked": 1, "ignored": 1, "n": null, "f": false, "z": 0, "zero": 0.0, "s": "", "a": [], "o": {},
          "true": true, "one": 1, "half": -0.5, "text": "x", "list": [0], "object": {"a": null}})");
  JsonFields fields(JsonValue{object, "file"});
  fields["asked"].integer(0, 9);
  fields.ignore({"ignored"});
  EXPECT_THAT(fields.others(),
              testing::UnorderedElementsAre("true", "one", "half", "text", "list", "object"));
}

TEST(JsonFields, AreOfAnObject) {
  const json array = json::array();
  EXPECT_EQ(error_of([&] { JsonFields(JsonValue{array, "file"})["a"]; }), "file: must be a JSON object");
}

}  // namespace
}  // namespace troupe::model
