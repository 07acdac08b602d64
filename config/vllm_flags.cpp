#include "config/vllm_flags.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>

#include "config/setting.hpp"

namespace troupe::config {
namespace {

struct VllmFlag {
  std::string_view name;    // without dashes; of one whose value is a JSON object, each key's: "a-config.key"
  std::string_view values;  // that change nothing: "auto|hf", "*" for any; empty: it is a switch, on or off
  std::string_view why;     // nothing changes; of other values: what to do instead
};

constexpr std::string_view no_python = "no code of a checkpoint is run";
constexpr std::string_view no_graphs = "there is no Python and no CUDA graph to capture";
constexpr std::string_view always_on = "it is always on";
constexpr std::string_view private_log = "prompts and answers never enter the log; --log-level sets the rest";
constexpr std::string_view no_pages = "there is no page of documentation";
constexpr std::string_view arithmetic = "weights are used in the type that they are stored in";
constexpr std::string_view one_loader = "a checkpoint is a folder in Hugging Face's layout";
constexpr std::string_view no_download = "nothing is downloaded: the model is a folder";
constexpr std::string_view scheduling = "--max-num-batched-tokens and --max-step-time cut prompts";
constexpr std::string_view seeds = "a request without the field seed draws one";
constexpr std::string_view own_transport = "ranks meet through the server's own communicators";
constexpr std::string_view text_only = "the models that are served read text";
constexpr std::string_view no_swap = "a sequence that loses its blocks is computed again, to the same bytes";
constexpr std::string_view generates = "the server generates text";
constexpr std::string_view experts = "POST /v1/replica/placement puts an expert on ranks";
constexpr std::string_view engine = "xgrammar does it, whichever was asked for";

constexpr std::array without_effect{
    VllmFlag{"trust-remote-code", "", no_python},
    VllmFlag{"dtype", "auto|bfloat16|float32|float", arithmetic},
    VllmFlag{"calculate-kv-scales", "", "each entry of an FP8 cache has scales of its own"},
    VllmFlag{"load-format", "auto|safetensors|hf", one_loader},
    VllmFlag{"config-format", "auto|hf", one_loader},
    VllmFlag{"tokenizer-mode", "auto|hf|slow", one_loader},
    VllmFlag{"model-impl", "auto|vllm", "each architecture has one implementation"},
    VllmFlag{"download-dir", "*", no_download},
    VllmFlag{"revision", "*", no_download},
    VllmFlag{"code-revision", "*", no_python},
    VllmFlag{"tokenizer-revision", "*", no_download},
    VllmFlag{"use-tqdm-on-load", "", "GET /startupz tells how far the weights are"},
    VllmFlag{"max-parallel-loading-workers", "*", "each rank reads its own part"},
    VllmFlag{"task", "auto|generate", generates},
    VllmFlag{"runner", "auto|generate", generates},
    VllmFlag{"convert", "auto|none", generates},
    VllmFlag{"enable-auto-tool-choice", "", always_on},
    VllmFlag{"enable-reasoning", "", "--reasoning-parser decides"},
    VllmFlag{"guided-decoding-backend", "auto|xgrammar|guidance|outlines|lm-format-enforcer", engine},
    VllmFlag{"structured-outputs-config.backend", "auto|xgrammar|guidance|outlines|lm-format-enforcer",
             engine},
    VllmFlag{"structured-outputs-config.disable-fallback", "*", engine},
    VllmFlag{"structured-outputs-config.disable-any-whitespace", "false",
             "a request says so in structured_outputs.disable_any_whitespace"},
    VllmFlag{"structured-outputs-config.disable-additional-properties", "*",
             "a schema says so with additionalProperties"},
    VllmFlag{"structured-outputs-config.reasoning-parser", "*", "--reasoning-parser decides"},
    VllmFlag{"structured-outputs-config.enable-in-reasoning", "false", "a grammar holds behind the thoughts"},
    VllmFlag{"response-role", "assistant", "answers are the assistant's"},
    VllmFlag{"chat-template-content-format", "auto|string",
             "templates get the parts of a message as one text"},
    VllmFlag{"enable-prompt-tokens-details", "", always_on},
    VllmFlag{"enable-request-id-headers", "", always_on},
    VllmFlag{"enable-server-load-tracking", "", "GET /metrics tells it"},
    VllmFlag{"enable-chunked-prefill", "", scheduling},
    VllmFlag{"max-num-partial-prefills", "*", scheduling},
    VllmFlag{"max-long-partial-prefills", "*", scheduling},
    VllmFlag{"long-prefill-token-threshold", "*", scheduling},
    VllmFlag{"num-scheduler-steps", "*", scheduling},
    VllmFlag{"async-scheduling", "", "--max-steps-in-flight decides"},
    VllmFlag{"stream-interval", "*", "news of a stream go out as they come, and together to a slow reader"},
    VllmFlag{"seed", "*", seeds},
    VllmFlag{"swap-space", "*", no_swap},
    VllmFlag{"preemption-mode", "*", no_swap},
    VllmFlag{"enforce-eager", "", no_graphs},
    VllmFlag{"compilation-config", "*", no_graphs},
    VllmFlag{"max-seq-len-to-capture", "*", no_graphs},
    VllmFlag{"cuda-graph-sizes", "*", no_graphs},
    VllmFlag{"attention-backend", "*", "each device has one"},
    VllmFlag{"disable-sliding-window", "", "no model that is served has one"},
    VllmFlag{"disable-cascade-attn", "", "a shared prefix changes no answer"},
    VllmFlag{"prefix-caching-hash-algo", "*", "a cached block is told by its tokens"},
    VllmFlag{"use-v2-block-manager", "", "there is one block pool"},
    VllmFlag{"num-lookahead-slots", "*", "drafts get their room from the scheduler"},
    VllmFlag{"pipeline-parallel-size", "1", "layers stay together: split them with --tensor-parallel-size"},
    VllmFlag{"distributed-executor-backend", "*", own_transport},
    VllmFlag{"data-parallel-backend", "*", own_transport},
    VllmFlag{"all2all-backend", "*", own_transport},
    VllmFlag{"disable-custom-all-reduce", "", own_transport},
    VllmFlag{"enable-dbo", "", own_transport},
    VllmFlag{"enable-eplb", "", experts},
    VllmFlag{"eplb-config", "*", experts},
    VllmFlag{"num-redundant-experts", "*", experts},
    VllmFlag{"moe-backend", "*", "each device has one"},
    VllmFlag{"api-server-count", "*", "--io-threads decides"},
    VllmFlag{"disable-frontend-multiprocessing", "", "--io-threads decides"},
    VllmFlag{"limit-mm-per-prompt", "*", text_only},
    VllmFlag{"language-model-only", "", text_only},
    VllmFlag{"mm-processor-kwargs", "*", text_only},
    VllmFlag{"disable-mm-preprocessor-cache", "", text_only},
    VllmFlag{"disable-log-requests", "", private_log},
    VllmFlag{"enable-log-requests", "", private_log},
    VllmFlag{"enable-log-outputs", "", private_log},
    VllmFlag{"max-log-len", "*", private_log},
    VllmFlag{"disable-log-stats", "", "GET /metrics tells them, the log does not"},
    VllmFlag{"uvicorn-log-level", "*", private_log},
    VllmFlag{"disable-uvicorn-access-log", "", private_log},
    VllmFlag{"disable-access-log-for-endpoints", "*", private_log},
    VllmFlag{"disable-fastapi-docs", "", no_pages},
    VllmFlag{"enable-offline-docs", "", no_pages},
};

struct RefusedFlag {
  std::string_view name, instead;
};

constexpr std::array refused{
    RefusedFlag{"quantization", "leave it out: a checkpoint is served as it was quantised"},
    RefusedFlag{"enable-lora", "merge the adapter into a checkpoint"},
    RefusedFlag{"lora-modules", "merge the adapters into checkpoints"},
    RefusedFlag{"rope-scaling", "set rope_scaling in config.json"},
    RefusedFlag{"rope-theta", "set rope_theta in config.json"},
    RefusedFlag{"hf-overrides", "change config.json"},
    RefusedFlag{"hf-config-path", "put config.json into the checkpoint's folder"},
    RefusedFlag{"override-generation-config", "give --generation-config a folder with another file"},
    RefusedFlag{"logits-processors", "give the fields of a request that change logits"},
    RefusedFlag{"tool-parser-plugin", "name a parser that --help lists"},
    RefusedFlag{"reasoning-parser-plugin", "name a parser that --help lists"},
    RefusedFlag{"middleware", "put a proxy before the server"},
    RefusedFlag{"uds", "give --host and --port"},
    RefusedFlag{"trust-request-chat-template", "give --chat-template"},
    RefusedFlag{"enable-tokenizer-info-endpoint",
                "ask POST /tokenize, or read the checkpoint's tokenizer_config.json"},
    RefusedFlag{"enable-sleep-mode", "stop the server: its memory is free then"},
    RefusedFlag{"headless", "start troupe node --join HOST:PORT"},
};

// Flags of vLLM's that are settings here, under another name.
struct RenamedFlag {
  std::string_view name, here;
};

constexpr std::array renamed{
    RenamedFlag{"h11-max-incomplete-event-size", "max-header-bytes"},
    RenamedFlag{"h11-max-header-count", "max-headers"},
};

const auto* find_named(const auto& flags, std::string_view name) {
  const auto found = std::ranges::find(flags, name, [](const auto& each) { return each.name; });
  return found == flags.end() ? nullptr : &*found;
}

// An argument taken apart: --no-enforce_eager, --swap-space=4, --compilation-config.level=3, -q, -O3.
struct Word {
  std::string name;                  // without dashes, without the key in a JSON value; empty: no flag
  std::string key;                   // behind the name and a point; may be empty
  std::optional<std::string> value;  // behind "="

