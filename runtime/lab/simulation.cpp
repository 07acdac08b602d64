#include "runtime/lab/simulation.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace troupe::runtime::lab {
namespace {

// Nobody looks at a prompt's words unless blocks are named after them.
std::vector<TokenId> tokens_of(const TraceRequest& request, std::int32_t outputs, bool caching,
                               const AnswerWords* words) {
  std::vector<TokenId> tokens;
  tokens.reserve(std::size_t(request.prompt_tokens() + request.output_tokens));
  if (!caching) tokens.resize(std::size_t(request.prompt_tokens()));
  if (caching)
    for (const Passage& each : request.prompt)
      for (std::int32_t i = 0; i < each.tokens; ++i)
        tokens.push_back(token_of(each.content, std::uint64_t(i)));
  for (std::int32_t i = 0; i < outputs; ++i)
    tokens.push_back(word_of(words, request.answer, std::uint64_t(i)));
  return tokens;
}

std::uint64_t digest_of(std::uint64_t before, const SimulatedStep& step) {
  std::uint64_t digest = before + step.replica * 0xff51afd7ed558ccdu;
  for (const StepPlan& plan : step.plans) {
    digest = mixed(digest + plan.step);
    for (const Extend& each : plan.extend)
      digest = mixed(digest + each.sequence * 0x9e3779b97f4a7c15u + std::uint64_t(each.rows));
  }
  return digest;
}

}  // namespace

Simulation::Simulation(const SimulationSettings& settings, Trace& trace, const CostModel& cost)
    : settings_(settings),
      trace_(trace),
      router_(make_router(settings.router,
                          {.seed = settings.seed,
                           .replicas = std::size_t(settings.replicas),
                           .block_size = settings.limits.block_size,
                           .cached_blocks = std::size_t(settings.groups) * std::size_t(settings.blocks)})),
      loads_(std::size_t(settings.replicas)),
      failures_(settings.deaths_per_hour, settings.replicas * settings.groups, settings.seed),
      report_(settings.levels) {
  for (std::size_t i = 0; i < loads_.size(); ++i) replicas_.emplace_back(i, settings, cost, *this);
}

Simulation::~Simulation() = default;

ServiceReport Simulation::run() {
  constexpr double never = std::numeric_limits<double>::infinity();
  for (opening_ = trace_.next();;) {
    SimulatedReplica& replica = next_replica();
    const double event = replica.next_event(), arrival = next_arrival();
    if (arrival == never && event == never) return report();
    // Nobody dies any more once all are served.
    const double death = arrival < never || !live_.empty() ? failures_.next() : never;
    if (arrival < never && arrival <= std::min(event, death)) {
      arrive(take_arrival());
    } else if (death < event) {
      die();
    } else {
      now_ = event;
      replica.time_is(event);
      replica.advance();
    }
  }
}

double Simulation::next_arrival() const {
  const double never = std::numeric_limits<double>::infinity();
  return std::min(opening_ ? opening_->arrives : never, later_.empty() ? never : later_.begin()->first);
}

TraceRequest Simulation::take_arrival() {
  if (!later_.empty() && later_.begin()->first == next_arrival())
    return std::move(later_.extract(later_.begin()).mapped());
  TraceRequest request = std::move(*opening_);
  opening_ = trace_.next();
  return request;
}

SimulatedReplica& Simulation::next_replica() {
  return *std::ranges::min_element(replicas_, {}, &SimulatedReplica::next_event);
}

ServiceReport Simulation::report() {
  if (!live_.empty())
    throw Error(std::to_string(live_.size()) + " sequences wait, and the policy lets nobody run",
                "simulation");
  for (const SimulatedReplica& each : replicas_) {
    each.check_empty();
    const SchedulerStats stats = each.stats();
    report_.steps += stats.steps;
    report_.preemptions += stats.preemptions;
    report_.replayed_tokens += stats.replayed_tokens;
    if (stats.policy_failures > 0)
      throw Error("the policy threw or let nobody run in " + std::to_string(stats.policy_failures) + " steps",
                  "simulation");
  }
  report_.computing /= double(replicas_.size());
  report_.largest_service_difference = fairness_.largest_difference();
  return report_;
}

