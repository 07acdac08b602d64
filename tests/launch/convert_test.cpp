#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/launch/program.hpp"

namespace troupe::launch {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class Convert : public ProgramTest {
 protected:
  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  Outcome convert(const std::string& out, const std::string& type) {
    return run("convert " DEMO_MODEL " " + path(out) + " --type " + type);
  }
};

constexpr const char* folder_forms[] = {"int4", "int4_g32", "int8", "int8_g128", "fp8", "nvfp4", "mxfp4"};

TEST_F(Convert, HelpNamesAllTypes) {
  const std::string help = run("convert --help").out;
  for (const char* type : folder_forms) EXPECT_THAT(help, HasSubstr(type));
  for (const char* type : {"f32", "f16", "bf16", "q8_0", "q4_k", "q6_k", "iq4_nl"})
    EXPECT_THAT(help, HasSubstr(type));
}

TEST_F(Convert, TellsEachTensorsError) {
  const Outcome outcome = convert("fp8", "fp8");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(
      outcome.out,
      testing::ContainsRegex(
          "model.layers.0.self_attn.o_proj.weight +fp8 +[0-9]+ bytes  relative error 0.0[0-9]+  largest "));
  EXPECT_THAT(
      outcome.out,
      testing::ContainsRegex("model.embed_tokens.weight +[A-Z0-9]+ +[0-9]+ bytes  relative error 0.000000"));
}

// The demo model's rows are whole groups of 32 and of 16 columns.
TEST_F(Convert, WhatItWritesIsServed) {
  for (const char* type : {"int4_g32", "fp8", "nvfp4"}) {
    SCOPED_TRACE(type);
    const Outcome converted = convert(type, type);
    ASSERT_EQ(converted.code, 0) << converted.err;
    EXPECT_EQ(run("check " + path(type)).code, 0);
    const Outcome answer =
        run("generate " + path(type) + " --chat --prompt 'Solve 2 + 3' --temperature 0 --max-tokens 40");
    EXPECT_EQ(answer.code, 0) << answer.err;
    EXPECT_NE(answer.out, "");
  }
}

TEST_F(Convert, RefusalsSayWhy) {
  for (const char* type : {"gptq", "awq"}) {
    const Outcome outcome = convert("written", type);
    EXPECT_EQ(outcome.code, 2);
    EXPECT_THAT(outcome.err, AllOf(HasSubstr("--type: '" + std::string(type) +
                                             "' is chosen by what passes through a model"),
                                   HasSubstr("int4 rounds to nearest")));
  }
  const auto refused = [&](const char* out, const char* type, int code, const char* why) {
    const Outcome outcome = convert(out, type);
    EXPECT_EQ(outcome.code, code) << type;
    EXPECT_THAT(outcome.err, HasSubstr(why));
    EXPECT_FALSE(std::filesystem::exists(folder_ / out));
  };
  refused("written.gguf", "int4", 1, "has no type int4; give a folder, or another type");
  refused("written", "q4_k", 1, "has no type Q4_K; give a file whose name ends in .gguf, or another type");
  refused("written", "int3", 2, "--type: 'int3' is unknown");
}

}  // namespace
}  // namespace troupe::launch
