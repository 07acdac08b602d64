// Findings, the worst first, for people and for machines. Plain functions, any thread.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "launch/doctor/finding.hpp"

namespace troupe::launch::doctor {

// Those of one severity stay in their order.
Findings worst_first(Findings findings);
// looked_at: "this machine", for the last line.
std::string text_of(const Findings& findings, const std::string& looked_at);
nlohmann::ordered_json json_of(const Findings& findings);

}  // namespace troupe::launch::doctor
