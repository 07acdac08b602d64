#include "transport/ticking_communicator.hpp"

namespace troupe::transport {
namespace {

// A collective on the board, until it ends in whatever way.
class During {
 public:
  During(TickBoard& board, Collective which) : board_(board) { board_.begin_collective(which); }
  ~During() { board_.end_collective(); }
  During(const During&) = delete;
  During& operator=(const During&) = delete;

 private:
  TickBoard& board_;
};

// The wrapped communicator's errors are all of this kind.
template <class Call>
void run(TickBoard& board, Collective which, Call call) {
  const During during(board, which);
  try {
    call();
  } catch (const Error& error) {
    throw PeerError(error);
  }
}

}  // namespace

void TickingCommunicator::all_reduce(kernels::Queue& queue, kernels::Tensor x) {
  run(board_, Collective::all_reduce, [&] { inner_->all_reduce(queue, x); });
}

void TickingCommunicator::all_gather(kernels::Queue& queue, const kernels::Tensor& mine,
                                     kernels::Tensor all) {
  run(board_, Collective::all_gather, [&] { inner_->all_gather(queue, mine, all); });
}

void TickingCommunicator::dispatch(kernels::Queue& queue, const kernels::Tensor& tokens,
                                   const kernels::Routing& routing, const ExpertPlacement& placement,
                                   kernels::ExpertBatch& out) {
  run(board_, Collective::dispatch, [&] { inner_->dispatch(queue, tokens, routing, placement, out); });
}

void TickingCommunicator::combine(kernels::Queue& queue, const kernels::Tensor& results,
                                  kernels::Tensor out) {
  run(board_, Collective::combine, [&] { inner_->combine(queue, results, out); });
}

}  // namespace troupe::transport
