// Collectives among the ranks of one epoch, enqueued on the same Queue as the kernels. Every rank calls the
// same collectives in the same order. A communicator belongs to the compute thread of its rank; only abort()
// may be called from any thread. A peer that fails, or an abort, is an Error from the call or from
// Queue::wait.
#pragma once

#include "kernels/ops.hpp"

namespace troupe::transport {

class Communicator {
 public:
  virtual ~Communicator() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;  // a power of two

  // x = sum of all ranks' x, F32, along the binary tree over ranks (neighbours first): the top of the tree of
  // virtual shards.
  virtual void all_reduce(kernels::Queue&, kernels::Tensor x) = 0;
  // all[r] = mine of rank r; all: [size, ...mine].
  virtual void all_gather(kernels::Queue&, const kernels::Tensor& mine, kernels::Tensor all) = 0;
  // Sends each token to the rank of each of its experts; rank r owns experts [r*experts/size,
  // (r+1)*experts/size). tokens: [T, hidden]; out.rows has room for all ranks' T * k rows; experts is the
  // model's number of experts.
  virtual void dispatch(kernels::Queue&, const kernels::Tensor& tokens, const kernels::Routing&, int experts,
                        kernels::ExpertBatch& out) = 0;
  // Brings the experts' results back to where dispatch took the tokens: out[t*k+s] = result for slot s of
  // token t. results: [capacity, hidden], in the rows' order of the last dispatch; out: [T*k, hidden].
  virtual void combine(kernels::Queue&, const kernels::Tensor& results, kernels::Tensor out) = 0;
  // Wakes every waiter of this epoch with an Error; the communicator is of no use afterwards.
  virtual void abort() noexcept = 0;
};

}  // namespace troupe::transport
