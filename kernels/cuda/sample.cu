// Sampling as kernels/cpu/sample.cpp does it: see there for the meaning of parameters. What is a sum in F64 is one
// thread's, in the CPU's order; the rest is shared out, for its result does not depend on an order.
#include "kernels/cuda/sample.hpp"

#include "kernels/cuda/exp.hpp"
#include "kernels/philox.hpp"

namespace troupe::kernels::cuda {
namespace {

constexpr float nothing = -INFINITY, most = 0x1.fffffep127f;  // the largest float
constexpr std::uint64_t no_key = ~std::uint64_t{0};

// Orders by descending value, then by ascending token.
DEVICE std::uint64_t key_of(float value, std::int64_t token) {
  std::uint32_t bits;
  const float one_zero = value + 0.0f;
  memcpy(&bits, &one_zero, sizeof bits);
  const std::uint32_t ascending = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
  return std::uint64_t(~ascending) << 32 | std::uint64_t(token);
}
DEVICE float value_of(std::uint64_t key) {
  const std::uint32_t ascending = ~std::uint32_t(key >> 32);
  const std::uint32_t bits = ascending & 0x80000000u ? ascending & 0x7fffffffu : ~ascending;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}
DEVICE TokenId token_of(std::uint64_t key) {
  return TokenId(std::uint32_t(key));
}

// One row, by all threads of the block. Shared: an array of a number for each thread.
template <class Shared>
class RowSampler {
 public:
  DEVICE RowSampler(const Sample& k, Shared& shared)
      : how_(k.how[blockIdx.x]),
        n_(k.vocabulary),
        thread_(int(threadIdx.x)),
        raw_(k.logits + blockIdx.x * k.vocabulary),
        changed_(k.changed + blockIdx.x * k.vocabulary),
        probabilities_(k.probabilities + blockIdx.x * k.vocabulary),
        ranking_(k.ranking + blockIdx.x * k.ranked),
        ranked_(k.ranked),
        shared_(shared) {}

  DEVICE void run(Sampled& out) {
    TokenId token = no_token;
    std::int32_t rank = 0;
    if (is_finite(raw_)) {
      const float highest = highest_of(raw_);
      token = how_.given != no_token ? how_.given : choose(highest);
      if (token != no_token && how_.logprobs >= 0) report(token, highest, out);
      if (how_.given != no_token) rank = rank_of(how_.given);
    }
    if (thread_ != 0) return;
    out.token = token;
    out.rank = rank;
  }

 private:
  // f(token) for the tokens that are this thread's.
  template <class F>
  DEVICE void each(F f) {
    for (std::int64_t i = thread_; i < n_; i += Sample::threads) f(i);
  }
  // Of what each thread has.
  template <class Join>
  DEVICE std::uint64_t join(std::uint64_t mine, Join together) {
    shared_[thread_] = mine;
    __syncthreads();
    for (int half = Sample::threads / 2; half > 0; half /= 2) {
      if (thread_ < half) shared_[thread_] = together(shared_[thread_], shared_[thread_ + half]);
      __syncthreads();
    }
    const std::uint64_t all = shared_[0];
    __syncthreads();
    return all;
  }
  DEVICE std::uint64_t least(std::uint64_t mine) {
    return join(mine, [](std::uint64_t a, std::uint64_t b) { return a < b ? a : b; });
  }
  DEVICE std::uint64_t count(std::uint64_t mine) {
    return join(mine, [](std::uint64_t a, std::uint64_t b) { return a + b; });
  }

  DEVICE bool is_finite(const float* logits) {
    std::uint64_t strange = 0;
    each([&](std::int64_t i) { strange += !(logits[i] - logits[i] == 0); });
    return count(strange) == 0;
  }
  // Of which none is NaN.
  DEVICE float highest_of(const float* logits) { return value_of(first_behind(logits, 0)); }
  // The first of the order whose key is at least this.
  DEVICE std::uint64_t first_behind(const float* logits, std::uint64_t from) {
    std::uint64_t best = no_key;
    each([&](std::int64_t i) {
      const std::uint64_t key = key_of(logits[i], i);
      if (key >= from && key < best) best = key;
    });
    return least(best);
  }

  DEVICE TokenId choose(float highest) {
    if (how_.allowed == nullptr && how_.edit_count == 0) return choose_of(raw_, highest);
    change();
    const float changed_highest = highest_of(changed_);
    return changed_highest == nothing ? no_token : choose_of(changed_, changed_highest);
  }
  // What may not come is minus infinity first, and no edit makes it anything else.
  DEVICE void change() {
    each([&](std::int64_t i) {
      changed_[i] = raw_[i];
      if (!is_allowed(i)) changed_[i] = nothing;
    });
    __syncthreads();
    for (int e = thread_; e < how_.edit_count; e += Sample::threads) {
      const LogitEdit edit = how_.edits[e];
      if (edit.token < 0 || edit.token >= n_) continue;
      float x = changed_[edit.token] + edit.bias;
      if (edit.seen) x = x > 0 ? x / how_.repetition_penalty : x * how_.repetition_penalty;
      if (edit.count != 0) x = x - how_.frequency_penalty * float(edit.count) - how_.presence_penalty;
      changed_[edit.token] = x > most ? most : x;
    }
    __syncthreads();
  }
  DEVICE bool is_allowed(std::int64_t token) const {
    return how_.allowed == nullptr || (how_.allowed[token / 32] >> (token % 32) & 1) != 0;
  }

