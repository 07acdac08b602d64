// Whole models on emulated GPUs whose ranks exchange by NCCL give the CPU's bytes.
#include "tests/model/graphs/decoder_session.hpp"
#include "tests/transport/nccl/nccl_ranks.hpp"

namespace troupe::model {
namespace {

// Tokens of each of two groups, step after step; some have none.
constexpr std::int64_t schedule[][2] = {{5, 0}, {3, 7}, {0, 2}, {1, 1}};

Tokens text_of(std::int64_t group) {
  Tokens tokens(10);
  std::iota(tokens.begin(), tokens.end(), TokenId(1 + 20 * group));
  return tokens;
}

Logits run_schedule(Session& session, std::int64_t group) {
  const Tokens text = text_of(group);
  auto next = text.begin();
  Logits all;
  for (const auto& step : schedule) {
    std::vector<Session::Part> parts;
    if (step[group] > 0) parts.push_back({0, Tokens(next, next + step[group])});
    next += step[group];
    const Logits logits = session.step(parts, step);
    all.insert(all.end(), logits.begin(), logits.end());
  }
  return all;
}

// Of two groups of two ranks, on four GPUs.
std::vector<Logits> by_nccl(const Checkpoint& checkpoint, bool expert_parallel) {
  transport::GpuHost host(4);
  const auto epochs = host.meet(4);
  std::vector<Logits> results(4);
  std::vector<std::jthread> threads;
  for (int rank = 0; rank < 4; ++rank)
    threads.emplace_back([&, rank] {
      const ShardingPlan plan{
          .rank = rank, .tensor_parallel = 2, .data_parallel = 2, .expert_parallel = expert_parallel};
      const auto& epoch = epochs[std::size_t(rank)];
      const auto world = transport::nccl_communicator(epoch, 0, 4),
                 group = transport::nccl_communicator(epoch, rank / 2 * 2, 2);
      const SessionOptions options;
      auto decoder = load_decoder(checkpoint, *host.ops[std::size_t(rank)], plan, options.limits);
      Session session(*decoder, {*group, *world}, options);
      results[std::size_t(rank)] = run_schedule(session, rank / 2);
    });
  return threads.clear(), results;
}

TEST(NcclModel, BytesDoNotDependOnWhoComputesThem) {
  const Checkpoint checkpoint =
      Checkpoint::open(std::filesystem::path(TEST_DATA) / "checkpoints" / "deepseek-v3-fp8");
  std::vector<Logits> expected;
  for (std::int64_t group = 0; group < 2; ++group)
    expected.push_back(on_ranks(checkpoint, {}, [&](Session& session) {
      const Tokens text = text_of(group);
      return session.text(0, text, text.size());
    }));
  for (const bool expert_parallel : {false, true}) {
    const std::vector<Logits> results = by_nccl(checkpoint, expert_parallel);
    for (std::size_t rank = 0; rank < 4; ++rank)
      EXPECT_TRUE(same_bytes(
          results[rank],
          {expected[rank / 2].begin(), expected[rank / 2].begin() + std::ptrdiff_t(results[rank].size())}))
          << "rank " << rank << ", expert_parallel " << expert_parallel;
  }
}

}  // namespace
}  // namespace troupe::model
