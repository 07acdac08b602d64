#include "launch/selftest/rank.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "kernels/device.hpp"
#include "launch/selftest/channel.hpp"
#include "launch/selftest/report.hpp"
#include "runtime/base/build_id.hpp"
#include "runtime/base/file.hpp"
#include "runtime/base/memory_file.hpp"
#include "runtime/execution/epoch_link.hpp"
#include "transport/nccl/host_facts.hpp"
#include "transport/rdma.hpp"

namespace troupe::launch {
namespace {

using nlohmann::json;

constexpr std::int64_t sizes[] = {4 << 10, 64 << 10, 1 << 20, 16 << 20};  // bytes that a rank brings
constexpr std::size_t most_log_bytes = std::size_t{64} << 20;

SelftestOrder take_order() {
  const json order = json::parse(take_memory_file(SelftestFiles::order));
  return {.rank = order.at("rank"),
          .ranks = order.at("ranks"),
          .first_of_host = order.at("first_of_host"),
          .of_host = order.at("of_host"),
          .device = order.at("device"),
          .network = order.at("network"),
          .secret = order.at("secret"),
          .patience = std::chrono::milliseconds(order.at("patience_ms")),
          .nccl_log = order.at("nccl_log")};
}

std::string host_name() {
  char name[256] = {};
  return gethostname(name, sizeof name - 1) == 0 ? name : "";
}

void tell_facts(const SelftestOrder& order, const kernels::Ops& ops, RankReport& report) {
  report.facts = {{"host", host_name()},
                  {"build", build_id()},
                  {"device", order.device},
                  {"arithmetic", std::string(ops.arithmetic())}};
  if (order.device != "cpu") report.facts.merge(transport::gpu_facts());
}

void warn_of_network(const SelftestOrder& order, const runtime::EpochLink& link, RankReport& report) {
  const bool several_hosts = order.of_host < order.ranks;
  if (order.device != "cpu") report.facts["communicator"] = link.by_nccl() ? "nccl" : "host";
  if (!link.by_nccl()) {
    report.over_tcp = several_hosts;
    if (order.device != "cpu" && order.ranks > 1)
      report.warnings.push_back("NCCL does not carry the tensors, which go by way of the host: " +
                                (order.device == "cuda" ? link.why_not_nccl() : "the GPUs are emulated"));
    return;
  }
  const bool told =
      std::filesystem::exists(order.nccl_log);  // there is no file before NCCL has something to say
  const auto network = transport::read_nccl_log(told ? read_file(order.nccl_log, most_log_bytes) : "");
  if (!several_hosts || network.name.empty()) return;
  report.facts["network"] = network.name;
  report.over_tcp = network.name == "Socket";
  if (report.over_tcp)
    report.warnings.push_back(
        "NCCL fell back to TCP between hosts: see NCCL_IB_HCA, NCCL_IB_DISABLE and ibstat");
  else if (network.to_hosts && !network.gpu_direct)
    report.warnings.push_back(
        "GPUDirect is off, so that tensors go by way of the host: load nvidia_peermem, or take the driver's open modules");
}

// Its report, if it is a good one, is said while it is still there for the others.
void test(const SelftestOrder& order, Channel& channel, RankReport& report) {
  using By = runtime::GpuExchange::By;
  const Shared<transport::HostMemory> memory{FileDescriptor(SelftestFiles::host_memory)};
  const auto ops = kernels::make_ops(order.device, 1);
  tell_facts(order, *ops, report);
  if (order.device != "cpu") report.warnings = transport::warnings_of(transport::exchange_limits());
  runtime::EpochLinkOptions options{
      .epoch = 1,
      .sharding = {.rank = order.rank, .tensor_parallel = order.ranks},
      .network = order.network,
      .secret = order.secret,
      .host = {&*memory, order.first_of_host, order.of_host, false},
      .gpus = {.by = order.device == "cuda" ? By::nccl_if_all_have_it : By::host},
      .connect_timeout = order.patience,
      .collective_timeout = order.patience};
  runtime::EpochLink link(options, [&](const std::string& key, const std::string& address) {
    channel.send(json{{"key", key}, {"address", address}}.dump());
  });
  std::atomic<bool> over = false;
  std::jthread listener([&] {
    while (const auto text = channel.receive()) {
      const json told = json::parse(*text);
      link.address_arrived(told.at("key"), told.at("address"));
    }
    if (!over) link.abort();  // who started this is gone
  });
  struct Hangup {
    Channel& channel;
    std::atomic<bool>& over;
    ~Hangup() {
      over = true;
      channel.stop_receiving();
    }
  } const hangup{channel, over};
  link.connect(ops.get());
  transport::Communicator& ranks = link.communicators().world;
  const auto queue = ops->make_queue();
  queue->watch([&] { ranks.check(); });
  transport::check_collectives(ranks, *ops, *queue);
  report.times = transport::time_collectives(ranks, *ops, *queue, sizes);
  warn_of_network(order, link, report);
  over = true;
  channel.send(to_text(report));
  listener.join();  // until whoever started this has all reports: others may still exchange with this rank
}

}  // namespace

std::string to_text(const SelftestOrder& order) {
  return json{{"rank", order.rank},
              {"ranks", order.ranks},
              {"first_of_host", order.first_of_host},
              {"of_host", order.of_host},
              {"device", order.device},
              {"network", order.network},
              {"secret", order.secret},
              {"patience_ms", order.patience.count()},
              {"nccl_log", order.nccl_log}}
      .dump();
}

int run_selftest_rank() {
  const SelftestOrder order = take_order();
  Channel channel{FileDescriptor(SelftestFiles::channel)};
  RankReport report{.rank = order.rank};
  try {
    test(order, channel, report);
    return 0;
  } catch (const std::exception& failed) {
    report.error = failed.what();
  }
  channel.send(to_text(report));
  return 1;
}

}  // namespace troupe::launch
