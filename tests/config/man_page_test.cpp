#include "config/man_page.hpp"

namespace troupe::config {
namespace {

using ::testing::HasSubstr;

TEST(ManPage, TextIsShownAsItIs) {
  const Page page{.command = "keys add",
                  .summary = "makes it",
                  .description = "First.\n\n.dots begin `C:\\dir`, and 'this' does \"too\" ~ ^",
                  .examples = "$ troupe keys add\n.profile\n'quoted'"};
  const std::string text = man_page(page, {}, "1.2-3");
  EXPECT_THAT(text, HasSubstr(".TH TROUPE\\-KEYS\\-ADD 1 \"\" \"troupe 1.2\\-3\" \"Troupe\"\n"));
  EXPECT_THAT(text, HasSubstr(".SH \"NAME\"\ntroupe\\-keys\\-add \\- makes it\n"));
  EXPECT_THAT(text, HasSubstr("First.\n.PP\n\\&.dots begin \\(gaC:\\(rsdir\\(ga, and \\(aqthis\\(aq does "
                              "\\(dqtoo\\(dq \\(ti \\(ha\n"));
  EXPECT_THAT(text, HasSubstr(".EX\n$ troupe keys add\n\\&.profile\n\\(aqquoted\\(aq\n.EE\n"));
  EXPECT_THAT(text, HasSubstr(".SH \"SEE ALSO\"\n.BR troupe\\-keys (1)\n"));
}

TEST(ManPage, FlagsAreBoldAndArgumentsSlanted) {
  std::int32_t size = 2;
  bool on = true;
  const Table table{{.name = "tensor-size",
                     .target = &size,
                     .section = "PARALLELISM",
                     .argument = "N",
                     .help = "Ranks.",
                     .short_flag = "-tp"},
                    {.name = "cache", .target = &on, .section = "PARALLELISM", .help = "Keep it."}};
  const std::string text = man_page({.command = "serve", .summary = "serves"}, table, "1");
  EXPECT_THAT(text, HasSubstr(".SH \"PARALLELISM\"\n.TP\n\\fB\\-tp\\fR, \\fB\\-\\-tensor\\-size\\fR "
                              "\\fIN\\fR\nRanks. Default: 2.\n"));
  EXPECT_THAT(text,
              HasSubstr(".TP\n\\fB\\-\\-cache\\fR, \\fB\\-\\-no\\-cache\\fR\nKeep it. Default: true.\n"));
  EXPECT_THAT(text, HasSubstr(".SH \"SEE ALSO\"\n.BR troupe (1)\n"));
}

TEST(ManPage, SubcommandsAreReferences) {
  const Subcommand subcommands[]{{"add", "make one"}};
  const std::string text =
      man_page({.command = "keys", .summary = "edits", .subcommands = subcommands}, {}, "1");
  EXPECT_THAT(text, HasSubstr("troupe keys SUBCOMMAND [ARGUMENT]..."));
  EXPECT_THAT(text, HasSubstr(".SH \"SUBCOMMANDS\"\n.TP\n.BR troupe\\-keys\\-add (1)\nmake one\n.PP\n"));
  EXPECT_THAT(man_page({.command = "", .summary = "serves", .subcommands = subcommands}, {}, "1"),
              HasSubstr(".BR troupe\\-add (1)\n"));
}

}  // namespace
}  // namespace troupe::config
