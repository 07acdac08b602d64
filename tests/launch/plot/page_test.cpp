#include "launch/plot/page.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace troupe::launch::plot {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

const Page page{"a program",
                "what & where",
                {{{100, 50, box(1, 2, 3, 4, "fill0", "a \"hint\"")}, {200, 80, text_at(5, 6, "beside it")}},
                 {{300, 20, "<!-- third -->"}}},
                "a table"};

TEST(Page, NeedsNothingElse) {
  for (const std::string& file : {html_of(page), svg_of(page)}) {
    for (const char* from_elsewhere : {"href", "src=", "url(", "@import", "<script"})
      EXPECT_THAT(file, Not(HasSubstr(from_elsewhere)));
    for (const char* held : {"what &amp; where", "beside it", "a &quot;hint&quot;", "third", "fill11",
                             "@media (prefers-color-scheme: dark)"})
      EXPECT_THAT(file, HasSubstr(held));
  }
}

TEST(Page, IsHtmlOrSvg) {
  EXPECT_THAT(html_of(page), StartsWith("<!DOCTYPE html>"));
  EXPECT_THAT(html_of(page), HasSubstr("<pre>a table</pre>"));
  EXPECT_THAT(html_of(page), EndsWith("</html>\n"));
  EXPECT_THAT(svg_of(page), StartsWith("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"354\""))
      << "two drawings side by side, with gaps";
  EXPECT_THAT(svg_of(page), EndsWith("</svg>\n"));
}

}  // namespace
}  // namespace troupe::launch::plot
