#include "launch/load/serve_options.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

#include "launch/server_url.hpp"

namespace troupe::launch::load {
namespace {

constexpr std::int32_t most = 1 << 24;  // requests, or tokens of one

void add_server(config::Table& table, ServeOptions& o) {
  config::append(
      table,
      {{.name = "base-url",
        .target = &o.base_url,
        .argument = "URL",
        .help = "Of the server, up to where the endpoint begins.",
        .required = true},
       {.name = "endpoint",
        .target = &o.endpoint,
        .argument = "PATH",
        .help = "What is asked. Chat needs prompts of text: random ones are decoded.",
        .choices = {"/v1/completions", "/v1/chat/completions"}},
       {.name = "model",
        .target = &o.model,
        .argument = "NAME",
        .help = "As the server calls it.",
        .unset = "the first of the server's /v1/models"},
       {.name = "header",
        .target = &o.header,
        .argument = "NAME=VALUE",
        .help = "Sent with each request. Takes several.",
        .unset = "none"},
       {.name = "extra-body",
        .target = &o.extra_body,
        .argument = "JSON",
        .help = "An object; its fields are put into each request."},
       {.name = "temperature",
        .target = &o.temperature,
        .argument = "T",
        .help = "0 is greedy.",
        .range = {0, 100}},
       {.name = "ignore-eos", .target = &o.ignore_eos, .help = "Answers have the whole output length."},
       {.name = "timeout",
        .target = &o.silence,
        .argument = "SECONDS",
        .help = "A request fails when nothing of its answer comes for so long.",
        .range = {0, 86400, true}}},
      "SERVER");
}

void add_data(config::Table& table, ServeOptions& o) {
  const auto tokens = [](std::string_view name, std::int32_t& target, std::string_view help, int low = 1) {
    return config::Setting{
        .name = name, .target = &target, .argument = "TOKENS", .help = help, .range = {low, most}};
  };
  config::append(
      table,
      {{.name = "dataset-name",
        .target = &o.dataset_name,
        .argument = "NAME",
        .help = "random and prefix_repetition draw their tokens, trace draws as many as its file says at the "
                "times it says, custom reads texts.",
        .choices = {"random", "prefix_repetition", "trace", "custom"}},
       {.name = "dataset-path",
        .target = &o.dataset_path,
        .argument = "FILE",
        .help = "Of trace: CSV with arrived_at, num_prefill_tokens, num_decode_tokens. Of custom: JSON lines "
                "with prompt and perhaps output_tokens.",
        .unset = "none"},
       {.name = "tokenizer",
        .target = &o.tokenizer,
        .argument = "FOLDER",
        .help = "Whose ordinary tokens random prompts are made of.",
        .unset = "the demo model's"},
       {.name = "num-prompts",
        .target = &o.num_prompts,
        .argument = "N",
        .help = "Requests; of a file at most as many as it has.",
        .range = {1, most}},
       {.name = "seed", .target = &o.seed, .argument = "N", .help = "Of prompts and arrivals."},
       tokens("random-input-len", o.random.input_len, "Of a random prompt."),
       tokens("random-output-len", o.random.output_len, "Of its answer."),
       tokens("random-prefix-len", o.random.prefix_len, "Of what all random prompts begin with.", 0),
       {.name = "random-range-ratio",
        .target = &o.random.range_ratio,
        .argument = "R",
        .help = "Lengths lie within len * (1 - R) and len * (1 + R).",
        .range = {0, 1}},
       tokens("prefix-repetition-prefix-len", o.prefix_repetition.prefix_len, "Of a shared prefix."),
       tokens("prefix-repetition-suffix-len", o.prefix_repetition.suffix_len, "Of what follows it."),
       {.name = "prefix-repetition-num-prefixes",
        .target = &o.prefix_repetition.num_prefixes,
        .argument = "N",
        .help = "Prefixes.",
        .range = {1, most}},
       tokens("prefix-repetition-output-len", o.prefix_repetition.output_len, "Of the answer."),
       tokens("custom-output-len", o.custom_output_len, "Of answers without output_tokens.")},
      "DATA SETS");
}

void add_load(config::Table& table, ServeOptions& o) {
  config::append(table,
                 {{.name = "max-concurrency",
                   .target = &o.max_concurrency,
                   .argument = "N",
                   .help = "Requests at a time.",
                   .unset = "no limit",
                   .short_flag = "--concurrency",
                   .range = {1, most}},
                  {.name = "request-rate",
                   .target = &o.request_rate,
                   .argument = "R",
                   .help = "Requests a second.",
                   .unset = "all at once; a trace's times for a trace",
                   .range = {0, std::numeric_limits<std::int32_t>::max(), true}},
                  {.name = "burstiness",
                   .target = &o.burstiness,
                   .argument = "B",
                   .help = "Of the request rate: 1 is a Poisson process, less comes in bursts, more evenly.",
                   .range = {0, most, true}},
                  {.name = "num-warmups",
                   .target = &o.num_warmups,
                   .argument = "N",
                   .help = "Requests before those that are measured.",
                   .range = {0, most}}},
                 "LOAD");
}

void add_report(config::Table& table, ServeOptions& o) {
  config::append(
      table,
      {{.name = "percentile-metrics",
        .target = &o.percentile_metrics,
        .argument = "LIST",
        .help = "Which times are told: ttft, tpot, itl, e2el, with commas."},
       {.name = "metric-percentiles",
        .target = &o.metric_percentiles,
        .argument = "LIST",
        .help = "Such as 50,90,99."},
       {.name = "goodput",
        .target = &o.goodput,
        .argument = "NAME:MS",
        .help = "What a good request takes at most, of ttft, tpot and e2el. Takes several.",
        .unset = "goodput is not told"},
       {.name = "json",
        .target = &o.json,
        .argument = "FILE",
        .help = "Where the result goes, too.",
        .unset = "nowhere"},
       {.name = "plot",
        .target = &o.plot,
        .argument = "FILE.html",
        .help = "A page with the distributions.",
        .unset = "none"},
       {.name = "save-result", .target = &o.save_result, .help = "Write the result into --result-dir."},
       {.name = "save-detailed",
        .target = &o.save_detailed,
        .help = "The result has each request's times and error."},
       {.name = "result-dir", .target = &o.result_dir, .argument = "FOLDER", .help = "Of --save-result."},
       {.name = "result-filename",
        .target = &o.result_filename,
        .argument = "NAME",
        .help = "Of --save-result.",
        .unset = "backend, rate, concurrency, model and time"},
       {.name = "disable-tqdm", .target = &o.disable_tqdm, .help = "No progress bar on a terminal."}},
      "REPORT");
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> words;
  for (std::size_t from = 0; from <= text.size();) {
    const auto comma = std::min(text.find(',', from), text.size());
    words.push_back(text.substr(from, comma - from));
    from = comma + 1;
  }
  return words;
}

}  // namespace

config::Table options_table(ServeOptions& options) {
  config::Table table;
  add_server(table, options);
  add_data(table, options);
  add_load(table, options);
  add_report(table, options);
  for (config::Setting& each : table) each.flag_only = true;
  return table;
}

std::vector<std::string> spread_lists(const std::vector<std::string>& arguments) {
  std::vector<std::string> spread;
  std::string list;      // the flag whose values these words may be
  bool has_one = false;  // of its values
  for (const std::string& word : arguments) {
    if (word.starts_with('-')) {
      list = word == "--goodput" || word == "--header" ? word : "";
      has_one = false;
    } else if (!list.empty() && std::exchange(has_one, true)) {
      spread.push_back(list);
    }
    spread.push_back(word);
  }
  return spread;
}

Headers parse_headers(const std::vector<std::string>& texts) {
  Headers headers;
  for (const std::string& text : texts) {
    const auto equals = text.find('=');
    const bool clean =
        std::all_of(text.begin(), text.end(), [](char c) { return c == ' ' || is_visible(c); });
    if (equals == text.npos || equals == 0 || !clean || text.substr(0, equals).find(' ') != text.npos)
      throw config::UsageError("is not NAME=VALUE", "--header", "such as Authorization='Bearer KEY'");
    headers.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  return headers;
}

std::vector<std::string> parse_metrics(const std::string& text) {
  const std::vector<std::string> names = split(text);
  for (const std::string& each : names)
    if (each != "ttft" && each != "tpot" && each != "itl" && each != "e2el")
      throw config::UsageError("'" + each + "' is no time that is measured", "--percentile-metrics",
                               "of ttft, tpot, itl, e2el");
  return names;
}

std::vector<double> parse_percentiles(const std::string& text) {
  std::vector<double> percents;
  for (const std::string& each : split(text)) {
    double value = -1;
    const auto read = std::from_chars(each.data(), each.data() + each.size(), value);
    if (read.ec != std::errc() || read.ptr != each.data() + each.size() || !(value >= 0 && value <= 100))
      throw config::UsageError("'" + each + "' is no percentage", "--metric-percentiles", "such as 50,90,99");
    percents.push_back(value);
  }
  return percents;
}

}  // namespace troupe::launch::load
