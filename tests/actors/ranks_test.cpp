// Several ranks that are threads of this process, over TCP on loopback, with the demo model.
#include <gtest/gtest.h>

#include <condition_variable>

#include "actors/node.hpp"
#include "actors/replica_supervisor.hpp"
#include "actors/request_supervisor.hpp"
#include "actors/system_config.hpp"
#include "tests/actors/kv_room.hpp"
#include "tests/actors/reader.hpp"

namespace troupe::actors {
namespace {

// A node whose workers are actors of this process.
struct ThreadsNodeState {
  static inline const char* name = "threads_node";
  struct Worker {
    WorkerHandle handle;
    runtime::WorkerLife life;
  };
  std::vector<Worker> workers;
};
using ThreadsNode = NodeHandle::stateful_pointer<ThreadsNodeState>;

NodeHandle::behavior_type threads_node(ThreadsNode self, ReplicaSupervisorHandle supervisor,
                                       std::vector<TickBoard>* boards) {
  self->state.workers.resize(boards->size());
  self->set_down_handler([self, supervisor](const caf::down_msg& down) {
    auto& workers = self->state.workers;
    for (std::size_t rank = 0; rank < workers.size(); ++rank)
      if (workers[rank].handle && down.source == workers[rank].handle.address()) {
        workers[rank].handle = WorkerHandle{};
        self->send(supervisor, runtime::WorkerExited{{workers[rank].life, 0, {}, {}, {}}, "died"});
      }
  });
  caf::anon_send(supervisor, NodeIntroduced{{0, {}, ""}, NodeHandle(self)});
  return {
      [self, supervisor, boards](const runtime::StartWorker& order) {
        auto& mine = self->state.workers[std::size_t(order.life.rank)];
        mine.life = order.life;
        const WorkerOptions options{.ticks = &(*boards)[std::size_t(order.life.rank)]};
        mine.handle = self->spawn<caf::monitored>(worker, options,
                                                  self->system().spawn<caf::detached>(compute, options));
        self->send(supervisor, WorkerIntroduced{{order.life, 0}, mine.handle});
      },
      [self](const runtime::KillWorker& order) {
        self->send_exit(self->state.workers[std::size_t(order.life.rank)].handle, caf::exit_reason::kill);
      },
      [self](const End&) {
        for (const auto& each : self->state.workers)
          if (each.handle) self->send_exit(each.handle, caf::exit_reason::user_shutdown);
        self->quit(caf::exit_reason::user_shutdown);
      },
  };
}

class WaitingReader final : public GenerationSink {
 public:
  void on_accepted(runtime::Usage) override {}
  void on_delta(runtime::Delta delta) override {
    note([&] { reader.on_delta(std::move(delta)), ++deltas_; });
  }
  void on_end(runtime::Usage usage) override {
    note([&] { reader.on_end(usage); });
  }
  void on_failure(Refusal refusal) override {
    note([&] { reader.on_failure(std::move(refusal)); });
  }
  void wait_for_deltas(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return deltas_ >= count || reader.endings > 0; });
  }
  std::string wait_for_text() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return reader.endings > 0; });
    EXPECT_FALSE(reader.failure);
    return reader.choices[0].content + "/" + reader.choices[0].finish_reason;
  }
  Reader reader;

 private:
  template <class Note>
  void note(Note what) {
    const std::lock_guard lock(mutex_);
    what();
    changed_.notify_all();
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  int deltas_ = 0;
};

// tensor-parallel and data-parallel size, expert-parallel.
using Plan = std::tuple<int, int, bool>;

class ThreadRanksTest : public ::testing::TestWithParam<Plan> {
 protected:
  void SetUp() override {
    context->text = std::make_shared<const model::TextModel>(model::TextModel::load(DEMO_MODEL));
    context->metrics = metrics;
    context->rules.max_model_len = limits.max_model_len;
    context->tokenizing = &tokenizing;
    requests = system.spawn(request_supervisor, metrics);
    supervisor = system.spawn(replica_supervisor, settings());
    system.spawn(threads_node, supervisor, &boards);
    wait_for([&] { return status->state() == runtime::ReplicaState::serving; });
  }
  void TearDown() override {
    caf::anon_send(requests, End{});
    caf::anon_send(supervisor, End{});
    system.await_all_actors_done();
  }

  ReplicaSettings settings() {
    constexpr std::int32_t blocks = 96;
    ReplicaSettings made;
    const auto experts = model::Checkpoint::open(DEMO_MODEL).config().n_routed_experts;
    made.membership.tensor_parallel = tensor();
    made.membership.data_parallel = data();
    made.membership.spread_experts = transport::ExpertPlacement::spread(experts, tensor() * data()).holders;
    made.membership.hang_limit = std::chrono::seconds(60);
    made.model.checkpoint = DEMO_MODEL;
    made.model.sharding.tensor_parallel = tensor();
    made.model.sharding.data_parallel = data();
    made.model.sharding.expert_parallel = std::get<2>(GetParam());
    made.model.limits = {limits.max_num_batched_tokens, limits.max_num_seqs, limits.max_model_len, false};
    made.model.cache = room_for(blocks, limits.block_size);
    made.model.block_size = limits.block_size;
    made.scheduler = {limits, {"decode_first"}, data(), 0, metrics};
    made.blocks = {0, limits.block_size, limits.prefix_caching, 0, 0, metrics};
    made.status = status;
    made.metrics = metrics;
    made.requests = requests;
    return made;
  }
  static int tensor() { return std::get<0>(GetParam()); }
  static int data() { return std::get<1>(GetParam()); }