  std::string whole() const { return key.empty() ? name : name + "." + key; }
};

// -O, -O3, -O=3, -O.mode=3: how far vLLM compiles, with the value behind it or next to it.
Word optimization(const std::string& argument) {
  const std::string rest = argument.substr(2);
  Word word{.name = "compilation-config", .key = {}, .value = {}};
  const auto equals = rest.find('=');
  if (equals != std::string::npos)
    word.value = rest.substr(equals + 1);
  else if (!rest.empty() && rest.front() != '.')
    word.value = rest;
  return word;
}

Word take_apart(const std::string& argument) {
  const auto equals = argument.find('=');
  std::string flag = argument.substr(0, equals);
  if (flag == "-q") flag = "--quantization";
  if (flag == "-pp") flag = "--pipeline-parallel-size";
  if (flag.starts_with("-O")) return optimization(argument);
  if (!flag.starts_with("--")) return {};
  std::ranges::replace(flag, '_', '-');
  const auto point = std::min(flag.find('.'), flag.size());
  Word word{
      .name = flag.substr(2, point - 2), .key = flag.substr(std::min(point + 1, flag.size())), .value = {}};
  if (equals != std::string::npos) word.value = argument.substr(equals + 1);
  return word;
}

// A flag of vLLM's, or a switch's negation.
const VllmFlag* find_flag(const Word& word) {
  if (const VllmFlag* flag = find_named(without_effect, word.whole())) return flag;
  const std::string_view name = word.name;
  if (const VllmFlag* flag = find_named(without_effect, name)) return flag;
  if (!name.starts_with("no-")) return nullptr;
  const VllmFlag* flag = find_named(without_effect, name.substr(3));
  return flag && flag->values.empty() ? flag : nullptr;
}

bool permits(std::string_view values, std::string_view value) {
  if (values == "*") return true;
  for (;;) {
    const auto bar = values.find('|');
    if (values.substr(0, bar) == value) return true;
    if (bar == std::string_view::npos) return false;
    values.remove_prefix(bar + 1);
  }
}

void check_value(const VllmFlag& flag, const std::string& value) {
  if (permits(flag.values, value)) return;
  std::string permitted(flag.values);
  std::ranges::replace(permitted, '|', ' ');
  throw UsageError("'" + value + "' is not served", "--" + std::string(flag.name),
                   "permitted: " + permitted + "; " + std::string(flag.why));
}

// Whether vLLM takes a JSON object for this flag whose keys are told apart here.
bool has_keys(const Word& word) {
  const std::string prefix = word.name + ".";
  return !word.name.empty() && std::ranges::any_of(without_effect, [&](const VllmFlag& each) {
    return each.name.starts_with(prefix);
  });
}

// Each key must change nothing. Returns why it does not.
std::string_view check_keys(const Word& word) {
  const std::string flag = "--" + word.name;
  const auto object = nlohmann::json::parse(*word.value, nullptr, false);
  if (!word.key.empty()) throw UsageError("it has no such key", flag + "." + word.key);
  if (!object.is_object()) throw UsageError("'" + *word.value + "' is no JSON object", flag);
  std::string_view why = engine;
  for (const auto& [key, value] : object.items()) {
    std::string name = word.name + "." + key;
    std::ranges::replace(name, '_', '-');
    const VllmFlag* each = find_named(without_effect, name);
    if (!each) throw UsageError("its key '" + key + "' is unknown", flag);
    check_value(*each, value.is_string() ? value.get<std::string>() : value.dump());
    why = each->why;
  }
  return why;
}

// Reads a flag of vLLM's, and what belongs to it, off the front of arguments; false: it is none.
bool read_flag(std::span<const std::string>& arguments, VllmRecipe& recipe) {
  Word word = take_apart(arguments.front());
  if (const RefusedFlag* flag = find_named(refused, word.name))
    throw UsageError("this flag of vLLM's is not served", "--" + word.name, flag->instead);
  std::string given = arguments.front();
  if (const RenamedFlag* flag = find_named(renamed, word.name)) {
    recipe.arguments.push_back("--" + std::string(flag->here) + (word.value ? "=" + *word.value : ""));
    arguments = arguments.subspan(1);
    return true;
  }
  const VllmFlag* flag = find_flag(word);
  if (!flag && !has_keys(word)) return false;
  arguments = arguments.subspan(1);
  const bool is_switch = flag && flag->values.empty();
  if (!is_switch && !word.value) {
    if (arguments.empty()) throw UsageError("its value is missing", "--" + word.name);
    word.value = arguments.front();
    given += " " + *word.value;
    arguments = arguments.subspan(1);
  }
  if (flag && !is_switch) check_value(*flag, *word.value);
  const std::string_view why = flag ? flag->why : check_keys(word);
  recipe.without_effect.push_back({std::move(given), why});
  return true;
}

}  // namespace

VllmRecipe read_vllm_recipe(std::span<const std::string> arguments) {
  VllmRecipe recipe;
  while (!arguments.empty() && arguments.front() != "--") {  // behind that are no flags
    if (read_flag(arguments, recipe)) continue;
    recipe.arguments.push_back(arguments.front());
    arguments = arguments.subspan(1);
  }
  recipe.arguments.insert(recipe.arguments.end(), arguments.begin(), arguments.end());
  return recipe;
}

}  // namespace troupe::config
