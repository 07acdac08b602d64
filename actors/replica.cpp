#include "actors/replica.hpp"

#include <algorithm>

#include "actors/link/link.hpp"
#include "actors/system_config.hpp"
#include "config/speculation.hpp"
#include "runtime/base/build_id.hpp"
#include "runtime/scheduling/admission.hpp"
#include "transport/expert_placement.hpp"

namespace troupe::actors {
namespace {

using runtime::ReplicaState;

class RunningGeneration final : public GenerationHandle {
 public:
  RunningGeneration(RequestHandle request, std::shared_ptr<RequestContext> context)
      : request_(std::move(request)), context_(std::move(context)) {
    ++context_->generations;
  }
  ~RunningGeneration() override {
    cancel();
    --context_->generations;
  }
  void grant(std::int32_t deltas) override { caf::anon_send(request_, Credit{deltas}); }
  void withdraw(Refusal why) override { caf::anon_send(request_, Withdraw{std::move(why)}); }
  void cancel() override { caf::anon_send(request_, CancelRequest{}); }

 private:
  RequestHandle request_;
  std::shared_ptr<RequestContext> context_;
};

// Of a request that was refused before it was born.
class NoGeneration final : public GenerationHandle {
 public:
  void grant(std::int32_t) override {}
  void withdraw(Refusal) override {}
  void cancel() override {}
};

constexpr int grammar_threads = 2;  // so that a grammar that takes long does not hold up the others

std::unique_ptr<caf::actor_system_config> make_config(const ReplicaOptions& options) {
  if (options.processes) return std::make_unique<LinkedConfig>(options.processes->node.identity);
  return std::make_unique<LocalConfig>();
}

ComputeHandle computing_rank(caf::actor_system& system, const WorkerOptions& options) {
  return system.spawn<caf::detached>(compute, options);
}

runtime::SystemPrompt system_prompt_of(const config::Settings& settings) {
  if (settings.system_prompt == "fold") return runtime::SystemPrompt::fold;
  if (settings.system_prompt == "reject") return runtime::SystemPrompt::reject;
  return runtime::SystemPrompt::keep;
}

runtime::RepetitionLimits repetition_limits_of(const config::Settings& settings) {
  if (!settings.repetition_guard) return {};
  return {settings.repetition_guard_ngram, settings.repetition_guard_repeats};
}

}  // namespace

Replica::Replica(const config::Settings& settings, ReplicaOptions options)
    : deployment_(settings),
      options_(std::move(options)),
      metrics_(std::make_shared<Metrics>(options_.info.names.front(), settings.edge.also_vllm_names,
                                         settings.edge.region)),
      compiler_(options_.text->tokenizer, options_.vocab_size, options_.text->eos_ids),
      grammars_(
          [this](const GrammarSpec& spec, TimePoint deadline) { return compiler_.admit(spec, deadline); },
          {.bytes = deployment_.grammar_cache.bytes, .timeout = deployment_.grammar_compile_timeout}),
      config_(make_config(options_)),
      system_(std::make_unique<caf::actor_system>(*config_)),
      tokenizing_(deployment_.tokenizing_threads, std::size_t(deployment_.max_tokenizing),
                  std::size_t(deployment_.scheduler.max_waiting_per_caller)),
      compiling_(grammar_threads, tokenizing_.limit(), tokenizing_.share()) {
  context_->text = options_.text;
  context_->metrics = metrics_;
  context_->rules = {.max_model_len = options_.info.max_model_len,
                     .max_choices = std::size_t(deployment_.scheduler.max_waiting),
                     .parse_reasoning = deployment_.reasoning_parser != "none",
                     .parse_tool_calls = deployment_.tool_call_parser != "none",
                     .show_unused_tools = !deployment_.exclude_tools_when_tool_choice_none,
                     .system_prompt = system_prompt_of(deployment_),
                     .grammars = &grammars_,
                     .repetition = repetition_limits_of(deployment_)};
  context_->tokenizing = &tokenizing_;
  context_->compiling = &compiling_;
  requests_ = system_->spawn(request_supervisor, metrics_);
  supervisor_ = system_->spawn(replica_supervisor, supervisor_settings());
  try {
    start_node();
    start_probe();
  } catch (...) {
    end();
    throw;
  }
}

ReplicaSettings Replica::supervisor_settings() const {
  const auto& plan = options_.sharding;
  runtime::SchedulerLimits limits = deployment_.scheduler;
  limits.max_model_len = options_.info.max_model_len;
  limits.speculation = config::speculation_of(deployment_);
  ReplicaSettings settings;
  settings.membership = {
      .tensor_parallel = plan.tensor_parallel,
      .data_parallel = plan.data_parallel,
      .build = {},
      .spread_experts = transport::ExpertPlacement::spread(options_.experts, plan.ranks()).holders,
      .restarts = {.max_consecutive_restarts = deployment_.max_restarts},
      .hang_limit = deployment_.hang_timeout,
      .on_gpus = deployment_.device != "cpu"};
  if (options_.processes) {
    settings.membership.nodes = deployment_.nodes;
    settings.membership.build = build_id();
  }
  settings.model = {.life = {},
                    .checkpoint = options_.checkpoint,
                    .device = deployment_.device,
                    // The host's network is TCP.
                    .gpu_communicator = deployment_.require_rdma ? "nccl" : deployment_.gpu_communicator,
                    .sharding = plan,
                    .limits = {limits.max_num_batched_tokens, runtime::most_logit_rows(limits),
                               limits.max_model_len, limits.speculation.method == DraftMethod::mtp,
                               options_.cache_type, deployment_.cpu_offload_bytes()},
                    .cache = options_.cache,
                    .block_size = limits.block_size,
                    .speculation = limits.speculation,
                    .grammar_cache_bytes = deployment_.grammar_cache.bytes,
                    .grammar_compile_timeout = deployment_.grammar_compile_timeout};
  settings.scheduler = {.limits = limits,
                        .policy = {deployment_.scheduling_policy, deployment_.policy_option},
                        .groups = plan.data_parallel,
                        .metrics = metrics_,
                        .shadow_policy = deployment_.shadow_policy,
                        .status = schedule_,
                        .listener = options_.listener};
  schedule_->begin(limits, settings.scheduler.policy, deployment_.shadow_policy);
  settings.blocks = {0, limits.block_size, limits.prefix_caching, 0, 0, metrics_};
  settings.status = status_;
  settings.metrics = metrics_;
  settings.requests = requests_;
  return settings;
}

void Replica::start_probe() {
  constexpr std::chrono::seconds patience{30};  // where no stall is one
  const auto between = deployment_.health_probe_interval, stall = deployment_.stall_timeout;
  if (between.count() == 0) return;
  probe_.emplace(*this, HealthProbe::Times{between, stall.count() > 0 ? stall : patience});
}

void Replica::start_node() {
  if (!options_.processes) {
    WorkerOptions options{deployment_.compute_threads(), "", &ticks_, &progress_};
    options.compile_grammar = [this](const GrammarSpec& spec) { return grammars_.get(spec); };
    const auto spawn_compute = options_.spawn_compute ? options_.spawn_compute : computing_rank;
    const auto spawn = [options, spawn_compute](caf::actor_system& system) {
      return system.spawn(worker, options, spawn_compute(system, options));
    };
    node_ = system_->spawn(local_node, supervisor_, spawn, &ticks_);
    return;
  }
  auto& processes = *options_.processes;
  processes.node.place = 0;
  auto& order = processes.node.order;
  order.port = open_door(*system_, supervisor_, order.host, order.port);
  if (processes.door_opened) processes.door_opened(order.port);
  const auto here = system_->spawn(node, processes.node);
  node_ = here;
  caf::anon_send(here, SupervisorFound{supervisor_});
}

Replica::~Replica() {
  probe_.reset();
  end();
  system_->await_all_actors_done();
}

void Replica::end() {
  progress_.stop = true;
  caf::anon_send(requests_, End{});
  caf::anon_send(supervisor_, End{});
  if (node_) caf::anon_send(node_, End{});  // the supervisor may not have met it yet
}

// Of a deadline the scheduler would say the same, once the prompt is tokenized.
Expected<void> Replica::accepts(const TimeLimits& times) const {
  if (!ready()) return refuse(RefusalKind::unavailable, "The model is not ready.", "", "not_ready");
  const Duration limit = times.to_begin(), wait = schedule_->newcomers_wait().value_or(Duration{});
  if (limit > Duration{} && wait > limit)
    return tl::unexpected(runtime::unreachable_deadline(wait, wait - limit));
  return {};
}

std::unique_ptr<GenerationHandle> Replica::generate(runtime::GenerationRequest request,
                                                    std::shared_ptr<GenerationSink> sink) {
  if (const auto ok = accepts(request.times); !ok) {
    sink->on_failure(ok.error());
    return std::make_unique<NoGeneration>();
  }
  auto once = std::make_shared<TerminalOnce>(std::move(sink));
  const TimeLimits times = request.times;
  const auto born = system_->spawn(actors::request, std::move(request), context_, once);
  caf::anon_send(requests_, RequestBorn{born, once, times});
  return std::make_unique<RunningGeneration>(born, context_);
}

template <class T, class Work>
void Replica::on_text(std::uint64_t caller, Done<T> done, Work work) {
  const auto told = std::make_shared<Done<T>>(std::move(done));  // to the job, or to nobody
  const auto posted = tokenizing_.post(
      [told, work = std::move(work), context = context_] { (*told)(work(*context->text, context->rules)); },
      caller);
  if (!posted) (*told)(tl::unexpected(too_much_to_tokenize(tokenizing_, posted.error())));
}

void Replica::tokenize(runtime::GenerationRequest request, Done<std::vector<TokenId>> done) {
  const std::uint64_t caller = request.caller_number();
  on_text(caller, std::move(done),
          [request = std::move(request)](const model::TextModel& text, const auto& rules) {
            return runtime::tokenize(request, text, rules);
          });
}

void Replica::detokenize(std::vector<TokenId> tokens, std::string caller, Done<std::string> done) {
  runtime::GenerationRequest request;
  request.caller = std::move(caller);
  on_text(request.caller_number(), std::move(done),
          [tokens = std::move(tokens)](const model::TextModel& text, const auto&) {
            return runtime::detokenize(tokens, text);
          });
}

std::string Replica::vocabulary_entry(TokenId token) const {
  return context_->text->tokenizer.vocabulary_entry(token);
}

bool Replica::ready() const {
  const ReplicaState state = status_->state();
  return state == ReplicaState::serving || state == ReplicaState::recovering;
}

bool Replica::healthy() const {
  return status_->state() != ReplicaState::failed;
}

bool Replica::stalled() const {
  if (probe_ && probe_->failed()) return true;
  return deployment_.stall_timeout.count() > 0 && schedule_->still(now()) > deployment_.stall_timeout;
}

bool Replica::failed_to_start() const {
  return !healthy() && !status_->has_served();
}

std::uint64_t Replica::loaded_bytes() const {
  if (!options_.processes) return progress_.done;
  std::uint64_t bytes = 0;
  for (const runtime::RankView& rank : status_->view().ranks) bytes += rank.loaded_bytes;
  return bytes;
}

std::vector<StartupPhase> Replica::startup() const {
  const bool loaded = ready();
  // Ranks read some weights more than once in all, so the end is only known from the checkpoint's size.
  return {{"opening_checkpoint", "done", 0, 0},
          {"loading_weights", loaded ? "done" : "running", std::min(loaded_bytes(), options_.weight_bytes),
           options_.weight_bytes},
          {"ready", loaded ? "done" : "pending", 0, 0}};
}

// Of the rank in this process.
StepId Replica::step_in(Epoch epoch) const {
  const Tick tick = ticks_.read();
  return tick.epoch == epoch ? tick.step : 0;
}

runtime::ReplicaView Replica::replica() const {
  runtime::ReplicaView view = status_->view();
  if (!options_.processes && !view.ranks.empty()) view.ranks.front().step = step_in(view.epoch);
  return view;
}

Expected<void> Replica::drill(const Drill& drill) {
  if (drill.rank < 0 || drill.rank >= options_.sharding.ranks())
    return refuse("there is no rank " + std::to_string(drill.rank), "rank");
  if (drill.group >= GroupId(options_.sharding.data_parallel))
    return refuse("there is no group " + std::to_string(drill.group), "group");
  using Kind = Drill::Kind;
  const bool needs_process = drill.kind == Kind::corrupt_message || drill.kind == Kind::stuck_kernel ||
                             drill.kind == Kind::lost_step;
  if (needs_process && !options_.processes)
    return refuse("this drill is for ranks that are processes of their own, and the server is the only one",
                  "kind");
  if (drill.kind == Kind::device_error && deployment_.device == "cpu")
    return refuse("this drill is for GPUs, and the ranks compute on CPUs", "kind");
  caf::anon_send(supervisor_, drill);
  return {};
}

Expected<void> Replica::place_expert(std::int32_t expert, std::vector<std::int32_t> ranks) {
  if (!options_.sharding.expert_parallel)
    return refuse("experts are split over all ranks; start with --enable-expert-parallel to place them",
                  "expert");
  if (expert < 0 || expert >= options_.experts)
    return refuse(
        "there is no expert " + std::to_string(expert) + " among " + std::to_string(options_.experts),
        "expert");
  std::ranges::sort(ranks);
  if (ranks.empty() || std::ranges::adjacent_find(ranks) != ranks.end() || ranks.front() < 0 ||
      ranks.back() >= options_.sharding.ranks())
    return refuse(
        "name one or more different ranks from 0 to " + std::to_string(options_.sharding.ranks() - 1),
        "ranks");
  caf::anon_send(supervisor_, runtime::PlaceExpert{expert, std::move(ranks)});
  return {};
}

Expected<void> Replica::change_policy(runtime::PolicyChoice policy) {
  const auto names = runtime::policy_names();
  if (!std::ranges::count(names, policy.name)) {
    std::string known;
    for (const std::string& each : names) known += (known.empty() ? "'" : ", '") + each + "'";
    return refuse("There is no such policy. Expected one of " + known + ".", "policy", "invalid_value");
  }
  try {
    runtime::options_in_force(policy, "");
  } catch (const Error& error) {
    return refuse(error.what(), "options", "invalid_value");
  }
  caf::anon_send(supervisor_, ChangePolicy{std::move(policy)});
  return {};
}

}  // namespace troupe::actors
