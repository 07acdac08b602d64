// What an answer costs outside of the model: streams of completions over loopback, of a replica whose rank computes
// nothing. Server and clients are one process, and its threads are told apart by who started them.
//
//   bench_edge_streams [STREAMS]...
#include "actors/edge/asio.hpp"

#include <boost/asio/co_spawn.hpp>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <thread>

#include "actors/edge/http_server.hpp"
#include "actors/replica.hpp"
#include "bench/actors/edge/free_rank.hpp"
#include "bench/actors/edge/thread_time.hpp"
#include "launch/load/event_splitter.hpp"
#include "launch/load/stream_client.hpp"
#include "runtime/base/log.hpp"

namespace troupe::bench {
namespace {

using namespace launch::load;

constexpr std::int32_t answer_tokens = 1000;   // of every answer
constexpr std::chrono::seconds least_time{4};  // of a row
constexpr std::int32_t longest = 2048;         // tokens of a sequence
constexpr std::chrono::milliseconds device_step{10};
constexpr std::int32_t device_tokens = 200;  // of answers whose steps take that long
constexpr std::int32_t device_streams = 64;
constexpr std::chrono::minutes silence{5};
constexpr const char* target = "/v1/completions";

struct Deployment {
  std::size_t streams = 1;
  std::int32_t tokens = answer_tokens, steps_in_flight = 2;
  Duration step_time{};
};

struct Measured {
  double seconds = 0, edge = 0, actors = 0, clients = 0;  // the last three: of CPU
  std::int64_t tokens = 0, events = 0;
  std::vector<double> gaps;  // see StepGaps

  double us_a_token(double cpu_seconds) const { return cpu_seconds * 1e6 / double(tokens); }
};

config::Settings settings_of(const Deployment& wanted) {
  config::Settings settings;
  settings.edge.port = 0;
  settings.scheduler.max_num_seqs = std::int32_t(wanted.streams);
  settings.scheduler.max_steps_in_flight = wanted.steps_in_flight;
  return settings;
}

actors::ReplicaOptions options_of(const Deployment& wanted, const config::Settings& settings,
                                  StepGaps& gaps) {
  static const auto text = std::make_shared<const model::TextModel>(model::TextModel::load(DEMO_MODEL));
  FreeModel model{.token = text->encode_prompt(" and", false).value().front(),
                  .blocks = std::int32_t(wanted.streams) * (longest / settings.scheduler.block_size + 1),
                  .step_time = wanted.step_time,
                  .gaps = &gaps};
  actors::ReplicaOptions options;
  options.checkpoint = DEMO_MODEL;
  options.text = text;
  options.vocab_size = text->tokenizer.vocab_size();
  options.info.names = {"demo"};
  options.info.max_model_len = longest;
  options.spawn_compute = [model](caf::actor_system& system, const actors::WorkerOptions&) {
    return system.spawn<caf::detached>(free_rank, model);
  };
  return options;
}

// Streams of answers; they run on the main thread, which does nothing else.
class Clients {
 public:
  Clients(std::uint16_t port, std::int32_t tokens)
      : client_(io_, launch::parse_server_url("http://127.0.0.1:" + std::to_string(port), "port", ""), {},
                silence),
        body_(nlohmann::json{{"model", "demo"},
                             {"prompt", "Count from 1 to 100:"},
                             {"max_tokens", tokens},
                             {"temperature", 0},
                             {"ignore_eos", true},
                             {"stream", true}}
                  .dump()) {}

  // One answer on each of so many streams at a time. Throws what went wrong with any of them. Gives the number of events
  // that were not the end.
  std::int64_t read(std::size_t streams) {
    events_ = 0;
    reading_ = streams;
    for (std::size_t i = 0; i < streams; ++i)
      net::co_spawn(io_, read_one(), [this](std::exception_ptr failure) {
        if (failure) failure_ = failure;
        if (--reading_ == 0 || failure) io_.stop();
      });
    io_.restart();
    io_.run();
    if (failure_) std::rethrow_exception(failure_);
    return events_;
  }

