// The command line of `troupe bench serve`, with the names of `vllm bench serve`. Main thread only.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "config/setting.hpp"
#include "launch/load/dataset.hpp"
#include "launch/load/stream_client.hpp"

namespace troupe::launch::load {

struct ServeOptions {
  std::string base_url, endpoint = "/v1/completions", model, tokenizer, extra_body = "{}";
  std::vector<std::string> header, goodput;
  std::string dataset_name = "random", dataset_path;
  std::int32_t num_prompts = 1000, num_warmups = 0, custom_output_len = 256;
  RandomLengths random;
  PrefixRepetition prefix_repetition;
  std::optional<std::int32_t> max_concurrency;
  std::optional<double> request_rate;
  double burstiness = 1, temperature = 0;
  std::int64_t seed = 0;
  bool ignore_eos = false, disable_tqdm = false, save_result = false, save_detailed = false;
  std::chrono::milliseconds silence{300'000};
  std::string percentile_metrics = "ttft,tpot,itl", metric_percentiles = "99";
  std::string json, plot, result_dir = ".", result_filename;
};

config::Table options_table(ServeOptions& options);

// `--goodput ttft:500 tpot:50` as `--goodput ttft:500 --goodput tpot:50`, and --header likewise.
std::vector<std::string> spread_lists(const std::vector<std::string>& arguments);

// These throw UsageError.
Headers parse_headers(const std::vector<std::string>& texts);  // "NAME=VALUE"
std::vector<std::string> parse_metrics(const std::string& text);
std::vector<double> parse_percentiles(const std::string& text);

}  // namespace troupe::launch::load
