// The environment variables that a worker process has of its own, beside those of its node. Any thread.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "runtime/recovery/worker_order.hpp"

namespace troupe::actors {

// A variable of the node; unset: it has none of that name.
using GetVariable = std::function<std::optional<std::string>(const std::string& name)>;
std::optional<std::string> variable_of_process(const std::string& name);

// The GPU of the worker in this place on its host, as CUDA_VISIBLE_DEVICES names it: its entry of the node's variable, if
// that is set, or its number. Empty: the node sees too few.
std::string gpu_of_worker(int place, const GetVariable& of_node);

// Its GPU, in an order that does not depend on what else is there, and the interface that NCCL meets over; what an operator set for
// NCCL stays. interface: empty if it is not known. require_rdma: NCCL fails where it
// would fall back to TCP.
runtime::Variables worker_environment(const std::string& gpu, const std::string& interface, bool require_rdma,
                                      const GetVariable& of_node);

}  // namespace troupe::actors