 private:
  net::awaitable<void> read_one() {
    EventSplitter splitter;
    bool done = false;
    const StreamClient::Take take = [&](std::string_view bytes, TimePoint) {
      splitter.feed(bytes,
                    [&](std::string_view data) { data == "[DONE]" ? void(done = true) : void(++events_); });
    };
    co_await client_.stream(target, body_, take);
    if (!done) throw Error("the answer ended without its [DONE]", target);
  }

  net::io_context io_;
  StreamClient client_;
  const std::string body_;
  std::size_t reading_ = 0;
  std::int64_t events_ = 0;
  std::exception_ptr failure_;
};

Measured measure(const Deployment& wanted) {
  const config::Settings settings = settings_of(wanted);
  StepGaps gaps(wanted.streams);
  const Threads own = threads_now();
  const auto replica = std::make_shared<actors::Replica>(settings, options_of(wanted, settings, gaps));
  while (!replica->ready()) std::this_thread::yield();
  const Threads of_replica = without(threads_now(), own);
  actors::edge::HttpServer server(settings.edge, "bench", replica);
  const Threads of_edge = without(without(threads_now(), own), of_replica);
  Clients clients(server.port(), wanted.tokens);
  clients.read(wanted.streams);  // to warm up
  gaps.take();

  Measured row;
  const auto account = [&](int sign) {
    row.edge += sign * cpu_seconds(of_edge);
    row.actors += sign * cpu_seconds(of_replica);
    row.clients += sign * cpu_seconds(own);
  };
  account(-1);
  const TimePoint began = now();
  while (now() - began < least_time) {
    row.events += clients.read(wanted.streams);
    row.tokens += std::int64_t(wanted.streams) * wanted.tokens;
  }
  row.seconds = std::chrono::duration<double>(now() - began).count();
  account(1);
  row.gaps = gaps.take();
  return row;
}

void print_streams(const std::vector<std::size_t>& counts) {
  std::printf(
      "| streams | tokens/s | CPU us a token: edge | actors | clients | tokens/s of two cores without clients | events a token |\n"
      "|---|---|---|---|---|---|---|\n");
  for (const std::size_t streams : counts) {
    const Measured row = measure({.streams = streams});
    std::printf("| %zu | %.0f | %.1f | %.1f | %.1f | %.0f | %.2f |\n", streams,
                double(row.tokens) / row.seconds, row.us_a_token(row.edge), row.us_a_token(row.actors),
                row.us_a_token(row.clients), 2 * double(row.tokens) / (row.edge + row.actors),
                double(row.events) / double(row.tokens));
    std::fflush(stdout);
  }
}

void print_gaps() {
  std::printf(
      "\n| steps in flight | a device of %d ms a step and %d sequences waits us: p50 | p99 | CPU us a step: edge | actors |\n"
      "|---|---|---|---|---|\n",
      int(device_step.count()), device_streams);
  for (const std::int32_t steps : {1, 2}) {
    const Measured row = measure({.streams = std::size_t(device_streams),
                                  .tokens = device_tokens,
                                  .steps_in_flight = steps,
                                  .step_time = device_step});
    const auto& gaps = row.gaps;
    if (gaps.empty()) throw Error("no step had all sequences", "bench_edge_streams");
    const double a_step = double(device_streams);
    std::printf("| %d | %.0f | %.0f | %.0f | %.0f |\n", steps, gaps[gaps.size() / 2],
                gaps[gaps.size() * 99 / 100], row.us_a_token(row.edge) * a_step,
                row.us_a_token(row.actors) * a_step);
  }
}

void run(std::vector<std::size_t> streams) {
  set_log_level(LogLevel::error);
  if (streams.empty()) streams = {1, 64, 256};
  print_streams(streams);
  print_gaps();
}

}  // namespace
}  // namespace troupe::bench

int main(int count, char** arguments) {
  try {
    std::vector<std::size_t> streams;
    for (int i = 1; i < count; ++i) streams.push_back(std::size_t(std::atol(arguments[i])));
    troupe::bench::run(std::move(streams));
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_edge_streams: %s\n", error.what());
    return 1;
  }
}
