#include "actors/replica.hpp"

#include <gtest/gtest.h>

#include <condition_variable>
#include <future>
#include <mutex>

#include "tests/actors/kv_room.hpp"
#include "tests/actors/reader.hpp"

namespace troupe::actors {
namespace {

// A reader on threads of its own: others wait for its deltas and its end.
class WaitingReader final : public GenerationSink {
 public:
  Expected<void> on_counted(std::int64_t prompt_tokens, std::int64_t most_output_tokens) override {
    const std::lock_guard lock(mutex_);
    counted.emplace_back(prompt_tokens, most_output_tokens);
    return pays ? Expected<void>() : refuse(RefusalKind::rate_limited, "no money", "", "rate_limit_exceeded");
  }
  void on_accepted(runtime::Usage) override {}
  void on_delta(runtime::Delta delta) override {
    const std::lock_guard lock(mutex_);
    reader_.on_delta(std::move(delta));
    ++deltas_;
    changed_.notify_all();
  }
  void on_end(runtime::Usage usage) override {
    const std::lock_guard lock(mutex_);
    reader_.on_end(usage);
    changed_.notify_all();
  }
  void on_failure(Refusal refusal) override {
    const std::lock_guard lock(mutex_);
    reader_.on_failure(std::move(refusal));
    changed_.notify_all();
  }
  void wait_for_deltas(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return deltas_ >= count || reader_.endings > 0; });
  }
  const Reader& wait_for_end() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return reader_.endings > 0; });
    return reader_;
  }

  bool pays = true;                                              // before it begins
  std::vector<std::pair<std::int64_t, std::int64_t>> counted{};  // once it has ended

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  Reader reader_;
  int deltas_ = 0;
};

struct Stream {
  std::shared_ptr<WaitingReader> reader = std::make_shared<WaitingReader>();
  std::unique_ptr<GenerationHandle> generation;
};

class ReplicaTest : public ::testing::Test {
 protected:
  const config::Settings settings;

  static ReplicaOptions options() {
    static const auto weight_bytes = model::Checkpoint::open(DEMO_MODEL).total_bytes();
    static const auto text = std::make_shared<const model::TextModel>(model::TextModel::load(DEMO_MODEL));
    ReplicaOptions made;
    made.checkpoint = DEMO_MODEL;
    made.weight_bytes = weight_bytes;
    made.text = text;
    made.vocab_size = text->tokenizer.vocab_size();
    made.info.names = {"demo"};
    made.info.max_model_len = 4096;
    made.cache = room_for(512, runtime::SchedulerLimits().block_size);
    return made;
  }
  static void wait_until_ready(const Replica& replica) {
    while (!replica.ready() && replica.healthy()) std::this_thread::yield();
    ASSERT_TRUE(replica.ready());
  }
  static Stream start(Replica& replica, runtime::GenerationRequest request) {
    Stream stream;
    stream.generation = replica.generate(std::move(request), stream.reader);
    stream.generation->grant(1'000'000);
    return stream;
  }
  static std::vector<runtime::GenerationRequest> assorted() {
    std::vector<runtime::GenerationRequest> requests;
    for (int i = 0; i < 8; ++i) {
      requests.push_back(
          chat(i % 2 ? "Count from 1 to 100." : "Tell me a short story about an owl.", i % 4 < 2 ? 0 : 0.9f));
      requests.back().seed = std::uint64_t(i);
      requests.back().max_tokens = 60;
    }
    return requests;
  }
  static std::vector<std::string> texts(std::vector<Stream>& streams) {
    std::vector<std::string> all;
    for (Stream& stream : streams) {
      const Reader& reader = stream.reader->wait_for_end();
      EXPECT_FALSE(reader.failure);
      all.push_back(reader.choices.at(0).content + "/" + reader.choices.at(0).finish_reason);
    }
    return all;
  }
};

