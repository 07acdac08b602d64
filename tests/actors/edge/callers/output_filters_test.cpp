// Filters as clients meet them: whose answers go through which, over HTTP.
#include "actors/edge/callers/output_filters.hpp"

#include <gmock/gmock.h>

#include <csignal>
#include <optional>

#include "config/setting.hpp"
#include "runtime/base/digest.hpp"
#include "tests/actors/edge/http_server_fixture.hpp"
#include "tests/error_of.hpp"
#include "tests/temporary_folder.hpp"

namespace troupe::actors::edge {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string filter(const std::string& name, const std::string& pattern, const std::string& fields = "") {
  return "[[filter]]\nname = \"" + name + "\"\n" + fields + "[[filter.rule]]\npattern = '" + pattern +
         "'\naction = \"mask\"\nreplacement = \"*\"\n";
}
// Whose key is its name.
std::string caller_through(const std::string& name, const std::string& fields = "") {
  return "[[caller]]\nname = \"" + name + "\"\n" + fields + "\n[[caller.key]]\nsha256 = \"" +
         sha256_hex(name) + "\"\n";
}

std::string through(const runtime::OutputFilter* filter, const std::string& text) {
  if (!filter) return text;
  const auto part = filter->begin(true);
  return part->push(text) + part->finish();
}

TEST(OutputFilters, ThoseForEveryoneComeFirstAndEachOnce) {
  const OutputFilters filters(config::parse_output_filters(
      filter("digits", "\\d") + filter("a", "a", "everyone = true\n") + filter("b", "b"), "filters.toml"));
  EXPECT_EQ(filters.size(), 3u);
  EXPECT_TRUE(filters.has("b"));
  EXPECT_FALSE(filters.has("c"));
  const auto told = [&](const std::vector<std::string>& names) {
    return through(filters.of(names).get(), "ab1");
  };
  EXPECT_EQ(told({}), "*b1");
  EXPECT_EQ(told({"b"}), "**1");
  EXPECT_EQ(told({"digits", "b"}), "***");
  EXPECT_EQ(filters.of({"a"})->digest(), filters.of({})->digest());
  EXPECT_NE(filters.of({"b", "digits"})->digest(), filters.of({"digits", "b"})->digest());
  EXPECT_EQ(OutputFilters().of({}), nullptr);
  EXPECT_EQ(digest_of(nullptr), "");
}

TEST(OutputFilters, ABadPatternIsNamedWithItsPlace) {
  EXPECT_THAT(
      error_of([] {
        OutputFilters(config::parse_output_filters(filter("a", "x") + filter("b", "y(z"), "filters.toml"));
      }),
      AllOf(HasSubstr("filters.toml:10: pattern: at byte 3: missing closing parenthesis"),
            HasSubstr("PCRE2")));
}

struct OutputFiltersTest : HttpServerFixture {
  TemporaryFolder folder;
  std::optional<Client> client;  // one, since new connections come faster than the server lets old ones go

  void write_filters(const std::string& text) {
    settings.output_filters_file = folder.write("filters.toml", text).string();
  }
  void write_keys(const std::string& text) {
    settings.api_keys_file = folder.write("keys.toml", text).string();
  }
  // What becomes of a text that is generated for who has the key.
  std::string told(const std::string& key, const std::string& text) {
    if (!client) client.emplace(port());
    client->send("POST /v1/completions HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer " + key +
                 "\r\nContent-Length: 31\r\n\r\n"
                 R"({"model": "demo", "prompt":"a"})");
    const auto generation = service->next();
    generation->accept({});
    generation->finish(0);
    generation->end({});
    EXPECT_EQ(client->read_response().status, 200);
    return through(generation->request.filter.get(), text);
  }
  // Until the server has taken the new file up.
  void wait_for(const std::string& key, const std::string& text, const std::string& expected) {
    for (const auto end = now() + ScriptedGeneration::deadline; now() < end;)
      if (told(key, text) == expected) return;
    FAIL() << "the filters are as they were";
  }
};

TEST_F(OutputFiltersTest, ACallerHasItsOwnBesidesThoseForEveryone) {
  write_filters(filter("digits", "\\d") + filter("a", "a", "everyone = true\n"));
  write_keys(caller_through("plain") + caller_through("filtered", "filters = [\"digits\"]"));
  settings.api_keys = {"master"};
  EXPECT_EQ(told("plain", "ab1"), "*b1");
  EXPECT_EQ(told("filtered", "ab1"), "*b*");
  EXPECT_EQ(told("master", "ab1"), "*b1");
}

TEST_F(OutputFiltersTest, WithoutKeysThereAreThoseForEveryone) {
  write_filters(filter("digits", "\\d") + filter("a", "a", "everyone = true\n"));
  EXPECT_EQ(told("", "ab1"), "*b1");
}

TEST_F(OutputFiltersTest, AreReadAgainWhenTheirFileChangesAndMistakesChangeNothing) {
  write_filters(filter("a", "a", "everyone = true\n"));
  EXPECT_EQ(told("", "abc"), "*bc");
  write_filters(filter("a", "bb?", "everyone = true\n"));
  wait_for("", "abc", "a*c");
  write_filters(filter("a", "b(", "everyone = true\n"));
  raise(SIGHUP);
  EXPECT_EQ(told("", "abc"), "a*c");
  write_filters(filter("a", "c", "everyone = true\n"));
  raise(SIGHUP);
  wait_for("", "abc", "ab*");
}

TEST_F(OutputFiltersTest, AFilterThatACallerNamesIsThere) {
  write_filters(filter("a", "a"));
  write_keys(caller_through("user", "filters = [\"a\", \"b\"]"));
  EXPECT_THAT(error_of([this] { port(); }),
              AllOf(HasSubstr("keys.toml: caller 'user' names filter 'b'"), HasSubstr("--output-filters")));
  write_keys(caller_through("user", "filters = [\"a\"]"));
  EXPECT_EQ(told("user", "ab"), "*b");
  write_filters(filter("b", "b"));  // which leaves the key with one that is not there
  raise(SIGHUP);
  EXPECT_EQ(told("user", "ab"), "*b");
  write_keys(caller_through("user", "filters = [\"b\"]"));
  wait_for("user", "ab", "a*");
}

TEST_F(OutputFiltersTest, FiltersThatCannotBeReadDoNotKeepOldKeys) {
  write_filters(filter("a", "a"));
  write_keys(caller_through("user"));
  EXPECT_EQ(told("user", "ab"), "ab");
  write_filters(filter("a", "("));
  write_keys(caller_through("user", "filters = [\"a\"]"));
  wait_for("user", "ab", "*b");
}

TEST_F(OutputFiltersTest, AServerDoesNotStartWithFiltersThatItCannotRead) {
  settings.output_filters_file = (folder.path() / "none.toml").string();
  EXPECT_THROW(port(), Error);
  write_filters("[[filter]");
  EXPECT_THROW(port(), config::UsageError);
  write_filters(filter("a", "("));
  EXPECT_THROW(port(), config::UsageError);
}

}  // namespace
}  // namespace troupe::actors::edge
