// The JSON files of a checkpoint as documents. Any thread.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string_view>

namespace troupe::model {

constexpr int max_json_depth = 16;  // objects and arrays within each other

// Throws Error for a stand-in of the file, and for what is not UTF-8 JSON, repeats a key in one object, or nests deeper than max_json_depth.
nlohmann::json parse_json(std::string_view text, std::string_view where);
// Throws Error also for what is no readable regular file of at most max_bytes.
nlohmann::json load_json(const std::filesystem::path& file, std::size_t max_bytes);

}  // namespace troupe::model
