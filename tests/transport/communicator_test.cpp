// What every Communicator must do; backends join with INSTANTIATE_TEST_SUITE_P.
#include "tests/transport/conformance.hpp"

namespace troupe::transport {
TEST_P(CommunicatorConformance, KnowsRankAndSize) {
  const Ranks ranks = make();
  for (int rank = 0; rank < size(); ++rank) {
    EXPECT_EQ(ranks[std::size_t(rank)]->rank(), rank);
    EXPECT_EQ(ranks[std::size_t(rank)]->size(), size());
  }
}

TEST_P(CommunicatorConformance, AllReduceSumsAlongTheTree) {
  for (const std::int64_t rows : {0, 1, 7, 300}) {
    const std::int64_t cols = 11;
    const auto count = std::size_t(rows * cols);
    std::vector<std::vector<float>> inputs;
    for (int rank = 0; rank < size(); ++rank) inputs.push_back(rough_values(unsigned(rank), count));
    std::vector<std::vector<float>> sums = inputs;
    run([&](Communicator& ranks) {
      ranks.all_reduce(queue(), view(sums[std::size_t(ranks.rank())], rows, cols));
    });
    std::vector<float> expected(count);
    for (std::size_t i = 0; i < count; ++i) expected[i] = tree_sum_of(inputs, 0, inputs.size(), i);
    const auto same_bits = [](float a, float b) {
      return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b);
    };
    for (const auto& sum : sums) EXPECT_TRUE(std::ranges::equal(sum, expected, same_bits));
  }
}

TEST_P(CommunicatorConformance, AllGatherKeepsRanksInOrder) {
  for (const std::int64_t rows : {0, 1, 5}) {
    const std::int64_t cols = 3;
    run([&](Communicator& ranks) {
      std::vector<float> mine = rough_values(unsigned(ranks.rank()), std::size_t(rows * cols));
      std::vector<float> all(std::size_t(size() * rows * cols), -1);
      ranks.all_gather(queue(), view(mine, rows, cols),
                       {all.data(), kernels::DType::f32, {size(), rows, cols}});
      std::vector<float> expected;
      for (int rank = 0; rank < size(); ++rank) {
        for (const float value : rough_values(unsigned(rank), mine.size())) expected.push_back(value);
      }
      EXPECT_EQ(all, expected);
    });
  }
}

TEST_P(CommunicatorConformance, DispatchAndCombineMoveEveryRow) {
  for (unsigned seed = 0; seed < 10; ++seed) {
    std::mt19937 random(seed);
    const int experts = size() + int(random() % 13);  // also numbers that ranks do not divide
    const auto per_token = std::int64_t(1 + random() % std::min(4u, unsigned(experts)));
    std::vector<RoutedTokens> sources;
    for (int rank = 0; rank < size(); ++rank) {
      sources.push_back(
          routed_tokens(100 * seed + unsigned(rank), std::int64_t(random() % 9), per_token, experts));
    }
    ExpertPlacement placement = ExpertPlacement::spread(experts, size());
    run([&](Communicator& ranks) { exchange_tokens(ranks, sources, placement); });
    // The first expert is moved to the last rank, the last one is on all; then everything is on rank 0.
    placement.holders.front() = {size() - 1};
    placement.holders.back().clear();
    for (int rank = 0; rank < size(); ++rank) placement.holders.back().push_back(rank);
    run([&](Communicator& ranks) { exchange_tokens(ranks, sources, placement); });
    for (auto& holders : placement.holders) holders = {0};
    run([&](Communicator& ranks) { exchange_tokens(ranks, sources, placement); });
  }
}

TEST_P(CommunicatorConformance, RanksWithoutTokensTakePart) {
  std::vector<RoutedTokens> none(std::size_t(size()), routed_tokens(0, 0, 2, 16));
  run([&](Communicator& ranks) { exchange_tokens(ranks, none, ExpertPlacement::spread(16, size())); });
  none.back() = routed_tokens(1, 6, 2, 16);  // only the last one has some
  run([&](Communicator& ranks) { exchange_tokens(ranks, none, ExpertPlacement::spread(16, size())); });
}

