#include "actors/compute.hpp"

#include "kernels/device.hpp"
#include "tests/actors/actor_test.hpp"

namespace troupe::actors {
namespace {

Activity seen_by_device = Activity::idle;

// A device that fails while it is taken.
const bool known = [] {
  kernels::register_device("failing", [](int, TickBoard* ticks) -> std::unique_ptr<kernels::Ops> {
    seen_by_device = ticks->activity;
    throw DeviceError({DeviceFaultKind::ecc, "kernels"}, "memory lost bits", "GPU 0");
  });
  return true;
}();

class ComputeTest : public ActorTest {};

// It is named as one that fails in a step is, and a driver that takes its time is no hang.
TEST_F(ComputeTest, ADeviceThatFailsWhileItLoadsEndsTheRankAndIsNamed) {
  ASSERT_TRUE(known);
  TickBoard board;
  const ComputeHandle rank = system.spawn(compute, WorkerOptions{.ticks = &board});
  self->monitor(rank);
  LoadModel order;
  order.life = {3, 1};
  order.device = "failing";
  self->send(rank, LoadOrder{order, supervisor});
  run();
  bool ended = false;
  self->receive([&](const caf::down_msg& down) { ended = down.source == rank.address(); },
                caf::after(std::chrono::seconds(0)) >> [] {});
  EXPECT_TRUE(ended);
  EXPECT_EQ(seen_by_device, Activity::starting);
  EXPECT_EQ(board.activity, Activity::idle);
  EXPECT_EQ(board.device_fault.read().kind, DeviceFaultKind::ecc);
  EXPECT_EQ(board.device_fault.read().kernels, "kernels");
}

// Whose cache holds half of a full sequence.
class ShortOfMemoryTest : public ActorTest {
 protected:
  ShortOfMemoryTest() : ActorTest({.max_model_len = 4096}, 128) {}
  void SetUp() override {
    requests = system.spawn(request_supervisor, metrics);
    supervisor = system.spawn(replica_supervisor, settings());
    node = system.spawn(local_node, supervisor, worker_of_replica(), &ticks);
    run();
  }
};

TEST_F(ShortOfMemoryTest, WhatWouldFitIsTold) {
  EXPECT_EQ(state(), ReplicaState::failed);
  EXPECT_EQ(status->fits().max_model_len, 2048);
  EXPECT_EQ(status->fits().max_num_batched_tokens, limits_.max_num_batched_tokens) << "which would not help";
}

}  // namespace
}  // namespace troupe::actors
