#include "runtime/scheduling/step_wire.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rapidcheck/gtest.h>
#include <limits>

#include "runtime/scheduling/step.hpp"

namespace troupe::runtime {
namespace {

std::vector<Extend> some_parts() {
  return {{7, {}, {}, 1, 0, true},
          {std::numeric_limits<SequenceId>::max(), {no_token, 0, 129'279}, {3, 1 << 30}, 4, 3, true},
          {0, {5}, {}, 1, 0, false}};
}

std::vector<SequenceOutput> some_outputs() {
  return {
      {7, {{no_token, 0, {}, 0}}}, {8, {{5, -0.25f, {{6, -1e-38f}, {9, -3}}, 2}, {1, 0, {}, 0}}}, {9, {}}};
}

// Written again it must be the same bytes.
template <class T>
std::string through(const std::vector<T>& list) {
  std::vector<T> read;
  unpack(packed(list), read);
  EXPECT_EQ(read.size(), list.size());
  return packed(read);
}

TEST(StepWire, WhatIsReadIsWhatWasWritten) {
  EXPECT_EQ(through(some_parts()), packed(some_parts()));
  EXPECT_EQ(through(some_outputs()), packed(some_outputs()));
  std::vector<Extend> parts;
  unpack(packed(some_parts()), parts);
  EXPECT_EQ(parts[1].sequence, std::numeric_limits<SequenceId>::max());
  EXPECT_THAT(parts[1].tokens, testing::ElementsAre(no_token, 0, 129'279));
  EXPECT_THAT(parts[1].blocks, testing::ElementsAre(3, 1 << 30));
  EXPECT_EQ(parts[1].drafts, 3);
  EXPECT_FALSE(parts[2].samples);
  std::vector<SequenceOutput> outputs;
  unpack(packed(some_outputs()), outputs);
  EXPECT_EQ(outputs[0].sampled.front().token, no_token);
  EXPECT_EQ(outputs[1].sampled.front().logprob, -0.25f);
  EXPECT_EQ(outputs[1].sampled.front().top[0], (TokenLogprob{6, -1e-38f}));
  EXPECT_EQ(outputs[1].sampled.front().rank, 2);
}

TEST(StepWire, ADecodingSequenceTakesFewBytes) {
  const std::vector<Extend> batch(256, Extend{300, {}, {}, 1, 0, true});
  EXPECT_LE(packed(batch).size(), 256 * 8u);
}

TEST(StepWire, WhatIsCutOffIsEmpty) {
  const std::string whole = packed(some_parts());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    std::vector<Extend> read = some_parts();
    unpack(std::string_view(whole).substr(0, size), read);
    EXPECT_TRUE(read.empty()) << size;
  }
  std::vector<Extend> read = some_parts();
  unpack(whole + '\0', read);
  EXPECT_TRUE(read.empty());
}

RC_GTEST_PROP(StepWire, NoBytesDoHarm, (const std::string& bytes)) {
  std::vector<Extend> parts;
  std::vector<SequenceOutput> outputs;
  unpack(bytes, parts);
  unpack(bytes, outputs);
  RC_ASSERT(parts.size() <= bytes.size() && outputs.size() <= bytes.size());
}

TEST(StepWire, AListThatClaimsMoreThanThereIsTakesNoMemory) {
  std::vector<SequenceOutput> outputs;
  unpack("\xff\xff\xff\xff\xff\xff\xff\xff\x7f", outputs);
  EXPECT_TRUE(outputs.empty());
}

}  // namespace
}  // namespace troupe::runtime
