#include "actors/edge/asio.hpp"

#include <sys/resource.h>

#include <boost/asio/co_spawn.hpp>
#include <fstream>
#include <iostream>

#include "launch/bench_subcommands.hpp"
#include "launch/command_line.hpp"
#include "launch/demo_model.hpp"
#include "launch/extra_body.hpp"
#include "launch/load/arrivals.hpp"
#include "launch/load/latency_plot.hpp"
#include "launch/load/load.hpp"
#include "launch/load/serve_options.hpp"
#include "launch/load/serving_report.hpp"
#include "launch/progress_bar.hpp"
#include "launch/server_answer.hpp"
#include "model/text/text_model.hpp"

namespace troupe::launch {
namespace {

using namespace load;
using nlohmann::ordered_json;

constexpr config::Page page{
    .command = "bench serve",
    .summary = "measures an OpenAI server",
    .description =
        "Sends requests to a server, Troupe's, vLLM's or llama.cpp's, and tells how fast it answered: time to "
        "first token (TTFT), per output token (TPOT), between tokens (ITL) and of the whole request (E2EL). "
        "Flags and the fields of the result have the names of vllm bench serve.\n\n"
        "With --max-concurrency the next request is sent when one ends; with --request-rate requests arrive "
        "on their own. One request is sent before, to see that the server answers. Prompts of random tokens "
        "are sent as token ids.",
    .examples =
        "$ troupe bench serve --base-url http://127.0.0.1:8000 --max-concurrency 8 --num-prompts 64 "
        "--random-input-len 128\n"
        "$ troupe bench serve --base-url http://127.0.0.1:8000 --request-rate 4 --goodput ttft:500 tpot:50\n"
        "$ troupe bench serve --base-url http://127.0.0.1:8000 --dataset-name trace --dataset-path trace.csv",
    .exit_status = "0 all requests were answered; 1 one failed, or nothing could be measured; 2 wrong flag."};

// The work's result, or what it throws.
template <class T>
T run(net::io_context& io, net::awaitable<T> work) {
  std::optional<T> result;
  std::exception_ptr failure;
  net::co_spawn(io, std::move(work), [&](std::exception_ptr thrown, T value) {
    failure = thrown;
    result = std::move(value);
    io.stop();
  });
  io.restart();
  io.run();
  if (failure) std::rethrow_exception(failure);
  return std::move(*result);
}

std::vector<Sample> make_samples(const ServeOptions& o, const model::Tokenizer& tokenizer) {
  const auto seed = std::uint64_t(o.seed);
  if (o.dataset_name == "custom") return custom_samples(o.dataset_path, o.custom_output_len, o.num_prompts);
  if (o.dataset_name == "trace") return trace_samples(tokenizer, o.dataset_path, o.num_prompts, seed);
  if (o.dataset_name == "prefix_repetition")
    return prefix_repetition_samples(tokenizer, o.prefix_repetition, o.num_prompts, seed);
  return random_samples(tokenizer, o.random, o.num_prompts, seed);
}

std::string make_body(const Sample& sample, const ServeOptions& o, const model::Tokenizer& tokenizer,
                      const ordered_json& extra) {
  ordered_json body{{"model", o.model},
                    {"max_tokens", sample.output_len},
                    {"temperature", o.temperature},
                    {"stream", true},
                    {"stream_options", {{"include_usage", true}}}};
  const auto* const tokens = std::get_if<std::vector<TokenId>>(&sample.prompt);
  if (o.endpoint.ends_with("/chat/completions"))
    body["messages"] = {
        {{"role", "user"},
         {"content", tokens ? tokenizer.decode(*tokens) : std::get<std::string>(sample.prompt)}}};
  else if (tokens)
    body["prompt"] = *tokens;
  else
    body["prompt"] = std::get<std::string>(sample.prompt);
  if (o.ignore_eos) body["ignore_eos"] = true;
  body.update(extra);
  return body.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

Load make_load(const ServeOptions& o, const ordered_json& extra) {
  const auto tokenizer = model::tokenizer_of(checkpoint_or_demo(o.tokenizer));
  const std::vector<Sample> samples = make_samples(o, tokenizer);
  Load load{
      .target = o.endpoint, .bodies = {}, .arrivals = {}, .max_concurrency = o.max_concurrency.value_or(0)};
  for (const Sample& each : samples) load.bodies.push_back(make_body(each, o, tokenizer, extra));
  if (o.request_rate)
    load.arrivals =
        gamma_arrivals(std::int32_t(samples.size()), *o.request_rate, o.burstiness, std::uint64_t(o.seed));
  else
    for (const Sample& each : samples)
      if (each.arrival) load.arrivals.push_back(*each.arrival);
  return load;
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) { return double(time.tv_sec) + double(time.tv_usec) * 1e-6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// Shows that the server answers, then warms it up with the first request.
void prepare(net::io_context& io, StreamClient& client, const Load& load, const ServeOptions& o) {
  const Exchange first = run(io, client.post(load.target, load.bodies.front()));
  if (!first.success()) throw Error("the first request failed: " + first.error, o.base_url);
  Load warmup{
      load.target, std::vector(std::size_t(o.num_warmups), load.bodies.front()), {}, load.max_concurrency};
  if (o.num_warmups > 0) run(io, send(client, warmup, [](const Exchange&) {}));
}

void measure_load(net::io_context& io, StreamClient& client, const Load& load, const ServeOptions& o,
                  ServingRun& result) {
  ProgressBar progress(load.bodies.size(), o.disable_tqdm);
  const double cpu = cpu_seconds();
  const TimePoint start = now();
  result.exchanges = run(io, send(client, load, [&](const Exchange&) { progress.one_more(); }));
  result.duration = std::chrono::duration<double>(now() - start).count();
  result.client_cpu_seconds = cpu_seconds() - cpu;
}

void write(const std::filesystem::path& file, const std::string& text) {
  std::ofstream out(file, std::ios::binary);
  out << text << std::flush;
  if (!out) throw Error("cannot be written", file.string());
}

// openai-4.0qps-concurrency8-demo-20261128-201500.json
std::filesystem::path result_file(const ServeOptions& o, const ordered_json& result) {
  if (!o.result_filename.empty()) return std::filesystem::path(o.result_dir) / o.result_filename;
  const ordered_json& rate = result.at("request_rate");
  std::string name = "openai-" + (rate.is_string() ? rate.get<std::string>() : rate.dump()) + "qps";
  if (o.max_concurrency) name += "-concurrency" + std::to_string(*o.max_concurrency);
  name += "-" + std::filesystem::path(o.model).filename().string();
  return std::filesystem::path(o.result_dir) / (name + "-" + result.at("date").get<std::string>() + ".json");
}

void report(const ServingRun& result, const ServeOptions& o) {
  std::cout << table_of(result) << std::flush;
  const ordered_json json = json_of(result, o.save_detailed);
  const std::string text = json.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
  if (!o.json.empty()) write(o.json, text);
  if (o.save_result) write(result_file(o, json), text);
  if (!o.plot.empty()) write(o.plot, plot_of(result));
}

}  // namespace

int bench_serve(const Arguments& arguments) {
  ServeOptions options;
  config::Table table = options_table(options);
  if (!read_command_line(page, table, spread_lists(arguments))) return 0;
  const ServerUrl url = parse_server_url(options.base_url, "--base-url", "or a proxy that ends TLS");
  const Headers headers = parse_headers(options.header);
  const Objectives objectives = parse_objectives(options.goodput);
  const ordered_json extra = parse_extra_body(options.extra_body);
  const bool reads_file = options.dataset_name == "trace" || options.dataset_name == "custom";
  if (reads_file && options.dataset_path.empty())
    throw config::UsageError("is missing", "--dataset-path",
                             "--dataset-name " + options.dataset_name + " reads it");
  ServingRun result{.base_url = options.base_url,
                    .endpoint = options.endpoint,
                    .model_id = {},
                    .dataset_name = options.dataset_name,
                    .max_concurrency = options.max_concurrency.value_or(0),
                    .request_rate = options.request_rate,
                    .burstiness = options.burstiness,
                    .percentile_metrics = parse_metrics(options.percentile_metrics),
                    .metric_percentiles = parse_percentiles(options.metric_percentiles),
                    .has_objectives = !objectives.empty()};
  net::io_context io(1);
  StreamClient client(io, url, headers, options.silence);
  if (options.model.empty()) options.model = first_model(run(io, client.get("/v1/models")), options.base_url);
  result.model_id = options.model;
  const Load load = make_load(options, extra);
  prepare(io, client, load, options);
  measure_load(io, client, load, options, result);
  result.metrics = measure(result.exchanges, result.duration, result.metric_percentiles, objectives);
  report(result, options);
  return result.metrics.failed == 0 ? 0 : 1;
}

}  // namespace troupe::launch
