#include "launch/bench_subcommands.hpp"
#include "launch/subcommand_group.hpp"

namespace troupe::launch {

int bench(const Arguments& arguments) {
  static const SubcommandGroup group{.name = "bench",
                                     .summary = "measures a server or the engine",
                                     .missing = "what to measure is missing",
                                     .unknown = "cannot be measured",
                                     .members = {{"serve", bench_serve, "--base-url URL [FLAG]..."},
                                                 {"offline", bench_offline, "[CHECKPOINT] [FLAG]..."},
                                                 {"decode", bench_decode, "[CHECKPOINT] [FLAG]..."},
                                                 {"step", bench_step, "[CHECKPOINT] [FLAG]..."}}};
  return run_group(group, arguments);
}

}  // namespace troupe::launch
