// What answers may not say: a TOML file of filters, each with rules for the text.
//
//   [[filter]]
//   name = "secrets"
//   everyone = true
//   [[filter.rule]]
//   pattern = '\bsk-[A-Za-z0-9]{20,}'
//   action = "mask"
//   replacement = "[secret]"
//
// Callers of --api-keys name the filters that they have besides those for everyone. Patterns are texts here; who applies them
// compiles them. Any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::config {

constexpr std::size_t max_output_filters_file_bytes = 1 << 20;
constexpr std::size_t max_filter_rules = 256;  // of a file
constexpr std::size_t max_replacement_bytes = 256;
constexpr std::int32_t least_hold_back = 4, most_hold_back = 4096;  // bytes

struct OutputRule {
  std::string pattern = {};      // of PCRE2
  bool masks = false;            // else it ends the answer
  std::string replacement = {};  // what is told where it masks
  std::int32_t hold_back =
      256;                 // bytes of an answer that may wait for the rest of a match, and the longest match
  std::string place = {};  // of the pattern in the file
};

struct OutputFilterSettings {
  std::string name = {};  // visible ASCII characters: it stands in metrics
  bool everyone = false;  // it is for all answers
  std::vector<OutputRule> rules = {};
};

// Throws UsageError that names file and line: what is not TOML, unknown or missing fields, values out of range, a filter that
// is there twice or has no rule.
std::vector<OutputFilterSettings> parse_output_filters(std::string_view text, std::string_view where);
// Throws Error, too, if the file cannot be read.
std::vector<OutputFilterSettings> read_output_filters(const std::filesystem::path& file);

}  // namespace troupe::config
