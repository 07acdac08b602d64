#include "config/api_keys.hpp"

#include <gmock/gmock.h>

#include "config/setting.hpp"
#include "tests/error_of.hpp"
#include "tests/temporary_folder.hpp"

namespace troupe::config {
namespace {

using std::chrono::sys_days;
using std::chrono::sys_seconds;
using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;

const std::string one(64, '1'), two(64, '2');

std::string caller(const std::string& fields) {
  return "[[caller]]\nname = \"a\"\n" + fields;
}
std::string key(const std::string& fields) {
  return caller("[[caller.key]]\n" + fields);
}
std::string failure(const std::string& text) {
  return error_of([&] { parse_callers(text, "keys.toml"); });
}

TEST(ApiKeys, ACallerHasLimitsAndKeys) {
  const auto callers = parse_callers(
      "[[caller]]\nname = \"search\"\nclass = \"inference\"\nrequests-per-minute = 60\n"
      "tokens-per-minute = 100000\nconcurrent = 4\nmax-tokens = 512\nmodels = [\"m\", \"n\"]\npriority = -3\n"
      "shares-prefix-cache = true\nfilters = [\"secrets\", \"names\"]\n"
      "[[caller.key]]\nsha256 = \"" +
          one +
          "\"\nexpires = 2027-01-31T01:00:00+01:00\n"
          "[[caller.key]]\nsha256 = \"" +
          two +
          "\"\nexpires = 2027-02-01\n"
          "[[caller]]\nname = \"prometheus\"\nclass = \"metrics\"\n",
      "keys.toml");
  const sys_seconds january = sys_days(2027y / 1 / 31), february = sys_days(2027y / 2 / 1);
  const std::vector<Caller> expected{
      {.name = "search",
       .requests_per_minute = 60,
       .tokens_per_minute = 100000,
       .concurrent = 4,
       .max_tokens = 512,
       .models = {"m", "n"},
       .priority = -3,
       .shares_prefix_cache = true,
       .filters = {"secrets", "names"},
       .keys = {{one, january}, {two, february}}},
      {.name = "prometheus", .key_class = KeyClass::metrics},
  };
  EXPECT_EQ(callers, expected);
  EXPECT_EQ(parse_callers(callers_text(callers), "again"), expected);
}

TEST(ApiKeys, AnEmptyFileHasNoCallers) {
  EXPECT_TRUE(parse_callers("", "keys.toml").empty());
  EXPECT_EQ(callers_text({}), "");
}

TEST(ApiKeys, MistakesAreNamedWithTheirLine) {
  EXPECT_THAT(failure("[[caller]"), HasSubstr("keys.toml:1"));
  EXPECT_THAT(failure("[[caller]]\n"), AllOf(HasSubstr("keys.toml:1: name"), HasSubstr("is missing")));
  EXPECT_THAT(failure("[[callers]]\n"), AllOf(HasSubstr("keys.toml:1: callers"), HasSubstr("is caller")));
  EXPECT_THAT(failure("caller = 3"), HasSubstr("keys.toml:1: caller: expected tables"));
  EXPECT_THAT(failure(caller("token-per-minute = 3")),
              AllOf(HasSubstr("keys.toml:3: token-per-minute"), HasSubstr("is tokens-per-minute")));
  for (const char* wrong : {"0", "-1", "1.5", "\"1\"", "true"})
    EXPECT_THAT(failure(caller("tokens-per-minute = " + std::string(wrong))),
                HasSubstr("keys.toml:3: tokens-per-minute: expected a whole number from 1 to"));
  EXPECT_THAT(failure(caller("concurrent = 2147483648")), HasSubstr("from 1 to 2147483647"));
  for (const char* wrong : {"\"none\"", "\"admin\"", "3"})
    EXPECT_THAT(failure(caller("class = " + std::string(wrong))), HasSubstr("keys.toml:3: class")) << wrong;
  EXPECT_THAT(failure(caller("models = \"m\"")), HasSubstr("an array of texts"));
  EXPECT_THAT(failure(caller("models = [1]")), HasSubstr("an array of texts"));
  EXPECT_THAT(failure(caller("shares-prefix-cache = 1")), HasSubstr("true or false"));
  EXPECT_THAT(failure(caller("filters = \"a\"")),
              HasSubstr("keys.toml:3: filters: expected an array of texts"));
  EXPECT_THAT(failure(key("")), HasSubstr("keys.toml:3: sha256: is missing"));
  for (const std::string& wrong :
       {std::string(63, '1'), std::string(65, '1'), std::string(64, 'A'), std::string()})
    EXPECT_THAT(failure(key("sha256 = \"" + wrong + "\"")), HasSubstr("keys.toml:4: sha256: expected 64"));
  EXPECT_THAT(failure(key("sha256 = \"" + one + "\"\nexpires = \"2027-01-31\"")),
              HasSubstr("keys.toml:5: expires"));
}

TEST(ApiKeys, NamesStandInLogs) {
  for (const std::string& wrong :
       {std::string(), std::string("a b"), std::string("\xc3\xa9"), std::string(129, 'a')})
    EXPECT_THAT(failure("[[caller]]\nname = \"" + wrong + "\""),
                HasSubstr("keys.toml:1: name: expected 1 to 128"));
}

TEST(ApiKeys, NamesAndKeysAreThereOnce) {
  EXPECT_THAT(failure(caller("") + caller("")), HasSubstr("caller 'a' is there twice"));
  const std::string row = "[[caller.key]]\nsha256 = \"" + one + "\"\n";
  EXPECT_THAT(failure(caller(row + row)), HasSubstr("a key is there twice: 111"));
  EXPECT_THAT(failure(caller(row) + "[[caller]]\nname = \"b\"\n" + row), HasSubstr("a key is there twice"));
}

TEST(ApiKeys, AFileIsRead) {
  const TemporaryFolder folder;
  EXPECT_EQ(read_callers(folder.write("keys.toml", caller(""))).size(), 1u);
  EXPECT_THAT(error_of([&] { read_callers(folder.path() / "other.toml"); }),
              HasSubstr("other.toml: no such file"));
  std::string text = caller("");
  text.resize(max_api_keys_file_bytes, '\n');
  EXPECT_EQ(read_callers(folder.write("keys.toml", text)).size(), 1u);
  EXPECT_THAT(error_of([&] { read_callers(folder.write("keys.toml", text + "\n")); }),
              HasSubstr("keys.toml: "));
}

TEST(ApiKeys, TimesAreUtcUnlessTheySayOtherwise) {
  EXPECT_EQ(time_text(*parse_time("2027-01-31")), "2027-01-31T00:00:00Z");
  EXPECT_EQ(time_text(*parse_time("2027-01-31T12:30:00-02:00")), "2027-01-31T14:30:00Z");
  for (const char* wrong : {"", "tomorrow", "2027-13-01", "12:00:00", "3"})
    EXPECT_FALSE(parse_time(wrong)) << wrong;
}

}  // namespace
}  // namespace troupe::config
