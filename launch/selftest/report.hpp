// What the ranks of a self-test found, and what is said of it. Plain values.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "transport/collective_check.hpp"

namespace troupe::launch {

struct RankReport {
  int rank = 0;
  std::string error{};                         // why it did not come to its end; empty: all bytes were right
  std::map<std::string, std::string> facts{};  // of its host, device and program, by name
  std::vector<transport::CollectiveTime> times{};
  std::vector<std::string> warnings{};
  bool over_tcp = false;  // its tensors reach other hosts over TCP
};
std::string to_text(const RankReport& report);
// Throws Error when it is none.
RankReport rank_report(const std::string& text);

// A table of the slowest rank's times, what links are good for, then warnings and errors, a line each. reports: of all
// ranks, by rank, at least one.
std::string tell(const std::vector<RankReport>& reports);

// In which facts that have to agree ranks differ.
std::vector<std::string> differences(const std::vector<RankReport>& reports);

}  // namespace troupe::launch
