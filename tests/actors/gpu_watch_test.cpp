#include "actors/gpu_watch.hpp"

#include "tests/actors/actor_test.hpp"
#include "tests/kernels/cuda/emulated/nvml.hpp"

namespace troupe::actors {
namespace {

using kernels::cuda::emulated::Nvml;

class GpuWatchTest : public ActorTest {
 protected:
  static GpuReadingsHandle::behavior_type collect(GpuReadingsHandle::pointer,
                                                  std::vector<GpuReadings>* told) {
    return {[told](const GpuReadings& news) { told->push_back(news); }};
  }
  void pass(std::chrono::seconds time) {
    scheduler.advance_time(time);
    while (scheduler.try_run_once()) {
    }
  }

  Nvml library_{{{.uuid = "GPU-aa", .memory = {1000, 900, 100}}}};
  std::vector<GpuReadings> told_;
};

TEST_F(GpuWatchTest, TellsEveryFewSecondsOfWhatIsWatched) {
  const auto readers = system.spawn(collect, &told_);
  const auto watch = system.spawn(gpu_watch, readers, &Nvml::calls());
  pass(std::chrono::seconds(5));
  EXPECT_TRUE(told_.empty()) << "there is nothing to tell";
  self->send(watch, WatchGpu{3, "0"});
  pass(std::chrono::seconds(5));
  ASSERT_EQ(told_.size(), 1u);
  EXPECT_EQ(told_[0].gpus.at(0).rank, 3);
  EXPECT_EQ(told_[0].gpus.at(0).memory_used, 100u);
  pass(std::chrono::seconds(4));
  EXPECT_EQ(told_.size(), 1u);
  pass(std::chrono::seconds(1));
  EXPECT_EQ(told_.size(), 2u);
  self->send_exit(watch, caf::exit_reason::user_shutdown);
  self->send_exit(readers, caf::exit_reason::user_shutdown);
  run();
}

}  // namespace
}  // namespace troupe::actors
