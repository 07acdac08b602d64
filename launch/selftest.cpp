#include <algorithm>
#include <bit>
#include <iostream>

#include "config/settings.hpp"
#include "launch/command_line.hpp"
#include "launch/selftest/rank.hpp"
#include "launch/selftest/ranks.hpp"
#include "runtime/base/log.hpp"

namespace troupe::launch {
namespace {

constexpr config::Page page{
    .command = "selftest",
    .summary = "tests what a replica stands on",
    .description =
        "With --collectives: starts as many ranks as a replica has, as processes of their own, and lets them "
        "exchange tensors by every collective, in the way that a replica of the same flags does. Bytes are "
        "compared with what a plain computation gives. Prints how long each took and how much it carried beside what links "
        "are good for, and warns of what makes a replica slow or fragile: TCP instead of InfiniBand, no "
        "GPUDirect, small limits, hosts that differ.\n\n"
        "Under mpirun its processes, one a host, share the ranks. The exit code is 1 where a byte is wrong or a "
        "rank fails, or where --require-rdma is given and tensors go over TCP.",
    .examples =
        "$ troupe selftest --collectives -tp 4\n"
        "$ mpirun -n 2 --hostfile hostfile troupe selftest --collectives -tp 16 --device cuda \\\n"
        "    --tensor-interface eth1 --require-rdma"};

}  // namespace

int selftest(const Arguments& arguments) {
  if (arguments == Arguments{"rank"}) return run_selftest_rank();
  config::Settings settings;
  bool collectives = false;
  std::chrono::milliseconds patience = SelftestSettings().patience;
  config::Table table{{.name = "collectives",
                       .target = &collectives,
                       .help = "Test what ranks exchange. There is no other test yet.",
                       .flag_only = true},
                      {.name = "collective-timeout",
                       .target = &patience,
                       .argument = "SECONDS",
                       .help = "For ranks to meet, and for a collective.",
                       .range = {0, 3600, true},
                       .flag_only = true}};
  for (config::Setting& each : config::select(
           config::schema(settings), {"device", "tensor-parallel-size", "tensor-interface", "require-rdma"}))
    table.push_back(std::move(each));
  if (!read_command_line(page, table, arguments)) return 0;
  if (!collectives) throw config::UsageError("nothing to test", "troupe selftest", "give --collectives");
  const std::int32_t ranks = settings.tensor_parallel_size;
  if (!std::has_single_bit(std::uint32_t(ranks)))
    throw config::UsageError("'" + std::to_string(ranks) + "' is not a power of two",
                             "--tensor-parallel-size");
  set_log_level(LogLevel::warning);
  const auto reports =
      run_selftest({ranks, settings.device,
                    settings.tensor_interface.empty() ? "127.0.0.1" : settings.tensor_interface, patience});
  if (reports.empty()) return 0;  // the first process tells
  std::cout << tell(reports);
  const auto bad = [&](const RankReport& report) {
    return !report.error.empty() || (settings.require_rdma && report.over_tcp);
  };
  return std::ranges::any_of(reports, bad) ? 1 : 0;
}

}  // namespace troupe::launch
