// What every device asks of attention's tensors. Any thread.
#pragma once

#include "kernels/ops.hpp"
#include "runtime/base/error.hpp"

namespace troupe::kernels {

inline void check_cache(const LayerCache& cache) {
  CHECK(cache.data.rank() == 3 && cache.data.shape(2) == cache.form.words(), "a cache of another form");
}

inline void check_store_entries(const Tensor& first, const Tensor& second, const StepLayout& layout,
                                const LayerCache& cache) {
  check_cache(cache);
  CHECK(first.rank() == 3 && second.rank() == 3, "ranks of store_entries");
  CHECK(first.shape(1) == cache.form.heads && second.shape(1) == cache.form.heads, "heads of store_entries");
  CHECK(first.shape(2) == cache.form.first.elements && second.shape(2) == cache.form.second.elements,
        "widths of store_entries");
  CHECK(first.rows() == layout.tokens && second.rows() == layout.tokens, "rows of store_entries");
}

// Each CHECKs, and says where in an entry heads find what they attend to.
inline EntryColumns check_latent_attention(const Tensor& q, const LayerCache& cache, const Tensor& out) {
  check_cache(cache);
  CHECK(q.rank() == 3 && out.rank() == 3 && cache.form.heads == 1, "ranks of latent attention");
  CHECK(q.rows() == out.rows() && q.shape(1) == out.shape(1), "rows of latent attention");
  CHECK(q.shape(2) == cache.form.head_elements() && out.shape(2) <= q.shape(2), "widths of latent attention");
  return latent_columns(q.shape(1));
}
inline EntryColumns check_sparse_attention(const Tensor& q, const LayerCache& cache, const Tensor& selected,
                                           const Tensor& out) {
  CHECK(selected.rows() == q.rows() && selected.row_elements() >= 1, "selected positions of another step");
  return check_latent_attention(q, cache, out);
}
inline EntryColumns check_grouped_attention(const Tensor& q, const LayerCache& cache, std::int64_t key_heads,
                                            const Tensor& out) {
  check_cache(cache);
  CHECK(q.rank() == 3 && out.rank() == 3, "ranks of gqa_attention");
  CHECK(q.rows() == out.rows() && q.shape(1) == out.shape(1), "rows of gqa_attention");
  CHECK(key_heads >= 1 && q.shape(1) % key_heads == 0, "heads that do not fill their groups");
  CHECK(cache.form.heads == key_heads && cache.form.first.elements == q.shape(2) &&
            cache.form.second.elements == out.shape(2),
        "widths of gqa_attention");
  return key_value_columns(q.shape(1), cache.form);
}

inline void check_select_keys(const Tensor& q, const Tensor& weights, const LayerCache& keys,
                              const Tensor& scores, const Tensor& out) {
  check_cache(keys);
  CHECK(q.rank() == 3 && keys.form.heads == 1 && q.shape(2) == keys.form.head_elements(),
        "widths of select_keys");
  CHECK(weights.rows() == q.rows() && weights.row_elements() == q.shape(1), "weights of select_keys");
  CHECK(out.rows() == q.rows() && scores.rows() >= 1, "rows of select_keys");
}

}  // namespace troupe::kernels
