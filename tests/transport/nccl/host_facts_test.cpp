#include "transport/nccl/host_facts.hpp"

#include <gmock/gmock.h>

namespace troupe::transport {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(HostFacts, NameWhatRanksShouldHaveInCommon) {
  const auto facts = gpu_facts();
  for (const char* name : {"gpu", "driver", "cuda", "nccl"}) EXPECT_TRUE(facts.contains(name)) << name;
}

TEST(HostFacts, LimitsThatAreTooSmallAreWarnedOf) {
  EXPECT_THAT(warnings_of({}), IsEmpty());
  EXPECT_THAT(warnings_of({1 << 30, 1 << 30}), IsEmpty());
  EXPECT_THAT(warnings_of({64 << 10, 64 << 20}),
              ElementsAre(HasSubstr("only 64 KiB may be page-locked"), HasSubstr("--shm-size")));
  const ExchangeLimits here = exchange_limits();
  EXPECT_GT(here.page_locked, 0u);
}

}  // namespace
}  // namespace troupe::transport
