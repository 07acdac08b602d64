// JSON lines on standard error. Never hand it prompt or output text.
//
//   log_event(LogLevel::info, "kv_cache_ready", {{"bytes", bytes}, {"blocks", blocks}});
//
// Thread-safe.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

namespace troupe {

enum class LogLevel { debug, info, warning, error, off };

// Throws std::invalid_argument that lists the names ("debug", "info", "warning", "error", "off").
LogLevel parse_log_level(std::string_view name);
void set_log_level(LogLevel lowest);
// fields: a JSON object. The line also carries "time" (RFC 3339, UTC), "level" and "event".
void log_event(LogLevel level, std::string_view event,
               const nlohmann::json& fields = nlohmann::json::object());

}  // namespace troupe
