// A TOML file as a source of settings: `name = value` lines, no tables.
#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

#include "config/setting.hpp"

namespace troupe::config {

constexpr std::size_t max_settings_file_bytes = 1 << 20;

// Dashes and underscores in keys are the same. Keys that only other commands know (those of `known`) are
// passed over. Throws UsageError that names file and line: what is not TOML, an unknown key with the nearest
// known one, a key given in both spellings, a value of the wrong type; Error if the file cannot be read.
std::vector<Given> parse_settings_file(Table& table, const std::filesystem::path& file, const Table& known);
std::vector<Given> parse_settings_text(Table& table, std::string_view text, std::string_view where,
                                       const Table& known);

}  // namespace troupe::config
