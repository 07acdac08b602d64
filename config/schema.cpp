#include <algorithm>

#include "config/devices.hpp"
#include "config/settings.hpp"
#include "runtime/base/thread_pool.hpp"

namespace troupe::config {
namespace {

// Upper ends of ranges; beyond them a value is a slip of
// the keyboard, and sums of them stay far from overflow.
constexpr std::int64_t most_tokens = 1 << 24;
constexpr std::int64_t most_sequences = 1 << 16;
constexpr std::int64_t most_bytes = std::int64_t{1} << 46;
constexpr std::int64_t most_items = 1 << 20;

Table model_settings(Settings& s) {
  return {
      {.name = "model",
       .target = &s.model,
       .argument = "CHECKPOINT",
       .help = "Folder with config.json, safetensors, tokenizer.json and a chat template; or a GGUF file.",
       .unset = "the demo model",
       .positional = true},
      {.name = "served-model-name",
       .target = &s.served_model_name,
       .argument = "NAME",
       .help =
           "Name that requests may use for the model. May be given several times; responses show the first.",
       .unset = "the folder's name, or the one in a GGUF file; troupe-mini for the demo model"},
      {.name = "max-model-len",
       .target = &s.max_model_len,
       .argument = "TOKENS",
       .help = "Longest sequence, prompt and output together.",
       .unset = "max_position_embeddings of the model",
       .range = {1, most_tokens}},
      {.name = "require-manifest",
       .target = &s.require_manifest,
       .help =
           "Before anything of the checkpoint is used, read all files of its folder and compare them with its "
           "MANIFEST.sha256, which troupe pull writes; end with an error that names those that are missing, too many, or "
           "not the same. It sees no change that comes later: let nobody but you write there. Where troupe node reads a copy "
           "of its own, troupe check --manifest is for that."},
      {.name = "tokenizer",
       .target = &s.tokenizer,
       .argument = "CHECKPOINT",
       .help = "Taken if it is the model: a checkpoint is served with its own tokenizer.",
       .unset = "the model's"},
      {.name = "chat-template",
       .target = &s.chat_template,
       .argument = "FILE|TEXT",
       .help =
           "Jinja template that turns chats into prompts, instead of the checkpoint's: a file, or the template "
           "itself in one line, with \\n for line ends. launch/templates has some that print tools.",
       .unset = "the checkpoint's"},
      {.name = "default-chat-template-kwargs",
       .target = &s.default_chat_template_kwargs,
       .argument = "JSON",
       .help = "Variables of the chat template, such as {\"thinking\": true}, for requests whose "
               "chat_template_kwargs do not set them.",
       .unset = "none"},
      {.name = "generation-config",
       .target = &s.generation_config,
       .argument = "auto|none|FOLDER",
       .help =
           "Where sampling defaults come from: generation_config.json of the checkpoint, nowhere (vLLM calls "
           "that vllm), or that file of another folder."},
      {.name = "reasoning-parser",
       .target = &s.reasoning_parser,
       .argument = "NAME",
       .help =
           "How reasoning is told from the answer. Every name but none means the same: DeepSeek's forms are "
           "told apart by what the model writes.",
       .choices = {"auto", "deepseek_r1", "deepseek_v3", "deepseek_v31", "deepseek_v32", "none"}},
      {.name = "tool-call-parser",
       .target = &s.tool_call_parser,
       .argument = "NAME",
       .help = "How tool calls are told from the answer. Every name but none means the same, as above.",
       .choices = {"auto", "deepseek_v3", "deepseek_v31", "deepseek_v32", "none"}},
      {.name = "exclude-tools-when-tool-choice-none",
       .target = &s.exclude_tools_when_tool_choice_none,
       .help = "Tools of a request whose tool_choice is none are not shown to the model, either."},
      {.name = "system-prompt",
       .target = &s.system_prompt,
       .argument = "HOW",
       .help =
           "What becomes of system messages: they stay, or go before the user's first message (DeepSeek R1 wants "
           "none), or are refused.",
       .choices = {"keep", "fold", "reject"}},
      {.name = "repetition-guard",
       .target = &s.repetition_guard,
       .help =
           "End an answer that goes round in circles, as if the model had ended it: one whose last tokens are an n-gram "
           "again and again. It goes by the answer's own tokens; min_tokens comes first."},
      {.name = "repetition-guard-ngram",
       .target = &s.repetition_guard_ngram,
       .argument = "N",
       .help = "Tokens of the longest n-gram that counts.",
       .range = {1, 1024}},
      {.name = "repetition-guard-repeats",
       .target = &s.repetition_guard_repeats,
       .argument = "K",
       .help =
           "How often an n-gram of N tokens must stand at the end; a shorter one must fill as many tokens, N times K.",
       .range = {2, 1000}},
  };
}

Table scheduling_settings(Settings& s) {
  return {
      {.name = "max-num-batched-tokens",
       .target = &s.scheduler.max_num_batched_tokens,
       .argument = "TOKENS",
       .help =
           "Most tokens of an attention group that a step computes; longer prompts are computed in chunks.",
       .range = {1, most_tokens}},
      {.name = "max-step-time",
       .target = &s.scheduler.max_step_time,
       .argument = "SECONDS",
       .help =
           "While a stream waits for its next token, prompts are computed in chunks that keep a step below this; "
           "what a step takes is learned from those before. 0: in chunks of --max-num-batched-tokens."},
      {.name = "max-num-seqs",
       .target = &s.scheduler.max_num_seqs,
       .argument = "N",
       .help = "Most sequences of an attention group that hold KV blocks at a time.",
       .range = {1, most_sequences}},
      {.name = "max-steps-in-flight",
       .target = &s.scheduler.max_steps_in_flight,
       .argument = "N",
       .help = "2: the next step is planned while one is computed, with what that one samples as its input.",
       .range = {1, 2}},
      {.name = "speculative-config",
       .target = &s.speculative_config,
       .argument = "JSON",
       .help =
           "Guess at tokens and verify the guesses, in vLLM's form: {\"method\": \"mtp\", "
           "\"num_speculative_tokens\": 1}. mtp: by the model's prediction layer. ngram: by what followed the same "
           "words before. The answers are the same.",
       .unset = "none"},
      {.name = "num-speculative-tokens",
       .target = &s.num_speculative_tokens,
       .argument = "N",
       .help = "Guesses at a time, of the method of --speculative-config, or else mtp.",
       .unset = "that of --speculative-config",
       .range = {1, most_speculative_tokens}},
      {.name = "speculative-auto",
       .target = &s.speculative_auto,
       .help =
           "Guess less where it does not pay: many sequences at a time, or guesses that are often wrong."},
      {.name = "max-tokenizing",
       .target = &s.max_tokenizing,
       .argument = "N",
       .help =
           "Most requests whose prompts wait to be rendered and tokenized; a request beyond them is answered "
           "with status 503.",
       .range = {1, most_items}},
      {.name = "grammar-compile-timeout",
       .target = &s.grammar_compile_timeout,
       .argument = "SECONDS",
       .help = "For the grammar of a structured answer to be made ready, else status 400.",
       .range = {0, 3600, true}},
      {.name = "grammar-cache-bytes",
       .target = &s.grammar_cache,
       .argument = "SIZE",
       .help = "Of grammars that were made ready and may be used again."},
      {.name = "tokenizing-threads",
       .target = &s.tokenizing_threads,
       .argument = "N",
       .help =
           "Threads that render and tokenize prompts. With two, a long prompt does not hold up the short ones "
           "behind it; more take the CPUs from what computes.",
       .range = {1, 64}},
  };
}

Table policy_settings(Settings& s, const std::vector<std::string>& policies) {
  constexpr std::string_view besides = "one that a --policy-plugin brings";
  return {
      {.name = "scheduling-policy",
       .target = &s.scheduling_policy,
       .argument = "NAME",
       .help =
           "Who runs in a step: fcfs serves in order of arrival, decode_first lets no prompt stall a running "
           "answer, prefill_first computes prompts before answers go on, priority goes by the request's priority, edf "
           "and slo by the times that requests ask for (ttft_slo_ms, tpot_slo_ms, latency_slo_ms), vtc is fair between "
           "callers, sjf begins with short answers, mlfq with short requests, lpm and dfs with what is cached.",
       .choices = policies,
       .besides = besides},
      {.name = "policy-option",
       .target = &s.policy_option,
       .argument = "KEY=VALUE",
       .help = "One of the policy's own settings; may be given several times.",
       .unset = "as each policy says"},
      {.name = "policy-plugin",
       .target = &s.policy_plugin,
       .argument = "FILE",
       .help =
           "A shared object with policies, built for this version of the program, of which it becomes a part. May "
           "be given several times.",
       .unset = "none"},
      {.name = "shadow-policy",
       .target = &s.shadow_policy,
       .argument = "NAME",
       .help =
           "A second policy that sees what the one that serves sees. /metrics and /v1/scheduler count in how many "
           "steps it would have chosen otherwise; what runs is the same.",
       .unset = "none",
       .choices = policies,
       .besides = besides},
  };
}

Table recording_settings(Settings& s) {
  return {
      {.name = "record-schedule",
       .target = &s.record_schedule,
       .argument = "FILE",
       .help =
           "Records arrivals, steps and their times, for troupe simulate --replay. No text is in it: of tokens, "
           "whose beginnings are equal, and no more.",
       .unset = "nothing is recorded"},
      {.name = "record-schedule-bytes",
       .target = &s.record_schedule_bytes,
       .argument = "SIZE",
       .help = "Of the file; then it becomes FILE.1, and another is begun.",
       .range = {1 << 16, most_bytes}},
      {.name = "record-schedule-files",
       .target = &s.record_schedule_files,
       .argument = "N",
       .help = "Those that are kept, the one that is written among them; the oldest goes.",
       .range = {1, 1000}},
  };
}

Table memory_settings(Settings& s) {
  return {
      {.name = "block-size",
       .target = &s.scheduler.block_size,
       .argument = "TOKENS",
       .help = "Tokens of a KV block.",
       .range = {1, 1024}},
      {.name = "gpu-memory-utilization",
       .target = &s.gpu_memory_utilization,
       .argument = "FRACTION",
       .help = "Part of the device's memory for weights and KV cache together.",
       .unset = "0.9 of a GPU's; with --device cpu 0.5 of the host's, which others need too",
       .range = {0, 1, true}},
      {.name = "kv-cache-memory-bytes",
       .target = &s.kv_cache_memory_bytes,
       .argument = "SIZE",
       .help =
           "Memory of each rank's KV cache, such as 512M or 4G; --gpu-memory-utilization has no say then.",
       .unset = "what --gpu-memory-utilization leaves",
       .range = {1, most_bytes}},
      {.name = "kv-cache-dtype",
       .target = &s.kv_cache_dtype,
       .argument = "TYPE",
       .help =
           "What the KV cache stores numbers as. Answers depend on it, and all ranks have the same. fp8 is E4M3 "
           "with a scale for each 128 numbers, and bf16 for the turned part of a latent; auto is f32 while "
           "--max-model-len is below 8192, else bf16.",
       .choices = {"auto", "f32", "bf16", "fp8"}},
      {.name = "degrade",
       .target = &s.degrade,
       .help =
           "Where memory is too short to start, start with less of what takes it: half of --max-num-seqs, then half of "
           "--max-num-batched-tokens, then a shorter --max-model-len, as far as needed; the log says what was taken. "
           "Without it the server ends, and its error names what would fit."},
      {.name = "cpu-offload-gb",
       .target = &s.cpu_offload_gb,
       .argument = "GB",
       .help =
           "Weights of each rank on a GPU, in units of 2^30 bytes, that stay in the host's memory, page-locked, where "
           "the GPU reads them over its bus: the embedding first, then routed experts, of which a step reads a part, "
           "then the rest, the last layers first. Answers are the same bytes, and take longer.",
       .range = {0, 1 << 20}},
      {.name = "enable-prefix-caching",
       .target = &s.scheduler.prefix_caching,
       .help = "Keep the KV blocks of finished requests for prompts that begin alike."},
  };
}

Table parallelism_settings(Settings& s) {
  return {
      {.name = "device",
       .target = &s.device,
       .argument = "DEVICE",
       .help = "What each rank computes on.",
       .choices = devices()},
      {.name = "gpu-communicator",
       .target = &s.gpu_communicator,
       .argument = "KIND",
       .help =
           "What carries tensors between the ranks' GPUs: NCCL, or the host's memory and network. auto is "
           "NCCL if all ranks have one and the same version of it, and a GPU each. Results are the same bytes.",
       .choices = {"auto", "nccl", "host"}},
      {.name = "tensor-parallel-size",
       .target = &s.tensor_parallel_size,
       .argument = "N",
       .help = "Ranks of an attention group: they split its heads and dense layers. With more than one rank "
               "in all, each is a process of its own.",
       .short_flag = "-tp",
       .range = {1, most_ranks}},
      {.name = "data-parallel-size",
       .target = &s.data_parallel_size,
       .argument = "N",
       .help =
           "Attention groups: each serves requests of its own; the experts belong to all of them together.",
       .short_flag = "-dp",
       .range = {1, most_ranks}},
      {.name = "enable-expert-parallel",
       .target = &s.enable_expert_parallel,
       .help = "Spread whole experts over the ranks instead of a part of each. Results are the same bytes.",
       .short_flag = "-ep"},
      {.name = "virtual-shards",
       .target = &s.virtual_shards,
       .argument = "N",
       .help = "Parts that long sums are made of, a power of two, at least --tensor-parallel-size. Results "
               "depend on it, and not on the number of ranks.",
       .range = {1, most_ranks}},
      {.name = "expert-shards",
       .target = &s.expert_shards,
       .argument = "N",
       .help = "The same of a routed expert's sums: at least the number of ranks, unless experts are whole.",
       .unset = "as --virtual-shards",
       .range = {1, most_ranks}},
      {.name = "threads",
       .target = &s.threads,
       .argument = "N",
       .help = "Threads that compute. Results do not depend on it.",
       .unset = "as many as the process may run on at a time",
       .range = {1, 1024}},
      {.name = "keep-weights",
       .target = &s.keep_weights,
       .help = "A node holds the memory of its workers' weights, so that a worker that was killed comes back "
               "without reading them again. Of no effect where the worker is a thread of the server."},
      {.name = "max-restarts",
       .target = &s.max_restarts,
       .argument = "N",
       .help = "Restarts of a worker in a row, with no step done between them, before the replica gives up.",
       .range = {0, 1000}},
  };
}

Table link_settings(Settings& s) {
  return {
      {.name = "nodes",
       .target = &s.nodes,
       .argument = "N",
       .help =
           "Nodes that the ranks are spread over evenly, this one included. The others come with troupe node "
           "--join. Under mpirun its number of processes counts.",
       .range = {1, most_ranks}},
      {.name = "control-host",
       .target = &s.control_host,
       .argument = "ADDRESS",
       .help = "Address of the first node, where workers and other nodes connect to. Any other than loopback "
               "needs certificates of the hosts, see troupe certs."},
      {.name = "control-port",
       .target = &s.control_port,
       .argument = "PORT",
       .help = "Port there. 0: any that is free."},
      {.name = "tensor-interface",
       .target = &s.tensor_interface,
       .argument = "NAME",
       .help =
           "Network interface, or IP address, of this host for tensors. Its network must be private: tensors "
           "travel in clear.",
       .unset = "loopback; to be set when nodes are on several hosts"},
      {.name = "require-rdma",
       .target = &s.require_rdma,
       .help =
           "With --device cuda: end with an error where tensors between hosts cannot go over InfiniBand or "
           "RoCE, instead of falling back to TCP."},
      {.name = "tls-ca",
       .target = &s.tls_ca,
       .argument = "FILE",
       .help = "PEM file of the authority that signed the hosts' certificates.",
       .unset = "one is made for each launch, in memory"},
      {.name = "tls-certificate",
       .target = &s.tls_certificate,
       .argument = "FILE",
       .help = "PEM file of this host's certificate.",
       .unset = "one is made for each launch"},
      {.name = "tls-key",
       .target = &s.tls_key,
       .argument = "FILE",
       .help = "PEM file of its key.",
       .unset = "one is made for each launch"},
      {.name = "hang-timeout",
       .target = &s.hang_timeout,
       .argument = "SECONDS",
       .help = "How long a worker may do nothing, although it could, before it is taken for hung and started "
               "again. A slow one is not hung.",
       .range = {0, 3600, true}},
  };
}

Table other_settings(Settings& s) {
  return {
      {.name = "log-level",
       .target = &s.log_level,
       .argument = "LEVEL",
       .help = "Least severe lines that are logged.",
       .choices = {"debug", "info", "warning", "error", "off"}},
      {.name = "config",
       .target = &s.config_file,
       .argument = "FILE",
       .help = "Settings in TOML, such as `max-num-seqs = 64`.",
       .unset = "none is read"},
      {.name = "show-config",
       .target = &s.show_config,
       .help = "Print every setting and who set it, in TOML, and end.",
       .flag_only = true},
  };
}

}  // namespace

Table schema(Settings& settings, const std::vector<std::string>& policies) {
  Table table;
  append(table, model_settings(settings), "MODEL");
  append(table, scheduling_settings(settings), "SCHEDULING");
  append(table, policy_settings(settings, policies), "SCHEDULING");
  append(table, recording_settings(settings), "SCHEDULING");
  append(table, queue_schema(settings), "QUEUES AND HEALTH");
  append(table, memory_settings(settings), "MEMORY");
  append(table, parallelism_settings(settings), "PARALLELISM AND RECOVERY");
  append(table, link_settings(settings), "NODES");
  for (Setting& each : schema(settings.edge)) table.push_back(std::move(each));
  append(table, other_settings(settings), "LOG AND SETTINGS");
  return table;
}

Table node_schema(Settings& settings) {
  return select(schema(settings), {"tensor-interface", "require-rdma", "tls-ca", "tls-certificate", "tls-key",
                                   "threads", "keep-weights", "log-level", "config", "show-config"});
}

Table select(Table table, const std::vector<std::string_view>& names) {
  Table selected;
  for (std::string_view name : names) {
    const auto found =
        std::find_if(table.begin(), table.end(), [&](const auto& s) { return s.name == name; });
    CHECK(found != table.end(), name);
    selected.push_back(*found);
  }
  return selected;
}

int Settings::compute_threads() const {
  return threads ? *threads : usable_cpus();
}

bool is_loopback(const std::string& host) {
  return host.starts_with("127.") || host == "::1" || host == "localhost";
}

}  // namespace troupe::config
