#include "transport/collective_check.hpp"

#include "kernels/cpu/cpu_ops.hpp"
#include "tests/transport/host/thread_ranks.hpp"

namespace troupe::transport {
namespace {

using testing::AllOf;
using testing::Each;
using testing::HasSubstr;

std::vector<std::string> errors_of_check(Ranks& ranks) {
  return run_ranks(ranks, [](Communicator& rank) {
    kernels::CpuOps ops(1);
    kernels::ImmediateQueue queue;
    try {
      check_collectives(rank, ops, queue);
    } catch (const Error&) {
      rank.abort();  // so that nobody waits for it
      throw;
    }
  });
}

TEST(CollectiveCheck, PassesWhereBytesAreRight) {
  for (const int count : {1, 2, 8}) {
    Ranks ranks = thread_ranks(count, patience);
    EXPECT_THAT(errors_of_check(ranks), Each("")) << count;
  }
}

// Flips a bit of what one collective brings, unless it brings too little.
class Liar final : public Communicator {
 public:
  Liar(std::unique_ptr<Communicator> honest, Collective about, std::size_t byte)
      : honest_(std::move(honest)), about_(about), byte_(byte) {}

  int rank() const override { return honest_->rank(); }
  int size() const override { return honest_->size(); }
  void all_reduce(kernels::Queue& queue, kernels::Tensor x) override {
    honest_->all_reduce(queue, x);
    lie(Collective::all_reduce, x);
  }
  void all_gather(kernels::Queue& queue, const kernels::Tensor& mine, kernels::Tensor all) override {
    honest_->all_gather(queue, mine, all);
    lie(Collective::all_gather, all);
  }
  void dispatch(kernels::Queue& queue, const kernels::Tensor& tokens, const kernels::Routing& routing,
                const ExpertPlacement& placement, kernels::ExpertBatch& out) override {
    honest_->dispatch(queue, tokens, routing, placement, out);
    lie(Collective::dispatch, out.rows);
  }
  void combine(kernels::Queue& queue, const kernels::Tensor& results, kernels::Tensor out) override {
    honest_->combine(queue, results, out);
    lie(Collective::combine, out);
  }
  void check() override { honest_->check(); }
  void abort() noexcept override { honest_->abort(); }

 private:
  void lie(Collective which, const kernels::Tensor& x) const {
    if (which == about_ && byte_ < x.bytes()) static_cast<std::byte*>(x.raw())[byte_] ^= std::byte{1};
  }

  const std::unique_ptr<Communicator> honest_;
  const Collective about_;
  const std::size_t byte_;
};

TEST(CollectiveCheck, CatchesAByteThatWasFlipped) {
  for (const Collective about :
       {Collective::all_reduce, Collective::all_gather, Collective::dispatch, Collective::combine})
    for (const std::size_t byte : {0u, 77u, 4u * 96u - 1u, 70'000u}) {  // the last: of large ones alone
      Ranks ranks = thread_ranks(4, patience);
      ranks[2] = std::make_unique<Liar>(std::move(ranks[2]), about, byte);
      const auto errors = errors_of_check(ranks);
      EXPECT_THAT(errors[2], AllOf(HasSubstr(std::string(to_string(about)) + ": rank 2 got a wrong byte"),
                                   HasSubstr("element " + std::to_string(byte / 4))));
    }
}

TEST(CollectiveCheck, TimesEveryKind) {
  Ranks ranks = thread_ranks(2, patience);
  const std::int64_t sizes[] = {4, 100'000};
  EXPECT_THAT(run_ranks(ranks,
                        [&](Communicator& rank) {
                          kernels::CpuOps ops(1);
                          kernels::ImmediateQueue queue;
                          const auto all = time_collectives(rank, ops, queue, sizes);
                          ASSERT_EQ(all.size(), 8u);
                          for (const CollectiveTime& each : all) {
                            EXPECT_GT(each.bytes, 0);
                            EXPECT_GE(each.median, each.best);
                            EXPECT_GT(each.bytes_per_second, 0);
                          }
                          EXPECT_EQ(all[4].which, Collective::all_reduce);
                          EXPECT_EQ(all[7].which, Collective::combine);
                        }),
              Each(""));
}

}  // namespace
}  // namespace troupe::transport
