// Which known name a mistyped one is nearest to. Any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace troupe::config {

// Letters to insert, delete, change or swap with a neighbour (optimal string alignment distance).
std::size_t edit_distance(std::string_view a, std::string_view b);

// The known name at the smallest distance, the first of several; empty if there is none.
std::string nearest(std::string_view name, std::span<const std::string> known);

}  // namespace troupe::config
