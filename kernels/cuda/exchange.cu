#include "kernels/cuda/exchange.hpp"

#include "kernels/cuda/kernel.hpp"

namespace troupe::kernels::cuda {
namespace {

template <int ranks>
DEVICE float tree(const float* part, std::int64_t stride) {
  if constexpr (ranks == 1)
    return *part;
  else
    return tree<ranks / 2>(part, stride) + tree<ranks / 2>(part + ranks / 2 * stride, stride);
}

// Where rank `source` sends its token'th token for an expert: as ExpertPlacement::owner.
DEVICE int owner(const ExpertHolders& holders, int expert, int source, std::int64_t token) {
  const int first = holders.first[expert], count = holders.first[expert + 1] - first;
  return holders.ranks[first + (count == 1 ? 0 : int((source + token) % count))];
}

DEVICE void copy_row(std::uint32_t* to, const std::uint32_t* from, std::int64_t words, int threads) {
  for (std::int64_t i = threadIdx.x; i < words; i += threads) to[i] = from[i];
}

}  // namespace

KERNEL(tree_sum, TreeSum) {
  const std::int64_t i = std::int64_t(blockIdx.x) * k.threads + threadIdx.x;
  if (i >= k.elements) return;
  const float* const part = k.parts + i;
  float sum = 0;
  switch (k.ranks) {
    case 2:
      sum = tree<2>(part, k.elements);
      break;
    case 4:
      sum = tree<4>(part, k.elements);
      break;
    case 8:
      sum = tree<8>(part, k.elements);
      break;
    case 16:
      sum = tree<16>(part, k.elements);
      break;
    case 32:
      sum = tree<32>(part, k.elements);
      break;
    case 64:
      sum = tree<64>(part, k.elements);
      break;
    default:
      DEVICE_CHECK(k.ranks == 1);
      sum = *part;
  }
  k.out[i] = sum;
}

KERNEL(pack_tokens, PackTokens) {
  const TokenMessage& m = k.message;
  const std::int64_t token = blockIdx.x;
  for (int s = int(threadIdx.x); s < m.slots; s += k.threads) {
    const int expert = token < k.tokens ? k.choices[token * m.slots + s] : -1;
    DEVICE_CHECK(token >= k.tokens || (expert >= 0 && expert < k.experts));
    k.out[token * m.slots + s] = std::uint32_t(expert);
  }
  if (token < k.tokens)
    copy_row(k.out + m.choices() + token * m.row_words, k.rows + token * m.row_words, m.row_words, k.threads);
}

// Each thread has some of the tokens, one after another; first it counts, then it knows where its own begin.
KERNEL(list_arrivals, ListArrivals) {
  SHARED(std::int32_t, first_row, ListArrivals::threads + 1);
  SHARED(std::int32_t, first_visit, ListArrivals::threads + 1);
  const TokenMessage& m = k.message;
  const int thread = int(threadIdx.x);
  const std::int64_t all = k.ranks * m.most, share = (all + k.threads - 1) / k.threads;
  const std::int64_t begin = thread * share, end = begin + share < all ? begin + share : all;
  int rows = 0, visits = 0;
  const auto each = [&](auto arrived) {
    for (std::int64_t token = begin; token < end; ++token) {
      const int source = int(token / m.most);
      const std::uint32_t* const choices = k.all + source * m.words() + token % m.most * m.slots;
      bool here = false;
      for (int s = 0; s < m.slots; ++s) {
        const int expert = int(choices[s]);
        const bool sense = expert >= 0 && expert < k.holders.experts;
        if (!sense && expert != -1) *k.nonsense = 1 + source;
        const bool mine = sense && owner(k.holders, expert, source, token % m.most) == k.rank;
        here = here || mine;
        arrived(token, s, mine ? expert : -1, mine ? visits : -1);
        visits += mine;
      }
      rows += here;
    }
  };
  each([](std::int64_t, int, int, int) {});
  first_row[thread + 1] = rows;
  first_visit[thread + 1] = visits;
  __syncthreads();
  if (thread == 0) {
    first_row[0] = first_visit[0] = 0;
    for (int i = 0; i < k.threads; ++i) {
      first_row[i + 1] += first_row[i];
      first_visit[i + 1] += first_visit[i];
    }
    k.counts[0] = first_row[k.threads];
    k.counts[1] = first_visit[k.threads];
  }
  __syncthreads();
  rows = first_row[thread];
  visits = first_visit[thread];
  each([&](std::int64_t token, int slot, int expert, int visit) {
    k.visit_of[token * m.slots + slot] = visit;
    if (visit < 0) return;
    k.row_token[rows] = std::int32_t(token);
    k.visit_rows[visit] = rows;
    k.visit_experts[visit] = expert;
  });
}

KERNEL(take_rows, TakeRows) {
  const TokenMessage& m = k.message;
  const std::int64_t row = blockIdx.x;
  if (row >= k.counts[0]) return;
  const std::int64_t token = k.row_token[row];
  const std::uint32_t* const from =
      k.all + token / m.most * m.words() + m.choices() + token % m.most * m.row_words;
  copy_row(k.rows + row * m.row_words, from, m.row_words, k.threads);
}

KERNEL(pack_results, PackResults) {
  const TokenMessage& m = k.message;
  const std::int64_t to = blockIdx.x, token = to / k.slots, slot = k.first_slot + to % k.slots;
  const std::int64_t visit = k.visit_of[token * m.slots + slot];
  if (visit >= 0) copy_row(k.out + to * m.row_words, k.results + visit * m.row_words, m.row_words, k.threads);
}

KERNEL(take_results, TakeResults) {
  const TokenMessage& m = k.message;
  const std::int64_t token = blockIdx.x / unsigned(k.slots), part = blockIdx.x % unsigned(k.slots);
  const std::int64_t slot = token * m.slots + k.first_slot + part;
  const int expert = k.choices[slot];
  if (expert < 0 || expert >= k.holders.experts) return;  // see ListArrivals::nonsense
  const std::int64_t from = owner(k.holders, expert, k.rank, token);
  copy_row(k.out + slot * m.row_words, k.arrived + ((from * m.most + token) * k.slots + part) * m.row_words,
           m.row_words, k.threads);
}

}  // namespace troupe::kernels::cuda