TEST_P(CommunicatorConformance, CollectivesFollowEachOther) {
  std::vector<RoutedTokens> sources;
  for (int rank = 0; rank < size(); ++rank) sources.push_back(routed_tokens(unsigned(rank), rank + 1, 2, 16));
  run([&](Communicator& ranks) {
    for (int round = 0; round < 100; ++round) {
      std::vector<float> x(std::size_t(1 + round), float(ranks.rank() + round));
      ranks.all_reduce(queue(), view(x, 1, 1 + round));
      const float expected = float(size() * round + size() * (size() - 1) / 2);
      EXPECT_THAT(x, testing::Each(expected));
      exchange_tokens(ranks, sources, ExpertPlacement::spread(16, size()));
    }
  });
}

TEST_P(CommunicatorConformance, AbortWakesEveryWaiter) {
  if (size() == 1) GTEST_SKIP() << "one rank waits for nobody";
  Ranks ranks = make();
  const auto errors = run_ranks(ranks, [&](Communicator& rank) {
    if (rank.rank() == size() - 1) {
      end(ranks, rank);  // from any thread; it may come before or after the others begin to wait
    } else {
      std::vector<float> x(4);
      rank.all_reduce(queue(), view(x, 1, 4));
    }
  });
  for (std::size_t rank = 0; rank + 1 < errors.size(); ++rank) {
    EXPECT_THAT(errors[rank], testing::HasSubstr("all_reduce")) << rank;
    EXPECT_THAT(errors[rank], testing::HasSubstr("aborted")) << rank;
  }
}

// Its messages came, but so did the news, if there are any.
TEST_P(CommunicatorConformance, WhoComesLateLearnsThatAnotherGaveUp) {
  if (size() == 1) GTEST_SKIP() << "one rank waits for nobody";
  Ranks ranks = make(std::chrono::milliseconds(50));
  const auto first = run_ranks(ranks, [&](Communicator& rank) {
    if (rank.rank() == 0) sum_some(rank);
  });
  const std::string why = peers_are_told() ? "rank 1 did not arrive in time" : "all_reduce";
  EXPECT_THAT(first[0], testing::HasSubstr(why));
  const auto errors = run_ranks(ranks, [&](Communicator& rank) {
    std::vector<float> x(4, 1.0f);
    rank.all_reduce(queue(), view(x, 1, 4));
    EXPECT_THAT(x, testing::Each(float(size())));
  });
  EXPECT_THAT(errors[0], testing::HasSubstr(why));
  if (!peers_are_told()) return;  // then who comes late may have the sum
  EXPECT_THAT(errors, testing::Each(testing::HasSubstr(why)));
}

TEST_P(CommunicatorConformance, NothingWorksAfterAbort) {
  Ranks ranks = make();
  end(ranks, *ranks[0]);
  end(ranks, *ranks[0]);
  const auto errors = run_ranks(ranks, [](Communicator& rank) {
    std::vector<float> x(4);
    rank.all_reduce(queue(), view(x, 1, 4));
  });
  EXPECT_THAT(errors, testing::Each(testing::HasSubstr("aborted")));
  const auto checks = run_ranks(ranks, [](Communicator& rank) { rank.check(); });
  EXPECT_THAT(checks, testing::Each(testing::HasSubstr("aborted")));
}

TEST_P(CommunicatorConformance, ACheckFindsNothingWhileTheEpochGoesOn) {
  run([](Communicator& rank) {
    rank.check();
    sum_some(rank);
    rank.check();
  });
}

TEST_P(CommunicatorConformance, AMissingRankIsNamedAfterTheDeadline) {
  if (size() == 1) GTEST_SKIP() << "one rank misses nobody";
  Ranks ranks = make(std::chrono::milliseconds(50));
  const int missing = size() / 2;
  const auto errors = run_ranks(ranks, [&](Communicator& rank) {
    if (rank.rank() == missing) return;
    std::vector<float> mine(2), all(2 * std::size_t(size()));
    rank.all_gather(queue(), view(mine, 1, 2), view(all, size(), 2));
  });
  for (int rank = 0; rank < size(); ++rank) {
    if (rank == missing) continue;
    EXPECT_THAT(errors[std::size_t(rank)], testing::HasSubstr("all_gather")) << rank;
    if (!peers_are_told()) continue;  // they know that it took too long, and not who is missing
    EXPECT_THAT(errors[std::size_t(rank)],
                testing::HasSubstr("rank " + std::to_string(missing) + " did not arrive"))
        << rank;
  }
  if (!peers_are_told()) return;
  std::vector<float> late(4);  // the epoch is over for the one who comes late, too
  EXPECT_THROW(ranks[std::size_t(missing)]->all_reduce(queue(), view(late, 1, 4)), Error);
}

