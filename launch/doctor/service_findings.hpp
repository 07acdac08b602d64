// From what a server says of itself to what is wrong with it. Pure functions, any thread.
#pragma once

#include "launch/doctor/finding.hpp"
#include "launch/doctor/service.hpp"

namespace troupe::launch::doctor {

// From here on a figure is worth a finding. launch/playbook.md names them.
constexpr double full_cache = 0.95;         // troupe_kv_cache_usage_perc
constexpr double long_step = 0.3;           // seconds, of one in a hundred
constexpr double long_tail = 10;            // times what half of them take, of one in a hundred
constexpr double least_ended = 20;          // choices, before parts of them say anything
constexpr double many_aborted = 0.1;        // part of choices that ended
constexpr double many_cut_off = 0.3;        // likewise, at max_tokens
constexpr double many_failed = 0.01;        // likewise, by an error
constexpr double uneven_experts = 4;        // load of the busiest, of the mean
constexpr double many_open_files = 0.8;     // of those that may be
constexpr double busy_host = 1.5;           // load average, a CPU
constexpr double least_host_memory = 0.05;  // part that is left

Findings of_health(const Service& service);
Findings of_faults(const Service& service);    // of workers and GPUs
Findings of_cache(const Service& service);     // out of memory: blocks
Findings of_steps(const Service& service);     // stuck, and long ones
Findings of_queue(const Service& service);     // overload
Findings of_ends(const Service& service);      // answers that are left, cut off, or broken
Findings of_layout(const Service& service);    // -ep, uneven experts
Findings of_carriers(const Service& service);  // NCCL
Findings of_process(const Service& service);   // descriptors, policy
Findings of_host(const Service& service);  // its memory and load, of a machine that is not looked at itself

// All but those of its host.
Findings of_service(const Service& service);

}  // namespace troupe::launch::doctor
