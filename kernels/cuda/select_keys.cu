// Which keys a row attends to: see kernels/ops.hpp for the scores.
#include "kernels/cuda/select_keys.hpp"

#include "kernels/cuda/entries.hpp"
#include "kernels/cuda/scores.hpp"

namespace troupe::kernels::cuda {
namespace {

constexpr int digits = 256;  // values of the eight bits that a pass goes by

// Ordered as floats are; equal ones are equal.
DEVICE std::uint32_t order_of(float x) {
  std::uint32_t bits;
  if (x == 0) x = 0;  // minus zero, too
  memcpy(&bits, &x, sizeof bits);
  return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
}

// What the block's threads find out together.
struct Threshold {
  std::uint32_t order;  // of the lowest score that is in
  std::uint32_t ties;   // how many with this score are in, those of the lowest positions
};

// By radix, eight bits a pass; all threads call, each behind the scores that it wrote. counts: [digits]; found: [2], shared.
template <class Counts, class Found>
DEVICE Threshold threshold_of(const float* scores, std::int64_t n, std::uint32_t most, Counts& counts,
                              Found& found, int thread) {
  Threshold result{0, most};
  for (int shift = 24; shift >= 0; shift -= 8) {
    for (int i = thread; i < digits; i += SelectKeys::threads) counts[i] = 0;
    __syncthreads();
    for (std::int64_t p = thread; p < n; p += SelectKeys::threads) {
      const std::uint64_t order = order_of(scores[p]);
      if (order >> (shift + 8) == result.order) atomicAdd(&counts[(order >> shift) % digits], 1u);
    }
    __syncthreads();
    if (thread == 0) {
      int digit = digits - 1;
      std::uint32_t wanted = result.ties;
      for (; counts[digit] < wanted; --digit) wanted = wanted - counts[digit];
      found[0] = result.order * digits + std::uint32_t(digit);
      found[1] = wanted;
    }
    __syncthreads();
    result = {found[0], found[1]};
  }
  return result;
}

template <class Head>
DEVICE void select(const SelectKeys& k) {
  SHARED(std::uint32_t, counts, digits);
  SHARED(std::uint32_t, found, 2);
  // Of each thread's positions, how many score above the threshold, and how many just that.
  SHARED(std::uint32_t, above_of, SelectKeys::threads);
  SHARED(std::uint32_t, equal_of, SelectKeys::threads);
  const int thread = int(threadIdx.x);
  const std::int64_t row = k.first_row + blockIdx.x, width = k.form.head_elements();
  if (k.place.step.first_block[row] < 0) return;
  const std::int64_t sees = std::int64_t{k.place.step.position[row]} + 1;
  std::int32_t* const out = k.out + row * k.most;
  if (sees <= k.most) {
    for (std::int64_t p = thread; p < sees; p += k.threads) out[p] = std::int32_t(p);
    return;
  }
  float* const scores = k.scores + std::int64_t(blockIdx.x) * k.positions;
  for (std::int64_t p = thread; p < sees; p += k.threads) {
    const Head key(k.form, k.cache + k.place.entry(row, p));
    float total = 0;
    for (std::int64_t head = row * k.heads; head < (row + 1) * k.heads; ++head) {
      const float* const q = k.q + head * width;
      const float product = score_of(q, key, width);
      total = fmaf(k.weights[head], product > 0 ? product : 0.0f, total);
    }
    scores[p] = total == total ? total : -INFINITY;
  }
  const Threshold lowest = threshold_of(scores, sees, std::uint32_t(k.most), counts, found, thread);

  // Each thread goes through positions that lie together, so that what is in comes out ascending.
  const std::int64_t share = (sees + k.threads - 1) / k.threads, first = thread * share;
  const std::int64_t end = first + share < sees ? first + share : sees;
  std::uint32_t above = 0, equal = 0;
  for (std::int64_t p = first; p < end; ++p) {
    const std::uint32_t order = order_of(scores[p]);
    above += order > lowest.order;
    equal += order == lowest.order;
  }
  above_of[thread] = above;
  equal_of[thread] = equal;
  __syncthreads();
  above = equal = 0;  // of the threads before this one
  for (int i = 0; i < thread; ++i) {
    above += above_of[i];
    equal += equal_of[i];
  }
  for (std::int64_t p = first; p < end; ++p) {
    const std::uint32_t order = order_of(scores[p]);
    const bool in = order > lowest.order || (order == lowest.order && equal < lowest.ties);
    if (in) out[above + (equal < lowest.ties ? equal : lowest.ties)] = std::int32_t(p);
    above += order > lowest.order;
    equal += order == lowest.order;
  }
}

}  // namespace

KERNEL(select_keys, SelectKeys) {
  select<PlainHead>(k);
}
KERNEL(select_keys_encoded, SelectKeys) {
  select<EncodedHead>(k);
}

}  // namespace troupe::kernels::cuda
