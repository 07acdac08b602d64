#include "runtime/base/log.hpp"

#include <gtest/gtest.h>

namespace troupe {
namespace {

std::string logged(LogLevel level, std::string_view event, const nlohmann::json& fields) {
  testing::internal::CaptureStderr();
  log_event(level, event, fields);
  return testing::internal::GetCapturedStderr();
}

TEST(Log, IsOneJsonObjectALine) {
  const std::string line =
      logged(LogLevel::warning, "kv_cache", {{"blocks", 3}, {"where", "a \"quoted\"\nline {} %v"}});
  ASSERT_TRUE(line.ends_with("\n"));
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
  const auto object = nlohmann::json::parse(line);
  EXPECT_EQ(object.at("event"), "kv_cache");
  EXPECT_EQ(object.at("level"), "warning");
  EXPECT_EQ(object.at("blocks"), 3);
  EXPECT_EQ(object.at("where"), "a \"quoted\"\nline {} %v");
  EXPECT_EQ(object.at("time").get<std::string>().size(), std::string("2026-01-01T00:00:00.000Z").size());
}

TEST(Log, ReplacesWhatIsNotUtf8) {
  EXPECT_EQ(nlohmann::json::parse(logged(LogLevel::error, "x", {{"path", "a\xff"}})).at("path"),
            "a\xEF\xBF\xBD");
}

TEST(Log, KeepsQuietBelowItsLevel) {
  set_log_level(LogLevel::error);
  EXPECT_EQ(logged(LogLevel::info, "x", {}), "");
  set_log_level(LogLevel::info);
  EXPECT_NE(logged(LogLevel::info, "x", {}), "");
}

TEST(Log, LevelsHaveNames) {
  EXPECT_EQ(parse_log_level("warning"), LogLevel::warning);
  EXPECT_THROW(parse_log_level("loud"), std::invalid_argument);
}

}  // namespace
}  // namespace troupe
