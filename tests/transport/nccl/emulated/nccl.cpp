#include "tests/transport/nccl/emulated/nccl.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <vector>

#include "runtime/base/error.hpp"
#include "tests/kernels/cuda/emulated/device.hpp"

namespace troupe::transport {

using kernels::cuda::Stream;
using kernels::cuda::emulated::Machine;
using kernels::cuda::emulated::Piece;

namespace {

using Letter = std::vector<std::byte>;

// The ranks that came with one id, and what is on its way between them.
struct Clique {
  explicit Clique(int size) : ranks(std::size_t(size)) {}

  std::mutex mutex;  // of all that follows
  enum class Rank { missing, here, gone };
  std::vector<Rank> ranks;
  std::map<std::pair<int, int>, std::deque<Letter>> mail;  // by sender and receiver
};

// A rank of a clique; what is enqueued shares it.
struct Member {
  std::shared_ptr<Clique> clique;
  int rank = 0;
  // Guarded by the clique:
  int polls = 0;  // that still say "in progress"
  NcclResult error = nccl_success;
  bool loose = false;  // it was ended: nothing of it waits any more
};

}  // namespace

struct NcclCommHandle {
  std::shared_ptr<Member> member;
  std::atomic<bool> inside{false}, ended{false};
  std::set<Stream> streams;  // of its operations, which threads of NCCL's own may enqueue until its end
};

namespace emulated {

struct NcclState {
  NcclQuirks quirks;
  std::mutex mutex;  // of all that follows
  std::condition_variable changed;
  std::mt19937 random;
  std::function<NcclResult(const char*)> hook;
  bool holds_aborts = false;
  int living = 0;
  std::uint32_t ids = 0;
  std::map<std::string, std::shared_ptr<Clique>> cliques;  // by id
  std::vector<std::unique_ptr<NcclCommHandle>> handles;    // those that ended, too
};

namespace {

NcclState* nccl = nullptr;

// What a thread has said since it began a group.
struct Sent {
  int peer;
  const void* from;
  std::size_t bytes;
};
struct Awaited {
  int peer;
  void* to;
  std::size_t bytes;
};
struct Operation {
  std::shared_ptr<Member> member;
  Stream stream = nullptr;
  std::vector<Sent> sends;
  std::vector<Awaited> receives;
  bool begun = false;

  // Both by the thread that drives the rank's device.
  bool ready();
  void finish();
};
thread_local std::unique_ptr<Operation> group;

bool Operation::ready() {
  Clique& clique = *member->clique;
  const std::lock_guard lock(clique.mutex);
  if (member->loose) return true;
  if (!std::exchange(begun, true))
    for (const Sent& sent : sends) {
      const auto* const bytes = static_cast<const std::byte*>(sent.from);
      clique.mail[{member->rank, sent.peer}].emplace_back(bytes, bytes + sent.bytes);
    }
  std::map<int, std::size_t> wanted;
  for (const Awaited& awaited : receives) ++wanted[awaited.peer];
  return std::ranges::all_of(wanted, [&](const auto& one) {
    const auto& [peer, letters] = one;
    if (clique.mail[{peer, member->rank}].size() >= letters) return true;
    if (nccl->quirks.notices_gone && clique.ranks[std::size_t(peer)] == Clique::Rank::gone)
      member->error = nccl_remote_error;
    return false;
  });
}

void Operation::finish() {
  Clique& clique = *member->clique;
  const std::lock_guard lock(clique.mutex);
  if (member->loose) return;
  for (const Awaited& awaited : receives) {
    std::deque<Letter>& mail = clique.mail[{awaited.peer, member->rank}];
    const Letter letter = std::move(mail.front());
    mail.pop_front();
    CHECK(letter.size() == awaited.bytes, "ranks that send and receive different counts");
    std::memcpy(awaited.to, letter.data(), letter.size());
  }
}

NcclResult answer_of_hook(const char* name) {
  std::function<NcclResult(const char*)> hook;
  {
    const std::lock_guard lock(nccl->mutex);
    hook = nccl->hook;
  }
  return hook ? hook(name) : nccl_success;
}

int draw_polls() {
  const std::lock_guard lock(nccl->mutex);
  return int(nccl->random() % unsigned(nccl->quirks.most_polls + 1));
}

// A thread within the calls of a communicator.
class Inside {
 public:
  explicit Inside(NcclComm comm) : comm_(comm) {
    CHECK(comm != nullptr && !comm->ended, "a communicator is used after its end");
    CHECK(!comm->inside.exchange(true), "two threads within one communicator");
  }
  ~Inside() { comm_->inside = false; }

