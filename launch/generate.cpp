#include <iostream>
#include <random>

#include "launch/command_line.hpp"
#include "launch/demo_model.hpp"
#include "launch/single_rank.hpp"
#include "model/text_model.hpp"
#include "runtime/execution/engine.hpp"
#include "runtime/execution/model_executor.hpp"
#include "runtime/generation/choice_output.hpp"

namespace troupe::launch {
namespace {

using nlohmann::ordered_json;

constexpr config::Page page{
    .command = "generate",
    .summary = "continues one prompt, streamed to the terminal",
    .description =
        "Loads a checkpoint, or the demo model, and writes what the model says to standard output while it "
        "says it. The prompt is read as the completions API reads it; with --chat it is a user's message, "
        "put into the chat template. Sampling is as the checkpoint's generation_config.json has it, but for "
        "what flags say.",
    .examples =
        "$ troupe generate --chat --prompt 'Solve 17 * 23'\n"
        "$ troupe generate /models/deepseek-v3 --prompt 'Once upon a time' --max-tokens 64 --temperature 0\n"
        "$ troupe generate --chat --chat-template-kwargs '{\"thinking\": true}' --prompt 'Solve 17 * 23'"};

struct Options {
  std::string prompt, chat_template_kwargs = "{}";
  bool chat = false;
  std::optional<std::int64_t> max_tokens, top_k, seed;
  std::optional<double> temperature, top_p, min_p;
  std::vector<std::string> stop;
};

config::Table options_table(Options& o) {
  constexpr std::string_view publisher = "that of generation_config.json";
  config::Table table{
      {.name = "prompt",
       .target = &o.prompt,
       .argument = "TEXT",
       .help = "What to continue.",
       .required = true},
      {.name = "chat", .target = &o.chat, .help = "The prompt is a user's message."},
      {.name = "chat-template-kwargs",
       .target = &o.chat_template_kwargs,
       .argument = "JSON",
       .help = "Variables for the chat template."},
      {.name = "max-tokens",
       .target = &o.max_tokens,
       .argument = "N",
       .help = "Longest answer.",
       .unset = "up to the context length",
       .range = {1}},
      {.name = "temperature",
       .target = &o.temperature,
       .argument = "T",
       .help = "0 is greedy.",
       .unset = publisher,
       .range = {0, 2}},
      {.name = "top-p",
       .target = &o.top_p,
       .argument = "P",
       .help = "Sample from the most likely tokens that have this probability together.",
       .unset = publisher,
       .range = {0, 1, true}},
      {.name = "min-p",
       .target = &o.min_p,
       .argument = "P",
       .help = "Sample from tokens of at least this part of the most likely one's probability.",
       .unset = publisher,
       .range = {0, 1}},
      {.name = "top-k",
       .target = &o.top_k,
       .argument = "K",
       .help = "Sample from the K most likely tokens; 0 or -1: from all.",
       .unset = publisher,
       .range = {-1, std::numeric_limits<std::int32_t>::max()}},
      {.name = "seed",
       .target = &o.seed,
       .argument = "N",
       .help = "The same seed gives the same answer.",
       .unset = "a random one"},
      {.name = "stop",
       .target = &o.stop,
       .argument = "TEXT",
       .help = "End before it. May be given several times.",
       .unset = "none"},
  };
  for (config::Setting& each : table) each.flag_only = true;
  return table;
}

template <class T>
T or_throw(Expected<T> value, std::string_view where) {
  if (!value) throw Error(value.error().message, where);
  return std::move(*value);
}

std::vector<TokenId> prompt_tokens(const Options& options, const model::TextModel& text) {
  if (!options.chat) return or_throw(text.encode_prompt(options.prompt), "--prompt");
  const auto variables = ordered_json::parse(options.chat_template_kwargs, nullptr, false);
  if (variables.is_discarded())
    throw config::UsageError("is not JSON", "--chat-template-kwargs", "give an object");
  const ordered_json messages = {{{"role", "user"}, {"content", options.prompt}}};
  return or_throw(text.render_chat(messages, nullptr, variables, true), "--chat");
}

runtime::SamplingParams sampling(const Options& options, const model::GenerationDefaults& defaults) {
  runtime::SamplingParams params;
  params.temperature = float(options.temperature.value_or(defaults.temperature.value_or(1)));
  params.top_p = float(options.top_p.value_or(defaults.top_p.value_or(1)));
  params.min_p = float(options.min_p.value_or(defaults.min_p.value_or(0)));
  params.top_k = std::int32_t(std::max<std::int64_t>(0, options.top_k.value_or(defaults.top_k.value_or(0))));
  params.seed = options.seed ? std::uint64_t(*options.seed) : std::random_device{}();
  return params;
}

// The one sequence to compute, with as many output tokens as were asked for or as fit.
runtime::Submission make_submission(const Options& options, const model::TextModel& text,
                                    std::int64_t max_model_len) {
  runtime::Submission submission;
  submission.tokens = prompt_tokens(options, text);
  const auto room = max_model_len - std::int64_t(submission.tokens.size());
  if (submission.tokens.empty()) throw Error("the prompt is empty", "--prompt");
  if (room < 1)
    throw Error("the prompt has " + std::to_string(submission.tokens.size()) +
                    " tokens and the context length is " + std::to_string(max_model_len),
                "--prompt", "shorten it");
  submission.prompt_tokens = std::int32_t(submission.tokens.size());
  submission.max_output_tokens = std::int32_t(std::min(room, options.max_tokens.value_or(room)));
  submission.sampling = sampling(options, text.defaults);
  submission.stop_ids = text.eos_ids;
  return submission;
}

// Steps until the sequence has ended or a stop string has come.
void stream(runtime::Engine& engine, SequenceId sequence, runtime::ChoiceOutput& output) {
  while (!engine.idle()) {
    for (const runtime::CommittedToken& each : engine.step()) {
      if (each.finish == runtime::FinishReason::error)
        throw Error("the model's output is not a number", "the prompt", "check the checkpoint");
      const bool ended = each.finish == runtime::FinishReason::stop;
      if (!ended && output.push(each.output.token)) engine.cancel(sequence);
    }
    std::cout << output.take().content << std::flush;
  }
  output.finish();
  std::cout << output.take().content << std::endl;
  if (!std::cout) throw Error("cannot be written", "standard output");
}

}  // namespace

int generate(const Arguments& arguments) {
  config::Settings settings;
  Options options;
  config::Table table = options_table(options);
  config::append(
      table,
      config::select(config::schema(settings), {"model", "max-model-len", "max-num-batched-tokens",
                                                "block-size", "threads", "virtual-shards", "config"}),
      "DEPLOYMENT");
  if (!read_command_line(page, table, arguments)) return 0;
  settings.scheduler.max_num_seqs = 1;
  settings.scheduler.max_waiting = 1;
  settings.scheduler.prefix_caching = false;
  config::validate(settings);

  const auto folder = checkpoint_or_demo(settings.model);
  const auto checkpoint = model::Checkpoint::open(folder);
  const auto text = model::TextModel::load(folder);
  runtime::Submission submission =
      make_submission(options, text, context_length(settings, checkpoint.config()));

  runtime::SchedulerLimits limits = settings.scheduler;
  limits.max_model_len = submission.prompt_tokens + submission.max_output_tokens;
  const std::int32_t blocks = (limits.max_model_len + limits.block_size - 1) / limits.block_size;
  SingleRank rank(checkpoint, settings,
                  {.max_tokens = limits.max_num_batched_tokens,
                   .max_logit_rows = 1,
                   .max_positions = limits.max_model_len});
  runtime::ModelExecutor executor(*rank.ops, *rank.decoder, rank.communicators(), 0,
                                  rank.decoder->make_cache(blocks, limits.block_size));
  runtime::Engine engine(limits, runtime::make_policy("fcfs"), blocks, executor);
  runtime::ChoiceOutput output(text.tokenizer, {.stop = options.stop, .format = {}});
  const SequenceId sequence = submission.sequence;
  if (auto accepted = engine.submit(std::move(submission)); !accepted)
    throw Error(accepted.error().message, "--prompt");
  stream(engine, sequence, output);
  return 0;
}

}  // namespace troupe::launch
