#include "transport/host/threads_mesh.hpp"

#include "tests/transport/host/thread_ranks.hpp"

namespace troupe::transport {
namespace {

INSTANTIATE_TEST_SUITE_P(Threads, CommunicatorConformance,
                         testing::Combine(testing::Values(Backend{"Threads", thread_ranks}),
                                          testing::Values(1, 2, 4, 8)),
                         conformance_name);

TEST(ThreadsMesh, HoldsUpToItsLimit) {
  EXPECT_EQ(ThreadsMesh(max_thread_ranks).communicator(max_thread_ranks - 1)->size(), max_thread_ranks);
}

TEST(ThreadsMeshDeathTest, ChecksItsUse) {
  EXPECT_DEATH(ThreadsMesh(3), "power of two");
  EXPECT_DEATH(ThreadsMesh(0), "power of two");
  EXPECT_DEATH(ThreadsMesh(2 * max_thread_ranks), "power of two");
  const ThreadsMesh mesh(2);
  EXPECT_DEATH(mesh.communicator(2), "joins an epoch once");
  const auto first = mesh.communicator(0);
  EXPECT_DEATH(mesh.communicator(0), "joins an epoch once");
}

}  // namespace
}  // namespace troupe::transport
