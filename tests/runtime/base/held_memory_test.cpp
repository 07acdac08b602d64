#include "runtime/base/held_memory.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "runtime/base/log.hpp"
#include "runtime/base/memory_file.hpp"
#include "tests/held_by.hpp"

namespace troupe {
namespace {

using testing::ElementsAre;

class HeldMemoryTest : public ::testing::Test {
 protected:
  std::vector<std::string> names() {
    held_.receive(holders_);
    std::vector<std::string> all;
    for (const HeldFile& file : held_.files()) all.push_back(file.piece.name);
    return all;
  }
  void keep(const std::string& name, const std::string& bytes) {
    keeper_.keep({name, "of " + name, "a note", bytes.size()}, memory_file("test", bytes));
  }

  std::pair<FileDescriptor, FileDescriptor> sockets_ = held_memory_sockets();
  const FileDescriptor holders_{dup(sockets_.first.get())}, its_{dup(sockets_.second.get())};
  HeldMemory held_;
  MemoryKeeper keeper_{{}, std::move(sockets_.second)};
};

TEST_F(HeldMemoryTest, OutlivesWhatItWasKeptFor) {
  keep("a", "bytes of a");
  ASSERT_THAT(names(), ElementsAre("a"));
  const HeldFile& file = held_.files().front();
  EXPECT_EQ(file.piece.contents, "of a");
  EXPECT_EQ(file.piece.note, "a note");
  EXPECT_EQ(file.piece.bytes, 10u);
  EXPECT_EQ(take_memory_file(dup(file.file.get())), "bytes of a");
}

TEST_F(HeldMemoryTest, ALaterPieceTakesTheNamesPlace) {
  keep("a", "1");
  keep("b", "2");
  keep("a", "3");
  EXPECT_THAT(names(), ElementsAre("b", "a"));
  EXPECT_EQ(take_memory_file(dup(held_.files().back().file.get())), "3");
}

TEST_F(HeldMemoryTest, IsDroppedWhenItIsSaid) {
  for (const char* name : {"a", "b", "c"}) keep(name, "bytes");
  keeper_.drop("b");
  keeper_.drop("nobody's");
  EXPECT_THAT(names(), ElementsAre("a", "c"));
  keeper_.drop_all();
  keep("d", "bytes");
  EXPECT_THAT(names(), ElementsAre("d"));
}

TEST_F(HeldMemoryTest, NonsenseIsNotHeld) {
  set_log_level(LogLevel::error);
  for (const std::string text :
       {"", "[]", "7", "{}", R"({"drop": 7})", R"({"name": 7, "contents": "x", "note": "", "bytes": 0})",
        R"({"name": "a part of a piece"})",
        R"({"name": "without a file", "contents": "x", "note": "", "bytes": 0})"})
    EXPECT_EQ(send(its_.get(), text.data(), text.size(), 0), ssize_t(text.size()));
  keep("a", "bytes");
  names();
  EXPECT_THAT(names(), ElementsAre("a"));
  set_log_level(LogLevel::info);
}

TEST_F(HeldMemoryTest, APieceTooManyIsNotHeld) {
  set_log_level(LogLevel::error);
  allow_most_files();
  for (std::size_t i = 0; i < max_held_pieces + 2; ++i) {
    keep(std::to_string(i), "");
    if (i % 16 == 0) names();
  }
  EXPECT_EQ(names().size(), max_held_pieces);
  keep("0", "another");
  EXPECT_EQ(names().size(), max_held_pieces);
  set_log_level(LogLevel::info);
}

TEST_F(HeldMemoryTest, AHolderThatIsGoneHarmsNobody) {
  MemoryKeeper alone({}, std::move(held_memory_sockets().second));
  alone.keep({"a", "contents", "", 1}, memory_file("test", "x"));
  alone.drop_all();
}

TEST(MemoryKeeper, FindsWhatTheLifeBeforeHasLeft) {
  HeldBy node;
  {
    MemoryKeeper first = node.next_life();
    EXPECT_EQ(first.find("a", "x"), nullptr);
    first.keep({"a", "x", "its note", 3}, memory_file("test", "old"));
    first.keep({"b", "x", "", 3}, memory_file("test", "any"));
  }
  MemoryKeeper second = node.next_life();
  ASSERT_NE(second.find("a", "x"), nullptr);
  EXPECT_EQ(second.find("a", "x")->note, "its note");
  EXPECT_EQ(second.find("a", "y"), nullptr) << "other contents";
  EXPECT_FALSE(second.take("a", "y"));
  auto taken = second.take("a", "x");
  ASSERT_TRUE(taken);
  EXPECT_EQ(take_memory_file(taken->file.release()), "old");
  EXPECT_FALSE(second.take("a", "x")) << "it was taken";
  second.drop_rest();
  MemoryKeeper third = node.next_life();
  EXPECT_NE(third.find("a", "x"), nullptr);
  EXPECT_EQ(third.find("b", "x"), nullptr) << "nobody took it";
}

}  // namespace
}  // namespace troupe
