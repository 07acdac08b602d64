// CPU time of threads of this process, by the ids that the kernel gives them. Plain functions, any thread.
#pragma once

#include <sys/types.h>

#include <set>

namespace troupe::bench {

using Threads = std::set<pid_t>;

Threads threads_now();
Threads without(const Threads& all, const Threads& others);
double cpu_seconds(const Threads& threads);  // since they began; of those that have ended nothing

}  // namespace troupe::bench
