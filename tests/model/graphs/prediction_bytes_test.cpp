// What the prediction layer says of a token depends on its own text alone: these tests compare bytes of logits.
#include "model/checkpoint/synth.hpp"
#include "tests/model/checkpoint/checkpoint_folder.hpp"
#include "tests/model/graphs/prediction_session.hpp"

namespace troupe::model {
namespace {

constexpr std::size_t vocabulary = 96;

std::filesystem::path written(const TemporaryFolder& folder, kernels::DType weights) {
  write_synth(small_config(), folder.path() / "model", {.weights = weights, .seed = 11});
  return folder.path() / "model";
}

struct Computed {
  kernels::DType weights;
  bool gpu;  // what is compared; the bytes that it is compared with are a CPU's
};

class PredictionBytes : public ::testing::TestWithParam<Computed> {
 protected:
  static SessionOptions there(SessionOptions options = {}) {
    options.gpu = GetParam().gpu;
    return predicting(options);
  }
  static Tokens text_of(std::size_t sequence, std::size_t length) {
    Tokens text;
    for (std::size_t i = 0; i < length; ++i)
      text.push_back(TokenId((i * i * 7 + i * 29 + sequence * 13) % vocabulary));
    return text;
  }
  Logits run(const SessionOptions& options, std::size_t chunk = 100) const {
    return on_ranks(checkpoint_, there(options),
                    [&](Session& session) { return predictions(session, 0, text_, chunk, vocabulary); });
  }
  Logits whole() const {
    return on_ranks(checkpoint_, predicting(),
                    [&](Session& session) { return predictions(session, 0, text_, 100, vocabulary); });
  }
  // Of a text's tokens but the last.
  Logits alone(const Tokens& text) const {
    return on_ranks(checkpoint_, predicting(), [&](Session& session) {
      Logits logits = predictions(session, 0, text, text.size(), vocabulary);
      logits.resize((text.size() - 1) * vocabulary);
      return logits;
    });
  }

