#include "config/manual.hpp"

#include <sstream>

#include "config/settings.hpp"

namespace troupe::config {
namespace {

using ::testing::HasSubstr;

constexpr Page page{.command = "serve",
                    .summary = "answers requests",
                    .description = "First paragraph.\n\nSecond one.",
                    .examples = "$ troupe serve"};

TEST(Manual, NamesEverySettingWithItsDefault) {
  Settings settings;
  const Table table = schema(settings);
  const std::string text = manual(page, table);
  for (const Setting& each : table) EXPECT_THAT(text, HasSubstr("--" + std::string(each.name)));
  EXPECT_THAT(text, HasSubstr("troupe serve [CHECKPOINT] [OPTION]..."));
  EXPECT_THAT(text, HasSubstr("-tp, --tensor-parallel-size N\n"));
  EXPECT_THAT(text, HasSubstr("--enable-prefix-caching, --no-enable-prefix-caching\n"));
  EXPECT_THAT(text, HasSubstr("Default: 8000."));
  EXPECT_THAT(text, HasSubstr("Default: the demo model."));
  EXPECT_THAT(text, HasSubstr("One of auto, deepseek_r1, deepseek_v3, deepseek_v31,"));
  EXPECT_THAT(text, HasSubstr("ENVIRONMENT\n"));
}

TEST(Manual, FitsAnOldTerminal) {
  Settings settings;
  std::istringstream lines(manual(page, schema(settings)));
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80u) << line;
}

TEST(Manual, OptionsOfOneCommandTellTheirDefaults) {
  std::int32_t days = 365;
  bool force = false;
  std::string out;
  const Table table{
      {.name = "days", .target = &days, .argument = "N", .help = "Of validity.", .flag_only = true},
      {.name = "force", .target = &force, .help = "Replace.", .flag_only = true},
      {.name = "out",
       .target = &out,
       .argument = "FOLDER",
       .help = "Where.",
       .unset = "here",
       .required = true}};
  const std::string text = manual(page, table);
  EXPECT_THAT(text, HasSubstr("--days N\n              Of validity. Default: 365.\n"));
  EXPECT_THAT(text, HasSubstr("--force\n              Replace.\n"));
  EXPECT_THAT(text, HasSubstr("--out FOLDER\n              Where.\n"));
}

TEST(Manual, WrapsBetweenWords) {
  EXPECT_EQ(wrapped("one two three\n\nfour", 2, 9), "  one two\n  three\n\n  four\n");
  EXPECT_EQ(wrapped("unbreakable", 2, 5), "  unbreakable\n");
}

}  // namespace
}  // namespace troupe::config
