#include "runtime/base/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <array>
#include <stdexcept>
#include <string>

namespace troupe {
namespace {

constexpr std::array names{"debug", "info", "warning", "error", "off"};
constexpr std::array levels{spdlog::level::debug, spdlog::level::info, spdlog::level::warn,
                            spdlog::level::err, spdlog::level::off};

spdlog::logger& logger() {
  static const auto instance = [] {
    auto made = std::make_shared<spdlog::logger>("troupe", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern(R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v)", spdlog::pattern_time_type::utc);
    return made;
  }();
  return *instance;
}

}  // namespace

LogLevel parse_log_level(std::string_view name) {
  for (std::size_t i = 0; i < names.size(); ++i)
    if (names[i] == name) return LogLevel(i);
  throw std::invalid_argument("unknown log level '" + std::string(name) +
                              "'; known: debug info warning error off");
}

void set_log_level(LogLevel lowest) {
  logger().set_level(levels[std::size_t(lowest)]);
}

void log_event(LogLevel level, std::string_view event, const nlohmann::json& fields) {
  const auto severity = levels[std::size_t(level)];
  if (!logger().should_log(severity)) return;
  nlohmann::json line = fields;
  line["event"] = event;
  // The pattern opens the object; invalid UTF-8 from the environment is replaced, never thrown on.
  const std::string body = line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  logger().log(severity, "{}", std::string_view(body).substr(1));
}

}  // namespace troupe