  template <class Condition>
  static void wait_for(Condition condition) {
    while (!condition()) std::this_thread::yield();
  }
  std::shared_ptr<WaitingReader> start(const std::string& question) {
    auto reader = std::make_shared<WaitingReader>();
    auto once = std::make_shared<TerminalOnce>(reader);
    auto request = chat(question);
    request.max_tokens = 24;
    const auto born = system.spawn(actors::request, request, context, once);
    caf::anon_send(requests, RequestBorn{born, once});
    caf::anon_send(born, Credit{1'000'000});
    return reader;
  }
  std::vector<std::shared_ptr<WaitingReader>> start_all() {
    std::vector<std::shared_ptr<WaitingReader>> readers;
    for (const char* question : {"Count from 1 to 100.", "Solve 17 * 23",
                                 "Tell me a short story about an owl.", "Count from 5 to 90."})
      readers.push_back(start(question));
    return readers;
  }
  static std::vector<std::string> texts(const std::vector<std::shared_ptr<WaitingReader>>& readers) {
    std::vector<std::string> all;
    for (const auto& reader : readers) all.push_back(reader->wait_for_text());
    return all;
  }
  // As of the cache of a group: the epoch that it began with.
  double generation_of(int group) const {
    const std::string text = metrics->text();
    const auto line = text.find("\ntroupe_kv_cache_generation{engine=\"" + std::to_string(group) + "\"");
    EXPECT_NE(line, std::string::npos) << text;
    return std::stod(text.substr(text.find("} ", line) + 2));
  }

  const runtime::SchedulerLimits limits{
      .max_num_batched_tokens = 256, .max_num_seqs = 8, .max_model_len = 512};
  std::shared_ptr<Metrics> metrics = std::make_shared<Metrics>("demo");
  std::shared_ptr<ReplicaStatus> status = std::make_shared<ReplicaStatus>();
  std::shared_ptr<RequestContext> context = std::make_shared<RequestContext>();
  std::vector<TickBoard> boards = std::vector<TickBoard>(std::size_t(tensor() * data()));
  LocalConfig config;
  caf::actor_system system{config};
  JobQueue tokenizing{2, 64};
  RequestSupervisorHandle requests;
  ReplicaSupervisorHandle supervisor;
};

// The undisturbed texts are those of one rank, too: so they are compared over all plans.
std::vector<std::string>& texts_of_first_plan() {
  static std::vector<std::string> texts;
  return texts;
}

TEST_P(ThreadRanksTest, ADeadRankCostsItsGroupAReplayAndNobodyAnythingElse) {
  const auto calm = texts(start_all());
  if (texts_of_first_plan().empty()) texts_of_first_plan() = calm;
  EXPECT_EQ(calm, texts_of_first_plan());

  const int ranks = tensor() * data(), victim = ranks - 1, group = data() - 1;
  std::vector<double> generations;
  for (int each = 0; each < data(); ++each) generations.push_back(generation_of(each));
  std::vector<std::uint64_t> loaded;
  for (const TickBoard& board : boards) loaded.push_back(board.loaded_bytes);
  const Epoch before = status->view().epoch;
  const auto struck = start_all();
  struck[0]->wait_for_deltas(5);
  caf::anon_send(supervisor, Drill{.kind = Drill::Kind::crash_worker, .rank = victim});
  EXPECT_EQ(texts(struck), calm);

  wait_for(
      [&] { return status->view().epoch > before && status->state() == runtime::ReplicaState::serving; });
  EXPECT_EQ(texts(start_all()), calm);
  const runtime::ReplicaView view = status->view();
  for (int rank = 0; rank < ranks; ++rank) {
    EXPECT_EQ(view.ranks[std::size_t(rank)].restarts, rank == victim ? 1u : 0u);
    const std::uint64_t bytes = boards[std::size_t(rank)].loaded_bytes;
    if (rank == victim)
      EXPECT_GT(bytes, loaded[std::size_t(rank)]);
    else
      EXPECT_EQ(bytes, loaded[std::size_t(rank)]) << "a survivor keeps its weights";
  }
  for (int each = 0; each < data(); ++each) {
    if (each == group)
      EXPECT_GT(generation_of(each), generations[std::size_t(each)]);
    else
      EXPECT_EQ(generation_of(each), generations[std::size_t(each)]) << "the others keep their caches";
  }
}

INSTANTIATE_TEST_SUITE_P(Plans, ThreadRanksTest,
                         ::testing::Values(Plan{1, 1, false}, Plan{2, 1, false}, Plan{1, 2, true},
                                           Plan{2, 2, false}, Plan{2, 2, true}),
                         [](const auto& plan) {
                           return "tp" + std::to_string(std::get<0>(plan.param)) + "dp" +
                                  std::to_string(std::get<1>(plan.param)) +
                                  (std::get<2>(plan.param) ? "ep" : "");
                         });

}  // namespace
}  // namespace troupe::actors
