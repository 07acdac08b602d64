// What a token gets depends on its own text alone: these tests compare bytes of logits.
#include "tests/model/graphs/golden_ties.hpp"

namespace troupe::model {

// Tokens of each step and group: [steps][groups].
using Schedule = std::vector<std::vector<std::int64_t>>;

std::size_t tokens_of(const Schedule& schedule, std::size_t group) {
  std::size_t tokens = 0;
  for (const auto& step : schedule) tokens += std::size_t(step[group]);
  return tokens;
}

// What each group gets for its text; after_step(session, step) runs between the steps.
template <class TextOf, class AfterStep>
std::vector<Logits> run_schedule(const Checkpoint& checkpoint, const SessionOptions& options,
                                 const Schedule& schedule, TextOf text_of, AfterStep after_step) {
  return on_groups(checkpoint, options, [&](Session& session) {
    const auto group = std::size_t(session.group());
    auto next = text_of(group).begin();
    Logits all;
    for (std::size_t step = 0; step < schedule.size(); ++step) {
      const auto tokens = std::span(schedule[step]).first(std::size_t(options.data_parallel));
      const auto end = next + std::ptrdiff_t(tokens[group]);
      std::vector<Session::Part> parts;
      if (next != end) parts.push_back({0, Tokens(next, end)});
      next = end;
      const Logits logits = session.step(parts, tokens);
      all.insert(all.end(), logits.begin(), logits.end());
      after_step(session, step);
    }
    return all;
  });
}
template <class TextOf>
std::vector<Logits> run_schedule(const Checkpoint& checkpoint, const SessionOptions& options,
                                 const Schedule& schedule, TextOf text_of) {
  return run_schedule(checkpoint, options, schedule, text_of, [](Session&, std::size_t) {});
}

struct Computed {
  const char* checkpoint;
  bool gpu;  // what is compared; the bytes that it is compared with are a CPU's
  kernels::CacheType cache = kernels::CacheType::f32;
};

class EqualBytes : public ::testing::TestWithParam<Computed> {
 protected:
  static constexpr std::size_t longest = 150;

  EqualBytes() : folder_(std::filesystem::path(TEST_DATA) / "checkpoints" / GetParam().checkpoint) {}

  static SessionOptions cached(SessionOptions options = {}) {
    options.limits.cache_type = GetParam().cache;
    return options;
  }
  static SessionOptions there(SessionOptions options) {
    options.gpu = GetParam().gpu;
    return cached(options);
  }
  Logits whole(const SessionOptions& options) const { return text(cached(options), longest); }
  Logits run(const SessionOptions& options, std::size_t chunk = longest) const {
    return text(there(options), chunk);
  }
  Logits text(const SessionOptions& options, std::size_t chunk) const {
    return on_ranks(checkpoint_, options, [&](Session& session) { return session.text(0, text_, chunk); });
  }

  // Whether the model can be cut so: heads and experts are as many as they are.
  bool fits(const SessionOptions& options) const {
    return bool(check_plan(checkpoint_.config(), {.tensor_parallel = options.tensor_parallel,
                                                  .data_parallel = options.data_parallel,
                                                  .expert_parallel = options.expert_parallel}));
  }
  static bool of_f32() { return GetParam().cache == kernels::CacheType::f32; }
  bool has_experts() const { return checkpoint_.config().n_routed_experts > 0; }

  // Each group has a text of its own, of which it computes so many tokens in each step:
  // schedule[step][group].
  void expect_equal_groups(const SessionOptions& options, const Schedule& schedule) const {
    const std::vector<Logits> results = run_schedule(checkpoint_, there(options), schedule,
                                                     [&](std::size_t group) { return text_of(group); });
    for (std::size_t group = 0; group < results.size(); ++group) {
      const Logits alone = on_ranks(checkpoint_, cached(), [&](Session& session) {
        return session.text(0, text_of(group).first(tokens_of(schedule, group)), longest);
      });
      EXPECT_TRUE(same_bytes(alone, results[group]))
          << "group " << group << ", " << options.tensor_parallel << " x " << options.data_parallel
          << " ranks, expert_parallel " << options.expert_parallel;
    }
  }
  std::span<const TokenId> text_of(std::size_t group) const {
    return golden_.text(std::int64_t(group % 2)).subspan(group / 2 * 5);
  }