  TemporaryFolder folder_;
  Checkpoint checkpoint_ = Checkpoint::open(written(folder_, GetParam().weights));
  Tokens text_ = text_of(0, 101);
  Logits whole_ = whole();
};

TEST_P(PredictionBytes, AreEqualOnAnyNumberOfRanksAndThreads) {
  ASSERT_EQ(whole_.size(), (100 + 2) * vocabulary);
  for (int ranks : {2, 4})
    for (bool expert_parallel : {false, true})
      EXPECT_TRUE(same_bytes(whole_, run({.tensor_parallel = ranks, .expert_parallel = expert_parallel}, 30)))
          << ranks << " ranks, expert_parallel " << expert_parallel;
  EXPECT_TRUE(same_bytes(whole_, run({.tensor_parallel = 2, .over_tcp = true, .expert_parallel = true}, 30)));
  if (GetParam().gpu) return;
  for (int threads : {2, 3}) EXPECT_TRUE(same_bytes(whole_, run({.threads = threads}))) << threads;
}

TEST_P(PredictionBytes, AreEqualInAnyChunksAndBlocks) {
  for (std::size_t chunk : {1, 3, 7, 16}) EXPECT_TRUE(same_bytes(whole_, run({}, chunk))) << chunk;
  for (std::int64_t block_size : {1, 32})
    EXPECT_TRUE(same_bytes(whole_, run({.block_size = block_size, .shuffle_blocks = true}, 40)))
        << block_size;
}

TEST_P(PredictionBytes, AreEqualAmongOthers) {
  std::vector<Tokens> texts;
  std::vector<Logits> together(8);
  for (std::size_t i = 0; i < together.size(); ++i) texts.push_back(text_of(i, 20 + 7 * i));
  on_ranks(checkpoint_, there({.shuffle_blocks = true}), [&](Session& session) {
    std::vector<std::size_t> done(texts.size(), 0);
    while (true) {
      std::vector<Session::Part> parts;
      std::vector<Session::Ahead> ahead;
      std::int32_t rows = 0;
      for (std::size_t i = 0; i < texts.size(); ++i) {
        const std::size_t count = std::min(1 + i, texts[i].size() - 1 - done[i]);
        if (count == 0) continue;
        const auto first = texts[i].begin() + std::ptrdiff_t(done[i]), end = first + std::ptrdiff_t(count);
        parts.push_back({i, Tokens(first, end)});
        ahead.push_back({i, std::int64_t(done[i]), Tokens(first + 1, end + 1), rows_from(rows, count)});
        rows += std::int32_t(count);
        done[i] += count;
      }
      if (parts.empty()) return Logits();
      session.step(parts);
      std::ranges::reverse(ahead);  // rows may come in any order
      const Logits logits = session.predict(ahead);
      auto row = logits.begin();
      for (const Session::Ahead& part : ahead) {
        const auto end = row + std::ptrdiff_t(part.next.size() * vocabulary);
        together[part.sequence].insert(together[part.sequence].end(), row, end);
        row = end;
      }
    }
  });
  for (std::size_t i = 0; i < texts.size(); ++i) EXPECT_TRUE(same_bytes(alone(texts[i]), together[i])) << i;
}

// Each group runs so many tokens of its own text in each step, [steps][groups], and then one row ahead.
TEST_P(PredictionBytes, AreEqualInEverySplit) {
  const std::vector<std::vector<std::int64_t>> schedule{
      {40, 3, 0, 9}, {0, 30, 1, 2}, {0, 0, 0, 0}, {20, 0, 5, 0}, {1, 1, 1, 1}};
  for (auto [tensor, data] : {std::pair{2, 1}, {1, 2}, {2, 2}, {1, 4}})
    for (bool expert_parallel : {false, true}) {
      const auto groups = std::size_t(data);
      const std::vector<Logits> results = on_groups(
          checkpoint_,
          there({.tensor_parallel = tensor, .data_parallel = data, .expert_parallel = expert_parallel}),
          [&](Session& session) {
            const auto group = std::size_t(session.group());
            const Tokens text = text_of(group, 70);
            std::size_t done = 0;
            Logits all;
            for (const auto& step : schedule) {
              const auto tokens = std::span(step).first(groups);
              std::vector<std::int64_t> one_row;
              for (std::int64_t of_group : tokens) one_row.push_back(std::min<std::int64_t>(of_group, 1));
              std::vector<Session::Part> parts;
              std::vector<Session::Ahead> ahead, further;
              if (const auto count = std::size_t(tokens[group]); count > 0) {
                const auto first = text.begin() + std::ptrdiff_t(done), end = first + std::ptrdiff_t(count);
                parts = {{0, Tokens(first, end)}};
                ahead = {{0, std::int64_t(done), Tokens(first + 1, end + 1), rows_from(0, count)}};
                done += count;
                further = {{0, std::int64_t(done), {5}, {std::int32_t(count) - 1}}};
              }
              session.step(parts, tokens);
              const Logits logits = session.predict(ahead, tokens);
              all.insert(all.end(), logits.begin(), logits.end());
              session.predict(further, one_row);
            }
            return all;
          });
      for (std::size_t group = 0; group < groups; ++group) {
        std::int64_t length = 1;
        for (const auto& step : schedule) length += step[group];
        EXPECT_TRUE(same_bytes(alone(text_of(group, std::size_t(length))), results[group]))
            << "group " << group << ", " << tensor << " x " << data << " ranks, expert_parallel "
            << expert_parallel;
      }
    }
}

// As speculation does: every step computes three tokens, of which the last two are wrong.
TEST_P(PredictionBytes, AreEqualAfterRejectedDrafts) {
  const Logits drafted = on_ranks(checkpoint_, there(), [&](Session& session) {
    Logits all;
    for (std::size_t i = 0; i + 1 < text_.size(); ++i) {
      session.step({{0, {text_[i], 90, 91}}});
      const Logits logits = session.predict({{0, std::int64_t(i), {text_[i + 1], 92, 93}, {0, 1, 2}}});
      all.insert(all.end(), logits.begin(), logits.begin() + vocabulary);
      session.rewind(0, std::int64_t(i) + 1);
    }
    return all;
  });
  EXPECT_TRUE(same_bytes(alone(text_), drafted));
}

TEST_P(PredictionBytes, OfTheModelItselfStay) {
  const auto logits = [&](bool prediction) {
    SessionOptions options = there();
    options.limits.prediction = prediction;
    return on_ranks(checkpoint_, options, [&](Session& session) {
      Logits first = session.step({{0, Tokens(text_.begin(), text_.begin() + 50)}});
      if (prediction)
        session.predict({{0, 0, Tokens(text_.begin() + 1, text_.begin() + 51), rows_from(0, 50)}});
      const Logits second = session.step({{0, Tokens(text_.begin() + 50, text_.end())}});
      first.insert(first.end(), second.begin(), second.end());
      return first;
    });
  };
  EXPECT_TRUE(same_bytes(logits(false), logits(true)));
}

TEST_P(PredictionBytes, AreEqualWhereverTheExpertsAre) {
  const std::int64_t experts = checkpoint_.config().n_routed_experts;
  const auto moved =
      on_ranks(checkpoint_, there({.tensor_parallel = 2, .expert_parallel = true}), [&](Session& session) {
        auto placement = transport::ExpertPlacement::spread(experts, 2);
        for (auto& holders : placement.holders) holders = {1 - holders.front()};
        EXPECT_TRUE(session.decoder().place(placement));
        return predictions(session, 0, text_, 30, vocabulary);
      });
  EXPECT_TRUE(same_bytes(whole_, moved));
}

INSTANTIATE_TEST_SUITE_P(All, PredictionBytes,
                         ::testing::Values(Computed{kernels::DType::bf16, false},
                                           Computed{kernels::DType::f8_e4m3, false},
                                           Computed{kernels::DType::f8_e4m3, true}),
                         [](const auto& info) {
                           const std::string weights =
                               info.param.weights == kernels::DType::bf16 ? "bf16" : "fp8";
                           return weights + (info.param.gpu ? "_on_gpus" : "");
                         });

// More rows than go through the layer at once.
TEST(DemoModelPredictionBytes, AreEqualAcrossLongSteps) {
  const Checkpoint checkpoint = Checkpoint::open(DEMO_MODEL);
  Tokens text;
  for (TokenId i = 0; i < 531; ++i) text.push_back((i * 37 + 11) % 1500);
  const auto last_rows = [&](SessionOptions options, std::size_t chunk) {
    options.limits.max_positions = 1024;
    return on_ranks(checkpoint, predicting(options), [&](Session& session) {
      const Logits all = predictions(session, 0, text, chunk, 1536);
      return Logits(all.end() - 100 * 1536, all.end());
    });
  };
  const Logits whole = last_rows({}, 530);
  EXPECT_TRUE(same_bytes(whole, last_rows({}, 200)));
  EXPECT_TRUE(same_bytes(whole, last_rows({.tensor_parallel = 4, .expert_parallel = true}, 530)));
}

}  // namespace
}  // namespace troupe::model
