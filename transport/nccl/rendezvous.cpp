#include "transport/nccl/rendezvous.hpp"

#include <cstring>
#include <vector>

#include "runtime/base/error.hpp"
#include "runtime/base/hex.hpp"

namespace troupe::transport {
namespace {

constexpr int version_of_shared_gpus = 23000;  // 2.30
constexpr std::string_view shares = " shared";

// What a rank says of itself, as text: "2.28.9 0123456789abcdef...", and whether it may have its GPU with others.
struct Introduction {
  std::string version, gpu;  // version: empty where there is no NCCL
  bool shares_gpu = false;

  std::string text() const { return version + ' ' + gpu + std::string(shares_gpu ? shares : ""); }
  static Introduction of(const std::string& text) {
    const std::size_t space = text.find(' ');
    if (space == std::string::npos) return {};
    const bool shared = text.ends_with(shares);
    return {text.substr(0, space),
            text.substr(space + 1, text.size() - space - 1 - (shared ? shares.size() : 0)), shared};
  }
};

Introduction introduction_of(const NcclOptions& options, const kernels::cuda::Gpu& gpu) {
  if (!options.calls) return {"", gpu.uuid()};
  int version = 0;
  return {nccl_version(*options.calls), gpu.uuid(),
          options.shares_gpu && options.calls->version(&version) == nccl_success &&
              version >= version_of_shared_gpus};
}

std::string name_of(std::size_t rank) {
  return "rank " + std::to_string(rank);
}

// Empty: they can.
std::string why_not(const std::vector<Introduction>& ranks) {
  for (std::size_t r = 0; r < ranks.size(); ++r) {
    if (ranks[r].version.empty()) return name_of(r) + " has no NCCL";
    if (ranks[r].version != ranks[0].version)
      return name_of(r) + " has NCCL " + ranks[r].version + ", rank 0 has " + ranks[0].version;
    for (std::size_t other = 0; other < r; ++other)
      if (ranks[r].gpu == ranks[other].gpu && !(ranks[r].shares_gpu && ranks[other].shares_gpu))
        return name_of(r) + " has the same GPU as " + name_of(other);
  }
  return {};
}

NcclUniqueId id_of(const std::string& text) {
  NcclUniqueId id;
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  if (text.size() != 2 * sizeof id.bytes || text.find_first_not_of("0123456789abcdef") != std::string::npos)
    throw Error("no id of NCCL", "rendezvous of GPUs");
  for (std::size_t i = 0; i < sizeof id.bytes; ++i)
    id.bytes[i] = char(digit(text[2 * i]) << 4 | digit(text[2 * i + 1]));
  return id;
}

class Meeting {
 public:
  Meeting(const NcclOptions& options, AddressStore& store, const std::stop_token& stop)
      : options_(options), store_(store), stop_(stop), deadline_(now() + options.connect_timeout) {}

  std::vector<Introduction> introduce(const Introduction& mine) {
    store_.set(key(rank()), mine.text());
    std::vector<Introduction> all;
    for (int r = 0; r < options_.epoch.size; ++r)
      all.push_back(r == rank() ? mine : Introduction::of(get(r, key(r))));
    return all;
  }

  NcclUniqueId agree_on_id() {
    const std::string key_of_id = options_.secret + "/nccl";
    if (rank() != 0) return id_of(get(0, key_of_id));
    NcclUniqueId id;
    if (const NcclResult result = options_.calls->unique_id(&id); result != nccl_success)
      throw Error(describe(*options_.calls, result), where());
    store_.set(key_of_id, hex(std::as_bytes(std::span(id.bytes))));
    return id;
  }

 private:
  int rank() const { return options_.epoch.rank; }
  std::string key(int rank) const { return options_.secret + "/gpu" + std::to_string(rank); }
  std::string where() const {
    return name_of(std::size_t(rank())) + " of " + std::to_string(options_.epoch.size) +
           ", rendezvous of GPUs";
  }
  std::string get(int from, const std::string& key) {
    if (auto text = store_.get(key, deadline_)) return *text;
    throw Error(stop_.stop_requested() ? "the epoch was aborted"
                                       : name_of(std::size_t(from)) + " did not come in time",
                where());
  }

  const NcclOptions& options_;
  AddressStore& store_;
  const std::stop_token stop_;
  const TimePoint deadline_;
};

}  // namespace

NcclMeeting connect_nccl(const NcclOptions& options, std::shared_ptr<kernels::cuda::Gpu> gpu,
                         AddressStore& store, const std::stop_token& stop) {
  Meeting meeting(options, store, stop);
  const auto ranks = meeting.introduce(introduction_of(options, *gpu));
  if (std::string why = why_not(ranks); !why.empty()) return {nullptr, why};
  gpu->use();
  const NcclUniqueId id = meeting.agree_on_id();
  auto epoch = std::make_shared<NcclEpoch>(options.epoch, std::move(gpu), options.calls);
  epoch->join(id, now() + nccl_connect_limit, stop);
  return {std::move(epoch), {}};
}

}  // namespace troupe::transport