void Simulation::arrive(TraceRequest request) {
  report_.arriving = now_ = std::max(now_, request.arrives);
  // As the scheduler would, but without its words.
  if (request.prompt_tokens() >= settings_.limits.max_model_len) return void(++report_.refused);
  Live arrived;
  arrived.request.arrived = now_;
  arrived.request.prompt_tokens = std::int32_t(request.prompt_tokens());
  arrived.request.caller = request.caller;
  arrived.request.slo = request.slo;
  arrived.replica = router_->choose(request, loads_);
  arrived.asked = std::move(request);
  const auto place = live_.emplace(++last_id_, std::move(arrived)).first;
  const Live& live = place->second;
  ReplicaLoad& load = loads_[live.replica];
  ++load.requests;
  load.waiting_tokens += live.request.prompt_tokens;
  fairness_.waits(live.request.caller);
  SimulatedReplica& replica = replicas_[live.replica];
  replica.time_is(now_);
  if (!replica.submit(submission_of(last_id_, live))) {
    ++report_.refused;
    --load.requests;
    load.waiting_tokens -= live.request.prompt_tokens;
    fairness_.gave_up(live.request.caller);
    live_.erase(place);
    return;
  }
  report_.most_live = std::max(report_.most_live, std::uint64_t(live_.size()));
}

// What it has of its answer stands behind its prompt, as in a replay.
Submission Simulation::submission_of(SequenceId id, const Live& live) const {
  const TraceRequest& asked = live.asked;
  Submission submission;
  submission.sequence = submission.arrival = id;
  submission.tokens =
      tokens_of(asked, live.request.output_tokens, settings_.limits.prefix_caching, settings_.words);
  submission.prompt_tokens = live.request.prompt_tokens;
  submission.max_output_tokens = submission.predicted_output = asked.output_tokens;
  submission.sampling.seed = asked.answer;
  submission.priority = asked.priority;
  submission.caller = asked.caller;
  submission.arrived = moment(live.request.arrived);
  submission.slo = asked.slo;
  return submission;
}

// The owners of interrupted sequences submit them at once; they run when the replica has recovered.
void Simulation::die() {
  now_ = failures_.next();
  const auto rank = std::size_t(failures_.take());
  SimulatedReplica& replica = replicas_[rank / std::size_t(settings_.groups)];
  replica.time_is(now_);
  ++report_.deaths;
  if (!live_.empty() && ++deaths_in_a_row_ > most_deaths_in_a_row)
    throw Error(std::to_string(most_deaths_in_a_row) + " ranks died with no token between them", "simulation",
                "let fewer die, or recover faster");
  const auto group = GroupId(rank % std::size_t(settings_.groups));
  for (SequenceId id : replica.lose(group, now_ + settings_.recovery_seconds)) {
    ++report_.interrupted;
    Submission again = submission_of(id, live_.at(id));
    again.resubmitted = true;
    CHECK(replica.submit(std::move(again)), "a replay was refused");
  }
}

void Simulation::planned(const SimulatedStep& step) {
  report_.step.add(step.ends - step.begins);
  report_.computing += step.ends - step.begins;
  report_.schedule = digest_of(report_.schedule, step);
  for (const StepPlan& plan : step.plans) admit(plan, step.begins);
  if (on_step) on_step(step);
}

void Simulation::admit(const StepPlan& plan, double now) {
  for (const Begin& begin : plan.begin) {
    Live& live = live_.at(begin.sequence);
    if (!std::exchange(live.waits, false)) continue;
    live.request.admitted = now;
    fairness_.admitted(live.request.caller, live.request.prompt_tokens);
  }
}

void Simulation::committed(std::size_t replica, std::span<const CommittedToken> tokens) {
  for (const CommittedToken& token : tokens) take(token, loads_[replica]);
  fairness_.look();
}

void Simulation::take(const CommittedToken& token, ReplicaLoad& load) {
  deaths_in_a_row_ = 0;
  const auto found = live_.find(token.sequence);
  Live& live = found->second;
  ServedRequest& request = live.request;
  fairness_.served(request.caller);
  if (request.output_tokens == 0) load.waiting_tokens -= request.prompt_tokens;
  const double told = now_ + settings_.delivery;
  request.token_came(told, token.cached_tokens);
  if (token.finish == FinishReason::none) return;
  --load.requests;
  request.ended = report_.seconds = told;
  report_.add(request);
  if (on_request) on_request(request);
  if (!live.asked.later.empty()) {
    TraceRequest turn = std::move(live.asked).next_turn(told);
    later_.emplace(turn.arrives, std::move(turn));
  }
  live_.erase(found);
}

}  // namespace troupe::runtime::lab