 private:
  NcclComm comm_;
};

NcclResult version(int* version) {
  *version = nccl->quirks.version;
  return nccl_success;
}
NcclResult unique_id(NcclUniqueId* id) {
  const std::lock_guard lock(nccl->mutex);
  const std::string text = "epoch " + std::to_string(++nccl->ids);
  std::ranges::copy(text, id->bytes);
  return nccl_success;
}

NcclResult init(NcclComm* comm, int ranks, NcclUniqueId id, int rank, NcclConfig* config) {
  *comm = nullptr;
  if (config->blocking != 0 || config->magic != 0xcafebeef || rank < 0 || rank >= ranks)
    return nccl_invalid_argument;
  if (const NcclResult result = answer_of_hook("init"); result != nccl_success) return result;
  const std::lock_guard lock(nccl->mutex);
  auto& clique = nccl->cliques[std::string(id.bytes, sizeof id.bytes)];
  if (!clique) clique = std::make_shared<Clique>(ranks);
  const std::lock_guard clique_lock(clique->mutex);
  CHECK(
      clique->ranks.size() == std::size_t(ranks) && clique->ranks[std::size_t(rank)] == Clique::Rank::missing,
      "a rank comes to its clique once");
  clique->ranks[std::size_t(rank)] = Clique::Rank::here;
  auto& handle = nccl->handles.emplace_back(std::make_unique<NcclCommHandle>());
  handle->member = std::make_shared<Member>();
  handle->member->clique = clique;
  handle->member->rank = rank;
  ++nccl->living;
  *comm = handle.get();
  return nccl_in_progress;
}

NcclResult async_error(NcclComm comm, NcclResult* state) {
  const Inside inside(comm);
  if (const NcclResult result = answer_of_hook("async_error"); result != nccl_success) return result;
  Member& member = *comm->member;
  const std::lock_guard lock(member.clique->mutex);
  const bool all_here =
      std::ranges::find(member.clique->ranks, Clique::Rank::missing) == member.clique->ranks.end();
  *state = member.error != nccl_success      ? member.error
           : !all_here || member.polls-- > 0 ? nccl_in_progress
                                             : nccl_success;
  return nccl_success;
}

NcclResult abort(NcclComm comm) {
  const Inside inside(comm);
  if (const NcclResult result = answer_of_hook("abort"); result != nccl_success) return result;
  for (const Stream stream : comm->streams)
    CHECK(Machine::has(stream), "a stream went before what NCCL does on it");
  {
    std::unique_lock lock(nccl->mutex);
    nccl->changed.wait(lock, [] { return !nccl->holds_aborts; });
    --nccl->living;
  }
  comm->ended = true;
  Member& member = *comm->member;
  const std::lock_guard lock(member.clique->mutex);
  member.loose = true;
  member.clique->ranks[std::size_t(member.rank)] = Clique::Rank::gone;
  return nccl_success;
}

NcclResult enqueue(NcclComm comm, std::unique_ptr<Operation> operation) {
  std::vector<Piece> pieces;
  for (const Sent& sent : operation->sends)
    pieces.push_back({reinterpret_cast<kernels::cuda::Address>(sent.from), sent.bytes});
  for (const Awaited& awaited : operation->receives)
    pieces.push_back({reinterpret_cast<kernels::cuda::Address>(awaited.to), awaited.bytes, true});
  const Stream stream = operation->stream;
  comm->streams.insert(stream);
  const std::shared_ptr<Operation> shared = std::move(operation);
  const auto result = Machine::enqueue(
      stream, pieces, [shared] { return shared->ready(); }, [shared] { shared->finish(); });
  if (result != kernels::cuda::success) return nccl_unhandled_cuda_error;
  const int polls = draw_polls();
  const std::lock_guard lock(comm->member->clique->mutex);
  comm->member->polls = polls;
  return polls > 0 ? nccl_in_progress : nccl_success;
}

NcclResult all_gather(const void* mine, void* all, std::size_t count, int type, NcclComm comm,
                      Stream stream) {
  const Inside inside(comm);
  if (type != nccl_bytes) return nccl_invalid_argument;
  if (const NcclResult result = answer_of_hook("all_gather"); result != nccl_success) return result;
  auto operation = std::make_unique<Operation>();
  operation->member = comm->member;
  operation->stream = stream;
  for (int peer = 0; peer < int(comm->member->clique->ranks.size()); ++peer) {  // itself, too
    operation->sends.push_back({peer, mine, count});
    operation->receives.push_back({peer, static_cast<std::byte*>(all) + std::size_t(peer) * count, count});
  }
  return enqueue(comm, std::move(operation));
}

thread_local NcclComm comm_of_group = nullptr;

NcclResult join_group(NcclComm comm, Stream stream, int type, int peer) {
  const Inside inside(comm);
  const bool known = type == nccl_bytes && peer >= 0 && peer < int(comm->member->clique->ranks.size());
  if (!known || !group || (group->stream && group->stream != stream)) return nccl_invalid_usage;
  comm_of_group = comm;
  group->member = comm->member;
  group->stream = stream;
  return nccl_success;
}
NcclResult send(const void* from, std::size_t count, int type, int peer, NcclComm comm, Stream stream) {
  if (const NcclResult result = answer_of_hook("send"); result != nccl_success) return result;
  if (const NcclResult result = join_group(comm, stream, type, peer); result != nccl_success) return result;
  group->sends.push_back({peer, from, count});
  return nccl_success;
}
NcclResult receive(void* to, std::size_t count, int type, int peer, NcclComm comm, Stream stream) {
  if (const NcclResult result = answer_of_hook("receive"); result != nccl_success) return result;
  if (const NcclResult result = join_group(comm, stream, type, peer); result != nccl_success) return result;
  group->receives.push_back({peer, to, count});
  return nccl_success;
}
NcclResult group_start() {
  if (const NcclResult result = answer_of_hook("group_start"); result != nccl_success) return result;
  CHECK(group == nullptr, "a group within a group");
  group = std::make_unique<Operation>();
  comm_of_group = nullptr;
  return nccl_success;
}
NcclResult group_end() {
  CHECK(group != nullptr, "no group to end");
  auto operation = std::move(group);
  if (const NcclResult result = answer_of_hook("group_end"); result != nccl_success) return result;
  if (comm_of_group == nullptr) return nccl_success;
  const Inside inside(comm_of_group);
  return enqueue(comm_of_group, std::move(operation));
}

const char* error_text(NcclResult result) {
  switch (result) {
    case nccl_success:
      return "no error";
    case nccl_remote_error:
      return "remote process exited or there was a network error";
    case nccl_in_progress:
      return "NCCL operation in progress";
    default:
      return "unhandled error";
  }
}
const char* last_error(NcclComm) {
  return "";
}

}  // namespace

Nccl::Nccl(const NcclQuirks& quirks) : state_(std::make_unique<NcclState>()) {
  CHECK(nccl == nullptr, "two emulated NCCLs at a time");
  state_->quirks = quirks;
  state_->random.seed(quirks.seed);
  nccl = state_.get();
}

Nccl::~Nccl() {
  nccl = nullptr;
}

NcclCalls Nccl::calls() const {
#define TROUPE_EMULATED_CALL(name, symbol, ...) .name = name,
  return {TROUPE_NCCL_CALLS(TROUPE_EMULATED_CALL) TROUPE_NCCL_TEXTS(TROUPE_EMULATED_CALL)};
#undef TROUPE_EMULATED_CALL
}

void Nccl::on_call(std::function<NcclResult(const char* name)> hook) {
  const std::lock_guard lock(state_->mutex);
  state_->hook = std::move(hook);
}

void Nccl::hold_aborts() {
  const std::lock_guard lock(state_->mutex);
  state_->holds_aborts = true;
}

void Nccl::let_aborts_go() {
  const std::lock_guard lock(state_->mutex);
  state_->holds_aborts = false;
  state_->changed.notify_all();
}

int Nccl::living() const {
  const std::lock_guard lock(state_->mutex);
  return state_->living;
}

}  // namespace emulated
}  // namespace troupe::transport
