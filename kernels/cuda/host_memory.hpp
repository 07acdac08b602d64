// Memory of the host that a GPU reads where it lies, over its bus: a file in memory, mapped by this process and page-locked,
// which outlives the process that filled it while somebody holds the file. Its address is the device's; the host's own is
// Gpu::host_address. Nothing that is enqueued uses it when its owner lets it go. Any thread.
#pragma once

#include "kernels/cuda/gpu.hpp"

namespace troupe {
struct TickBoard;
}

namespace troupe::kernels::cuda {

// As Ops::allocate_on_host, Ops::seal and Ops::adopt_on_host. ticks: hear of it, since page-locking takes its time; may be
// null.
LastingMemory take_on_host(const std::shared_ptr<Gpu>& gpu, std::size_t bytes, TickBoard* ticks);
bool seal_on_host(const LastingMemory& memory);
std::shared_ptr<void> adopt_on_host(const std::shared_ptr<Gpu>& gpu, const FileDescriptor& file,
                                    std::size_t bytes, TickBoard* ticks);

}  // namespace troupe::kernels::cuda
