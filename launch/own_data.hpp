// Files that the program brings along. Any thread.
#pragma once

#include <filesystem>
#include <string_view>

namespace troupe::launch {

// A folder of them: name, such as "profiles", beside the program if it is installed, else where it was built.
std::filesystem::path own_data(std::string_view name, const std::filesystem::path& built);

}  // namespace troupe::launch
