// Pages of the host for what CpuOps computes with, zeroed and taken at once, so that a lack of them is an error here and
// no death later. For the thread whose pool it is.
#pragma once

#include "kernels/ops.hpp"
#include "runtime/base/thread_pool.hpp"

namespace troupe::kernels {

constexpr std::size_t huge_page = std::size_t{2} << 20;

// Throws Error that tells how much is free, and what to lower.
[[noreturn]] void refuse_memory(std::size_t bytes);

// Throw Error when there are not enough.
std::shared_ptr<void> take_pages(ThreadPool& pool, std::size_t bytes);
LastingMemory take_lasting_pages(ThreadPool& pool, std::size_t bytes);

// As Ops::seal and Ops::adopt. Throw Error.
bool seal_pages(ThreadPool& pool, const LastingMemory& pages);
std::shared_ptr<void> adopt_pages(ThreadPool& pool, const FileDescriptor& file, std::size_t bytes);

}  // namespace troupe::kernels
