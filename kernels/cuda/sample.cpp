#include "kernels/cuda/sample.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "kernels/cuda/cuda_ops.hpp"
#include "kernels/elementary.hpp"
#include "kernels/sampling_check.hpp"

namespace troupe::kernels::cuda {
namespace {

HowToSample how_to_sample(const SamplingRow& how) {
  const SamplingParams& params = how.params;
  return {.temperature = params.temperature,
          .top_p = params.top_p,
          .min_p = params.min_p,
          .top_k = params.top_k,
          .seed = params.seed,
          .output_position = how.output_position,
          .choice = params.choice,
          .logprobs = params.logprobs,
          .given = how.given,
          .edit_count = std::int32_t(how.changes.edits.size()),
          .allowed = nullptr,
          .edits = nullptr,
          .repetition_penalty = how.changes.repetition_penalty,
          .presence_penalty = how.changes.presence_penalty,
          .frequency_penalty = how.changes.frequency_penalty};
}

// How the rows are sampled, then the lists that some refer to, on their way to the device.
class HowRows {
 public:
  HowRows(CudaQueue& queue, std::span<const SamplingRow> how) {
    std::size_t bytes = how.size() * sizeof(HowToSample);
    for (const SamplingRow& row : how)
      bytes += rounded(row.changes.allowed.size_bytes()) + rounded(row.changes.edits.size_bytes());
    staged_ = queue.stage(bytes);
    auto* const rows = static_cast<HowToSample*>(staged_.host());
    const std::byte* const device = static_cast<const std::byte*>(staged_.device());
    std::size_t at = how.size() * sizeof(HowToSample);
    const auto put = [&]<class T>(std::span<const T> list) -> const T* {
      if (list.empty()) return nullptr;
      std::memcpy(static_cast<std::byte*>(staged_.host()) + at, list.data(), list.size_bytes());
      return reinterpret_cast<const T*>(device + std::exchange(at, at + rounded(list.size_bytes())));
    };
    for (std::size_t i = 0; i < how.size(); ++i) {
      rows[i] = how_to_sample(how[i]);
      rows[i].allowed = put(how[i].changes.allowed);
      rows[i].edits = put(how[i].changes.edits);
    }
    staged_.send();
  }

  const HowToSample* device() const { return static_cast<const HowToSample*>(staged_.device()); }

 private:
  static std::size_t rounded(std::size_t bytes) { return (bytes + 15) / 16 * 16; }

  StagedBytes staged_;
};

SampledToken token_of(const Sampled& sampled, const SamplingRow& how) {
  SampledToken result;
  result.token = sampled.token;
  result.rank = sampled.rank;
  if (sampled.token == no_token || how.params.logprobs < 0) return result;
  const double log_sum = elementary::log(sampled.sum) + sampled.highest;
  result.logprob = float(sampled.logit - log_sum);
  for (std::int32_t i = 0; i < sampled.top_count; ++i)
    result.top.push_back({sampled.top[i], float(sampled.top_logits[i] - log_sum)});
  return result;
}

}  // namespace

void CudaOps::sample(Queue& queue, const Tensor& logits, std::span<const SamplingRow> how,
                     std::vector<SampledToken>& out) {
  const std::int64_t rows = logits.rows(), vocabulary = logits.row_elements();
  CHECK(rows == std::ssize(how) && (how.empty() || vocabulary > 0), "shapes of sample");
  for (const SamplingRow& row : how) check_sampling(row, vocabulary);
  out.assign(how.size(), {});
  if (how.empty()) return;

  CudaQueue& stream = stream_of(queue);
  const HowRows staged(stream, how);
  const auto elements = std::size_t(rows * vocabulary);
  const auto ranked = std::int64_t(std::bit_ceil(std::uint64_t(vocabulary)));
  const std::size_t ranking_bytes = std::size_t(rows * ranked) * sizeof(std::uint64_t);
  auto* const memory =
      static_cast<std::byte*>(stream.workspace(ranking_bytes + 2 * elements * sizeof(float)));
  auto* const floats = reinterpret_cast<float*>(memory + ranking_bytes);
  StagedBytes results = stream.stage(how.size() * sizeof(Sampled));
  stream.launch({.x = rows}, Sample{.logits = logits.as<float>(),
                                    .vocabulary = vocabulary,
                                    .how = staged.device(),
                                    .out = static_cast<Sampled*>(results.device()),
                                    .changed = floats,
                                    .probabilities = floats + elements,
                                    .ranking = reinterpret_cast<std::uint64_t*>(memory),
                                    .ranked = ranked});
  results.fetch();
  // how may be gone by then.
  std::vector<SamplingRow> rows_kept(how.begin(), how.end());
  stream.when_done(
      [results = std::make_shared<StagedBytes>(std::move(results)), rows_kept = std::move(rows_kept), &out] {
        const auto* const sampled = static_cast<const Sampled*>(results->host());
        for (std::size_t i = 0; i < rows_kept.size(); ++i) out[i] = token_of(sampled[i], rows_kept[i]);
      });
}

}  // namespace troupe::kernels::cuda
