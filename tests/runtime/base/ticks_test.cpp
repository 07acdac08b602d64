#include "runtime/base/ticks.hpp"

#include <gtest/gtest.h>

namespace troupe {
namespace {

TEST(StepPlace, IsOneWord) {
  for (const StepPlace& place : {StepPlace{}, StepPlace{1, 0, 2, Collective::all_reduce},
                                 StepPlace{0xffffff, 4094, 0xffffff, Collective::combine},
                                 StepPlace{5, -1, 7, Collective::dispatch}}) {
    const StepPlace same = StepPlace::of(place.word());
    EXPECT_EQ(same.changes, place.changes);
    EXPECT_EQ(same.layer, place.layer);
    EXPECT_EQ(same.collectives, place.collectives);
    EXPECT_EQ(same.collective, place.collective);
  }
  EXPECT_EQ(StepPlace{}.word(), 0u) << "as memory is when it is new";
}

TEST(TickBoard, AStepBeginsOutsideOfAllLayers) {
  TickBoard board;
  board.begin_step(2, 5);
  board.place = board.at_layer(3);
  board.place = board.in_collective(Collective::dispatch);
  const Tick before = board.read();
  EXPECT_EQ(before.layer, 3);
  EXPECT_EQ(before.activity, Activity::collective);
  EXPECT_EQ(before.collective, Collective::dispatch);
  board.begin_step(2, 6);
  const Tick tick = board.read();
  EXPECT_EQ(tick.layer, -1);
  EXPECT_EQ(tick.collectives, 0u);
  EXPECT_EQ(tick.activity, Activity::computing);
  EXPECT_NE(tick.count, before.count);
}

// A device may have stopped anywhere when its step failed.
TEST(TickBoard, WhoDoesNotComputeWaitsInNoCollective) {
  TickBoard board;
  {
    const Doing step(&board, 2, 5);
    board.place = board.in_collective(Collective::combine);
    EXPECT_EQ(board.read().activity, Activity::collective);
  }
  EXPECT_EQ(board.read().activity, Activity::idle);
  EXPECT_EQ(board.read().collective, Collective::none);
}

}  // namespace
}  // namespace troupe
