#include "config/vllm_flags.hpp"

#include <gmock/gmock.h>

#include "config/read.hpp"
#include "config/settings.hpp"

namespace troupe::config {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Texts = std::vector<std::string>;

// A whole command line as `troupe serve` reads it.
Settings served(const Texts& arguments) {
  Settings settings;
  Table table = schema(settings, {"decode_first", "fcfs", "priority"});
  const VllmRecipe recipe = read_vllm_recipe(arguments);
  EXPECT_TRUE(read(table, {recipe.arguments, {}}));
  validate(settings);
  return settings;
}

std::string refusal(const Texts& arguments) {
  try {
    served(arguments);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "accepted";
}

Texts without_effect(const Texts& arguments) {
  Texts flags;
  for (const FlagWithoutEffect& each : read_vllm_recipe(arguments).without_effect) {
    EXPECT_FALSE(each.why.empty());
    flags.push_back(each.flag);
  }
  return flags;
}

TEST(VllmFlags, ARecipeStartsTheServer) {
  const Settings settings = served({"--model=/models/v3",
                                    "--trust-remote-code",
                                    "--dtype",
                                    "auto",
                                    "-tp",
                                    "8",
                                    "--enable-auto-tool-choice",
                                    "--tool-call-parser",
                                    "deepseek_v3",
                                    "--reasoning-parser",
                                    "deepseek_r1",
                                    "--enable-chunked-prefill",
                                    "--max-num-batched-tokens",
                                    "8192",
                                    "--enforce-eager",
                                    "--disable-log-requests",
                                    "--swap-space",
                                    "4",
                                    "--tokenizer-mode",
                                    "auto",
                                    "--gpu-memory-utilization",
                                    "0.9",
                                    "--no-enable-prefix-caching",
                                    "--disable-log-stats",
                                    "--generation-config",
                                    "vllm",
                                    "--guided-decoding-backend",
                                    "xgrammar",
                                    "--load-format",
                                    "auto",
                                    "--tokenizer",
                                    "/models/v3/",
                                    "--seed",
                                    "7",
                                    "--kv-cache-dtype",
                                    "auto",
                                    "--block-size",
                                    "64",
                                    "--max-model-len=4096",
                                    "--served-model-name",
                                    "deepseek"});
  EXPECT_EQ(settings.model, "/models/v3");
  EXPECT_EQ(settings.tensor_parallel_size, 8);
  EXPECT_EQ(settings.tool_call_parser, "deepseek_v3");
  EXPECT_EQ(settings.reasoning_parser, "deepseek_r1");
  EXPECT_EQ(settings.scheduler.max_num_batched_tokens, 8192);
  EXPECT_EQ(settings.scheduler.block_size, 64);
  EXPECT_EQ(settings.kv_cache_dtype, "auto");
  EXPECT_FALSE(settings.scheduler.prefix_caching);
  EXPECT_EQ(settings.generation_config, "vllm");
  EXPECT_EQ(settings.max_model_len, 4096);
  EXPECT_THAT(settings.served_model_name, ElementsAre("deepseek"));
}

TEST(VllmFlags, ThoseWithoutEffectAreToldAsTheyWereGiven) {
  EXPECT_THAT(
      without_effect({"--trust_remote_code", "model", "--swap-space", "4", "--dtype=bfloat16",
                      "--no-enable-chunked-prefill", "--compilation-config.level", "3", "-pp", "1",
                      "--enable-chunked-prefill=True", "--port", "1"}),
      ElementsAre("--trust_remote_code", "--swap-space 4", "--dtype=bfloat16", "--no-enable-chunked-prefill",
                  "--compilation-config.level 3", "-pp 1", "--enable-chunked-prefill=True"));
}

TEST(VllmFlags, TheRestIsLeftAsItIs) {
  const Texts own{"model", "--port", "1", "-ep", "--no-enable-prefix-caching", "--", "--dtype", "half"};
  const VllmRecipe recipe = read_vllm_recipe(own);
  EXPECT_EQ(recipe.arguments, own);
  EXPECT_THAT(recipe.without_effect, IsEmpty());
}

TEST(VllmFlags, NoSettingOfOursIsTakenForOne) {
  Settings settings;
  for (const Setting& each : schema(settings)) {
    const Texts flag{"--" + std::string(each.name), "1"}, negation{"--no-" + std::string(each.name)};
    EXPECT_EQ(read_vllm_recipe(flag).arguments, flag);
    EXPECT_EQ(read_vllm_recipe(negation).arguments, negation);
  }
}

TEST(VllmFlags, WhatWouldChangeAnswersIsRefusedByName) {
  EXPECT_THAT(refusal({"--dtype", "float16"}),
              AllOf(HasSubstr("--dtype: 'float16' is not served"), HasSubstr("permitted: auto bfloat16")));
  EXPECT_THAT(refusal({"--load-format", "dummy"}), HasSubstr("--load-format: 'dummy'"));
  EXPECT_THAT(refusal({"--tokenizer-mode", "mistral"}), HasSubstr("--tokenizer-mode: 'mistral'"));
  EXPECT_THAT(refusal({"-pp", "2"}), HasSubstr("--pipeline-parallel-size: '2' is not served"));
  EXPECT_THAT(refusal({"--task", "embed"}), HasSubstr("--task: 'embed'"));
  for (const char* flag : {"--quantization", "--lora-modules", "--rope-scaling", "--hf-overrides",
                           "--override-generation-config", "--middleware", "--hf-overrides.rope_theta"})
    EXPECT_THAT(refusal({flag, "x"}),
                AllOf(HasSubstr(std::string(flag).substr(0, std::string(flag).find('.')) + ": "),
                      HasSubstr("this flag of vLLM's is not served")));
  EXPECT_THAT(refusal({"-q", "awq"}), HasSubstr("--quantization: "));
  EXPECT_THAT(refusal({"--enable-lora"}), HasSubstr("--enable-lora: "));
  EXPECT_THAT(refusal({"--model", "a", "--tokenizer", "b"}), HasSubstr("--tokenizer: 'b' is not the model"));
  EXPECT_THAT(refusal({"--tool-call-parser", "hermes"}),
              HasSubstr("--tool-call-parser: 'hermes' is unknown"));
}

TEST(VllmFlags, KeysOfAnObjectAreToldApart) {
  EXPECT_THAT(
      without_effect({"--structured-outputs-config", R"({"backend": "xgrammar", "disable_fallback": true})",
                      "--structured-outputs-config.backend", "auto",
                      R"(--structured_outputs_config={"disable_any_whitespace": false})"}),
      ElementsAre(R"(--structured-outputs-config {"backend": "xgrammar", "disable_fallback": true})",
                  "--structured-outputs-config.backend auto",
                  R"(--structured_outputs_config={"disable_any_whitespace": false})"));
  const std::pair<const char*, const char*> wrong[] = {
      {R"({"backend": "lark"})", "--structured-outputs-config.backend: 'lark' is not served"},
      {R"({"disable_any_whitespace": true})", "--structured-outputs-config.disable-any-whitespace: 'true'"},
      {R"({"brackend": "auto"})", "--structured-outputs-config: its key 'brackend' is unknown"},
      {"xgrammar", "--structured-outputs-config: 'xgrammar' is no JSON object"},
  };
  for (const auto& [value, message] : wrong)
    EXPECT_THAT(refusal({"--structured-outputs-config", value}), HasSubstr(message));
  EXPECT_THAT(refusal({"--structured-outputs-config.brackend", "auto"}),
              HasSubstr("--structured-outputs-config.brackend: it has no such key"));
}

TEST(VllmFlags, HowFarItCompilesIsAsWell) {
  EXPECT_THAT(without_effect({"-O3", "-O", "2", "-O=1", "-O.mode=3", "-O.level", "3", "--port", "1"}),
              ElementsAre("-O3", "-O 2", "-O=1", "-O.mode=3", "-O.level 3"));
}

TEST(VllmFlags, OfTheEnginesInside) {
  EXPECT_THAT(
      without_effect(
          {"--stream-interval", "4", "--enable-eplb", "--moe-backend", "triton", "--language-model-only"}),
      ElementsAre("--stream-interval 4", "--enable-eplb", "--moe-backend triton", "--language-model-only"));
  for (const char* flag : {"--headless", "--enable-sleep-mode", "--enable-tokenizer-info-endpoint"})
    EXPECT_THAT(refusal({flag}), HasSubstr(std::string(flag) + ": this flag of vLLM's is not served"));
}

TEST(VllmFlags, SomeAreSettingsHere) {
  const Settings settings = served({"model", "--h11-max-incomplete-event-size", "65536",
                                    "--h11_max_header_count=200", "--return-tokens-as-token-ids",
                                    "--enable-force-include-usage", "--reasoning-parser", "deepseek_v32"});
  EXPECT_EQ(settings.edge.connection.header_size.bytes, 65536u);
  EXPECT_EQ(settings.edge.connection.headers, 200u);
  EXPECT_TRUE(settings.edge.request.tokens_as_ids && settings.edge.request.always_usage);
  EXPECT_EQ(settings.reasoning_parser, "deepseek_v32");
}

TEST(VllmFlags, OffloadedWeightsAreServed) {
  EXPECT_EQ(served({"model", "--device", "cuda", "--cpu_offload_gb", "2"}).cpu_offload_gb, 2);
}

TEST(VllmFlags, AListMayStandBehindItsFlag) {
  EXPECT_THAT(served({"model", "--served-model-name", "a", "b", "--port", "1"}).served_model_name,
              ElementsAre("a", "b"));
  EXPECT_THAT(served({"--model", "m", "--served-model-name", "a", "b"}).served_model_name,
              ElementsAre("a", "b"));
  const Settings behind = served({"--served-model-name", "a", "model"});
  EXPECT_THAT(behind.served_model_name, ElementsAre("a"));
  EXPECT_EQ(behind.model, "model");
}

TEST(VllmFlags, AValueMustBeThere) {
  EXPECT_THAT(refusal({"--swap-space"}), HasSubstr("--swap-space: its value is missing"));
  EXPECT_THAT(refusal({"--no-swap-space", "4"}), HasSubstr("--no-swap-space: unknown flag"));
}

}  // namespace
}  // namespace troupe::config
