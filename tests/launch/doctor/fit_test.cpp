#include "launch/doctor/fit.hpp"

#include <gmock/gmock.h>

#include "launch/sizing/published.hpp"

namespace troupe::launch::doctor {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr std::uint64_t gigabyte = 1'000'000'000;

Finding of(const std::string& model, FitQuestion question) {
  const auto checkpoint = sizing::checkpoint_or_published(model, SOURCE_DIR "/launch/sizing/published");
  const Findings all = of_fit(checkpoint, question);
  EXPECT_EQ(all.size(), 1u);
  return all.at(0);
}

// A distill of 7 billion BF16 weights, 15 GB, with sequences of so many tokens.
FitQuestion on_a_gpu(std::uint64_t memory, std::int64_t context = 32768) {
  return {.deployment = {.limits = {.max_positions = context, .cache_type = kernels::CacheType::bf16}},
          .memory_of_rank = memory,
          .memory_from = "H100",
          .gpus = 1};
}
constexpr const char* distill = "deepseek-r1-distill-qwen-7b";

TEST(Fit, WhatFitsIsANoteWithItsNumbers) {
  const Finding finding = of(distill, on_a_gpu(80 * gigabyte));
  EXPECT_EQ(finding.severity, Severity::note);
  EXPECT_THAT(finding.symptom, AllOf(HasSubstr("fits"), HasSubstr("sequences of 32768 tokens")));
  EXPECT_THAT(finding.evidence, AllOf(HasSubstr("74.51 GiB a rank (H100)"), HasSubstr("weights 14.1"),
                                      HasSubstr("57344 bytes a token")));
  EXPECT_EQ(finding.remedy, "");
}

// Each setting that is named has been tried: with it the same question is a note.
TEST(Fit, WhatDoesNotFitWouldWithTheSettingsThatAreNamed) {
  FitQuestion question = on_a_gpu(24 * gigabyte, 131072);
  const Finding finding = of(distill, question);
  EXPECT_EQ(finding.severity, Severity::critical);
  EXPECT_EQ(finding.entry, "out-of-memory");
  const auto flag = finding.remedy.find("--max-model-len ");
  ASSERT_NE(flag, std::string::npos) << finding.remedy;
  const std::int64_t shorter = std::stol(finding.remedy.substr(flag + 16));
  question.deployment.limits.max_positions = shorter;
  EXPECT_EQ(of(distill, question).severity, Severity::note);
  question.deployment.limits.max_positions = 2 * shorter;
  EXPECT_EQ(of(distill, question).severity, Severity::critical) << "it was the longest of its kind";
}

TEST(Fit, MoreGpusAreARemedyWhereThereAreMore) {
  FitQuestion question = on_a_gpu(24 * gigabyte, 131072);
  EXPECT_THAT(of(distill, question).remedy, Not(HasSubstr("-tp")));
  question.gpus = 4;
  EXPECT_THAT(of(distill, question).remedy, HasSubstr("-tp 2"));
}

TEST(Fit, WhereNoSettingHelpsMachinesAreNamed) {
  const Finding finding = of("deepseek-v3", on_a_gpu(80 * gigabyte, 4096));
  EXPECT_EQ(finding.severity, Severity::critical);
  EXPECT_THAT(finding.remedy, AllOf(HasSubstr("a larger machine: "), HasSubstr("x H200 with -tp")));
  FitQuestion host = on_a_gpu(24 * gigabyte, 4096);
  host.gpus = 0;
  host.deployment.overhead = 0;
  host.deployment.memory_utilization = 0.05;
  EXPECT_EQ(of("deepseek-v3", host).remedy, finding.remedy) << "of which its share says nothing";
}

TEST(Fit, ALayoutThatCutsNothingIsRefusedByItsReason) {
  FitQuestion question = on_a_gpu(80 * gigabyte);
  question.layout.tensor_parallel = 8;  // of 28 heads
  const Finding finding = of(distill, question);
  EXPECT_EQ(finding.severity, Severity::critical);
  EXPECT_THAT(finding.evidence, HasSubstr("28"));
}

TEST(Fit, RanksThatAreNoPowerOfTwoAreRefusedByTheirReason) {
  FitQuestion question = on_a_gpu(80 * gigabyte);
  for (const auto& [tensor, data] : {std::pair(2, 3), {3, 2}, {3, 1}, {1, 3}}) {
    question.layout = {.tensor_parallel = tensor, .data_parallel = data};
    const Finding finding = of(distill, question);
    EXPECT_EQ(finding.severity, Severity::critical);
    EXPECT_THAT(finding.evidence, HasSubstr("must be a power of two"));
  }
}

TEST(Fit, RanksOnTheHostHaveNoOverheadOfCuda) {
  FitQuestion question = on_a_gpu(64 * gigabyte, 4096);
  question.deployment.overhead = 0;
  question.gpus = 0;
  question.deployment.memory_utilization = 0.5;
  EXPECT_THAT(of(distill, question).evidence, Not(HasSubstr("CUDA")));
  question.memory_of_rank = 30 * gigabyte;
  const Finding finding = of(distill, question);
  EXPECT_EQ(finding.severity, Severity::critical);
  EXPECT_THAT(finding.remedy, HasSubstr("--gpu-memory-utilization 0.8"));
}

}  // namespace
}  // namespace troupe::launch::doctor
