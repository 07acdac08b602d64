// Who may call the server, and how much: a TOML file of callers, each with the SHA-256 of its keys. The keys themselves are
// nowhere.
//
//   [[caller]]
//   name = "search"
//   tokens-per-minute = 100000
//   [[caller.key]]
//   sha256 = "2bb80d53..."
//   expires = 2027-01-31T00:00:00Z
//
// Any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::config {

constexpr std::size_t max_api_keys_file_bytes = 1 << 20;
constexpr std::size_t max_caller_name_bytes = 128;
constexpr std::int64_t most_per_minute = std::int64_t(1) << 40;
constexpr std::int32_t largest_priority = std::numeric_limits<std::int32_t>::max();  // either way

// What a key opens.
enum class KeyClass : std::uint8_t {
  none,       // probes, which need no key
  inference,  // whatever clients ask of the model
  metrics,    // how the server is
  control,    // orders of an operator, and how the server is
};
std::string_view to_string(KeyClass kind);

struct ApiKey {
  std::string sha256;                                    // 64 hexadecimal digits, small letters
  std::optional<std::chrono::sys_seconds> expires = {};  // from then on it opens nothing
  friend bool operator==(const ApiKey&, const ApiKey&) = default;
};

struct Caller {
  std::string name = {};  // visible ASCII characters: it stands in logs
  KeyClass key_class = KeyClass::inference;
  // Unset: no limit.
  std::optional<std::int64_t> requests_per_minute = {}, tokens_per_minute = {};
  std::optional<std::int32_t> concurrent = {};  // generations at a time
  std::optional<std::int32_t> max_tokens = {};  // of an answer
  std::vector<std::string> models = {};         // names that it may ask for; empty: all
  std::optional<std::int32_t> priority = {};    // the best that its requests have; lower runs earlier
  bool shares_prefix_cache = false;             // with all others that do
  std::vector<std::string> filters = {};        // of --output-filters, besides those for everyone
  std::vector<ApiKey> keys = {};                // several, while one takes another's place
  friend bool operator==(const Caller&, const Caller&) = default;
};

// Throws UsageError that names file and line: what is not TOML, unknown or missing fields, values out of range, a name or a
// key that is there twice.
std::vector<Caller> parse_callers(std::string_view text, std::string_view where);
// Throws Error, too, if the file cannot be read.
std::vector<Caller> read_callers(const std::filesystem::path& file);

// The file of these callers.
std::string callers_text(const std::vector<Caller>& callers);

// Throws UsageError for what no caller may be called.
void check_caller_name(std::string_view name, std::string_view where);

// "2027-01-31" or "2027-01-31T12:00:00Z"; unset: neither.
std::optional<std::chrono::sys_seconds> parse_time(std::string_view text);
std::string time_text(std::chrono::sys_seconds time);  // the second form

}  // namespace troupe::config
