#include "model/json/value.hpp"

#include <functional>

#include "tests/error_of.hpp"

namespace troupe::model {
namespace {

using nlohmann::json;

class JsonValueTest : public testing::Test {
 protected:
  std::string error_at(const char* name, const std::function<void(const JsonValue&)>& read) const {
    return error_of([&] { read(object_[name]); });
  }

  const json document_ = json::parse(
      R"({"i": 3, "big": 18446744073709551615, "f": 1.5, "b": true, "t": "x", "n": null, "l": [0, {"a": 7}]})");
  const JsonValue object_{document_, "file", "in"};
};

TEST_F(JsonValueTest, ReadsEveryType) {
  EXPECT_EQ(object_["i"].integer(3, 3), 3);
  EXPECT_EQ(object_["i"].number(0, 5), 3.0);
  EXPECT_EQ(object_["f"].number(1.5, 2), 1.5);
  EXPECT_TRUE(object_["b"].boolean());
  EXPECT_EQ(object_["t"].text(), "x");
  ASSERT_EQ(object_["l"].elements().size(), 2u);
  EXPECT_EQ(object_["l"].elements()[1]["a"].integer(0, 9), 7);
  EXPECT_EQ(object_["l"].element(1)["a"].integer(0, 9), 7);
}

TEST_F(JsonValueTest, NullCountsAsAbsent) {
  for (const char* name : {"n", "no such field"}) {
    EXPECT_TRUE(object_[name].is_null());
    EXPECT_EQ(object_[name].optional_boolean(), std::nullopt);
    EXPECT_EQ(object_[name].optional_integer(0, 1), std::nullopt);
    EXPECT_EQ(object_[name].optional_number(0, 1), std::nullopt);
    EXPECT_EQ(object_[name].optional_text(), std::nullopt);
    const std::string missing = "file: in." + std::string(name) + " is missing";
    EXPECT_EQ(error_at(name, [](const JsonValue& v) { v.boolean(); }), missing);
    EXPECT_EQ(error_at(name, [](const JsonValue& v) { v.integer(0, 9); }), missing);
    EXPECT_EQ(error_at(name, [](const JsonValue& v) { v.number(0, 9); }), missing);
    EXPECT_EQ(error_at(name, [](const JsonValue& v) { v.text(); }), missing);
    EXPECT_EQ(error_at(name, [](const JsonValue& v) { v.elements(); }), missing);
    EXPECT_EQ(error_at(name, [](const JsonValue& v) { v["a"]; }), missing);
  }
}

TEST_F(JsonValueTest, NamesWhatHasAnotherType) {
  EXPECT_EQ(error_at("i", [](const JsonValue& v) { v.boolean(); }), "file: in.i must be true or false");
  EXPECT_EQ(error_at("i", [](const JsonValue& v) { v.optional_text(); }), "file: in.i must be a string");
  EXPECT_EQ(error_at("f", [](const JsonValue& v) { v.integer(0, 9); }), "file: in.f must be an integer");
  EXPECT_EQ(error_at("b", [](const JsonValue& v) { v.optional_integer(0, 9); }),
            "file: in.b must be an integer");
  EXPECT_EQ(error_at("t", [](const JsonValue& v) { v.optional_number(0, 9); }),
            "file: in.t must be a number");
  EXPECT_EQ(error_at("t", [](const JsonValue& v) { v.elements(); }), "file: in.t must be an array");
  EXPECT_EQ(error_at("l", [](const JsonValue& v) { v["a"]; }), "file: in.l must be a JSON object");
  EXPECT_EQ(error_at("l", [](const JsonValue& v) { v.element(0).text(); }), "file: in.l[0] must be a string");
  EXPECT_EQ(error_at("l", [](const JsonValue& v) { v.element(2); }),
            "file: in.l must have more than 2 elements");
  EXPECT_EQ(error_of([] { JsonValue(json(), "file")["a"]; }), "file: must be a JSON object");
}

TEST_F(JsonValueTest, NamesWhatIsOutOfRange) {
  EXPECT_EQ(error_at("i", [](const JsonValue& v) { v.integer(4, 9); }),
            "file: in.i is 3; it must be between 4 and 9");
  EXPECT_EQ(error_at("i", [](const JsonValue& v) { v.integer(-9, 2); }),
            "file: in.i is 3; it must be between -9 and 2");
  EXPECT_EQ(error_at("big", [](const JsonValue& v) { v.integer(INT64_MIN, INT64_MAX); }),
            "file: in.big is 18446744073709551615; it must be between -9223372036854775808 and "
            "9223372036854775807");
  EXPECT_EQ(error_at("f", [](const JsonValue& v) { v.optional_number(2, 9); }),
            "file: in.f is 1.5; it must be between 2.0 and 9.0");
}

TEST_F(JsonValueTest, AllowsOnlyKnownFields) {
  EXPECT_NO_THROW(object_.allow_only({"i", "big", "f", "b", "t", "l", "another"}));  // n is null
  EXPECT_EQ(error_of([&] {
              object_.allow_only({"i", "big", "f", "t", "l"});
            }),
            "file: in.b is not supported; remove it if it changes nothing");
  EXPECT_EQ(error_at("i", [](const JsonValue& v) { v.allow_only({}); }), "file: in.i must be a JSON object");
}

}  // namespace
}  // namespace troupe::model
