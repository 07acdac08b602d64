#include <gmock/gmock.h>

#include <sys/stat.h>
#include <unistd.h>

#include "config/api_keys.hpp"
#include "runtime/base/digest.hpp"
#include "tests/launch/program.hpp"

namespace troupe::launch {
namespace {

using std::filesystem::perms;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::StartsWith;

struct Keys : ProgramTest {
  const std::filesystem::path file = folder_ / "keys.toml";

  Outcome keys(const std::string& arguments) {
    return run("keys " + arguments + " --api-keys " + file.string());
  }
  std::string added(const std::string& arguments) {
    const Outcome outcome = keys("add " + arguments);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_THAT(outcome.out, MatchesRegex("troupe-[0-9a-f]{64}\n"));
    return outcome.out.substr(0, outcome.out.find('\n'));
  }
};

TEST_F(Keys, AreShownOnceAndTheFileHasTheirDigests) {
  const std::string key = added("search --tokens-per-minute 1000 --expires 2027-01-31");
  EXPECT_EQ(status(file).permissions(), perms::owner_read | perms::owner_write);
  EXPECT_EQ(read_file(file).find(key), std::string::npos);
  const auto callers = config::read_callers(file);
  ASSERT_EQ(callers.size(), 1u);
  EXPECT_EQ(callers[0].name, "search");
  EXPECT_EQ(callers[0].tokens_per_minute, 1000);
  EXPECT_EQ(callers[0].keys[0].sha256, sha256_hex(key));
  EXPECT_EQ(callers[0].keys[0].expires, config::parse_time("2027-01-31"));
}

TEST_F(Keys, ACallerNamesItsFilters) {
  added("search --filters secrets --filters names");
  added("search --max-tokens 8");
  EXPECT_EQ(config::read_callers(file)[0].filters, (std::vector<std::string>{"secrets", "names"}));
  added("search --filters secrets");
  EXPECT_EQ(config::read_callers(file)[0].filters, std::vector<std::string>{"secrets"});
}

TEST_F(Keys, ACallerGetsOneMoreAndKeepsItsLimits) {
  permissions(file.parent_path(), perms::owner_all);
  const std::string first = added("search --requests-per-minute 5 --max-tokens 7");
  permissions(file, perms::owner_read | perms::owner_write | perms::group_read);
  const std::string second = added("search --max-tokens 8");
  added("prometheus --class metrics");
  const auto callers = config::read_callers(file);
  ASSERT_EQ(callers.size(), 2u);
  EXPECT_EQ(callers[0].requests_per_minute, 5);
  EXPECT_EQ(callers[0].max_tokens, 8);
  EXPECT_EQ(callers[0].keys.size(), 2u);
  EXPECT_EQ(callers[1].key_class, config::KeyClass::metrics);
  EXPECT_EQ(status(file).permissions(), perms::owner_read | perms::owner_write | perms::group_read);
  EXPECT_EQ(keys("list").out, "search  inference  " + sha256_hex(first).substr(0, 12) +
                                  "  never\nsearch  inference  " + sha256_hex(second).substr(0, 12) +
                                  "  never\nprometheus  metrics  " + callers[1].keys[0].sha256.substr(0, 12) +
                                  "  never\n");
  EXPECT_EQ(keys("revoke search --key " + sha256_hex(first).substr(0, 12)).code, 0);
  EXPECT_EQ(config::read_callers(file)[0].keys[0].sha256, sha256_hex(second));
  EXPECT_EQ(keys("revoke search").code, 0);
  EXPECT_EQ(config::read_callers(file).size(), 1u);
}

TEST_F(Keys, MistakesLeaveTheFileAsItWas) {
  added("search");
  added("search");
  const std::string before = read_file(file);
  const auto mistake = [&](const std::string& arguments, int code, const std::string& sentence) {
    const Outcome outcome = keys(arguments);
    EXPECT_EQ(outcome.code, code) << arguments;
    EXPECT_THAT(outcome.err, AllOf(StartsWith("troupe: "), HasSubstr(sentence)));
    EXPECT_EQ(read_file(file), before);
  };
  mistake("add 'a b'", 2, "NAME: expected 1 to 128 visible ASCII characters");
  mistake("add a --expires tomorrow", 2, "--expires: 'tomorrow' is no time");
  mistake("add a --class admin", 2, "--class");
  mistake("add a --max-tokens 0", 2, "--max-tokens");
  mistake("add a --priority=-2147483648", 2, "--priority");
  mistake("revoke other", 1, "there is no caller 'other'");
  mistake("revoke search --key x", 1, "has 0 keys that begin with 'x'");
  mistake("revoke search --key ''", 2, "--key: has no digits");
  mistake("rotate search", 2, "the nearest known one is");
  EXPECT_THAT(run("keys").err, HasSubstr("what to do is missing"));
  EXPECT_THAT(run("keys add a").err, HasSubstr("--api-keys is missing"));
  EXPECT_THAT(run("keys list --api-keys " + (folder_ / "none.toml").string()).err, HasSubstr("no such file"));
  EXPECT_THAT(run("keys add a --api-keys " + (folder_ / "none" / "keys.toml").string()).err,
              HasSubstr("make the folder first"));
  std::ofstream(file) << "[[caller]";
  EXPECT_EQ(keys("add a").code, 2);
  EXPECT_EQ(read_file(file), "[[caller]");
}

TEST_F(Keys, SeveralEditorsLoseNothing) {
  const std::string one =
      " '" TROUPE_BINARY "' keys add caller-$i --api-keys '" + file.string() + "' >/dev/null &";
  EXPECT_EQ(std::system(("for i in 1 2 3 4 5 6 7 8; do" + one + " done; wait").c_str()), 0);
  EXPECT_EQ(config::read_callers(file).size(), 8u);
}

TEST_F(Keys, TheWorstPriorityIsReadAgain) {
  added("a --priority=-2147483647");
  added("b --priority 2147483647");
  EXPECT_EQ(config::read_callers(file)[0].priority, -config::largest_priority);
  EXPECT_EQ(keys("list").code, 0);
}

TEST_F(Keys, AFileThatNobodyWouldReadIsNotWritten) {
  std::vector<config::Caller> callers;
  const auto one = [](std::size_t number) {
    std::string name = std::to_string(number);
    name.resize(config::max_caller_name_bytes, 'x');
    return config::Caller{.name = name, .keys = {{.sha256 = sha256_hex(name)}}};
  };
  // As many of the longest lines as there is room for.
  const std::size_t each =
      config::callers_text({one(0), one(1)}).size() - config::callers_text({one(0)}).size();
  for (std::size_t i = 0; i < config::max_api_keys_file_bytes / each; ++i) callers.push_back(one(i));
  const std::string text = config::callers_text(callers);
  std::ofstream(file) << text;
  ASSERT_EQ(config::read_callers(file).size(), callers.size());
  const Outcome outcome = keys("add " + one(callers.size()).name);
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("and at most 1048576 are read; revoke keys"));
  EXPECT_EQ(read_file(file), text);
}

TEST_F(Keys, TheFileStaysWhatItWas) {
  const auto behind = folder_ / "behind" / "real.toml";
  create_directory(behind.parent_path());
  std::ofstream(behind).close();
  permissions(behind, perms(0664));
  create_symlink(behind, file);
  const bool root = geteuid() == 0;  // who alone can give files away
  if (root) {
    ASSERT_EQ(chown(behind.c_str(), 4242, 4343), 0);
  }
  EXPECT_EQ(run("keys add search --api-keys " + file.string(), "", "umask 077;").code, 0);
  EXPECT_TRUE(is_symlink(file));
  EXPECT_EQ(config::read_callers(behind).size(), 1u);
  EXPECT_EQ(status(behind).permissions(), perms(0664));
  struct stat found {};
  ASSERT_EQ(stat(behind.c_str(), &found), 0);
  EXPECT_EQ(found.st_uid, root ? 4242 : geteuid());
  EXPECT_EQ(found.st_gid, root ? 4343 : getegid());
}

TEST_F(Keys, HaveManualPages) {
  EXPECT_THAT(run("keys --help").out, HasSubstr("\n       revoke      take keys from a caller\n"));
  for (const char* verb : {"add", "list", "revoke"})
    EXPECT_THAT(run("keys " + std::string(verb) + " --help").out,
                StartsWith("NAME\n       troupe-keys-" + std::string(verb) + " - "));
}

}  // namespace
}  // namespace troupe::launch
