// Steps one by one: what ran in each, with how many tokens, and who lost its blocks. Plain function, any thread.
#pragma once

#include <string>
#include <vector>

#include "launch/plot/drawing.hpp"
#include "runtime/lab/step_window.hpp"

namespace troupe::launch::simulation {

constexpr std::size_t most_shown_sequences = 40;  // those that did most; how many others there were is said

// As time goes from left to right. steps: in their order; none draw nothing but the title.
plot::Drawing draw_steps(const std::string& title, const std::vector<runtime::lab::ShownStep>& steps);

}  // namespace troupe::launch::simulation
