// Collectives among the ranks of one epoch, enqueued on the same Queue as the kernels. Every rank calls the
// same collectives in the same order. A communicator belongs to the compute thread of its rank; only abort()
// may be called from any thread. A peer that fails, or an abort, is an Error from the call or from
// Queue::wait.
#pragma once

#include "kernels/ops.hpp"
#include "runtime/base/error.hpp"
#include "transport/expert_placement.hpp"

namespace troupe::transport {

// A collective failed: a peer did, or what lies between, or the epoch was aborted. Not a fault of this rank.
class PeerError : public Error {
 public:
  using Error::Error;
  explicit PeerError(const Error& error) : Error(error) {}
};

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
  // Sends each token to a rank of each of its experts, placement.owner(expert, rank(), token): once to a rank, however
  // many of its experts it visits. Rows are in the order of source ranks and tokens, visits in that of source ranks,
  // tokens and slots. tokens: [T, hidden]; out has the same room on all ranks: for size() times the T of the rank that
  // has most rows, and k visits of each. The placement is the same on all ranks, and has passed check_placement for
  // the model and size().
  virtual void dispatch(kernels::Queue&, const kernels::Tensor& tokens, const kernels::Routing&,
                        const ExpertPlacement& placement, kernels::ExpertBatch& out) = 0;
  // Brings the experts' results back to where dispatch took the tokens: out[t*k+s] = result for slot s of
  // token t. results: [visits' capacity, hidden], in the visits' order of the last dispatch; out: [T*k, hidden].
  virtual void combine(kernels::Queue&, const kernels::Tensor& results, kernels::Tensor out) = 0;
  // Throws Error when the epoch is over: a collective failed in whatever was enqueued, or abort() was called. For
  // Queue::watch; waits for nobody.
  virtual void check() = 0;
  // Wakes every waiter of this epoch with an Error; the communicator is of no use afterwards.
  virtual void abort() noexcept = 0;
};

// What a rank takes part in. With one group both are the same ranks, and may be one communicator.
struct Communicators {
  Communicator& group;  // the ranks of its attention group, which share every sequence
  Communicator& world;  // all ranks: group 0's, then group 1's...
};

}  // namespace troupe::transport
