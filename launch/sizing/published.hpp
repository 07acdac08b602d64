// Models that are known by name: their published config.json, each as NAME.json in the folder published/, whose README.md
// says where they are from. Any thread.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "model/checkpoint/checkpoint.hpp"

namespace troupe::launch::sizing {

// Sorted. Throws Error if the folder is not there.
std::vector<std::string> published_models(const std::filesystem::path& folder);

// The same, the one first that a mistyped name is likeliest to mean: those that have it as a part, then those with the
// fewest letters changed.
std::vector<std::string> nearest_first(std::vector<std::string> names, std::string_view mistyped);

// A checkpoint's folder or GGUF file, if there is one of that name; else the outline of a published model, whose name may
// be written as its publisher does, such as deepseek-ai/DeepSeek-V3. Throws UsageError, with all names, for neither.
model::Checkpoint checkpoint_or_published(const std::string& given, const std::filesystem::path& folder);

}  // namespace troupe::launch::sizing
