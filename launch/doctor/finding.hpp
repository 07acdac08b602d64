// What troupe doctor has to say. Plain values.
#pragma once

#include <string>
#include <vector>

namespace troupe::launch::doctor {

enum class Severity { critical, warning, note };  // the worst first

struct Finding {
  Severity severity = Severity::note;
  std::string subject;   // "memory"
  std::string symptom;   // a sentence
  std::string evidence;  // what was read, and where
  std::string remedy;    // what to do, with the flag to change; empty: nothing
  std::string entry{};   // of launch/playbook.md, its anchor; empty: none
};
using Findings = std::vector<Finding>;

inline void append(Findings& all, Findings more) {
  for (Finding& each : more) all.push_back(std::move(each));
}

}  // namespace troupe::launch::doctor
