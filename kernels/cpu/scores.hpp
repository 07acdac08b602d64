// How queries lie whose scores are computed together: see scores-inl.hpp.
#pragma once

#include <cstdint>
#include <vector>

namespace troupe::kernels {

constexpr std::int64_t tile_queries = 32;  // at most; a tile has room for so many

// Queries of n elements, each where place(query) says, as [n, tile_queries]; what is behind the last query is 0.
template <class Place>
void turn_queries(std::int64_t queries, std::int64_t n, std::vector<float>& turned, Place place) {
  turned.assign(std::size_t(n * tile_queries), 0.0f);
  for (std::int64_t query = 0; query < queries; ++query) {
    const float* const q = place(query);
    for (std::int64_t i = 0; i < n; ++i) turned[std::size_t(i * tile_queries + query)] = q[i];
  }
}

}  // namespace troupe::kernels
