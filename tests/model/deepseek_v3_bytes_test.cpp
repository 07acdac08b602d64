// What a token gets depends on its own text alone: these tests compare bytes of logits.
#include "tests/model/decoder_session.hpp"

namespace troupe::model {

class EqualBytes : public ::testing::TestWithParam<const char*> {
 protected:
  static constexpr std::size_t length = 150;

  EqualBytes() : folder_(std::filesystem::path(TEST_DATA) / "checkpoints" / GetParam()) {}

  Logits run(const SessionOptions& options, std::size_t chunk = length) const {
    return on_ranks(checkpoint_, options, [&](Session& session) { return session.text(0, text_, chunk); });
  }

  std::filesystem::path folder_;
  Checkpoint checkpoint_ = Checkpoint::open(folder_);
  Golden golden_ = load_golden(folder_);
  std::span<const TokenId> text_ = golden_.text(0);
  Logits whole_ = run({});
};

TEST_P(EqualBytes, OnAnyNumberOfRanks) {
  EXPECT_LE(worst_difference(whole_, std::span(golden_.logits).first(whole_.size())), 5e-4);
  for (int ranks : {2, 4})
    for (bool expert_parallel : {false, true})
      EXPECT_TRUE(same_bytes(whole_, run({.ranks = ranks, .expert_parallel = expert_parallel})))
          << ranks << " ranks, expert_parallel " << expert_parallel;
  EXPECT_TRUE(same_bytes(whole_, run({.expert_parallel = true})));
}

TEST_P(EqualBytes, OverGloo) {
  for (int ranks : {2, 4})
    for (bool expert_parallel : {false, true}) {
      const SessionOptions options{.ranks = ranks, .over_gloo = true, .expert_parallel = expert_parallel};
      EXPECT_TRUE(same_bytes(whole_, run(options))) << ranks << " ranks, expert_parallel " << expert_parallel;
      // Fewer tokens than ranks leave some of them without any.
      EXPECT_TRUE(same_bytes(whole_, run(options, 3))) << ranks;
    }
}

TEST_P(EqualBytes, ForEachNumberOfVirtualShards) {
  for (int shards : {4, 64}) {
    const Logits one_rank = run({.virtual_shards = shards});
    EXPECT_FALSE(same_bytes(whole_, one_rank)) << shards;  // the shards are part of the arithmetic
    // At position 52 of the bf16 text two experts tie to within 3e-7, and rounding decides.
    const auto before_tie = [](const Logits& all) { return std::span(all).first(52 * 320); };
    EXPECT_LE(worst_difference(before_tie(whole_), before_tie(one_rank)), 5e-4) << shards;
    EXPECT_TRUE(same_bytes(one_rank, run({.ranks = 4, .virtual_shards = shards}))) << shards;
    EXPECT_TRUE(same_bytes(one_rank, run({.ranks = 4, .expert_parallel = true, .virtual_shards = shards})))
        << shards;
  }
}

TEST_P(EqualBytes, ChunkedOrWhole) {
  for (std::size_t chunk : {1, 3, 7, 16}) EXPECT_TRUE(same_bytes(whole_, run({}, chunk))) << chunk;
  // Fewer tokens than ranks leave some of them without any.
  EXPECT_TRUE(same_bytes(whole_, run({.ranks = 4, .expert_parallel = true}, 3)));
}

TEST_P(EqualBytes, OnAnyNumberOfThreads) {
  for (int threads : {2, 3, 8}) EXPECT_TRUE(same_bytes(whole_, run({.threads = threads}))) << threads;
}

TEST_P(EqualBytes, WithAnyBlocks) {
  for (std::int64_t block_size : {1, 16, 32})
    for (bool shuffle : {false, true})
      EXPECT_TRUE(same_bytes(whole_, run({.block_size = block_size, .shuffle_blocks = shuffle}, 40)))
          << block_size << " shuffled " << shuffle;
}

TEST_P(EqualBytes, AloneOrAmongSixteen) {
  // Every sequence is a text of its own length; each step gives every sequence that has tokens left some of
  // them.
  std::vector<Tokens> texts;
  for (std::size_t i = 0; i < 16; ++i) {
    const auto source = golden_.text(std::int64_t(i % 2)).subspan(i, 20 + 7 * i);
    texts.emplace_back(source.begin(), source.end());
  }
  const std::size_t vocabulary = std::size_t(checkpoint_.config().vocab_size);
  std::size_t most_parts = 0;
  std::vector<Logits> together(16);
  on_ranks(checkpoint_, {.shuffle_blocks = true}, [&](Session& session) {
    std::vector<std::size_t> done(16, 0);
    for (std::vector<Session::Part> parts;; parts.clear()) {
      for (std::size_t i = 0; i < 16; ++i) {
        const std::size_t count = std::min(1 + i, texts[i].size() - done[i]);
        const auto first = texts[i].begin() + std::ptrdiff_t(done[i]);
        if (count > 0) parts.push_back({i, Tokens(first, first + std::ptrdiff_t(count))});
        done[i] += count;
      }
      if (parts.empty()) return Logits();
      most_parts = std::max(most_parts, parts.size());
      const Logits logits = session.step(parts);
      auto row = logits.begin();
      for (const Session::Part& part : parts) {
        const auto end = row + std::ptrdiff_t(part.tokens.size() * vocabulary);
        together[part.sequence].insert(together[part.sequence].end(), row, end);
        row = end;
      }
    }
  });
  EXPECT_EQ(most_parts, 16u);
  on_ranks(checkpoint_, {}, [&](Session& session) {
    for (std::size_t i = 0; i < 16; ++i)
      EXPECT_TRUE(same_bytes(together[i], session.text(i, texts[i], texts[i].size()))) << i;
    return Logits();
  });
}

TEST_P(EqualBytes, AfterAStepWithoutTokens) {
  for (bool expert_parallel : {false, true}) {
    const SessionOptions options{.ranks = 2, .expert_parallel = expert_parallel};
    EXPECT_TRUE(same_bytes(whole_, on_ranks(checkpoint_, options, [&](Session& session) {
                             EXPECT_TRUE(session.step({}).empty());
                             return session.text(0, text_, length);
                           })));
  }
}

INSTANTIATE_TEST_SUITE_P(All, EqualBytes, ::testing::Values("deepseek-v3-bf16", "deepseek-v3-fp8"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

// More tokens than the feed-forward layers take at once, and eight ranks.
TEST(DemoModelBytes, AreEqualAcrossLongStepsAndEightRanks) {
  const Checkpoint checkpoint = Checkpoint::open(DEMO_MODEL);
  Tokens text;
  for (TokenId i = 0; i < 530; ++i) text.push_back((i * 37 + 11) % 1500);
  auto last_rows = [&](int ranks, bool expert_parallel, std::size_t chunk) {
    SessionOptions options{.ranks = ranks, .expert_parallel = expert_parallel};
    options.limits.max_positions = 1024;
    return on_ranks(checkpoint, options, [&](Session& session) {
      const Logits all = session.text(0, text, chunk);
      return Logits(all.end() - 200 * 1536, all.end());
    });
  };
  const Logits whole = last_rows(1, false, 530);
  EXPECT_TRUE(same_bytes(whole, last_rows(8, true, 530)));
  EXPECT_TRUE(same_bytes(whole, last_rows(8, false, 300)));
}

}  // namespace troupe::model
