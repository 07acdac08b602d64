// Gloo's event handlers of a mesh. Their handleEvents is called by Gloo's event thread.
#pragma once

#include <gloo/transport/tcp/pair.h>

#include "transport/gloo/mesh.hpp"

namespace troupe::transport {

// A pair of Gloo's over a connection that the rendezvous made. It reports when it is closed: Gloo itself
// tells only those who wait for a message that has not begun.
class GlooMesh::Peer final : public ::gloo::transport::tcp::Pair {
 public:
  Peer(Context& context, ::gloo::transport::tcp::Device& device, int rank, GlooMesh& mesh);

  void adopt(FileDescriptor connection);
  // Sends what is queued, then ends the stream; the event thread then closes the pair.
  void hang_up();
  // Closes the pair; the event thread is not in it any more once it has ticked.
  void retire();
  void handleEvents(int events) override;

 private:
  GlooMesh& mesh_;
};

class GlooMesh::Context final : public ::gloo::transport::tcp::Context {
 public:
  Context(std::shared_ptr<::gloo::transport::tcp::Device> device, GlooMesh& mesh)
      : ::gloo::transport::tcp::Context(std::move(device), mesh.rank(), mesh.size()), mesh_(mesh) {}

  std::unique_ptr<::gloo::transport::Pair>& createPair(int rank) override {
    auto& pair = pairs_[std::size_t(rank)];
    pair = std::make_unique<Peer>(*this, *device_, rank, mesh_);
    return pair;
  }

 private:
  GlooMesh& mesh_;
};

// Fires at an exchange's deadline, and then again and again until it is put off. Can also keep the event
// thread awake, which otherwise ticks every 10 ms.
class GlooMesh::Alarm final : public ::gloo::transport::tcp::Handler {
 public:
  explicit Alarm(GlooMesh& mesh);
  void listen(::gloo::transport::tcp::Device& device);
  void set(TimePoint deadline);
  void put_off();
  // From here on the event thread does not sleep; for the moments until it ends.
  void keep_awake(::gloo::transport::tcp::Device& device);
  // Returns when the event thread has finished what it was at, and listens to the timer no more.
  void unlisten(::gloo::transport::tcp::Device& device);
  void handleEvents(int events) override;

 private:
  GlooMesh& mesh_;
  const FileDescriptor timer_, always_ready_;
};

}  // namespace troupe::transport
