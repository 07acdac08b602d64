#include "model/json_fields.hpp"

#include <gmock/gmock.h>

#include "tests/model/checkpoint_folder.hpp"

namespace troupe::model {
namespace {

using nlohmann::json;
using testing::HasSubstr;

TEST(ParseJson, RefusesWhatIsNotStrictJson) {
  EXPECT_EQ(parse_json(R"({"a": [1, {"a": 2}], "b": {"a": 1}})", "x"),
            json::parse(R"({"a":[1,{"a":2}],"b":{"a":1}})"));
  EXPECT_THAT(error_of([] { parse_json(R"({"a": 1, "b": 2, "a": 1})", "x"); }),
              HasSubstr("x: JSON has \"a\" twice"));
  EXPECT_THAT(error_of([] { parse_json("{\"\xff\": 1}", "x"); }), HasSubstr("UTF-8"));
  for (const char* text : {"", "{", "{} {}", "{\"a\":}", "\"\\ud800\"", "nul"}) {
    EXPECT_THAT(error_of([&] { parse_json(text, "x"); }), HasSubstr("x: not valid JSON"));
  }
}

TEST(ParseJson, BoundsNesting) {
  const auto nested = [](int depth) {
    return std::string(std::size_t(depth), '[') + std::string(std::size_t(depth), ']');
  };
  EXPECT_NO_THROW(parse_json(nested(max_json_depth), "x"));
  EXPECT_THAT(error_of([&] { parse_json(nested(max_json_depth + 1), "x"); }), HasSubstr("max_json_depth"));
  EXPECT_THAT(error_of([&] { parse_json(std::string(1 << 20, '['), "x"); }), HasSubstr("max_json_depth"));
  EXPECT_THAT(error_of([&] { parse_json(std::string(1 << 20, '{'), "x"); }), HasSubstr("not valid JSON"));
}

TEST(LoadJson, BoundsTheFile) {
  const TemporaryFolder folder;
  const auto file = folder.write("a.json", "[1, 2]");
  EXPECT_EQ(load_json(file, 6), json::parse("[1, 2]"));
  EXPECT_THAT(error_of([&] { load_json(file, 5); }), HasSubstr("a.json: has 6 bytes, more than the 5"));
  EXPECT_THAT(error_of([&] { load_json(folder.path() / "b.json", 5); }), HasSubstr("b.json: no such file"));
  EXPECT_THAT(error_of([&] { load_json(folder.path(), 5); }), HasSubstr("no such file"));
}

TEST(JsonFields, ChecksTypesAndRanges) {
  const json object =
      json::parse(R"({"i": 3, "big": 18446744073709551615, "f": 1.5, "b": true, "t": "x", "n": null})");
  JsonFields fields(object, "file", "in.");
  EXPECT_EQ(fields.integer("i", 3, 3), 3);
  EXPECT_EQ(fields.number("i", 0, 5), 3.0);
  EXPECT_EQ(fields.number("f", 1.5, 2), 1.5);
  EXPECT_EQ(fields.optional_boolean("b"), true);
  EXPECT_EQ(fields.optional_text("t"), "x");
  EXPECT_EQ(fields.optional_integer("n", 0, 1), std::nullopt);
  EXPECT_EQ(error_of([&] { fields.integer("i", 4, 9); }), "file: in.i is 3; it must be between 4 and 9");
  EXPECT_THAT(error_of([&] { fields.integer("big", 0, INT64_MAX); }),
              HasSubstr("in.big is 18446744073709551615"));
  EXPECT_THAT(error_of([&] { fields.integer("f", 0, 9); }), HasSubstr("in.f must be an integer"));
  EXPECT_THAT(error_of([&] { fields.integer("b", 0, 9); }), HasSubstr("in.b must be an integer"));
  EXPECT_THAT(error_of([&] { fields.number("t", 0, 9); }), HasSubstr("in.t must be a number"));
  EXPECT_THAT(error_of([&] { fields.number("f", 2, 9); }),
              HasSubstr("in.f is 1.5; it must be between 2.0 and 9.0"));
  EXPECT_THAT(error_of([&] { fields.optional_boolean("i"); }), HasSubstr("in.i must be true or false"));
  EXPECT_THAT(error_of([&] { fields.optional_text("i"); }), HasSubstr("in.i must be a string"));
  EXPECT_THAT(error_of([&] { fields.integer("n", 0, 9); }), HasSubstr("in.n is missing"));
  EXPECT_THAT(error_of([&] { fields.number("m", 0, 9); }), HasSubstr("in.m is missing"));
  EXPECT_EQ(error_of([&] { JsonFields(object["i"], "file", "in."); }), "file: in must be a JSON object");
}

TEST(JsonFields, ReadsTokenIds) {
  const auto ids = [](const char* text) {
    const json object = {{"ids", json::parse(text)}};
    return JsonFields(object, "file").token_ids("ids", 10);
  };
  EXPECT_EQ(ids("9"), std::vector<TokenId>{9});
  EXPECT_EQ(ids("[3, 1]"), (std::vector<TokenId>{3, 1}));
  EXPECT_EQ(ids("null"), std::vector<TokenId>{});
  for (const char* wrong : {"10", "-1", "[10]", "[[1]]", "\"1\"", "1.0", "[null]"}) {
    EXPECT_THAT(error_of([&] { ids(wrong); }), HasSubstr("file: ids ")) << wrong;
  }
  EXPECT_EQ(ids(json(std::vector<int>(max_token_id_list, 1)).dump().c_str()).size(), max_token_id_list);
  EXPECT_THAT(error_of([&] { ids(json(std::vector<int>(max_token_id_list + 1, 1)).dump().c_str()); }),
              HasSubstr("max_token_id_list"));
}

TEST(JsonFields, RefusesWhatNobodyAskedFor) {
  const json object = json::parse(R"({"a": 1, "b": 2, "c": null, "d": false})");
  JsonFields fields(object, "file");
  fields.integer("a", 0, 9);
  fields.ignore({"b"});
  EXPECT_THAT(error_of([&] { fields.refuse_others(); }), HasSubstr("file: field d is not known"));
  fields.ignore({"d"});
  EXPECT_NO_THROW(fields.refuse_others());
}

}  // namespace
}  // namespace troupe::model