TEST_P(CommunicatorConformance, ARankThatLeavesIsAnErrorForWhoNeedsIt) {
  if (size() == 1) GTEST_SKIP() << "of one rank nobody is left";
  Ranks ranks = make();
  EXPECT_THAT(run_ranks(ranks, [](Communicator& rank) { sum_some(rank); }), testing::Each(""));
  ranks.pop_back();
  EXPECT_THAT(run_ranks(ranks, [](Communicator& rank) { sum_some(rank); }),
              testing::Each(testing::HasSubstr("all_reduce: " + said_of_leaver(size() - 1))));
}

TEST_P(CommunicatorConformance, ARankThatLeavesWhileOthersWaitWakesThem) {
  if (size() == 1) GTEST_SKIP() << "one rank has no others";
  for (const std::int64_t count : {4, 3'000'000}) {  // also in the middle of a message
    Ranks ranks = make();
    const auto errors = run_ranks(ranks, [&](Communicator& rank) {
      if (rank.rank() == 1)
        ranks[1].reset();
      else
        sum_some(rank, count);
    });
    for (std::size_t rank = 0; rank < errors.size(); ++rank) {
      if (rank == 1)
        EXPECT_EQ(errors[rank], "");
      else
        EXPECT_THAT(errors[rank], testing::HasSubstr("all_reduce: " + said_of_leaver(1))) << rank;
    }
  }
}

// The last messages of a rank that has what it needs arrive, though it leaves at once.
TEST_P(CommunicatorConformance, RanksLeaveWhenTheyAreDone) {
  for (int round = 0; round < 20; ++round) {
    Ranks ranks = make();
    const auto errors = run_ranks(ranks, [&](Communicator& rank) {
      const auto self = std::size_t(rank.rank());
      sum_some(rank, 5000);
      ranks[self].reset();
    });
    EXPECT_THAT(errors, testing::Each(""));
  }
}

TEST_P(CommunicatorConformance, EpochsFollowEachOther) {
  for (int epoch = 0; epoch < size(); ++epoch) {
    Ranks ranks = make();
    EXPECT_THAT(run_ranks(ranks, [](Communicator& rank) { sum_some(rank); }), testing::Each(""));
    ranks[std::size_t(epoch)]->abort();
    const auto errors = run_ranks(ranks, [](Communicator& rank) { sum_some(rank); });
    const std::string reason = "aborted by rank " + std::to_string(epoch);
    EXPECT_THAT(errors[std::size_t(epoch)], testing::HasSubstr(reason));
    EXPECT_THAT(errors, testing::Each(testing::HasSubstr(peers_are_told() ? reason : "all_reduce")));
  }
}

constexpr const char* bytes_alone =
    "what carries the tensors knows only of bytes: two ranks may take a sum and a gather for the same exchange";

TEST_P(CommunicatorConformance, TellsRanksInDifferentCollectives) {
  if (size() == 1) GTEST_SKIP() << "one rank agrees with itself";
  if (!peers_are_told()) GTEST_SKIP() << bytes_alone;
  Ranks ranks = make();
  const auto errors = run_ranks(ranks, [&](Communicator& rank) {
    std::vector<float> x(2), all(2 * std::size_t(size()));
    if (rank.rank() == 0)
      rank.all_reduce(queue(), view(x, 1, 2));
    else
      rank.all_gather(queue(), view(x, 1, 2), view(all, size(), 2));
  });
  EXPECT_THAT(errors, testing::Each(testing::HasSubstr(" is in all_")));
}

TEST_P(CommunicatorConformance, TellsRanksWithDifferentShapes) {
  if (size() == 1) GTEST_SKIP() << "one rank agrees with itself";
  if (!peers_are_told()) GTEST_SKIP() << bytes_alone;
  Ranks ranks = make();
  const auto errors = run_ranks(ranks, [](Communicator& rank) { sum_some(rank, rank.rank() == 0 ? 4 : 5); });
  EXPECT_THAT(errors, testing::Each(testing::HasSubstr("brings a tensor of another size")));
}

}  // namespace troupe::transport
