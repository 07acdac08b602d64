// The checks of a smoke test, in the order in which they run. Belongs to the thread that calls it.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "launch/load/asker.hpp"
#include "launch/smoke/outcome.hpp"

namespace troupe::launch::smoke {

struct Plan {
  std::string model{};              // empty: the first that the server names
  bool deep = false;                // also those that take longer, or more of the server
  std::vector<std::string> only{};  // names; empty: all
};

struct CheckResult {
  std::string_view check;
  Outcome outcome;
  Duration took{};
};

std::vector<std::string> check_names();

// Tells of each check as it ends; false is returned where nobody answers, and no check after that is tried. What a check
// throws as Error is its failure.
bool run_checks(load::Asker& asker, const Plan& plan, const std::function<void(const CheckResult&)>& tell);

}  // namespace troupe::launch::smoke
