#include "actors/edge/reasoning_effort.hpp"

#include <algorithm>
#include <array>

namespace troupe::actors::edge {

std::optional<std::string> read_reasoning_effort(RequestFields& fields, std::string_view name, bool or_none) {
  static constexpr std::array known{"minimal", "low", "medium", "high", "xhigh", "max"};
  auto effort = fields.text(name);
  if (!effort || (or_none && effort == "none")) return effort;
  if (std::ranges::find(known, *effort) != known.end()) return effort;
  fields.invalid(name, std::string("Expected ") + (or_none ? "'none', " : "") +
                           "'minimal', 'low', 'medium', 'high', 'xhigh' or 'max'.");
  return std::nullopt;
}

}  // namespace troupe::actors::edge
