#include "model/graphs/logits.hpp"

#include <algorithm>
#include <numeric>
#include <string>

namespace troupe::model {

namespace {

constexpr std::int64_t block_size = 32;

void check_texts(const ModelConfig& config, const DecoderLimits& limits, const TokenMatrix& texts) {
  CHECK(texts.batch >= 0 && texts.length >= 0 &&
        std::int64_t(texts.ids.size()) == texts.batch * texts.length);
  if (texts.length > limits.max_positions)
    throw Error("texts of " + std::to_string(texts.length) + " tokens are longer than the limit, " +
                    std::to_string(limits.max_positions),
                "input_ids");
  for (TokenId id : texts.ids)
    if (id < 0 || id >= config.vocab_size)
      throw Error("a token id is outside the vocabulary of " + std::to_string(config.vocab_size),
                  "input_ids");
}

}  // namespace

std::vector<float> logits_of(Decoder& decoder, const ModelConfig& config, const DecoderLimits& limits,
                             kernels::Queue& queue, const transport::Communicators& communicators,
                             const TokenMatrix& texts) {
  check_texts(config, limits, texts);
  std::vector<float> logits(texts.ids.size() * std::size_t(config.vocab_size));
  if (logits.empty()) return logits;

  std::vector<BlockId> blocks(std::size_t((texts.length + block_size - 1) / block_size));
  std::iota(blocks.begin(), blocks.end(), 0);
  KvCache cache = decoder.make_cache(std::int64_t(blocks.size()), block_size);
  const std::int64_t step = std::min({limits.max_tokens, limits.max_logit_rows, texts.length});
  std::vector<std::int32_t> rows(static_cast<std::size_t>(step));
  std::iota(rows.begin(), rows.end(), 0);

  std::vector<std::int64_t> group_tokens(
      std::size_t(communicators.world.size() / communicators.group.size()));

  float* out = logits.data();
  const TokenId* ids = texts.ids.data();
  for (std::int64_t text = 0; text < texts.batch; ++text)
    for (std::int64_t first = 0; first < texts.length; first += step) {
      const std::int64_t count = std::min(step, texts.length - first);
      const kernels::StepLayout layout{
          .tokens = count,
          .sequences = {{.first_row = 0, .rows = count, .first_position = first, .blocks = blocks}}};
      const std::span wanted = std::span(rows).first(std::size_t(count));
      std::ranges::fill(group_tokens, count);
      const kernels::Tensor part = decoder.forward(
          queue, communicators, {{ids, std::size_t(count)}, layout, wanted, group_tokens}, cache);
      decoder.ops().read(queue, part, std::as_writable_bytes(std::span(out, std::size_t(part.elements()))));
      queue.wait(TimePoint::max());
      out += part.elements();
      ids += count;
    }
  return logits;
}

}  // namespace troupe::model
