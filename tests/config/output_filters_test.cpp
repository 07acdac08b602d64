#include "config/output_filters.hpp"

#include <gmock/gmock.h>

#include "config/setting.hpp"
#include "tests/error_of.hpp"
#include "tests/temporary_folder.hpp"

namespace troupe::config {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const std::string head = "[[filter]]\nname = \"a\"\n",
                  rule = "[[filter.rule]]\npattern = 'x'\naction = \"mask\"\n";

std::string fault_of(const std::string& text) {
  return error_of([&] { parse_output_filters(text, "filters.toml"); });
}

TEST(OutputFilters, AFilterHasRules) {
  const auto filters = parse_output_filters(
      "[[filter]]\nname = \"secrets\"\neveryone = true\n"
      "[[filter.rule]]\npattern = '\\bsk-\\w+'\naction = \"mask\"\nreplacement = \"\"\nhold-back = 4096\n"
      "[[filter.rule]]\npattern = \"b\"\naction = \"stop\"\n"
      "[[filter]]\nname = \"other\"\n" +
          rule,
      "filters.toml");
  ASSERT_EQ(filters.size(), 2u);
  EXPECT_EQ(filters[0].name, "secrets");
  EXPECT_TRUE(filters[0].everyone);
  ASSERT_EQ(filters[0].rules.size(), 2u);
  EXPECT_EQ(filters[0].rules[0].pattern, "\\bsk-\\w+");
  EXPECT_TRUE(filters[0].rules[0].masks);
  EXPECT_EQ(filters[0].rules[0].replacement, "");
  EXPECT_EQ(filters[0].rules[0].hold_back, 4096);
  EXPECT_EQ(filters[0].rules[0].place, "filters.toml:5: pattern");
  EXPECT_FALSE(filters[0].rules[1].masks);
  EXPECT_EQ(filters[0].rules[1].hold_back, 256);
  EXPECT_FALSE(filters[1].everyone);
  EXPECT_EQ(filters[1].rules[0].replacement, "[filtered]");
  EXPECT_TRUE(parse_output_filters("", "filters.toml").empty());
}

TEST(OutputFilters, MistakesAreNamedWithTheirLine) {
  EXPECT_THAT(fault_of("[[filter]"), HasSubstr("filters.toml:1"));
  EXPECT_THAT(fault_of("[[filters]]\n"), AllOf(HasSubstr("filters.toml:1: filters"), HasSubstr("is filter")));
  EXPECT_THAT(fault_of("[[filter]]\n"), AllOf(HasSubstr("filters.toml:1: name"), HasSubstr("is missing")));
  EXPECT_THAT(fault_of(head), AllOf(HasSubstr("filters.toml:1: rule"), HasSubstr("filter 'a' has no rule")));
  EXPECT_THAT(fault_of("[[filter]]\nname = \"a b\"\n" + rule),
              HasSubstr("filters.toml:1: name: expected 1 to 128"));
  EXPECT_THAT(fault_of(head + rule + "[[filter]]\nname = \"a\"\n" + rule),
              AllOf(HasSubstr("filters.toml:6: name"), HasSubstr("'a' is there twice")));
  EXPECT_THAT(fault_of(head + "[[filter.rule]]\naction = \"stop\"\n"),
              HasSubstr("filters.toml:3: pattern: is missing"));
  EXPECT_THAT(fault_of(head + "[[filter.rule]]\npattern = 'x'\n"),
              HasSubstr("filters.toml:3: action: is missing"));
  EXPECT_THAT(fault_of(head + "[[filter.rule]]\npattern = 'x'\naction = \"drop\"\n"),
              HasSubstr("filters.toml:5: action: expected \"stop\" or \"mask\""));
  EXPECT_THAT(fault_of(head + rule + "replace = \"y\"\n"), HasSubstr("filters.toml:6: replace"));
  EXPECT_THAT(fault_of(head + "[[filter.rule]]\npattern = 'x'\naction = \"stop\"\nreplacement = \"y\"\n"),
              HasSubstr("filters.toml:6: replacement: expected at most 256 bytes, of a rule that masks"));
}

TEST(OutputFilters, LimitsHaveNames) {
  for (const std::int32_t bytes : {least_hold_back - 1, most_hold_back + 1})
    EXPECT_THAT(fault_of(head + rule + "hold-back = " + std::to_string(bytes)),
                HasSubstr("hold-back: expected a whole number from 4 to 4096"));
  const auto replacing = [](std::size_t bytes) {
    return head + rule + "replacement = \"" + std::string(bytes, 'y') + "\"\n";
  };
  EXPECT_EQ(fault_of(replacing(max_replacement_bytes)), "no error");
  EXPECT_THAT(fault_of(replacing(max_replacement_bytes + 1)), HasSubstr("at most 256 bytes"));
  std::string most = head;
  for (std::size_t i = 0; i < max_filter_rules; ++i) most += rule;
  EXPECT_EQ(fault_of(most), "no error");
  EXPECT_THAT(fault_of(most + rule), HasSubstr("has 257 rules, and may have 256"));
}

TEST(OutputFilters, AreReadFromAFile) {
  const TemporaryFolder folder;
  EXPECT_EQ(read_output_filters(folder.write("filters.toml", head + rule)).size(), 1u);
  EXPECT_NE(error_of([&] { read_output_filters(folder.path() / "none.toml"); }), "no error");
  EXPECT_NE(error_of([&] {
              read_output_filters(
                  folder.write("filters.toml", std::string(max_output_filters_file_bytes + 1, '\n')));
            }),
            "no error");
}

}  // namespace
}  // namespace troupe::config
