#include "bench/transport/gloo_peer.hpp"

#include <gloo/allgather.h>
#include <gloo/allreduce.h>
#include <gloo/math.h>
#include <gloo/rendezvous/context.h>
#include <gloo/rendezvous/file_store.h>
#include <gloo/transport/tcp/device.h>

namespace troupe::bench {

struct GlooPeer::State {
  State(int rank, int size) : context(std::make_shared<gloo::rendezvous::Context>(rank, size)) {}

  const std::shared_ptr<gloo::rendezvous::Context> context;
  std::uint32_t tag = 0;
};

GlooPeer::GlooPeer(int rank, int size, const std::string& folder)
    : state_(std::make_unique<State>(rank, size)) {
  gloo::transport::tcp::attr address;
  address.hostname = "127.0.0.1";
  auto device = gloo::transport::tcp::CreateDevice(address);
  gloo::rendezvous::FileStore store(folder);
  state_->context->connectFullMesh(store, device);
}

GlooPeer::~GlooPeer() = default;

void GlooPeer::all_reduce(float* x, std::size_t count) {
  gloo::AllreduceOptions options(state_->context);
  options.setAlgorithm(gloo::AllreduceOptions::Algorithm::BCUBE);  // fewer rounds than the ring
  options.setOutput(x, count);
  options.setReduceFunction(
      [](void* to, const void* a, const void* b, std::size_t n) { gloo::sum<float>(to, a, b, n); });
  options.setTag(state_->tag++);
  gloo::allreduce(options);
}

void GlooPeer::all_gather(float* mine, std::size_t count, float* all) {
  gloo::AllgatherOptions options(state_->context);
  options.setInput(mine, count);
  options.setOutput(all, count * std::size_t(state_->context->size));
  options.setTag(state_->tag++);
  gloo::allgather(options);
}

}  // namespace troupe::bench
