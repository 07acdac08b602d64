// Names of files that come from elsewhere. Any thread.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace troupe::launch::pull {

inline constexpr std::string_view manifest_name = "MANIFEST.sha256";
inline constexpr std::string_view state_folder = ".troupe-pull";  // of a pull that has not ended

inline constexpr std::size_t longest_name = 1024, longest_part = 255;  // bytes

// Why it is no name of a file somewhere below a folder, written with slashes, that a terminal may be shown; empty: it is one.
std::string_view fault_of_name(std::string_view name);

// FOLDER/NAME, whose folders are made where they are missing. Throws Error where one of them is a link, or the last a folder.
// name: without a fault.
std::filesystem::path place_of(const std::filesystem::path& folder, const std::string& name);

}  // namespace troupe::launch::pull