TEST_F(ReplicaTest, EightStreamsOutliveCrashesOfEveryPartWithTheSameBytes) {
  using Kind = Drill::Kind;
  Replica replica(settings, options());
  wait_until_ready(replica);
  std::vector<Stream> calm, struck;
  for (auto& request : assorted()) calm.push_back(start(replica, request));
  const auto expected = texts(calm);
  for (auto& request : assorted()) struck.push_back(start(replica, request));
  int deltas = 5;
  for (const Kind kind : {Kind::crash_worker, Kind::crash_scheduler, Kind::crash_block_manager,
                          Kind::crash_expert_shard, Kind::crash_worker}) {
    const Epoch before = replica.replica().epoch;
    struck[0].reader->wait_for_deltas(deltas);
    deltas += 7;
    ASSERT_TRUE(replica.drill({.kind = kind}));
    if (kind == Kind::crash_expert_shard) continue;  // nothing else comes of it
    while (replica.replica().epoch == before) std::this_thread::yield();
  }
  EXPECT_EQ(texts(struck), expected);
  EXPECT_EQ(replica.replica().ranks.at(0).restarts, 2u);
}

// What is computed again is stored again as it was.
TEST_F(ReplicaTest, EightStreamsOutliveACrashWithTheSameBytesWhateverTheCacheStores) {
  for (const kernels::CacheType type : {kernels::CacheType::bf16, kernels::CacheType::fp8}) {
    ReplicaOptions of_type = options();
    of_type.cache_type = type;
    Replica replica(settings, of_type);
    wait_until_ready(replica);
    EXPECT_EQ(replica.replica().arithmetic, "f32k128 with a cache in " + std::string(name_of(type)));
    std::vector<Stream> calm, struck;
    for (auto& request : assorted()) calm.push_back(start(replica, request));
    const auto expected = texts(calm);
    for (auto& request : assorted()) struck.push_back(start(replica, request));
    const Epoch before = replica.replica().epoch;
    struck[0].reader->wait_for_deltas(5);
    ASSERT_TRUE(replica.drill({.kind = Drill::Kind::crash_worker}));
    while (replica.replica().epoch == before) std::this_thread::yield();
    EXPECT_EQ(texts(struck), expected) << name_of(type);
  }
}

TEST_F(ReplicaTest, AReaderPaysForPromptsAndTheMostThatMayComeOrIsRefused) {
  Replica replica(settings, options());
  wait_until_ready(replica);
  runtime::GenerationRequest request = chat("Count.");
  request.prompts = {std::string("one"), std::string("one two three")};
  request.n = 2;
  request.max_tokens = 3;
  Stream stream = start(replica, request);
  const Reader& paid = stream.reader->wait_for_end();
  EXPECT_FALSE(paid.failure);
  EXPECT_EQ(stream.reader->counted,
            (std::vector{std::pair<std::int64_t, std::int64_t>{paid.usage.prompt_tokens, 12}}));
  Stream poor;
  poor.reader->pays = false;
  poor.generation = replica.generate(std::move(request), poor.reader);
  EXPECT_EQ(poor.reader->wait_for_end().failure->code, "rate_limit_exceeded");
  EXPECT_EQ(replica.load(), 2);  // both are still held
}

TEST_F(ReplicaTest, EightStreamsGoOnWithTheSameBytesWhileThePolicyChanges) {
  config::Settings crowded;
  crowded.scheduler.max_num_seqs = 3;
  Replica replica(crowded, options());
  wait_until_ready(replica);
  std::vector<Stream> calm, changed;
  for (auto& request : assorted()) calm.push_back(start(replica, request));
  const auto expected = texts(calm);
  for (auto& request : assorted()) changed.push_back(start(replica, request));
  int deltas = 2;
  std::string last;
  for (const std::string& name : runtime::policy_names()) {
    changed[0].reader->wait_for_deltas(deltas += 3);
    ASSERT_TRUE(replica.change_policy({name}));
    last = name;
  }
  ASSERT_TRUE(replica.drill({.kind = Drill::Kind::crash_scheduler}));
  EXPECT_EQ(texts(changed), expected);
  const auto is_last = [&] { return replica.schedule().policy.name == last; };
  while (!is_last()) std::this_thread::yield();
  while (replica.replica().epoch < 2 || replica.schedule().stats.running > 0) std::this_thread::yield();
  EXPECT_TRUE(is_last()) << "the scheduler that follows one that died has its policy";
}

