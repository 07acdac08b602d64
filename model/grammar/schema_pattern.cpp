#include "model/grammar/schema_pattern.hpp"

#include <xgrammar/grammar.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "model/grammar/engine_bounds.hpp"
#include "model/grammar/engine_messages.hpp"
#include "model/grammar/regex_check.hpp"

namespace troupe::model {
namespace {

// The same but for an e-mail's quoted name and a pointer's characters that JSON escapes.
constexpr std::array<std::pair<std::string_view, std::string_view>, 3> patterns_of_formats{{
    {"email",
     "^[a-zA-Z0-9_!#$%&'*+/=?^`{|}~-]+(\\.[a-zA-Z0-9_!#$%&'*+/=?^`{|}~-]+)*@"
     "[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$"},
    {"json-pointer", "^(/([^/~]|~[01])*)*$"},
    {"relative-json-pointer", "^(0|[1-9][0-9]*)(#|(/([^/~]|~[01])*)*)$"},
}};

constexpr std::array<std::string_view, 14> held_formats{
    "email",    "date", "time", "date-time",     "duration",     "ipv4",         "ipv6",
    "hostname", "uuid", "uri",  "uri-reference", "uri-template", "json-pointer", "relative-json-pointer"};

bool is_printable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return 0x20 <= c && c <= 0x7e; });
}

// As the engine prints it. What it has to say against the pattern, it says again of the whole schema.
bool leaves_escapes_out(const std::string& pattern) try {
  const EngineWarnings unheard;
  const nlohmann::json schema{{"type", "string"}, {"pattern", pattern}};
  return xgrammar::Grammar::FromJSONSchema(schema.dump()).ToString().find("\", json_string=true)\n") !=
         std::string::npos;
} catch (const EngineTimeout&) {
  throw;
} catch (const std::exception&) {
  return true;
}

}  // namespace

Expected<std::string> usable_pattern(const std::string& pattern) {
  if (!is_printable(pattern))
    return refuse("it has characters outside printable ASCII; write them as \\uXXXX");
  if (auto sound = check_regex(pattern); !sound) return tl::unexpected(sound.error());
  std::string usable = with_dots_within_lines(pattern);
  if (leaves_escapes_out(usable)) return usable;
  return refuse("it asks for quotes, backslashes or control characters, or is not supported in a string");
}

std::string_view pattern_of_format(std::string_view format) {
  const auto* const found =
      std::ranges::find(patterns_of_formats, format, [](const auto& each) { return each.first; });
  return found == patterns_of_formats.end() ? "" : found->second;
}

bool is_held_format(std::string_view format) {
  return std::ranges::find(held_formats, format) != held_formats.end();
}

}  // namespace troupe::model
