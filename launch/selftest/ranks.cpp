#include "launch/selftest/ranks.hpp"

#include <poll.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "actors/worker_environment.hpp"
#include "launch/selftest/channel.hpp"
#include "launch/selftest/rank.hpp"
#include "runtime/base/clock.hpp"
#include "runtime/base/memory_file.hpp"
#include "runtime/base/random_id.hpp"
#include "transport/host/host_memory.hpp"
#include "transport/host/rendezvous.hpp"
#include "transport/mpi/mpi_launch.hpp"

namespace troupe::launch {
namespace {

using transport::MpiLaunch;

constexpr int look_interval_ms = 5;  // at what other hosts say

struct Rank {
  Rank(int number, const std::vector<std::string>& environment, std::span<const int> files,
       FileDescriptor end, std::string log)
      : rank(number),
        channel(std::move(end)),
        nccl_log(std::move(log)),
        process({"troupe", "selftest", "rank"}, environment, files) {}
  ~Rank() {
    std::error_code absent;
    if (!nccl_log.empty()) std::filesystem::remove(nccl_log, absent);
  }

  const int rank;
  const Channel channel;
  const std::string nccl_log;
  ChildProcess process;
  bool ended = false, killed = false;
};

class Selftest {
 public:
  Selftest(const SelftestSettings& settings, std::optional<MpiLaunch>& mpi)
      : settings_(settings), mpi_(mpi), reports_(std::size_t(settings.ranks)) {}

  std::vector<RankReport> run() {
    start();
    while (!whole()) {
      look_at_ranks();
      while (const auto text = heard_from_others()) hear(*text, nullptr);
    }
    std::vector<RankReport> all;
    if (mpi_ && mpi_->rank() > 0) return all;
    for (auto& report : reports_) all.push_back(std::move(*report));
    return all;
  }

 private:
  int hosts() const { return mpi_ ? mpi_->size() : 1; }
  int ranks_here() const { return settings_.ranks / hosts(); }
  int first_here() const { return (mpi_ ? mpi_->rank() : 0) * ranks_here(); }
  bool whole() const {
    return std::ranges::all_of(reports_, [](const auto& report) { return report.has_value(); });
  }

  void start() {
    const std::string drawn = random_id();
    const std::string secret = mpi_ ? mpi_->broadcast(drawn) : drawn;
    const FileDescriptor memory = transport::host_memory_file();
    for (int rank = first_here(); rank < first_here() + ranks_here(); ++rank) start(rank, secret, memory);
  }

  void start(int rank, const std::string& secret, const FileDescriptor& memory) {
    const int here = (mpi_ ? mpi_->on_host() : 1) * ranks_here();
    const bool nccl = settings_.device != "cpu";
    const std::string log =
        nccl ? (std::filesystem::temp_directory_path() / ("troupe-nccl-" + random_id())).string() : "";
    const FileDescriptor order =
        memory_file("troupe-order",
                    to_text(SelftestOrder{rank, settings_.ranks, first_here(), ranks_here(), settings_.device,
                                          settings_.network, secret, settings_.patience, log}));
    auto [own, its] = Channel::pair();
    const int files[] = {order.get(), memory.get(), its.get()};
    all_.push_back(std::make_unique<Rank>(rank, environment(rank % here, log), files, std::move(own), log));
  }

  std::vector<std::string> environment(int place, const std::string& log) const {
    using actors::variable_of_process;
    runtime::Variables own =
        actors::worker_environment(actors::gpu_of_worker(place, variable_of_process),
                                   transport::interface_of(settings_.network), false, variable_of_process);
    if (!log.empty())
      own.insert(own.end(),
                 {{"NCCL_DEBUG", "INFO"}, {"NCCL_DEBUG_SUBSYS", "INIT,NET,P2P"}, {"NCCL_DEBUG_FILE", log}});
    return runtime::environment_of_worker(own);
  }

  void look_at_ranks() {
    std::vector<pollfd> descriptors;
    for (const auto& each : all_) descriptors.push_back({each->ended ? -1 : each->channel.fd(), POLLIN, 0});
    poll(descriptors.data(), descriptors.size(), mpi_ || failed_ ? look_interval_ms : -1);
    for (std::size_t i = 0; i < all_.size(); ++i) {
      if (descriptors[i].revents == 0) continue;
      Rank& rank = *all_[i];
      auto text = rank.channel.receive();
      if (!text) text = end(rank);
      if (!text) continue;
      if (mpi_) mpi_->tell_others(*text);
      hear(*text, &rank);
    }
    // Not all ranks learn of the failure of another.
    if (failed_ && now() >= failed_->at + settings_.patience) kill_all();
  }

  // What is said for a rank that ended without a report; those of this host, which would wait for it, are ended.
  std::optional<std::string> end(Rank& rank) {
    rank.ended = true;
    if (reports_[std::size_t(rank.rank)]) return std::nullopt;
    while (!rank.process.ended()) poll(nullptr, 0, 1);
    const std::string how = rank.killed ? "ended, since rank " + std::to_string(failed_->rank) + " had failed"
                                        : "ended with " + rank.process.how();
    note_failure(rank.rank);
    kill_all();
    return to_text(RankReport{.rank = rank.rank, .error = how});
  }
  void note_failure(int rank) {
    if (!failed_) failed_ = Failure{rank, now()};
  }
  void kill_all() {
    for (const auto& each : all_) {
      each->killed |= !each->process.ended();
      each->process.kill(SIGKILL);
    }
  }

  // from: null: another host.
  void hear(const std::string& text, const Rank* from) {
    if (!nlohmann::json::parse(text).contains("key")) {
      RankReport report = rank_report(text);
      if (!report.error.empty()) note_failure(report.rank);
      auto& place = reports_.at(std::size_t(report.rank));
      place = std::move(report);
      return;
    }
    for (const auto& each : all_)
      if (each.get() != from) each->channel.send(text);
  }

  std::optional<std::string> heard_from_others() const { return mpi_ ? mpi_->heard() : std::nullopt; }

  const SelftestSettings& settings_;
  std::optional<MpiLaunch>& mpi_;
  std::vector<std::unique_ptr<Rank>> all_;  // of this host
  std::vector<std::optional<RankReport>> reports_;
  // The first of all hosts, and when this one heard of it.
  struct Failure {
    int rank;
    TimePoint at;
  };
  std::optional<Failure> failed_;
};

}  // namespace

std::vector<RankReport> run_selftest(const SelftestSettings& settings) {
  std::optional<MpiLaunch> mpi;
  if (MpiLaunch::present()) mpi.emplace();
  if (mpi && settings.ranks % mpi->size() != 0)
    throw Error(std::to_string(settings.ranks) + " ranks cannot be spread evenly over " +
                    std::to_string(mpi->size()) + " processes",
                "-tp", "give a multiple of them");
  transport::check_network(settings.network);
  return Selftest(settings, mpi).run();
}

}  // namespace troupe::launch
