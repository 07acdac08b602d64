// Collectives among processes of this host, over our meshes and over Gloo in the same run.
//
//   bench_transport_collectives [BYTES] [ROUNDS]
//
// For 2 and 4 ranks: microseconds of a collective as rank 0 sees it, p50 and p99 of all rounds, the ways taking
// turns three times. Shared memory spins where each rank has a CPU, as it does when it serves.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <thread>
#include <vector>

#include "bench/transport/gloo_peer.hpp"
#include "runtime/base/thread_pool.hpp"
#include "transport/host/communicator.hpp"
#include "transport/host/shared_memory_mesh.hpp"
#include "transport/host/tcp_mesh.hpp"

namespace troupe::bench {
namespace {

using transport::Communicator;

constexpr int turns = 3, warm_up_rounds = 100;

// Addresses as files of a folder.
class FolderStore final : public transport::AddressStore {
 public:
  explicit FolderStore(std::string folder) : folder_(std::move(folder)) {}
  void set(const std::string& key, const std::string& value) override {
    std::ofstream(path(key) + "-unfinished") << value;
    std::filesystem::rename(path(key) + "-unfinished", path(key));
  }
  std::optional<std::string> get(const std::string& key, TimePoint deadline) override {
    while (SteadyClock().now() < deadline) {
      if (std::ifstream file(path(key)); file) return std::string(std::istreambuf_iterator<char>(file), {});
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return std::nullopt;
  }

 private:
  std::string path(std::string key) const {
    std::ranges::replace(key, '/', '-');
    return folder_ + "/" + key;
  }
  const std::string folder_;
};

struct Rank {
  int rank, size;
  std::string folder;  // empty at first, the same for all ranks
  transport::HostMemory& memory;
};

// A collective of floats: mine, all of [size, mine].
using Collective = std::function<void(std::vector<float>& mine, std::vector<float>& all)>;

Collective of(std::shared_ptr<Communicator> ranks, bool gather) {
  return [ranks, gather](std::vector<float>& mine, std::vector<float>& all) {
    kernels::ImmediateQueue queue;
    const auto count = std::int64_t(mine.size());
    const kernels::Tensor x(mine.data(), kernels::DType::f32, {1, count});
    if (gather)
      ranks->all_gather(queue, x, {all.data(), kernels::DType::f32, {ranks->size(), count}});
    else
      ranks->all_reduce(queue, x);
  };
}

Collective over_tcp(const Rank& where, bool gather) {
  FolderStore store(where.folder);
  return of(transport::host_communicator(transport::tcp_mesh(
                {.rank = where.rank, .size = where.size, .network = "127.0.0.1", .secret = "bench"}, store)),
            gather);
}

Collective over_shared_memory(const Rank& where, bool gather) {
  return of(
      transport::host_communicator(transport::shared_memory_mesh({.rank = where.rank,
                                                                  .size = where.size,
                                                                  .memory = &where.memory,
                                                                  .secret = where.folder,
                                                                  .spins = where.size <= usable_cpus()})),
      gather);
}

Collective over_gloo(const Rank& where, bool gather) {
  const auto peer = std::make_shared<GlooPeer>(where.rank, where.size, where.folder);
  return [peer, gather](std::vector<float>& mine, std::vector<float>& all) {
    gather ? peer->all_gather(mine.data(), mine.size(), all.data())
           : peer->all_reduce(mine.data(), mine.size());
  };
}

// The microseconds of each round.
std::vector<double> time_rounds(const Collective& collective, int ranks, std::size_t bytes, int rounds) {
  std::vector<float> mine(bytes / sizeof(float)), all(mine.size() * std::size_t(ranks));
  std::vector<double> times;
  for (int round = -warm_up_rounds; round < rounds; ++round) {
    const auto start = std::chrono::steady_clock::now();
    collective(mine, all);
    const std::chrono::duration<double, std::micro> taken = std::chrono::steady_clock::now() - start;
    if (round >= 0) times.push_back(taken.count());
  }
  return times;
}

// Runs every rank as a process; returns what rank 0 measured.
std::vector<double> run_ranks(const std::function<Collective(const Rank&)>& way, int size, std::size_t bytes,
                              int rounds, transport::HostMemory& memory) {
  char folder[] = "/tmp/troupe-bench-XXXXXX";
  if (!mkdtemp(folder)) throw Error("cannot be made", folder);
  std::vector<double> times(static_cast<std::size_t>(rounds));
  int ends[2];
  if (pipe(ends) != 0) throw Error("cannot be made", "pipe");
  std::vector<pid_t> children;
  for (int rank = 0; rank < size; ++rank) {
    const pid_t child = fork();
    if (child != 0) {
      children.push_back(child);
      continue;
    }
    try {
      const auto measured = time_rounds(way({rank, size, folder, memory}), size, bytes, rounds);
      const auto text = std::as_bytes(std::span(measured));
      if (rank == 0 && write(ends[1], text.data(), text.size()) != ssize_t(text.size())) _exit(1);
      _exit(0);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "rank %d: %s\n", rank, error.what());
      _exit(1);
    }
  }
  close(ends[1]);
  const auto into = std::as_writable_bytes(std::span(times));
  for (std::size_t done = 0; done < into.size();) {
    const ssize_t count = read(ends[0], into.data() + done, into.size() - done);
    if (count <= 0) throw Error("a rank failed", "bench_transport_collectives");
    done += std::size_t(count);
  }
  close(ends[0]);
  for (const pid_t child : children) waitpid(child, nullptr, 0);
  std::filesystem::remove_all(folder);
  return times;
}

void run(std::size_t bytes, int rounds) {
  const FileDescriptor file = transport::host_memory_file();
  const Shared<transport::HostMemory> memory(file);
  const std::vector<std::pair<const char*, Collective (*)(const Rank&, bool)>> ways{
      {"gloo", over_gloo}, {"tcp", over_tcp}, {"shared memory", over_shared_memory}};
  std::printf("%zu bytes, %d CPUs\n", bytes, usable_cpus());
  for (const bool gather : {false, true})
    for (const int size : {2, 4}) {
      std::map<std::string, std::vector<double>> times;
      for (int turn = 0; turn < turns; ++turn)
        for (const auto& [name, way] : ways) {
          const auto more = run_ranks([&, way = way](const Rank& rank) { return way(rank, gather); }, size,
                                      bytes, rounds, *memory);
          times[name].insert(times[name].end(), more.begin(), more.end());
        }
      std::ranges::sort(times["gloo"]);
      const double peer = times["gloo"][times["gloo"].size() / 2];
      for (const auto& [name, way] : ways) {
        auto& all = times[name];
        std::ranges::sort(all);
        std::printf("%s, %d ranks, %-13s: p50 %8.1f us, p99 %8.1f us, %.2f of gloo\n",
                    gather ? "all_gather" : "all_reduce", size, name, all[all.size() / 2],
                    all[all.size() * 99 / 100], all[all.size() / 2] / peer);
      }
    }
}

}  // namespace
}  // namespace troupe::bench

int main(int count, char** arguments) {
  try {
    troupe::bench::run(count > 1 ? std::size_t(std::atol(arguments[1])) : 16 << 10,
                       count > 2 ? std::atoi(arguments[2]) : 2000);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_transport_collectives: %s\n", error.what());
    return 1;
  }
}
