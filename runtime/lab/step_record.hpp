// Measured steps in a file. Any thread; one writer a file.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "runtime/lab/fitted_cost.hpp"

namespace troupe::runtime::lab {

struct StepRecord {
  std::string what;  // was measured, for people
  std::vector<MeasuredStep> steps;
};

constexpr std::size_t most_recorded_steps = 1 << 22;

// Throw Error for what cannot be written or read, or is no such file.
void write_steps(const std::filesystem::path& file, const StepRecord& record);
StepRecord read_steps(const std::filesystem::path& file);

}  // namespace troupe::runtime::lab
