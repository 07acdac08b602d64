#include "launch/bench_subcommands.hpp"
#include "launch/subcommand_group.hpp"

namespace troupe::launch {

int bench(const Arguments& arguments) {
  static const SubcommandGroup group{
      .name = "bench",
      .summary = "measures a server or the engine",
      .missing = "what to measure is missing",
      .unknown = "cannot be measured",
      .members = {{"serve", "how fast an OpenAI server answers", bench_serve},
                  {"offline", "tokens a second of the engine without HTTP", bench_offline},
                  {"decode", "decoding steps, against what the machine can do", bench_decode},
                  {"step", "steps of all sizes, for simulations", bench_step}}};
  return run_group(group, arguments);
}

}  // namespace troupe::launch
