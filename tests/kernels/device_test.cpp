#include "kernels/device.hpp"

#include "tests/kernels/fixture.hpp"

namespace troupe::kernels {
namespace {

TEST(Device, IsChosenByName) {
  EXPECT_EQ(make_ops("cpu", 1)->arithmetic(), "f32k128");
  EXPECT_THROW(make_ops("abacus", 1), Error);
}

TEST(Device, KeepsWhatTheHostBringsAndGivesItBack) {
  CpuOps ops(2);
  const auto queue = ops.make_queue();
  const auto x = random_array({300, 700}, 1);  // several threads' worth
  const auto memory = ops.allocate(x.tensor.bytes());
  const Tensor there(memory.get(), DType::f32, {300, 700});
  ops.upload(there.raw(), std::as_bytes(std::span(x.data).first(300 * 700)));

  Array<float> back({300, 700});
  ops.read(*queue, there, std::as_writable_bytes(std::span(back.data).first(300 * 700)));
  queue->wait(TimePoint::max());
  EXPECT_EQ(back, x);

  Array<float> part({2, 700});
  ops.copy(*queue, there.slice(7, 2), part.tensor);
  EXPECT_TRUE(std::equal(part.data.begin(), part.data.begin() + 1400, x.data.begin() + 7 * 700));

  ops.fill(*queue, there.slice(1, 298), -3);
  const auto* const values = reinterpret_cast<const float*>(ops.host_address(memory.get()));
  for (std::int64_t i = 0; i < 300 * 700; ++i)
    ASSERT_EQ(values[i], i < 700 || i >= 299 * 700 ? x[i] : -3) << i;
}

TEST(Device, SaysHowMuchMemoryItHas) {
  CpuOps ops(1);
  const DeviceMemory before = ops.memory();
  const auto taken = ops.allocate(std::size_t{64} << 20);
  EXPECT_GE(ops.memory().used, before.used + (std::size_t{63} << 20));
  EXPECT_GT(before.limit, before.used);
  EXPECT_TRUE(before.of_host);
}

TEST(IndexList, PartsAreThoseOfBothMemories) {
  const std::vector<std::int32_t> host{5, 6, 7, 8}, device{15, 16, 17, 18};
  IndexList list = host;
  EXPECT_EQ(list.part(1, 2).device(), nullptr);
  list.staged(device.data());
  const IndexList part = list.part(1, 2);
  EXPECT_EQ(part.size(), 2);
  EXPECT_EQ(part.host()[0], 6);
  EXPECT_EQ(part.device()[1], 17);
}

}  // namespace
}  // namespace troupe::kernels
