// Where the demo model is. Any thread.
#pragma once

#include <filesystem>
#include <string>

namespace troupe::launch {

// ../share/troupe/demo beside an installed program, else model/demo of the source tree that it was built
// from. Throws Error if neither is there.
std::filesystem::path demo_model();

// The checkpoint that a command was given; the demo model if none.
std::filesystem::path checkpoint_or_demo(const std::string& given);

}  // namespace troupe::launch