TEST_F(ReplicaTest, RefusesPoliciesThatCannotBeMade) {
  Replica replica(settings, options());
  const auto refusal = [&](runtime::PolicyChoice choice) { return replica.change_policy(choice).error(); };
  const Refusal unknown = refusal({"lottery"});
  EXPECT_EQ(unknown.param, "policy");
  EXPECT_NE(unknown.message.find("'decode_first', 'dfs'"), unknown.message.npos) << unknown.message;
  const Refusal option = refusal({"vtc", {"weight=1"}}), value = refusal({"mlfq", {"levels=0"}});
  EXPECT_EQ(option.param, "options");
  EXPECT_EQ(option.message, "policy vtc has no option 'weight'; known: input_weight output_weight");
  EXPECT_EQ(value.message, "levels of policy mlfq must be a whole number from 1 to 16, got '0'");
  EXPECT_EQ(replica.schedule().policy.name, "decode_first");
}

TEST_F(ReplicaTest, EndsLiveStreamsWhenItIsDestroyed) {
  std::vector<Stream> streams;
  {
    Replica replica(settings, options());
    wait_until_ready(replica);
    for (auto& request : assorted()) streams.push_back(start(replica, request));
    streams[0].reader->wait_for_deltas(3);
  }
  for (Stream& stream : streams) EXPECT_EQ(stream.reader->wait_for_end().endings, 1);
}

TEST_F(ReplicaTest, CanBeDestroyedWhileItLoads) {
  Replica replica(settings, options());
  EXPECT_TRUE(replica.healthy());
}

TEST_F(ReplicaTest, ShowsItsPhasesDoneWhenItIsReady) {
  Replica replica(settings, options());
  wait_until_ready(replica);
  const auto phases = replica.startup();
  ASSERT_EQ(phases.size(), 3u);
  for (const StartupPhase& phase : phases) EXPECT_EQ(phase.state, "done");
  EXPECT_EQ(phases[1].done, phases[1].total);
  EXPECT_GT(phases[1].total, 0u);
}

TEST_F(ReplicaTest, ShowsItsRankAndCrashesItOnOrder) {
  Replica replica(settings, options());
  wait_until_ready(replica);
  ASSERT_EQ(replica.replica().ranks.size(), 1u);
  auto request = chat("Count from 1 to 100.");
  request.max_tokens = 4;
  start(replica, request).reader->wait_for_end();
  const runtime::ReplicaView before = replica.replica();
  EXPECT_EQ(before.state, runtime::ReplicaState::serving);
  EXPECT_EQ(before.ranks[0].pid, getpid());
  EXPECT_GE(before.ranks[0].step, 4u);
  EXPECT_FALSE(before.last_fault);
  ASSERT_TRUE(replica.drill({.kind = Drill::Kind::crash_worker}));
  while (replica.replica().epoch == before.epoch || replica.replica().state != runtime::ReplicaState::serving)
    std::this_thread::yield();
  const runtime::ReplicaView after = replica.replica();
  EXPECT_EQ(after.ranks[0].restarts, 1u);
  EXPECT_EQ(after.ranks[0].step, 0u);
}

TEST_F(ReplicaTest, RefusesWhatOneProcessCannotDo) {
  Replica replica(settings, options());
  EXPECT_EQ(replica.drill({.kind = Drill::Kind::corrupt_message}).error().param, "kind");
  EXPECT_EQ(replica.drill({.kind = Drill::Kind::device_error}).error().param, "kind");
  EXPECT_EQ(replica.drill({.kind = Drill::Kind::crash_worker, .rank = 1}).error().param, "rank");
  EXPECT_EQ(replica.drill({.kind = Drill::Kind::crash_worker, .rank = -1}).error().param, "rank");
  EXPECT_EQ(replica.drill({.kind = Drill::Kind::crash_block_manager, .group = 1}).error().param, "group");
  EXPECT_EQ(replica.place_expert(0, {0}).error().param, "expert");
}

TEST_F(ReplicaTest, RefusesPlacementsThatTheRanksCannotHold) {
  auto parallel = options();
  parallel.experts = 8;
  parallel.sharding.expert_parallel = true;
  Replica replica(settings, parallel);
  EXPECT_EQ(replica.place_expert(8, {0}).error().param, "expert");
  EXPECT_EQ(replica.place_expert(-1, {0}).error().param, "expert");
  for (const std::vector<std::int32_t>& ranks : {std::vector<std::int32_t>{}, {1}, {-1}, {0, 0}})
    EXPECT_EQ(replica.place_expert(0, ranks).error().param, "ranks");
}

