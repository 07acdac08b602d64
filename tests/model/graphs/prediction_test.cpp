// The prediction layer against plain double-precision loops, and what it is worth on the demo model.
#include "model/graphs/prediction_entry.hpp"

#include <array>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/model/graphs/prediction_session.hpp"
#include "tests/model/graphs/reference_forward.hpp"
#include "tests/model/graphs/variants.hpp"

namespace troupe::model {
namespace {

std::vector<float> joined(const ReferenceModel::Rows& rows) {
  std::vector<float> all;
  for (const auto& row : rows) all.insert(all.end(), row.begin(), row.end());
  return all;
}

constexpr double logit_tolerance = 2e-4;

// Hidden states have no scale of their own: those of the demo model reach 750.
void expect_close(const std::vector<float>& hidden, const std::vector<float>& expected) {
  double largest = 0;
  for (float value : expected) largest = std::max(largest, std::abs(double(value)));
  EXPECT_LE(worst_difference(hidden, expected), 1e-5 * largest);
}

// The layer's hidden states and logits over a text, then of two tokens more from its own states.
void expect_agreement(const Checkpoint& checkpoint, const Tokens& text) {
  ReferenceModel reference(checkpoint);
  const auto states = reference.states(std::span(text).first(text.size() - 1));
  ReferenceModel::Rows entries;
  for (std::size_t i = 0; i < states.size(); ++i) entries.push_back(reference.entry(states[i], text[i + 1]));
  on_ranks(checkpoint, predicting(), [&](Session& session) {
    session.step({{0, Tokens(text.begin(), text.end() - 1)}});
    Logits logits =
        session.predict({{0, 0, Tokens(text.begin() + 1, text.end()), rows_from(0, states.size())}});
    auto expected = reference.predicted(entries);
    expect_close(session.hidden(), joined(expected.hidden));
    EXPECT_LE(worst_difference(logits, expected.logits), logit_tolerance);
    const std::size_t vocabulary = std::size_t(checkpoint.config().vocab_size);
    for (std::size_t ahead = 0; ahead < 2; ++ahead) {
      const TokenId drafted = most_likely(std::span(expected.logits).last(vocabulary));
      entries.push_back(reference.entry(expected.states.back(), drafted));
      expected = reference.predicted(entries);
      logits = session.predict({{0,
                                 std::int64_t(entries.size()) - 1,
                                 {drafted},
                                 {ahead == 0 ? std::int32_t(states.size()) - 1 : 0}}});
      expect_close(session.hidden(), joined({expected.hidden.back()}));
      EXPECT_LE(worst_difference(logits, std::span(expected.logits).last(vocabulary)), logit_tolerance)
          << ahead;
    }
    return Logits();
  });
}

Tokens text_of(std::int64_t vocabulary) {
  Tokens text;
  for (std::int64_t i = 0; i < 41; ++i) text.push_back(TokenId((i * 29 + 5) % vocabulary));
  return text;
}

class PredictionVariants : public ::testing::TestWithParam<Variant> {};

TEST_P(PredictionVariants, AgreeWithTheReferenceAndAreEqualOnAllRanks) {
  const SynthCheckpoint checkpoint(GetParam());
  const std::int64_t vocabulary = checkpoint->config().vocab_size;
  const Tokens text = text_of(vocabulary);
  expect_agreement(*checkpoint, text);
  expect_equal_everywhere(*checkpoint, [&](const SessionOptions& options) {
    return on_ranks(*checkpoint, predicting(options), [&](Session& session) {
      return predictions(session, 0, text, 17, std::size_t(vocabulary));
    });
  });
}

INSTANTIATE_TEST_SUITE_P(
    All, PredictionVariants,
    ::testing::Values(Variant{"small", nlohmann::json::object(), kernels::DType::bf16},
                      Variant{"large_epsilon", {{"rms_norm_eps", 0.05}}, kernels::DType::bf16},
                      Variant{"several_layers", {{"num_nextn_predict_layers", 2}}, kernels::DType::bf16},
                      Variant{"direct_queries_fp8", {{"q_lora_rank", nullptr}}, kernels::DType::f8_e4m3},
                      Variant{"blocks_across_heads_and_shards", odd_blocks, kernels::DType::f8_e4m3},
                      // 50 hidden columns are not a multiple of 4 ranks.
                      Variant{"tied_uneven",
                              {{"tie_word_embeddings", true}, {"vocab_size", 99}, {"hidden_size", 50}},
                              kernels::DType::f32},
                      Variant{"dense_prediction_layer", {{"moe_layer_freq", 2}}, kernels::DType::bf16},
                      Variant{"no_experts", {{"n_routed_experts", nullptr}}, kernels::DType::bf16},
                      Variant{"few_positions_of_many",
                              {{"architectures", {"DeepseekV32ForCausalLM"}},
                               {"model_type", "deepseek_v32"},
                               {"index_topk", 7},
                               {"index_n_heads", 3},
                               {"index_head_dim", 6}},
                              kernels::DType::f32},
                      Variant{"yarn", yarn_of_deepseek, kernels::DType::bf16}),
    name_of_variant);

// The goldens' configurations, whose checkpoints have no prediction layer, with random weights of their type.
class PredictionOfGoldens : public ::testing::TestWithParam<std::pair<const char*, kernels::DType>> {};

TEST_P(PredictionOfGoldens, AgreesWithTheReference) {
  const auto& [name, weights] = GetParam();
  auto config = nlohmann::json::parse(
      std::ifstream(std::filesystem::path(TEST_DATA) / "checkpoints" / name / "config.json"));
  config["num_nextn_predict_layers"] = 1;
  expect_agreement(*SynthCheckpoint(config, weights, 5), text_of(320));
}

INSTANTIATE_TEST_SUITE_P(All, PredictionOfGoldens,
                         ::testing::Values(std::pair{"deepseek-v3-bf16", kernels::DType::bf16},
                                           std::pair{"deepseek-v3-yarn-f32", kernels::DType::f32},
                                           std::pair{"deepseek-v3-fp8", kernels::DType::f8_e4m3}),
                         [](const auto& info) {
                           std::string name = info.param.first;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

// The demo model repeats the main model's embedding and head for its layer.
TEST(Prediction, SharesEmbeddingAndHeadWithTheMainModel) {
  const Checkpoint repeated = Checkpoint::open(DEMO_MODEL);
  TemporaryFolder folder;
  std::vector<TensorToWrite> tensors;
  for (const std::string& name : repeated.names()) {
    if (name == "model.layers.5.embed_tokens.weight" || name == "model.layers.5.shared_head.head.weight")
      continue;
    const StoredTensor& stored = repeated.tensor(name);
    tensors.push_back({{name, stored.dtype, stored.shape}, stored.bytes});
  }
  ASSERT_EQ(tensors.size() + 2, repeated.names().size());
  write_safetensors(folder.path() / "model.safetensors", tensors);
  folder.write("config.json", read_file(repeated.folder() / "config.json"));
  const Checkpoint missing = Checkpoint::open(folder.path());

  const auto bytes_read = [](const Checkpoint& checkpoint) {
    auto ops = kernels::make_cpu_ops(1);
    Progress progress;
    load_decoder(checkpoint, *ops, {}, {.prediction = true}, {.progress = &progress});
    return progress.total.load();
  };
  EXPECT_EQ(bytes_read(repeated), bytes_read(missing));
  const auto run = [](const Checkpoint& checkpoint) {
    return on_ranks(checkpoint, predicting(),
                    [](Session& session) { return predictions(session, 0, text_of(1536), 41, 1536); });
  };
  EXPECT_TRUE(same_bytes(run(repeated), run(missing)));
}

nlohmann::json demo_goldens() {
  return nlohmann::json::parse(std::ifstream(std::string(TEST_DATA) + "/demo-goldens.json"));
}

TEST(DemoModelPrediction, AgreesWithTheReference) {
  const auto golden = demo_goldens().at(0);
  Tokens text = golden.at("prompt_ids").get<Tokens>();
  for (TokenId token : golden.at("output_ids").get<Tokens>()) text.push_back(token);
  text.resize(std::min<std::size_t>(text.size(), 60));
  expect_agreement(Checkpoint::open(DEMO_MODEL), text);
}

// Drafts of three tokens after every token that the model produces for a prompt, accepted while they are what
// follows. All prompts side by side.
class Acceptance {
 public:
  static constexpr std::size_t ahead = 3;

  explicit Acceptance(std::size_t vocabulary) : vocabulary_(vocabulary) {
    for (const auto& golden : demo_goldens()) {
      texts_.push_back(golden.at("prompt_ids").get<Tokens>());
      done_.push_back(0);
      prompt_.push_back(texts_.back().size());
      for (TokenId token : golden.at("output_ids").get<Tokens>()) texts_.back().push_back(token);
    }
  }

  // Computes the prompts, then a token of each. false at the end.
  bool step(Session& session) {
    std::vector<Session::Part> parts;
    std::vector<Session::Ahead> drafts;
    std::int32_t rows = 0;
    for (std::size_t i = 0; i < texts_.size(); ++i) {
      const std::size_t first = done_[i], end = std::max(first + 1, prompt_[i]);
      if (end >= texts_[i].size()) continue;
      const auto at = [&](std::size_t position) { return texts_[i].begin() + std::ptrdiff_t(position); };
      parts.push_back({i, Tokens(at(first), at(end))});
      drafts.push_back(
          {i, std::int64_t(first), Tokens(at(first + 1), at(end + 1)), rows_from(rows, end - first)});
      rows += std::int32_t(end - first);
      done_[i] = end;
    }
    if (parts.empty()) return false;
    session.step(parts);
    draft(session, std::move(drafts));
    return true;
  }

  std::array<double, ahead> rates() const {
    std::array<double, ahead> rates;
    for (std::size_t k = 0; k < ahead; ++k) rates[k] = double(accepted_[k]) / double(drafted_[k]);
    return rates;
  }

 private:
  void draft(Session& session, std::vector<Session::Ahead> drafts) {
    std::vector<char> good(drafts.size(), true);
    for (std::size_t k = 0; k < ahead; ++k) {
      const Logits logits = session.predict(drafts);
      std::int32_t row = -1;
      for (std::size_t i = 0; i < drafts.size(); ++i) {
        Session::Ahead& draft = drafts[i];
        const Tokens& text = texts_[draft.sequence];
        row += std::int32_t(draft.next.size());
        const TokenId token =
            most_likely(std::span(logits).subspan(std::size_t(row) * vocabulary_, vocabulary_));
        const std::size_t position = done_[draft.sequence] + 1 + k;  // of the token
        if (position < text.size()) {
          good[i] = good[i] && token == text[position];
          accepted_[k] += good[i];
          ++drafted_[k];
        }
        draft = {draft.sequence, std::int64_t(position) - 1, {token}, {row}};
      }
    }
  }

  std::size_t vocabulary_;
  std::vector<Tokens> texts_;
  std::vector<std::size_t> done_, prompt_;
  std::array<std::int64_t, ahead> accepted_{}, drafted_{};
};

TEST(DemoModelPrediction, GuessesMostOfWhatFollows) {
  const Checkpoint checkpoint = Checkpoint::open(DEMO_MODEL);
  Acceptance acceptance(std::size_t(checkpoint.config().vocab_size));
  on_ranks(checkpoint, predicting({.threads = 2, .block_size = 32}), [&](Session& session) {
    while (acceptance.step(session)) {
    }
    return Logits();
  });
  const auto rates = acceptance.rates();
  for (std::size_t k = 0; k < rates.size(); ++k)
    RecordProperty("accepted_at_" + std::to_string(k), std::to_string(rates[k]));
  EXPECT_GT(rates[0], 0.9);
}

}  // namespace
}  // namespace troupe::model
