#include "model/json/parse.hpp"

#include <fstream>

#include "tests/error_of.hpp"
#include "tests/temporary_folder.hpp"

namespace troupe::model {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::StartsWith;

TEST(ParseJson, RefusesWhatIsNotStrictJson) {
  EXPECT_EQ(parse_json(R"({"a": [1, {"a": 2}], "b": {"a": 1}})", "x"),
            json::parse(R"({"a":[1,{"a":2}],"b":{"a":1}})"));
  EXPECT_THAT(error_of([] { parse_json(R"({"a": 1, "b": 2, "a": 1})", "x"); }),
              StartsWith("x: JSON has \"a\" twice"));
  EXPECT_THAT(error_of([] { parse_json("{\"\xff\": 1}", "x"); }), HasSubstr("UTF-8"));
  for (const char* text : {"", "{", "{} {}", "{\"a\":}", "\"\\ud800\"", "nul"}) {
    EXPECT_THAT(error_of([&] { parse_json(text, "x"); }), StartsWith("x: is not valid JSON"));
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

TEST(LoadJson, BoundsAndNamesTheFile) {
  const TemporaryFolder folder;
  const auto file = folder.write("test.json", "[1, 2]");
  EXPECT_EQ(load_json(file, 6), json::parse("[1, 2]"));
  EXPECT_THAT(error_of([&] { load_json(file, 5); }), HasSubstr("more than the 5"));
  std::ofstream(file) << "[1, 2";
  EXPECT_THAT(error_of([&] { load_json(file, 6); }), StartsWith(file.string() + ": is not valid JSON"));
}

}  // namespace
}  // namespace troupe::model
