// Sampling with vLLM's meaning of the parameters: changes of the logits, logits over temperature, then min_p, top_k,
// top_p. Each of the last three keeps the most likely tokens, ties by lower id, so together they keep a prefix of that order.
#include <algorithm>
#include <limits>
#include <numeric>
#include <string>
#include <utility>

#include "kernels/cpu/cpu_ops.hpp"
#include "kernels/elementary.hpp"
#include "kernels/philox.hpp"
#include "kernels/sampling_check.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/sample.cpp"
#include "kernels/cpu/targets.hpp"
// Highway after the choice of targets.
#include <hwy/foreach_target.h>

#include "kernels/cpu/exp-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace troupe::kernels::HWY_NAMESPACE {

// The highest of n logits; false if one of them is not finite.
bool find_highest(const float* logits, std::int64_t n, float& highest) {
  constexpr float lowest = -std::numeric_limits<float>::infinity();
  Lanes most = broadcast(lowest);
  Lanes strange = zero();  // x - x is 0 for a finite x, else NaN, which stays
  each_chunk(n, [&](std::int64_t i, std::int64_t length) LANES_INLINE {
    const Lanes x = load_part(logits + i, length, logits[0]);
    most = maximum(most, x);
    strange = add(strange, each_part([&](int p) LANES_INLINE { return hn::Sub(x.part[p], x.part[p]); }));
  });
  highest = maximum(most);
  return sum(strange) == 0;
}

// out[i] = exp((logits[i] - highest) / temperature)
void exponentials(const float* logits, std::int64_t n, float highest, float temperature, float* out) {
  const V minus = hn::Set(D(), -highest), divisor = hn::Set(D(), temperature);
  each_chunk(n, [&](std::int64_t i, std::int64_t length) LANES_INLINE {
    const Lanes x = load_part(logits + i, length);
    store_part(
        exp(each_part([&](int p) LANES_INLINE { return hn::Div(hn::Add(x.part[p], minus), divisor); })),
        out + i, length);
  });
}

}  // namespace troupe::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace troupe::kernels {
namespace {

HWY_EXPORT(find_highest);
HWY_EXPORT(exponentials);

// Tokens by descending value, ties by lower id, sorted only as far as asked for.
class Ranking {
 public:
  // Of the tokens that `keep` accepts.
  template <class Keep>
  Ranking(const float* values, std::int64_t n, Keep keep) : values_(values) {
    for (std::int64_t i = 0; i < n; ++i)
      if (keep(values[i])) order_.push_back(TokenId(i));
  }

  std::size_t size() const { return order_.size(); }
  TokenId operator[](std::size_t rank) {
    while (rank >= sorted_) sort_more();
    return order_[rank];
  }

 private:
  void sort_more() {
    constexpr std::size_t first_batch = 64, growth = 8;
    const auto before = [this](TokenId a, TokenId b) {
      return values_[a] > values_[b] || (values_[a] == values_[b] && a < b);
    };
    const std::size_t end = std::min(std::max(first_batch, sorted_ * growth), order_.size());
    const auto from = order_.begin() + std::ptrdiff_t(sorted_), to = order_.begin() + std::ptrdiff_t(end);
    if (to != order_.end()) std::nth_element(from, to, order_.end(), before);
    std::sort(from, to, before);
    sorted_ = end;
  }

  const float* values_;
  std::vector<TokenId> order_;
  std::size_t sorted_ = 0;
};

// Of one row of logits after the other, with the same buffers. One thread.
class Sampler {
 public:
  explicit Sampler(std::int64_t vocabulary) : vocabulary_(vocabulary) {}

  SampledToken sample(const float* logits, const SamplingRow& how) {
    logits_ = logits;
    SampledToken result;
    result.token = no_token;
    if (!HWY_DYNAMIC_DISPATCH(find_highest)(logits_, vocabulary_, highest_)) return result;
    result.token = how.given != no_token ? how.given : how.changes.none() ? choose(how) : choose_changed(how);
    if (result.token != no_token && how.params.logprobs >= 0) report(how.params.logprobs, result);
    if (how.given != no_token) result.rank = rank_of(how.given);
    return result;
  }

 private:
  std::int32_t rank_of(TokenId token) const {
    const float own = logits_[token];
    return 1 + std::int32_t(std::count_if(logits_, logits_ + vocabulary_, [=](float x) { return x > own; }));
  }

  TokenId choose(const SamplingRow& how) { return how.params.temperature == 0 ? most_likely() : draw(how); }

  TokenId choose_changed(const SamplingRow& how) {
    changed_.assign(logits_, logits_ + vocabulary_);
    change(how.changes);
    const float* const as_it_was = std::exchange(logits_, changed_.data());
    const float highest = std::exchange(highest_, *std::ranges::max_element(changed_));
    const TokenId token = highest_ == nothing ? no_token : choose(how);
    logits_ = as_it_was;
    highest_ = highest;
    return token;
  }

