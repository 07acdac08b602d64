// What the program tells of its settings is what its parts get.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "config/settings.hpp"
#include "config/settings_file.hpp"
#include "runtime/scheduling/policies/policy.hpp"
#include "tests/launch/program.hpp"

namespace troupe::launch {
namespace {

using ::testing::EndsWith;

// Another value than it has, as text. Every setting has one.
std::string other_than(const config::Setting& setting) {
  const std::string value = config::toml_value(setting);
  switch (config::kind_of(setting)) {
    case config::Kind::boolean:
      return value == "true" ? "false" : "true";
    case config::Kind::text:
    case config::Kind::texts:
      for (const std::string& each : setting.choices)
        if (value != '"' + each + '"') return each;
      return "another";
    case config::Kind::whole:
      for (const std::int64_t each : {std::min<std::int64_t>(20, setting.range.high), setting.range.low})
        if (value != std::to_string(each)) return std::to_string(each);
      break;
    case config::Kind::number:
      return "0.125";
    case config::Kind::size:
      return std::to_string(setting.range.low + 3);
    case config::Kind::seconds:
      return "0.125";
  }
  return {};
}

// What the manual says of a setting, in one line.
std::string entry_of(const config::Setting& setting, const std::string& page) {
  const std::string flag = "--" + std::string(setting.name) + (setting.argument.empty() ? "," : " ");
  const std::string option_margin(7, ' '), text_margin(14, ' ');
  std::string entry;
  bool inside = false;
  std::istringstream lines(page);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(text_margin))
      entry += inside ? " " + line.substr(text_margin.size()) : "";
    else if (!line.starts_with(option_margin + "--no-"))  // which may stand in a line of its own
      inside = line.starts_with(option_margin) && line.find(flag) != line.npos;
  }
  return entry;
}

using Defaults = ProgramTest;

TEST_F(Defaults, ShowConfigShowsWhatTheStructsHold) {
  const Outcome shown = run("serve --show-config");
  ASSERT_EQ(shown.code, 0) << shown.err;
  config::Settings read;
  config::Table table = config::schema(read, runtime::policy_names());
  const config::Settings defaults;
  std::size_t changed = 0;
  for (config::Setting& each : table) {
    if (each.flag_only || each.name == "config" || config::toml_value(each).empty()) continue;
    config::assign({&each, {other_than(each)}, "test"});
    ++changed;
  }
  EXPECT_GT(changed, 40u);
  EXPECT_FALSE(read == defaults);
  for (const config::Given& each : config::parse_settings_text(table, shown.out, "shown", table)) {
    config::assign(each);
    --changed;
  }
  EXPECT_EQ(changed, 0u);
  EXPECT_TRUE(read == defaults);
}

TEST_F(Defaults, TheManualNamesThem) {
  const std::string page = run("serve --help").out;
  config::Settings settings;
  for (const config::Setting& each : config::schema(settings, runtime::policy_names())) {
    const std::string value = config::toml_value(each);
    if (value.empty() || each.flag_only) continue;
    EXPECT_THAT(entry_of(each, page), EndsWith(" Default: " + value + ".")) << each.name;
  }
}

}  // namespace
}  // namespace troupe::launch
