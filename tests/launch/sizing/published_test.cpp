#include "launch/sizing/published.hpp"

#include <gmock/gmock.h>

#include <map>

#include "model/architecture.hpp"
#include "tests/error_of.hpp"
#include "tests/launch/sizing/published_folder.hpp"

namespace troupe::launch::sizing {
namespace {

using kernels::DType;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

TEST(Published, ModelsAreKnownByName) {
  EXPECT_THAT(published_models(published_folder),
              ElementsAre("deepseek-r1", "deepseek-r1-0528-qwen3-8b", "deepseek-r1-distill-llama-70b",
                          "deepseek-r1-distill-llama-8b", "deepseek-r1-distill-qwen-1.5b",
                          "deepseek-r1-distill-qwen-14b", "deepseek-r1-distill-qwen-32b",
                          "deepseek-r1-distill-qwen-7b", "deepseek-v2", "deepseek-v2-lite", "deepseek-v3",
                          "deepseek-v3.1", "deepseek-v3.2", "kimi-k2"));
}

TEST(Published, ConfigsAreUnderstoodWhole) {
  for (const std::string& name : published_models(published_folder)) {
    const model::Checkpoint checkpoint = checkpoint_or_published(name, published_folder);
    EXPECT_EQ(checkpoint.name(), name);
    EXPECT_THAT(checkpoint.config().unknown_fields, IsEmpty()) << name;
    EXPECT_THAT(checkpoint.notes(), IsEmpty()) << name;
  }
}

std::map<DType, std::int64_t> elements_of(const std::string& name) {
  const model::Checkpoint checkpoint = checkpoint_or_published(name, published_folder);
  std::map<DType, std::int64_t> elements;
  for (const std::string& tensor : checkpoint.names())
    elements[checkpoint.tensor(tensor).dtype] += checkpoint.tensor(tensor).elements();
  return elements;
}

// As the pages of the models tell them, by type.
TEST(Published, ParametersAreAsManyAsThePublishersCount) {
  const std::map<std::string, std::int64_t> parameters{{"deepseek-r1-distill-qwen-1.5b", 1'777'088'000},
                                                       {"deepseek-r1-distill-qwen-7b", 7'615'616'512},
                                                       {"deepseek-r1-distill-qwen-14b", 14'770'033'664},
                                                       {"deepseek-r1-distill-qwen-32b", 32'763'876'352},
                                                       {"deepseek-r1-distill-llama-8b", 8'030'261'248},
                                                       {"deepseek-r1-distill-llama-70b", 70'553'706'496},
                                                       {"deepseek-r1-0528-qwen3-8b", 8'190'735'360},
                                                       {"deepseek-v2-lite", 15'706'484'224},
                                                       {"deepseek-v2", 235'741'434'880}};
  for (const auto& [name, count] : parameters) EXPECT_EQ(elements_of(name)[DType::bf16], count) << name;
  // The files have the embedding and the head once more, for the prediction layer.
  constexpr std::int64_t repeated = 2 * 129'280 * 7168;
  for (const char* name : {"deepseek-v3", "deepseek-r1", "deepseek-v3.1"}) {
    std::map<DType, std::int64_t> elements = elements_of(name);
    EXPECT_EQ(elements[DType::f8_e4m3], 680'571'043'840) << name;
    EXPECT_EQ(elements[DType::f32], 41'555'600) << name;
    EXPECT_EQ(elements[DType::bf16], 3'918'786'560 - repeated) << name;
  }
  std::map<DType, std::int64_t> v32 = elements_of("deepseek-v3.2"), k2 = elements_of("kimi-k2");
  EXPECT_EQ(v32[DType::f8_e4m3] + v32[DType::bf16] + v32[DType::f32] + repeated, 685'396'921'376);
  // Of which the page leaves out the scales, but not the biases of 60 routers.
  EXPECT_EQ(k2[DType::f8_e4m3] + k2[DType::bf16] + 60 * 384, 1'026'408'232'448);
}

TEST(Published, NamesMayBeWrittenAsTheirPublishersDo) {
  EXPECT_EQ(checkpoint_or_published("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", published_folder).name(),
            "deepseek-r1-distill-qwen-7b");
}

TEST(Published, ACheckpointGoesByItsPath) {
  EXPECT_EQ(checkpoint_or_published(DEMO_MODEL, published_folder).name(), "demo");
  EXPECT_THAT(error_of([] { checkpoint_or_published("./deepseek-v3", published_folder); }),
              HasSubstr("no such folder"));
  EXPECT_THAT(error_of([] { checkpoint_or_published("/nowhere/model.gguf", published_folder); }),
              StartsWith("/nowhere/model.gguf"));
}

TEST(Published, AnUnknownNameIsToldTheNearestFirst) {
  const auto refusal = [](const char* name) {
    return error_of([&] { checkpoint_or_published(name, published_folder); });
  };
  EXPECT_THAT(refusal("deepsek-v3"),
              StartsWith("deepsek-v3: is neither a checkpoint nor the name of a published model; "
                         "known ones, the nearest first: deepseek-v3, "));
  EXPECT_THAT(refusal("kimi"), HasSubstr("first: kimi-k2, "));
  EXPECT_THAT(refusal("distill"), HasSubstr("first: deepseek-r1-distill-"));
  EXPECT_THAT(refusal(""), HasSubstr("first: "));
  EXPECT_THAT(refusal("../x"), Not(HasSubstr("known ones")));
}

TEST(Published, AFolderThatIsNotInstalledIsNamed) {
  EXPECT_THAT(error_of([] { published_models("/nowhere"); }),
              StartsWith("/nowhere: the configs of published models"));
}

}  // namespace
}  // namespace troupe::launch::sizing