  void change(const LogitChanges& changes) {
    for (const LogitEdit& edit : changes.edits) {
      if (edit.token < 0 || edit.token >= vocabulary_) continue;
      float& x = changed_[std::size_t(edit.token)];
      x += edit.bias;
      if (edit.seen) x = x > 0 ? x / changes.repetition_penalty : x * changes.repetition_penalty;
      if (edit.count != 0) {
        x -= changes.frequency_penalty * float(edit.count);
        x -= changes.presence_penalty;
      }
      x = std::min(x, most);
    }
    if (changes.allowed.empty()) return;
    for (std::int64_t word = 0; word * 32 < vocabulary_; ++word) {
      const std::uint32_t bits = changes.allowed[std::size_t(word)];
      if (bits == ~std::uint32_t(0)) continue;
      const std::int64_t end = std::min(vocabulary_, (word + 1) * 32);
      for (std::int64_t token = word * 32; token < end; ++token)
        if (!(bits >> (token % 32) & 1)) changed_[std::size_t(token)] = nothing;
    }
  }

  TokenId most_likely() const {
    return TokenId(std::find(logits_, logits_ + vocabulary_, highest_) - logits_);
  }

  // Sets probabilities_, up to a factor: the highest is 1.
  void exponentiate(float temperature) {
    probabilities_.resize(std::size_t(vocabulary_));
    HWY_DYNAMIC_DISPATCH(exponentials)(logits_, vocabulary_, highest_, temperature, probabilities_.data());
  }

  TokenId draw(const SamplingRow& how) {
    exponentiate(how.params.temperature);
    // min_p is relative to the most likely token, which has 1 here.
    Ranking ranking(probabilities_.data(), vocabulary_,
                    [&](float p) { return p > 0 && p >= how.params.min_p; });
    const std::size_t kept =
        how.params.top_k > 0 ? std::min(ranking.size(), std::size_t(how.params.top_k)) : ranking.size();
    double total = mass(ranking, kept, how.params.min_p);
    if (how.params.top_p < 1) total = cut(ranking, kept, how.params.top_p * total);
    const double target = uniform_draw(how.params.seed, how.params.choice, how.output_position) * total;
    double sum = 0;
    for (std::size_t rank = 0; rank < kept; ++rank) {
      sum += probabilities_[std::size_t(ranking[rank])];
      // Rounding may leave the last sum a little under the total.
      if (sum > target || sum >= total) return ranking[rank];
    }
    return ranking[kept - 1];
  }

  // Of the first `kept` of the ranking: by rank if that is a part, else by id, which needs no order.
  double mass(Ranking& ranking, std::size_t kept, float min_p) const {
    double sum = 0;
    if (kept < ranking.size()) {
      for (std::size_t rank = 0; rank < kept; ++rank) sum += probabilities_[std::size_t(ranking[rank])];
    } else {
      for (const float p : probabilities_) sum += p >= min_p ? p : 0;
    }
    return sum;
  }

  // The mass of the shortest prefix that reaches `wanted`.
  double cut(Ranking& ranking, std::size_t kept, double wanted) const {
    double sum = 0;
    for (std::size_t rank = 0; rank < kept; ++rank) {
      sum += probabilities_[std::size_t(ranking[rank])];
      if (sum >= wanted) break;
    }
    return sum;
  }

  // log softmax of the raw logits, before temperature and cuts: what vLLM reports by default.
  void report(int alternatives, SampledToken& result) {
    exponentiate(1);
    double sum = 0;
    for (const float p : probabilities_) sum += p;
    const double log_sum = elementary::log(sum) + highest_;
    auto logprob = [&](TokenId token) { return float(logits_[token] - log_sum); };
    result.logprob = logprob(result.token);
    if (alternatives == 0) return;
    Ranking ranking(logits_, vocabulary_, [](float) { return true; });
    const std::size_t count = std::min(ranking.size(), std::size_t(alternatives));
    for (std::size_t rank = 0; rank < count; ++rank)
      result.top.push_back({ranking[rank], logprob(ranking[rank])});
  }

  static constexpr float nothing = -std::numeric_limits<float>::infinity(),
                         most = std::numeric_limits<float>::max();

  const float* logits_ = nullptr;  // of the row
  std::int64_t vocabulary_;
  float highest_ = 0;
  std::vector<float> probabilities_, changed_;
};

}  // namespace

void CpuOps::sample(Queue&, const Tensor& logits, std::span<const SamplingRow> how,
                    std::vector<SampledToken>& out) {
  const std::int64_t vocabulary = logits.row_elements();
  CHECK(logits.rows() == std::int64_t(how.size()) && (how.empty() || vocabulary > 0), "shapes of sample");
  for (const SamplingRow& row : how) check_sampling(row, vocabulary);
  out.assign(how.size(), {});
  each_row(logits.rows(), vocabulary, [&](std::int64_t begin, std::int64_t end) {
    Sampler sampler(vocabulary);
    for (std::int64_t row = begin; row < end; ++row)
      out[std::size_t(row)] = sampler.sample(logits.as<float>() + row * vocabulary, how[std::size_t(row)]);
  });
}

}  // namespace troupe::kernels
#endif  // HWY_ONCE