  DEVICE TokenId choose_of(const float* logits, float highest) {
    return how_.temperature == 0 ? token_of(first_behind(logits, 0)) : draw(logits, highest);
  }
  // Up to a factor: the highest has 1.
  DEVICE void exponentiate(const float* logits, float highest, float temperature) {
    each([&](std::int64_t i) { probabilities_[i] = exp((logits[i] + -highest) / temperature); });
    __syncthreads();
  }

  DEVICE TokenId draw(const float* logits, float highest) {
    exponentiate(logits, highest, how_.temperature);
    std::uint64_t mine = 0;
    for (std::int64_t i = thread_; i < ranked_; i += Sample::threads) {
      const bool kept = i < n_ && probabilities_[i] > 0 && probabilities_[i] >= how_.min_p;
      ranking_[i] = kept ? key_of(probabilities_[i], i) : no_key;
      mine += kept;
    }
    const auto size = std::int64_t(count(mine));
    sort();
    // Thread 0 has the token; the others know that there is one, and change nothing of what it is drawn from.
    const TokenId token = thread_ == 0 ? drawn(size) : TokenId{0};
    __syncthreads();
    return token;
  }
  // Batcher's bitonic sorter.
  DEVICE void sort() {
    for (std::int64_t run = 2; run <= ranked_; run *= 2)
      for (std::int64_t apart = run / 2; apart > 0; apart /= 2) {
        for (std::int64_t i = thread_; i < ranked_ / 2; i += Sample::threads) {
          const std::int64_t a = i / apart * 2 * apart + i % apart, b = a + apart;
          const std::uint64_t x = ranking_[a], y = ranking_[b];
          if ((x > y) == ((a & run) == 0)) {
            ranking_[a] = y;
            ranking_[b] = x;
          }
        }
        __syncthreads();
      }
  }
  // One thread: sums come in the order of the ranking, or of tokens where it does not matter.
  DEVICE TokenId drawn(std::int64_t size) {
    const std::int64_t kept = how_.top_k > 0 && how_.top_k < size ? how_.top_k : size;
    double total = 0;
    if (kept < size)
      for (std::int64_t rank = 0; rank < kept; ++rank) total += value_of(ranking_[rank]);
    else
      for (std::int64_t i = 0; i < n_; ++i) total += probabilities_[i] >= how_.min_p ? probabilities_[i] : 0;
    if (how_.top_p < 1) total = cut(kept, how_.top_p * total);
    const double target = uniform_draw(how_.seed, how_.choice, how_.output_position) * total;
    double sum = 0;
    for (std::int64_t rank = 0; rank < kept; ++rank) {
      sum += value_of(ranking_[rank]);
      if (sum > target || sum >= total) return token_of(ranking_[rank]);
    }
    return token_of(ranking_[kept - 1]);
  }
  // The mass of the shortest prefix that reaches `wanted`.
  DEVICE double cut(std::int64_t kept, double wanted) {
    double sum = 0;
    for (std::int64_t rank = 0; rank < kept; ++rank) {
      sum += value_of(ranking_[rank]);
      if (sum >= wanted) break;
    }
    return sum;
  }

  DEVICE void report(TokenId token, float highest, Sampled& out) {
    exponentiate(raw_, highest, 1);
    const int top_count = int(how_.logprobs < n_ ? how_.logprobs : n_);
    if (thread_ == 0) {
      double sum = 0;
      for (std::int64_t i = 0; i < n_; ++i) sum += probabilities_[i];
      out.sum = sum;
      out.highest = highest;
      out.logit = raw_[token];
      out.top_count = top_count;
    }
    std::uint64_t from = 0;
    for (int i = 0; i < top_count; ++i) {
      const std::uint64_t key = first_behind(raw_, from);
      if (thread_ == 0) {
        out.top[i] = token_of(key);
        out.top_logits[i] = raw_[token_of(key)];
      }
      from = key + 1;
    }
  }
  DEVICE std::int32_t rank_of(TokenId token) {
    std::uint64_t higher = 0;
    each([&](std::int64_t i) { higher += raw_[i] > raw_[token]; });
    return 1 + std::int32_t(count(higher));
  }

  const HowToSample& how_;
  const std::int64_t n_;
  const int thread_;
  const float* const raw_;
  float *const changed_, *const probabilities_;
  std::uint64_t* const ranking_;
  const std::int64_t ranked_;
  Shared& shared_;
};

}  // namespace

KERNEL(sample, Sample) {
  SHARED(std::uint64_t, shared, Sample::threads);
  RowSampler sampler(k, shared);
  sampler.run(k.out[blockIdx.x]);
}

}  // namespace troupe::kernels::cuda
