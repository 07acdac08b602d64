// Policies out of the tree, built as README.md of runtime/scheduling/policies says, from what stands there.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/launch/program.hpp"

namespace troupe::launch {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class PolicyPlugin : public ProgramTest {
 protected:
  static constexpr const char* policies = "/runtime/scheduling/policies/";

  void SetUp() override { std::filesystem::create_directory_symlink(SOURCE_DIR, folder_ / "troupe"); }

  // Between two marks of that README.
  static std::string part_of_readme(const std::string& begin, const std::string& end) {
    const std::string text = read_file(SOURCE_DIR + std::string(policies) + "README.md");
    const auto first = text.find(begin);
    CHECK(first != text.npos, "the README has it");
    return text.substr(first + begin.size(), text.find(end, first + begin.size()) - first - begin.size());
  }
  static std::string source() { return part_of_readme("```cpp\n", "```"); }

  // flags: before all others. Empty: it was built.
  std::string build(const std::string& name, const std::string& text, const std::string& flags = "") {
    temporary_.write("lifo.cpp", text);
    std::string command = part_of_readme("```sh\n", "\n");
    command.insert(command.find(' '), flags.empty() ? "" : " " + flags);
    const auto errors = folder_ / "errors";
    const int status = std::system(
        ("cd '" + folder_.string() + "' && " + command + " 2>errors && mv lifo.so " + name + ".so").c_str());
    return status == 0 ? "" : read_file(errors);
  }
  std::string plugin(const std::string& name) const {
    return "--policy-plugin '" + (folder_ / (name + ".so")).string() + "' ";
  }
  static std::string replaced(std::string text, const std::string& what, const std::string& by) {
    CHECK(text.find(what) != text.npos, "there is something to replace");
    for (auto at = text.find(what); at != text.npos; at = text.find(what, at + by.size()))
      text.replace(at, what.size(), by);
    return text;
  }
};

const std::string drawn = "simulate --num-requests 60 --request-rate 20 -tp 8 --max-num-seqs 4 --json ";

TEST_F(PolicyPlugin, TheReadmesPolicyIsLoaded) {
  ASSERT_EQ(build("lifo", source()), "");
  const Outcome outcome = run(drawn + plugin("lifo") + "--compare lifo,fcfs");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const json found = json::parse(outcome.out)["policies"];
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0]["policy"], "lifo");
  EXPECT_EQ(found[0]["completed"], 60);
  EXPECT_GT(found[0]["p99_ttft_ms"], found[1]["p99_ttft_ms"]) << "the first one waits for all others";
  EXPECT_EQ(run("serve --show-config --scheduling-policy lifo " + plugin("lifo")).code, 0);
  EXPECT_EQ(run("serve --show-config --shadow-policy lifo " + plugin("lifo")).code, 0);
  EXPECT_THAT(run("serve --shadow-policy lifo").err, HasSubstr("'lifo' is unknown"));
  EXPECT_THAT(run(drawn + plugin("lifo") + "--policy lifo --policy-option zebra=1").err,
              HasSubstr("policy lifo has no option 'zebra'"));
}

// It has a header with another layout before it.
TEST_F(PolicyPlugin, OneThatWasBuiltForAnotherVersionIsRefusedByName) {
  const auto header = read_file(SOURCE_DIR + std::string(policies) + "policy.hpp");
  std::filesystem::create_directories(folder_ / "other/runtime/scheduling/policies");
  temporary_.write(
      "other/runtime/scheduling/policies/policy.hpp",
      replaced(header, "struct SequenceView {\n", "struct SequenceView {\n  double another = 0;\n"));
  ASSERT_EQ(build("other", source(), "-I other"), "");
  for (const std::string& command :
       {drawn + "--policy lifo ", std::string("serve --scheduling-policy lifo ")}) {
    const Outcome refused = run(command + plugin("other"));
    EXPECT_EQ(refused.code, 1);
    EXPECT_THAT(refused.err, HasSubstr("other.so: policy 'lifo' was built for another version"));
    EXPECT_THAT(refused.err, HasSubstr("build it with the headers of this version"));
  }
}

TEST_F(PolicyPlugin, WhatIsNoneIsRefused) {
  const auto error = [&](const std::string& name) {
    const Outcome refused = run(drawn + "--policy fcfs " + plugin(name));
    EXPECT_EQ(refused.code, 1) << name;
    return refused.err;
  };
  EXPECT_THAT(error("absent"), HasSubstr("absent.so: is no plugin for this program"));
  temporary_.write("text.so", "no object at all");
  EXPECT_THAT(error("text"), HasSubstr("text.so: is no plugin for this program"));
  ASSERT_EQ(build("empty", "int nothing;"), "");
  EXPECT_THAT(error("empty"), HasSubstr("empty.so: registers no policy"));
  ASSERT_EQ(build("twin", replaced(source(), "\"lifo\"", "\"fcfs\"")), "");
  EXPECT_THAT(error("twin"), HasSubstr("twin.so: policy 'fcfs' is there already"));
}

TEST_F(PolicyPlugin, OneThatThrowsOrForgetsEverybodyIsFoundOut) {
  const std::string share = "share_keeping_blocks(view, order, token_budget, out);";
  ASSERT_EQ(build("throws", replaced(source(), share, "throw 7;")), "");
  ASSERT_EQ(build("forgets", replaced(source(), share, "")), "");
  ASSERT_EQ(build("unmade", replaced(source(), "std::make_unique<Lifo>()", "nullptr")), "");
  for (const char* each : {"throws", "forgets"}) {
    const Outcome outcome = run(drawn + "--policy lifo " + plugin(each));
    EXPECT_EQ(outcome.code, 1);
    EXPECT_THAT(outcome.err, HasSubstr("the policy threw or let nobody run in "));
  }
  EXPECT_THAT(run(drawn + "--policy lifo " + plugin("unmade")).err,
              HasSubstr("batch policy 'lifo' makes none"));
}

}  // namespace
}  // namespace troupe::launch
