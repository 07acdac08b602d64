#include "launch/chat/screen.hpp"

#include <gtest/gtest.h>

#include <sstream>

namespace troupe::launch::chat {
namespace {

std::string shown(bool terminal, const std::vector<Piece>& pieces) {
  std::ostringstream out;
  Screen screen(out, terminal);
  screen.notice("> ");
  for (const Piece& each : pieces) screen.tell(each);
  screen.end_answer();
  return out.str();
}

TEST(Screen, ATerminalShowsReasoningDim) {
  EXPECT_EQ(shown(true, {{"17*3", ""}, {": 51", ""}, {"", "391"}, {"", "!"}}),
            "> \x1b[2m17*3: 51\x1b[0m\n391!\n");
  EXPECT_EQ(shown(true, {{"thought", "said"}}), "> \x1b[2mthought\x1b[0m\nsaid\n");
}

TEST(Screen, AnAnswerThatStopsWhileItThinksLeavesNothingDim) {
  EXPECT_EQ(shown(true, {{"thought", ""}}), "> \x1b[2mthought\x1b[0m\n\n");
}

TEST(Screen, AFileGetsTheAnswersAlone) {
  EXPECT_EQ(shown(false, {{"thought", ""}, {"", "said"}}), "said\n");
  EXPECT_EQ(shown(false, {{"", "a line\n"}}), "a line\n");
  EXPECT_EQ(shown(false, {}), "\n");
  EXPECT_EQ(shown(false, {{"", "\x1b[31mas it is"}}), "\x1b[31mas it is\n");
}

TEST(Screen, EachAnswerEndsItsLine) {
  std::ostringstream out;
  Screen screen(out, false);
  for (const char* text : {"a\n", "b", "c\n"}) {
    screen.tell({"", text});
    screen.end_answer();
  }
  EXPECT_EQ(out.str(), "a\nb\nc\n");
}

TEST(Screen, NothingThatIsSaidSteersTheTerminal) {
  EXPECT_EQ(shown(true, {{"\x1b[0m", "\x1b[2J"}}), "> \x1b[2m[0m\x1b[0m\n[2J\n");
}

}  // namespace
}  // namespace troupe::launch::chat
