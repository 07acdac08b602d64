// What `troupe bench` can measure: one function each, in a file of its name. As in subcommands.hpp.
#pragma once

#include "launch/subcommands.hpp"

namespace troupe::launch {

int bench_serve(const Arguments& arguments);
int bench_offline(const Arguments& arguments);
int bench_decode(const Arguments& arguments);
int bench_step(const Arguments& arguments);

}  // namespace troupe::launch
