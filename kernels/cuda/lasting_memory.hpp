// Memory of a GPU that a file stands for, so that it outlives the process that filled it while somebody holds that file.
// Nothing that is enqueued uses it when its owner lets it go. Any thread.
#pragma once

#include "kernels/cuda/gpu.hpp"

namespace troupe::kernels::cuda {

// As the functions of Ops. A GPU that has no files for its memory gives memory without one.
LastingMemory take_lasting(const std::shared_ptr<Gpu>& gpu, std::size_t bytes);
bool seal(const Gpu& gpu, const LastingMemory& memory);
std::shared_ptr<void> adopt(const std::shared_ptr<Gpu>& gpu, const FileDescriptor& file, std::size_t bytes);

}  // namespace troupe::kernels::cuda
