#include "runtime/lab/step_record.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/error_of.hpp"
#include "tests/temporary_folder.hpp"

namespace troupe::runtime::lab {
namespace {

StepRecord some_record() {
  StepRecord record{"demo", {}};
  for (int i = 1; i <= 3; ++i)
    record.steps.push_back({{.rows = 10 * i,
                             .sequences = i,
                             .samples = i,
                             .attended = 1e6 * i,
                             .context = 1e3 * i,
                             .replica_rows = 10 * i,
                             .predictions = 1},
                            {0.25 * i, 0.125}});
  return record;
}

TEST(StepRecord, WhatIsReadIsWhatWasWritten) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "steps";
  write_steps(file, some_record());
  const StepRecord read = read_steps(file);
  EXPECT_EQ(read.what, "demo");
  ASSERT_EQ(read.steps.size(), 3u);
  EXPECT_EQ(read.steps[2].load.rows, 30);
  EXPECT_EQ(read.steps[2].load.attended, 3e6);
  EXPECT_EQ(read.steps[2].load.predictions, 1);
  EXPECT_EQ(read.steps[2].times.compute_seconds, 0.75);
  EXPECT_EQ(read.steps[2].times.prediction_seconds, 0.125);
}

TEST(StepRecord, EveryPrefixAndEveryOtherFileIsRefused) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "steps";
  write_steps(file, some_record());
  std::ifstream in(file, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(in)), {});
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto part = folder.write("part", std::string_view(bytes).substr(0, size));
    EXPECT_NE(error_of([&] { read_steps(part); }), "no error") << size;
  }
  for (std::size_t at = 0; at < bytes.size(); ++at) {  // whatever a byte becomes, nothing crashes
    std::string changed = bytes;
    changed[at] = char(changed[at] ^ 0xff);
    error_of([&] { read_steps(folder.write("changed", changed)); });
  }
  EXPECT_NE(error_of([&] { read_steps(folder.path()); }), "no error");
  EXPECT_NE(error_of([&] { read_steps(folder.path() / "none"); }), "no error");
}

}  // namespace
}  // namespace troupe::runtime::lab
