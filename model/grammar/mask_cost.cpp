#include "model/grammar/mask_cost.hpp"

#include <algorithm>
#include <bit>
#include <ctime>
#include <random>
#include <vector>

#include "model/grammar/grammar_matcher.hpp"

namespace troupe::model {
namespace {

constexpr int tried_masks = 64;

Duration cpu_time() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

// One of the tokens that may come; nothing if none may.
std::optional<TokenId> chosen(const std::vector<std::uint32_t>& mask, std::mt19937& random) {
  const auto start = random() % mask.size();
  for (std::size_t i = 0; i < mask.size(); ++i) {
    const std::size_t word = (start + i) % mask.size();
    if (mask[word] != 0) return TokenId(word * 32 + std::size_t(std::countr_zero(mask[word])));
  }
  return std::nullopt;
}

}  // namespace

Duration dearest_mask(const std::shared_ptr<const CompiledGrammar>& grammar) {
  GrammarMatcher matcher(grammar);
  for (const TokenId token : grammar->lead_in()) matcher.accept(token);
  std::vector<std::uint32_t> mask(mask_words(grammar->vocab_size()));
  std::mt19937 random;  // its default seed
  Duration dearest{};
  for (int i = 0; i < tried_masks && dearest <= most_mask_time; ++i) {
    const Duration before = cpu_time();
    const bool constrains = matcher.fill(mask);
    dearest = std::max(dearest, cpu_time() - before);
    if (matcher.spent()) return Duration::max();
    if (!constrains) break;
    const auto token = chosen(mask, random);
    if (!token || !matcher.accept(*token)) break;
  }
  return dearest;
}

}  // namespace troupe::model