// Also before the weights are read: it needs the text side alone.
TEST_F(ReplicaTest, TokenizesOnThreadsOfItsOwn) {
  Replica replica(settings, options());
  runtime::GenerationRequest request;
  request.prompts = {std::string("Who are you?")};
  std::promise<Expected<std::vector<TokenId>>> tokens;
  replica.tokenize(request, [&](auto told) { tokens.set_value(std::move(told)); });
  const std::vector<TokenId> found = tokens.get_future().get().value();
  std::string entries;
  for (const TokenId each : found) entries += replica.vocabulary_entry(each);
  EXPECT_TRUE(entries.ends_with("WhoĠareĠyou?")) << entries;
  std::promise<Expected<std::string>> text;
  replica.detokenize(found, "", [&](auto told) { text.set_value(std::move(told)); });
  EXPECT_TRUE(text.get_future().get().value().ends_with("Who are you?"));
}

TEST_F(ReplicaTest, WhoeverTokenizesWaitsInTheQueueOfPrompts) {
  config::Settings narrow;
  narrow.tokenizing_threads = 1;
  narrow.max_tokenizing = 1;
  Replica replica(narrow, options());
  std::promise<void> open, entered, over;
  replica.detokenize({}, "", [&, opened = open.get_future().share()](auto) {
    entered.set_value();
    opened.wait();
  });
  entered.get_future().wait();
  replica.detokenize({}, "", [&](auto) { over.set_value(); });
  std::optional<Refusal> refused;
  replica.detokenize({}, "", [&](const auto& told) { refused = told.error(); });
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->code, "queue_full");
  open.set_value();
  over.get_future().wait();
}

TEST_F(ReplicaTest, ACallerHasAShareOfTheQueueOfPrompts) {
  config::Settings narrow;
  narrow.tokenizing_threads = 1;
  narrow.max_tokenizing = 3;
  narrow.scheduler.max_waiting_per_caller = 1;
  Replica replica(narrow, options());
  wait_until_ready(replica);
  std::promise<void> open, entered;
  replica.detokenize({}, "first", [&, opened = open.get_future().share()](auto) {
    entered.set_value();
    opened.wait();
  });
  entered.get_future().wait();
  std::promise<void> over;
  replica.detokenize({}, "first", [&](auto) { over.set_value(); });
  std::optional<Refusal> refused;
  replica.detokenize({}, "first", [&](const auto& told) { refused = told.error(); });
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->kind, RefusalKind::rate_limited);
  EXPECT_EQ(refused->code, "too_many_waiting");
  runtime::GenerationRequest request = chat("Who are you?");
  request.max_tokens = 1;
  request.caller = "first";
  Stream same = start(replica, request);
  EXPECT_EQ(same.reader->wait_for_end().failure->code, "too_many_waiting");
  request.caller = "second";
  Stream other = start(replica, request);
  open.set_value();
  over.get_future().wait();
  EXPECT_FALSE(other.reader->wait_for_end().failure);
}

TEST_F(ReplicaTest, LoadIsWhatSomebodyWaitsFor) {
  Replica replica(settings, options());
  wait_until_ready(replica);
  EXPECT_EQ(replica.load(), 0);
  {
    Stream first = start(replica, chat("Who are you?")), second = start(replica, chat("Goodbye"));
    EXPECT_EQ(replica.load(), 2);
  }
  EXPECT_EQ(replica.load(), 0);
}

TEST_F(ReplicaTest, AGenerationThatIsDroppedIsCancelled) {
  Replica replica(settings, options());
  wait_until_ready(replica);
  auto endless = chat("Count from 1 to 100.");
  endless.ignore_eos = true;
  {
    Stream stream = start(replica, endless);
    stream.reader->wait_for_deltas(3);
  }
  while (replica.metrics_text({}).find("{finished_reason=\"abort\",model_name=\"demo\"} 1") ==
         std::string::npos)
    std::this_thread::yield();
}

}  // namespace
}  // namespace troupe::actors
