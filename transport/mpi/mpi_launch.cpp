#include "transport/mpi/mpi_launch.hpp"

#define OMPI_SKIP_MPICXX 1
#include <mpi.h>
#include <sched.h>

#include <cstdlib>
#include <cstring>

#include "runtime/base/error.hpp"

namespace troupe::transport {
namespace {

void check(int result, const char* call) {
  if (result != MPI_SUCCESS) throw Error("failed with code " + std::to_string(result), call);
}

void run_anywhere() {
  cpu_set_t all;
  std::memset(&all, 0xff, sizeof all);
  sched_setaffinity(0, sizeof all, &all);  // the kernel leaves out what this process may not use
}

}  // namespace

// A text on its way.
struct MpiLaunch::Sent {
  std::string text;
  std::vector<MPI_Request> requests;
};

bool MpiLaunch::present() {
  return std::getenv("OMPI_COMM_WORLD_SIZE") != nullptr;
}

MpiLaunch::MpiLaunch() {
  check(MPI_Init(nullptr, nullptr), "MPI_Init");
  check(MPI_Comm_rank(MPI_COMM_WORLD, &rank_), "MPI_Comm_rank");
  check(MPI_Comm_size(MPI_COMM_WORLD, &size_), "MPI_Comm_size");
  MPI_Comm host = MPI_COMM_NULL;
  check(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &host),
        "MPI_Comm_split_type");
  check(MPI_Comm_size(host, &on_host_), "MPI_Comm_size");
  check(MPI_Comm_free(&host), "MPI_Comm_free");
  run_anywhere();
}

MpiLaunch::~MpiLaunch() {
  for (const auto& each : sent_)
    MPI_Waitall(int(each->requests.size()), each->requests.data(), MPI_STATUSES_IGNORE);
  MPI_Finalize();
}

void MpiLaunch::tell_others(const std::string& text) {
  Sent& sent = *sent_.emplace_back(std::make_unique<Sent>(Sent{text, {}}));
  for (int other = 0; other < size_; ++other)
    if (other != rank_)
      check(MPI_Isend(sent.text.data(), int(sent.text.size()), MPI_CHAR, other, 0, MPI_COMM_WORLD,
                      &sent.requests.emplace_back()),
            "MPI_Isend");
}

std::optional<std::string> MpiLaunch::heard() {
  int has_come = 0, length = 0;
  MPI_Status status;
  check(MPI_Iprobe(MPI_ANY_SOURCE, 0, MPI_COMM_WORLD, &has_come, &status), "MPI_Iprobe");
  if (!has_come) return std::nullopt;
  check(MPI_Get_count(&status, MPI_CHAR, &length), "MPI_Get_count");
  std::string text(std::size_t(length), '\0');
  check(MPI_Recv(text.data(), length, MPI_CHAR, status.MPI_SOURCE, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE),
        "MPI_Recv");
  return text;
}

std::string MpiLaunch::broadcast(std::string text) const {
  auto length = static_cast<unsigned long>(text.size());
  check(MPI_Bcast(&length, 1, MPI_UNSIGNED_LONG, 0, MPI_COMM_WORLD), "MPI_Bcast");
  text.resize(length);
  check(MPI_Bcast(text.data(), int(length), MPI_CHAR, 0, MPI_COMM_WORLD), "MPI_Bcast");
  return text;
}

}  // namespace troupe::transport
