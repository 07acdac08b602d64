// What the flags of `troupe simulate` are called, may be, and mean.
#include "launch/simulation/options.hpp"
#include "runtime/lab/router.hpp"

namespace troupe::launch::simulation {
namespace {

constexpr std::int64_t most_requests = 1'000'000'000;
constexpr std::int32_t most_replicas = 1024;
constexpr std::int32_t most_tokens = runtime::lab::most_trace_tokens, most_milliseconds = 1'000'000'000;

config::Table trace_settings(Options& o) {
  return {
      {.name = "trace",
       .target = &o.trace,
       .argument = "FILE",
       .help = "Requests of a file: CSV as Vidur, Azure or BurstGPT publish them, or Mooncake's JSON lines.",
       .unset = "requests are drawn"},
      {.name = "num-requests",
       .target = &o.num_requests,
       .argument = "N",
       .help = "The first requests, so many at most.",
       .range = {1, most_requests}},
      {.name = "rate",
       .target = &o.rate,
       .argument = "FACTOR",
       .help = "Arrivals come so many times as fast.",
       .range = {0, 1'000'000, true}},
      {.name = "repeat",
       .target = &o.repeat,
       .argument = "N",
       .help = "The file so often, one after the other.",
       .range = {1, most_requests}},
      {.name = "replay",
       .target = &o.replay,
       .argument = "FILE",
       .help =
           "Of troupe serve --record-schedule: plays it, and checks that each step is planned as it was. With --policy or "
           "--compare, others serve the same arrivals; limits are the recorded ones, and steps take what is fitted to those "
           "that were recorded.",
       .unset = "a trace is simulated"},
  };
}

config::Table generator_settings(Options& o) {
  auto& g = o.generator;
  return {
      {.name = "request-rate",
       .target = &g.rate,
       .argument = "N",
       .help = "Requests a second, on average.",
       .range = {0, 1'000'000, true}},
      {.name = "burstiness",
       .target = &g.burstiness,
       .argument = "SHAPE",
       .help = "Of the gamma distribution of gaps: 1 a Poisson process, less: bursts, more: even arrivals.",
       .range = {0, 1'000'000, true}},
      {.name = "spike-begins",
       .target = &g.spike_begins,
       .argument = "SECONDS",
       .help = "When --spike-factor begins to hold.",
       .range = {0, most_requests}},
      {.name = "spike-seconds",
       .target = &g.spike_seconds,
       .argument = "SECONDS",
       .help = "For how long it does.",
       .range = {0, most_requests}},
      {.name = "spike-factor",
       .target = &g.spike_factor,
       .argument = "FACTOR",
       .help = "So many times the rate during the spike.",
       .range = {0, 1'000'000, true}},
      {.name = "input-len",
       .target = &g.prompt_tokens,
       .argument = "TOKENS",
       .help = "Mean length of a prompt; of a conversation's later turns, of what is new in it.",
       .range = {1, most_tokens}},
      {.name = "output-len",
       .target = &g.output_tokens,
       .argument = "TOKENS",
       .help = "Mean length of an answer.",
       .range = {1, most_tokens}},
      {.name = "input-distribution",
       .target = &o.input_distribution,
       .argument = "NAME",
       .help = "How prompts' lengths are distributed; lognormal (sigma 1) is what traces look like.",
       .choices = distribution_names()},
      {.name = "output-distribution",
       .target = &o.output_distribution,
       .argument = "NAME",
       .help = "Likewise of answers.",
       .choices = distribution_names()},
      {.name = "longest",
       .target = &g.longest,
       .argument = "TOKENS",
       .help = "No drawn length is above it.",
       .range = {1, most_tokens}},
      {.name = "system-len",
       .target = &g.system_tokens,
       .argument = "TOKENS",
       .help = "Of a text that all prompts begin with.",
       .range = {0, most_tokens}},
      {.name = "turns",
       .target = &g.turns,
       .argument = "N",
       .help = "Of a conversation: each turn's prompt is all that was said before, and something new.",
       .range = {1, 1000}},
      {.name = "think-seconds",
       .target = &g.think_seconds,
       .argument = "SECONDS",
       .help = "From an answer's end to the next turn's arrival, on average; --rate does not change it.",
       .range = {0, most_requests}},
      {.name = "callers",
       .target = &g.callers,
       .argument = "N",
       .help = "Who ask, with equal probability.",
       .range = {1, 1 << 20}},
      {.name = "seed",
       .target = &o.seed,
       .argument = "N",
       .help = "The same seed draws the same requests.",
       .range = {0, most_requests}},
      {.name = "seeds",
       .target = &o.seeds,
       .argument = "N",
       .help = "Simulates so many seeds, side by side, and tells means with the half width of their 95 % "
               "confidence intervals (Student's t).",
       .range = {1, 1000}},
  };
}

config::Table cost_settings(Options& o) {
  return {
      {.name = "policy",
       .target = &o.policy,
       .argument = "NAME",
       .help = "Who runs in a step; the names are those of --scheduling-policy of troupe serve.",
       .unset = "decode_first; with --replay, the recorded one"},
      {.name = "compare",
       .target = &o.compare,
       .argument = "NAME,...",
       .help = "Several policies side by side, over the same requests; all: every one that is known.",
       .unset = "the one of --policy"},
      {.name = "model-profile",
       .target = &o.model_profile,
       .argument = "NAME",
       .help = "The model's shape: a file, or one of config/profiles."},
      {.name = "kv-cache-dtype",
       .target = &o.deployment.kv_cache_dtype,
       .argument = "TYPE",
       .help = "What the KV cache stores numbers as; auto: what the model's profile says.",
       .choices = {"auto", "f32", "bf16", "fp8"}},
      {.name = "machine-profile",
       .target = &o.machine_profile,
       .argument = "NAME",
       .help =
           "Hosts and devices: a file, or one of config/profiles: h100x16, h200x8, h200x16, b200x8, b200x16."},
      {.name = "profiles",
       .target = &o.profiles,
       .argument = "FOLDER",
       .help = "Where profiles are looked for by name.",
       .unset = "the program's own"},
      {.name = "steps",
       .target = &o.steps,
       .argument = "FILE",
       .help =
           "Of troupe bench step --record: a model of costs fitted to these takes the place of the profiles.",
       .unset = "the profiles count"},
      {.name = "step-overhead",
       .target = &o.step_overhead,
       .argument = "SECONDS",
       .help =
           "Of a step on its ranks besides computing: to take its plan and to hand its result over. Of a server: what a token of one "
           "stream takes with two steps in flight, less what the step computes.",
       .range = {0, 60}},
      {.name = "turnaround",
       .target = &o.turnaround,
       .argument = "SECONDS",
       .help =
           "From a step's result to the ranks' having the next plan, which another step in flight hides. Of a server: what a "
           "token of one stream takes more with --max-steps-in-flight 1.",
       .range = {0, 60}},
      {.name = "delivery",
       .target = &o.delivery,
       .argument = "SECONDS",
       .help =
           "Of a request's way to the scheduler and a token's to the client, together. Of a server: what a first token takes, "
           "less its steps.",
       .range = {0, 60}},
      {.name = "num-gpu-blocks",
       .target = &o.num_gpu_blocks,
       .argument = "N",
       .help = "KV blocks of an attention group.",
       .unset = "as many as the machine's memory holds",
       .range = {1, 1 << 30}},
      {.name = "acceptance",
       .target = &o.acceptance,
       .argument = "PROBABILITY",
       .help = "That a guess is right if those before it are.",
       .unset = "as the model's profile says",
       .range = {0, 1}},
  };
}

config::Table replica_settings(Options& o) {
  return {
      {.name = "replicas",
       .target = &o.replicas,
       .argument = "N",
       .help = "So many of it, over one clock.",
       .range = {1, most_replicas}},
      {.name = "router",
       .target = &o.router,
       .argument = "NAME",
       .help =
           "Which of them a request goes to: one after the other, the least loaded, the one that was sent "
           "its prefix, or the less loaded of two that are drawn.",
       .choices = runtime::lab::router_names()},
      {.name = "fail",
       .target = &o.deaths_per_hour,
       .argument = "RATE",
       .help =
           "Ranks' deaths an hour, over all replicas. Who dies, and when, is drawn; its attention group's "
           "sequences are computed again.",
       .range = {0, 1'000'000}},
      {.name = "recovery-seconds",
       .target = &o.recovery_seconds,
       .argument = "SECONDS",
       .help = "From a death until its replica serves again.",
       .unset = "as the machine's profile says: what was measured, and reading a rank's weights",
       .range = {0, 86'400}},
  };
}

config::Table report_settings(Options& o) {
  return {
      {.name = "ttft-slo-ms",
       .target = &o.levels.ttft_slo_ms,
       .argument = "MILLISECONDS",
       .help = "A request that asks for nothing is good if its first token comes within this; 0: whenever.",
       .range = {0, most_milliseconds}},
      {.name = "tpot-slo-ms",
       .target = &o.levels.tpot_slo_ms,
       .argument = "MILLISECONDS",
       .help = "Likewise of its mean time per output token.",
       .range = {0, most_milliseconds}},
      {.name = "latency-slo-ms",
       .target = &o.levels.latency_slo_ms,
       .argument = "MILLISECONDS",
       .help = "Likewise of its whole answer.",
       .range = {0, most_milliseconds}},
      {.name = "find-capacity",
       .target = &o.find_capacity,
       .help = "Searches the highest rate at which --attainment of all requests are good."},
      {.name = "attainment",
       .target = &o.attainment,
       .argument = "FRACTION",
       .help = "Of all requests, those that must be good.",
       .range = {0, 1, true}},
      {.name = "explain", .target = &o.explain, .help = "Tells where steps' time goes."},
      {.name = "json", .target = &o.json, .help = "Prints JSON."},
      {.name = "plot",
       .target = &o.plot,
       .argument = "FILE",
       .help =
           "Draws latency against load, distributions of latencies, and steps one by one into an .html or "
           "an .svg file, which needs nothing else.",
       .unset = "nothing is drawn"},
      {.name = "plot-rates",
       .target = &o.plot_rates,
       .argument = "FACTOR,...",
       .help = "The loads of --plot: times --rate."},
      {.name = "threads",
       .target = &o.threads,
       .argument = "N",
       .help = "Simulate side by side; what is found does not depend on it. 0: as many as there are CPUs.",
       .range = {0, 1024}},
      {.name = "soak",
       .target = &o.soak,
       .argument = "SEEDS",
       .help =
           "Instead of all that: so many lives of a scheduler in disorder under each policy (or those "
           "of --compare), from --seed on; "
           "requests, budgets, cancellations, pauses, deadlines and faults are drawn. Names each seed under "
           "which a promise was broken.",
       .range = {0, most_requests}},
  };
}

}  // namespace

config::Table options_table(Options& options, const std::vector<std::string>& policies) {
  config::Table table;
  config::append(table, trace_settings(options), "TRACE");
  config::append(table, generator_settings(options), "DRAWN REQUESTS");
  config::append(table, cost_settings(options), "REPLICA");
  config::append(
      table,
      config::select(
          config::schema(options.deployment, policies),
          {"policy-option", "policy-plugin", "tensor-parallel-size", "data-parallel-size",
           "enable-expert-parallel", "max-num-seqs", "max-num-batched-tokens", "max-step-time",
           "max-steps-in-flight", "max-model-len", "max-waiting", "max-waiting-tokens", "block-size",
           "enable-prefix-caching", "speculative-config", "num-speculative-tokens", "speculative-auto"}),
      "SCHEDULER");
  config::append(table, replica_settings(options), "REPLICAS");
  config::append(table, report_settings(options), "REPORT");
  for (config::Setting& each : table) each.flag_only = true;
  return table;
}

}  // namespace troupe::launch::simulation
