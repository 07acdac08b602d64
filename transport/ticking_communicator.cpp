#include "transport/ticking_communicator.hpp"

namespace troupe::transport {
namespace {

// A collective on the board, until it ends in whatever way.
class During {
 public:
  During(kernels::Queue& queue, TickBoard& board, Collective which) : queue_(queue), board_(board) {
    queue_.set(board_.place, board_.in_collective(which));
  }
  ~During() {
    try {
      queue_.set(board_.place, board_.behind_collective());
    } catch (const Error&) {  // the device has failed, and what is thrown says so
    }
  }
  During(const During&) = delete;
  During& operator=(const During&) = delete;

 private:
  kernels::Queue& queue_;
  TickBoard& board_;
};

// The wrapped communicator's errors are all of this kind, but for those of this rank's own device.
template <class Call>
void run(Call call) {
  try {
    call();
  } catch (const DeviceError&) {
    throw;
  } catch (const Error& error) {
    throw PeerError(error);
  }
}
template <class Call>
void run(kernels::Queue& queue, TickBoard& board, Collective which, Call call) {
  const During during(queue, board, which);
  run(call);
}

}  // namespace

void TickingCommunicator::all_reduce(kernels::Queue& queue, kernels::Tensor x) {
  run(queue, board_, Collective::all_reduce, [&] { inner_->all_reduce(queue, x); });
}

void TickingCommunicator::all_gather(kernels::Queue& queue, const kernels::Tensor& mine,
                                     kernels::Tensor all) {
  run(queue, board_, Collective::all_gather, [&] { inner_->all_gather(queue, mine, all); });
}

void TickingCommunicator::dispatch(kernels::Queue& queue, const kernels::Tensor& tokens,
                                   const kernels::Routing& routing, const ExpertPlacement& placement,
                                   kernels::ExpertBatch& out) {
  run(queue, board_, Collective::dispatch, [&] { inner_->dispatch(queue, tokens, routing, placement, out); });
}

void TickingCommunicator::combine(kernels::Queue& queue, const kernels::Tensor& results,
                                  kernels::Tensor out) {
  run(queue, board_, Collective::combine, [&] { inner_->combine(queue, results, out); });
}

void TickingCommunicator::check() {
  run([&] { inner_->check(); });
}

}  // namespace troupe::transport
