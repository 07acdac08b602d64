#include <iostream>

#include "config/nearest.hpp"
#include "config/setting.hpp"
#include "launch/bench_subcommands.hpp"

namespace troupe::launch {

int bench(const Arguments& arguments) {
  static const std::vector<std::string> known{"serve", "offline", "decode", "step"};
  const std::string name = arguments.empty() ? "" : arguments.front();
  const Arguments rest(arguments.begin() + (arguments.empty() ? 0 : 1), arguments.end());
  if (name == "serve") return bench_serve(rest);
  if (name == "offline") return bench_offline(rest);
  if (name == "decode") return bench_decode(rest);
  if (name == "step") return bench_step(rest);
  if (name == "--help" || name == "-h") {
    std::cout << "NAME\n       troupe-bench - measures a server or the engine\n\n"
                 "SYNOPSIS\n       troupe bench serve --base-url URL [FLAG]...\n"
                 "       troupe bench offline [CHECKPOINT] [FLAG]...\n"
                 "       troupe bench decode [CHECKPOINT] [FLAG]...\n"
                 "       troupe bench step [CHECKPOINT] [FLAG]...\n\n"
                 "       troupe bench serve --help is the manual page of one.\n";
    return 0;
  }
  throw config::UsageError(name.empty() ? "what to measure is missing" : "'" + name + "' cannot be measured",
                           "bench", "the nearest known one is " + config::nearest(name, known));
}

}  // namespace troupe::launch
