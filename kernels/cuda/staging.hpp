// Memory that brings what the host says to a GPU, and back: for each piece page-locked memory of the host, which a
// copy reads or writes while the host goes on, and memory of the device, unless that is somebody's already. Owned by a
// CudaQueue and used by its thread.
#pragma once

#include <memory>
#include <vector>

#include "kernels/cuda/gpu.hpp"

namespace troupe::kernels::cuda {

class Staging;

// When it goes, it is used again for what is enqueued later.
class StagedBytes {
 public:
  StagedBytes() = default;
  StagedBytes(StagedBytes&& other) noexcept { *this = std::move(other); }
  StagedBytes& operator=(StagedBytes&& other) noexcept;
  ~StagedBytes() { give_back(); }

  void* host() const;
  void* device() const;
  // Enqueues the copy of all that is at host(), which is not written afterwards, to device().
  void send();
  // And the other way.
  void fetch() { fetch(device()); }
  // Likewise, from some other place of the device.
  void fetch(const void* from);

 private:
  friend class Staging;
  struct Piece;
  StagedBytes(std::shared_ptr<Staging> staging, Piece* piece, std::size_t bytes);
  void give_back();
  void enqueued(Result copy);

  std::shared_ptr<Staging> staging_;
  Piece* piece_ = nullptr;
  std::size_t bytes_ = 0;
};

class Staging : public std::enable_shared_from_this<Staging> {
 public:
  // stream: lives as long as bytes are taken and sent.
  Staging(std::shared_ptr<Gpu> gpu, Stream stream);
  ~Staging();

  StagedBytes take(std::size_t bytes) { return take(bytes, true); }
  // Without memory of the device.
  StagedBytes take_on_host(std::size_t bytes) { return take(bytes, false); }

 private:
  friend class StagedBytes;
  StagedBytes take(std::size_t bytes, bool on_both);
  bool usable(const StagedBytes::Piece& piece, std::size_t bytes, bool on_both) const;

  std::shared_ptr<Gpu> gpu_;
  Stream stream_;
  std::vector<std::unique_ptr<StagedBytes::Piece>> pieces_;
};

}  // namespace troupe::kernels::cuda