  std::filesystem::path folder_;
  Checkpoint checkpoint_ = Checkpoint::open(folder_);
  Golden golden_ = load_golden(folder_);
  std::span<const TokenId> text_ = golden_.text(0).first(GetParam().gpu ? 60 : longest);
  Logits whole_ = whole({});
};

TEST_P(EqualBytes, OnAnyNumberOfRanks) {
  if (of_f32()) {
    const Logits published = logits_without_ties(checkpoint_, golden_);
    EXPECT_LE(worst_difference(whole_, std::span(published).first(whole_.size())), 5e-4);
  }
  for (int ranks : {1, 2, 4})
    for (bool expert_parallel : {false, true}) {
      const SessionOptions split{.tensor_parallel = ranks, .expert_parallel = expert_parallel};
      if (!fits(split)) continue;
      EXPECT_TRUE(same_bytes(whole_, run(split))) << ranks << " ranks, expert_parallel " << expert_parallel;
    }
}

TEST_P(EqualBytes, InEverySplit) {
  for (auto [tensor, data] : {std::pair{2, 1}, {1, 2}, {4, 1}, {2, 2}, {1, 4}})
    for (bool expert_parallel : {false, true}) {
      const SessionOptions split{
          .tensor_parallel = tensor, .data_parallel = data, .expert_parallel = expert_parallel};
      if (!fits(split)) continue;
      expect_equal_groups(split, {{40, 3, 0, 9}, {0, 57, 1, 2}, {0, 0, 0, 0}, {60, 0, 5, 0}, {1, 1, 1, 1}});
    }
}

TEST_P(EqualBytes, OverTcp) {
  for (auto [tensor, data] : {std::pair{4, 1}, {2, 2}})
    for (bool expert_parallel : {false, true}) {
      const SessionOptions split{.tensor_parallel = tensor,
                                 .data_parallel = data,
                                 .over_tcp = true,
                                 .expert_parallel = expert_parallel};
      if (!fits(split)) continue;
      // Fewer tokens than ranks leave some of them without any.
      expect_equal_groups(split, {{70, 30}, {3, 0}, {0, 3}, {1, 2}, {0, 40}});
    }
}

TEST_P(EqualBytes, ForEachNumberOfVirtualShards) {
  for (int shards : {4, 64}) {
    const Logits one_rank = whole({.virtual_shards = shards});
    EXPECT_FALSE(same_bytes(whole_, one_rank)) << shards;  // the shards are part of the arithmetic
    // At position 52 of the bf16 text two experts tie to within 3e-7, and rounding decides.
    const auto before_tie = [](const Logits& all) { return std::span(all).first(52 * 320); };
    if (of_f32()) {  // else a number of an entry may be rounded the other way
      EXPECT_LE(worst_difference(before_tie(whole_), before_tie(one_rank)), 5e-4) << shards;
    }
    for (int ranks : {2, 4})
      for (bool expert_parallel : {false, true}) {
        const SessionOptions split{
            .tensor_parallel = ranks, .expert_parallel = expert_parallel, .virtual_shards = shards};
        if (!fits(split)) continue;
        EXPECT_TRUE(same_bytes(one_rank, run(split))) << shards;
      }
  }
}

// Whole experts need no shards, and then groups are as many as there are experts for.
TEST_P(EqualBytes, ForEachNumberOfExpertShards) {
  if (!has_experts()) GTEST_SKIP() << "a dense model";
  const Logits one_rank = whole({.virtual_shards = 2, .expert_shards = 1});
  EXPECT_FALSE(same_bytes(one_rank, whole({.virtual_shards = 2})));
  const auto in_groups = [&](SessionOptions options) {
    options.tensor_parallel = options.data_parallel = options.virtual_shards = 2;
    const auto rows = std::int64_t(text_.size());
    return run_schedule(checkpoint_, there(options), {{rows, rows}}, [&](std::size_t) { return text_; })
        .front();
  };
  EXPECT_TRUE(same_bytes(one_rank, in_groups({.expert_parallel = true, .expert_shards = 1})));
  const Logits more_for_experts = whole({.virtual_shards = 2, .expert_shards = 4});
  for (bool expert_parallel : {false, true})
    EXPECT_TRUE(
        same_bytes(more_for_experts, in_groups({.expert_parallel = expert_parallel, .expert_shards = 4})));
}

TEST_P(EqualBytes, ChunkedOrWhole) {
  for (std::size_t chunk : {1, 3, 7, 16}) EXPECT_TRUE(same_bytes(whole_, run({}, chunk))) << chunk;
  if (!has_experts()) return;
  // Fewer tokens than ranks leave some of them without any.
  EXPECT_TRUE(same_bytes(whole_, run({.tensor_parallel = 4, .expert_parallel = true}, 3)));
}

TEST_P(EqualBytes, OnAnyNumberOfThreads) {
  if (GetParam().gpu) GTEST_SKIP() << "a GPU has as many as it has";
  for (int threads : {2, 3, 8}) EXPECT_TRUE(same_bytes(whole_, run({.threads = threads}))) << threads;
}

TEST_P(EqualBytes, WithAnyBlocks) {
  for (std::int64_t block_size : {1, 16, 32})
    for (bool shuffle : {false, true})
      EXPECT_TRUE(same_bytes(whole_, run({.block_size = block_size, .shuffle_blocks = shuffle}, 40)))
          << block_size << " shuffled " << shuffle;
}

TEST_P(EqualBytes, AloneOrAmongSixteen) {
  // Every sequence is a text of its own length; each step
  // gives every sequence that has tokens left some of them.
  std::vector<Tokens> texts;
  for (std::size_t i = 0; i < 16; ++i) {
    const auto source = golden_.text(std::int64_t(i % 2)).subspan(i, 20 + 7 * i);
    texts.emplace_back(source.begin(), source.end());
  }
  const std::size_t vocabulary = std::size_t(checkpoint_.config().vocab_size);
  std::size_t most_parts = 0;
  std::vector<Logits> together(16);
  on_ranks(checkpoint_, there({.shuffle_blocks = true}), [&](Session& session) {
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
  on_ranks(checkpoint_, cached(), [&](Session& session) {
    for (std::size_t i = 0; i < 16; ++i)
      EXPECT_TRUE(same_bytes(together[i], session.text(i, texts[i], texts[i].size()))) << i;
    return Logits();
  });
}

TEST_P(EqualBytes, AfterAStepWithoutTokens) {
  for (bool expert_parallel : {false, true}) {
    const SessionOptions options = there({.tensor_parallel = 2, .expert_parallel = expert_parallel});
    if (!fits(options)) continue;
    EXPECT_TRUE(same_bytes(whole_, on_ranks(checkpoint_, options, [&](Session& session) {
                             EXPECT_TRUE(session.step({}).empty());
                             return session.text(0, text_, longest);
                           })));
  }
}

TEST_P(EqualBytes, WhereverTheExpertsAre) {
  if (!has_experts()) GTEST_SKIP() << "a dense model";
  const std::int64_t experts = checkpoint_.config().n_routed_experts;
  for (auto [tensor, data] : {std::pair{4, 1}, {2, 2}}) {
    using transport::ExpertPlacement;
    // The second expert is moved, the first one doubled, the last one is everywhere; then rank 1 has nothing.
    ExpertPlacement mixed = ExpertPlacement::spread(experts, 4), idle = mixed;
    mixed.holders[1] = {3};
    mixed.holders[0] = {0, 2};
    mixed.holders.back() = {0, 1, 2, 3};
    for (std::size_t id = 0; id < idle.holders.size(); ++id) idle.holders[id] = {id % 2 == 0 ? 0 : 2};
    const std::vector<ExpertPlacement> placements{mixed, idle, ExpertPlacement::spread(experts, 4)};
    const SessionOptions options =
        there({.tensor_parallel = tensor, .data_parallel = data, .expert_parallel = true});
    const auto groups = run_schedule(
        checkpoint_, options, {{30, 2}, {40, 17}, {3, 0}, {2, 20}},
        [&](std::size_t group) { return text_of(group); },
        [&](Session& session, std::size_t step) {
          if (step < placements.size()) {
            EXPECT_TRUE(session.decoder().place(placements[step]));
          }
        });
    for (std::size_t group = 0; group < groups.size(); ++group) {
      const Logits alone = on_ranks(checkpoint_, cached(), [&](Session& session) {
        return session.text(0, text_of(group).first(group == 0 ? 75 : 39), longest);
      });
      EXPECT_TRUE(same_bytes(alone, groups[group])) << tensor << " x " << data << ", group " << group;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, EqualBytes,
    ::testing::Values(Computed{"deepseek-v3-bf16", false}, Computed{"deepseek-v3-fp8", false},
                      Computed{"deepseek-v3-fp8", true}, Computed{"deepseek-v2-lite-bf16", false},
                      Computed{"deepseek-v32-bf16", false}, Computed{"deepseek-v32-yarn-fp8", true},
                      Computed{"llama-bf16", false}, Computed{"qwen2-bf16", false},
                      Computed{"qwen3-bf16", true},
                      Computed{"deepseek-v3-bf16", false, kernels::CacheType::bf16},
                      Computed{"deepseek-v3-fp8", false, kernels::CacheType::fp8},
                      Computed{"deepseek-v32-bf16", false, kernels::CacheType::bf16},
                      Computed{"deepseek-v32-yarn-fp8", true, kernels::CacheType::fp8},
                      Computed{"llama-bf16", false, kernels::CacheType::fp8},
                      Computed{"qwen3-bf16", true, kernels::CacheType::bf16}),
    [](const auto& info) {
      std::string name = info.param.checkpoint;
      std::ranges::replace(name, '-', '_');
      if (info.param.cache != kernels::CacheType::f32)
        name += "_cached_as_" + std::string(name_of(info.param.cache));
      return name + (info.param.gpu ? "_on_gpus" : "");
    });

// More tokens than the feed-forward layers take at once, and eight ranks.
TEST(DemoModelBytes, AreEqualAcrossLongStepsAndEightRanks) {
  const Checkpoint checkpoint = Checkpoint::open(DEMO_MODEL);
  Tokens text;
  for (TokenId i = 0; i < 530; ++i) text.push_back((i * 37 + 11) % 1500);
  auto last_rows = [&](int ranks, bool expert_parallel, std::size_t chunk) {
    SessionOptions options{.tensor_parallel = ranks, .expert_parallel = expert_parallel};
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

// A group that needs two chunks of its feed-forward layers beside groups that need one, or none.
TEST(DemoModelBytes, AreEqualWhenGroupsNeedDifferentNumbersOfChunks) {
  const Checkpoint checkpoint = Checkpoint::open(DEMO_MODEL);
  Tokens text;
  for (TokenId i = 0; i < 530; ++i) text.push_back((i * 31 + 7) % 1500);
  SessionOptions options;
  options.limits.max_positions = 1024;
  const Schedule schedule{{518, 3}, {5, 0}, {0, 514}};
  const Logits alone = on_ranks(checkpoint, options, [&](Session& session) {
    return session.text(0, std::span(text).first(523), 523);
  });
  for (bool expert_parallel : {false, true})
    for (int tensor : {1, 2}) {
      options.tensor_parallel = tensor;
      options.data_parallel = 2;
      options.expert_parallel = expert_parallel;
      const auto groups =
          run_schedule(checkpoint, options, schedule, [&](std::size_t) { return std::span(text); });
      EXPECT_TRUE(same_bytes(alone, groups[0])) << tensor << ", expert_parallel " << expert_parallel;
      EXPECT_TRUE(same_bytes(Logits(alone.begin(), alone.begin() + 517 * 1536), groups[1])) << tensor;
    }
}

}  // namespace troupe::model
