#include <iostream>
#include <limits>

#include "launch/command_line.hpp"
#include "launch/demo_model.hpp"
#include "launch/single_rank.hpp"
#include "model/text/text_model.hpp"
#include "runtime/execution/engine.hpp"
#include "runtime/execution/kv_size.hpp"
#include "runtime/execution/model_executor.hpp"
#include "runtime/generation/generation.hpp"

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
       .range = {0, 100}},
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

runtime::Prompt make_prompt(const Options& options) {
  if (!options.chat) return options.prompt;
  auto variables = ordered_json::parse(options.chat_template_kwargs, nullptr, false);
  if (variables.is_discarded())
    throw config::UsageError("is not JSON", "--chat-template-kwargs", "give an object");
  runtime::ChatPrompt prompt;
  prompt.messages = {{{"role", "user"}, {"content", options.prompt}}};
  prompt.template_kwargs = std::move(variables);
  return prompt;
}

runtime::GenerationRequest make_request(const Options& options) {
  const auto narrow = [](const std::optional<double>& value) -> std::optional<float> {
    return value ? std::optional(float(*value)) : std::nullopt;
  };
  runtime::GenerationRequest request;
  request.prompts = {make_prompt(options)};
  request.temperature = narrow(options.temperature);
  request.top_p = narrow(options.top_p);
  request.min_p = narrow(options.min_p);
  if (options.top_k) request.top_k = std::int32_t(std::max<std::int64_t>(0, *options.top_k));
  if (options.seed) request.seed = std::uint64_t(*options.seed);
  request.stop = options.stop;
  return request;
}

// The one choice: the text as it is, with as many output tokens as were asked for or as fit.
std::vector<runtime::NewChoice> make_choice(const runtime::GenerationRequest& request, const Options& options,
                                            const model::TextModel& text, std::int64_t max_model_len) {
  const runtime::GenerationRules rules{.max_model_len = std::int32_t(max_model_len),
                                       .max_choices = 1,
                                       .parse_reasoning = false,
                                       .parse_tool_calls = false};
  auto choices = make_choices(request, text, rules, 0, runtime::draw_seed());
  if (!choices) throw Error(choices.error().message, options.chat ? "--chat" : "--prompt");
  std::int32_t& most = choices->front().submission.max_output_tokens;
  most = std::int32_t(std::min<std::int64_t>(most, options.max_tokens.value_or(most)));
  return std::move(*choices);
}

// Between the engine and the terminal.
class Terminal final : public runtime::GenerationOutlet {
 public:
  explicit Terminal(runtime::Engine& engine) : engine_(engine) {}

  void submit(const runtime::Submission& submission) override {
    if (auto accepted = engine_.submit(submission); !accepted)
      throw Error(accepted.error().message, "--prompt");
  }
  void pause(SequenceId sequence) override { engine_.pause(sequence); }
  void resume(SequenceId sequence) override { engine_.resume(sequence); }
  void cancel(SequenceId sequence) override { engine_.cancel(sequence); }

  void accepted(const runtime::Usage&) override {}
  void delta(runtime::Delta delta) override { std::cout << delta.content << std::flush; }
  void end(const runtime::Usage&) override { std::cout << std::endl; }
  void failure(const Refusal& why) override {
    throw Error(why.message, "the prompt", "check the checkpoint");
  }

  void first_token(Duration) override {}
  void next_token(Duration) override {}
  void choice_ended(runtime::ChoiceEnd) override {}
  void choice_served(const runtime::ChoiceTimes&) override {}
  void repetition_ended() override {}
  void filter_matched(const runtime::FilterMatch&) override {}

 private:
  runtime::Engine& engine_;
};

void stream(runtime::Engine& engine, runtime::Generation& generation) {
  generation.grant(std::numeric_limits<std::int64_t>::max());  // a terminal is never too slow
  generation.meet_scheduler();
  while (!generation.over())
    for (const runtime::CommittedToken& each : engine.step()) generation.take(each, now());
  if (!std::cout) throw Error("cannot be written", "standard output");
}

}  // namespace

int generate(const Arguments& arguments) {
  config::Settings settings;
  Options options;
  config::Table table = options_table(options);
  config::append(
      table,
      config::select(config::schema(settings),
                     {"model", "max-model-len", "max-num-batched-tokens", "block-size", "kv-cache-dtype",
                      "device", "threads", "virtual-shards", "expert-shards", "config"}),
      "DEPLOYMENT");
  if (!read_command_line(page, table, arguments)) return 0;
  settings.scheduler.max_num_seqs = 1;
  settings.scheduler.max_waiting = 1;
  settings.scheduler.prefix_caching = false;
  config::validate(settings);

  const auto folder = checkpoint_or_demo(settings.model);
  const auto checkpoint = model::Checkpoint::open(folder);
  const auto text = model::TextModel::load(folder);
  auto request = make_request(options);
  auto choices = make_choice(request, options, text, context_length(settings, checkpoint.config()));

  runtime::SchedulerLimits limits = settings.scheduler;
  const runtime::Submission& submission = choices.front().submission;
  limits.max_model_len = submission.prompt_tokens + submission.max_output_tokens;
  const std::int32_t blocks = (limits.max_model_len + limits.block_size - 1) / limits.block_size;
  SingleRank rank(checkpoint, settings,
                  {.max_tokens = limits.max_num_batched_tokens,
                   .max_logit_rows = 1,
                   .max_positions = limits.max_model_len,
                   // As a server's would be.
                   .cache_type = runtime::kv_cache_type(settings.kv_cache_dtype,
                                                        context_length(settings, checkpoint.config()))});
  runtime::ModelExecutor executor(*rank.ops, *rank.decoder, rank.communicators(), 0,
                                  rank.decoder->make_cache(blocks, limits.block_size));
  runtime::Engine engine(limits, runtime::make_policy("fcfs"), blocks, executor);
  Terminal terminal(engine);
  runtime::Generation generation(std::move(request), std::move(choices), text, terminal, now());
  stream(engine, generation);
  return 0;
}

}  // namespace troupe::launch
