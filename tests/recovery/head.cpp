#include "tests/recovery/head.hpp"

namespace troupe::simulation {
namespace {

runtime::MembershipSettings membership_settings(const World& world) {
  runtime::MembershipSettings settings;
  settings.tensor_parallel = world.tensor_parallel;
  settings.data_parallel = world.data_parallel;
  settings.nodes = world.nodes;
  settings.build = "one";
  settings.spread_experts.assign(4, {0});
  settings.hang_limit = hang_limit;
  return settings;
}

}  // namespace

Head::Head(World& world, const std::string& policy)
    : world_(world),
      policy_(policy),
      membership_(membership_settings(world)),
      blocks_(std::size_t(world.data_parallel)),
      nodes_(std::size_t(world.nodes)),
      workers_(std::size_t(world.ranks())) {}

void Head::begin() {
  obey(membership_.begin(world_.mail.now()));
}

void Head::obey(const runtime::Orders& orders) {
  expect(membership_.epoch() >= last_epoch_, "the epoch went back");
  last_epoch_ = membership_.epoch();
  for (const runtime::Order& each : orders) std::visit([this](const auto& order) { carry_out(order); }, each);
  const auto next = membership_.next_deadline();
  if (!next || (wakes_at_ && *wakes_at_ <= *next)) return;
  wakes_at_ = next;
  world_.mail.at(*next, [this, at = *next] {
    if (wakes_at_ != at) return;
    wakes_at_.reset();
    obey(membership_.due(world_.mail.now()));
  });
}

template <class Deliver>
void Head::to_worker(const Door<Process>& door, Deliver deliver) {
  if (!door.far) return;
  world_.links.send(door.link, End::host, [process = door.far, deliver] {
    process->take([process, deliver] { deliver(*process); });
  });
}

template <class Deliver>
void Head::to_node(std::int32_t rank, Deliver deliver) {
  const Door<Node>& door = nodes_[std::size_t(rank / world_.ranks_of_node())];
  expect(door.far, "an order for a node that is missing");
  world_.links.send(door.link, End::host, [node = door.far, deliver] { deliver(*node); });
}

void Head::arrived(LinkId link, Process& from, const runtime::WorkerArrived& news) {
  bool accepted = false;
  const auto orders = membership_.on(news, accepted, world_.mail.now());
  if (accepted)
    workers_[std::size_t(news.life.rank)] = {link, &from};
  else  // it is told to end
    world_.links.send(link, End::host, [process = &from] { process->take(process->quit); });
  obey(orders);
}

runtime::NodeWelcome Head::arrived(LinkId link, Node& from, const runtime::NodeArrived& news) {
  std::optional<std::int32_t> place;
  for (std::size_t i = 0; i < nodes_.size(); ++i)
    if (nodes_[i].far == &from && nodes_[i].link == link) place = std::int32_t(i);
  runtime::NodeWelcome welcome;
  const auto orders = membership_.on(news, place, welcome, world_.mail.now());
  if (welcome.node >= 0) nodes_[std::size_t(welcome.node)] = {link, &from};
  obey(orders);
  return welcome;
}

void Head::link_lost(LinkId link) {
  for (std::size_t place = 0; place < nodes_.size(); ++place)
    if (nodes_[place].far && nodes_[place].link == link) {
      nodes_[place] = {};
      return obey(membership_.node_lost(std::int32_t(place), world_.mail.now()));
    }
  for (std::size_t rank = 0; rank < workers_.size(); ++rank)
    if (workers_[rank].far && workers_[rank].link == link) {
      workers_[rank] = {};
      return obey(membership_.link_lost(std::int32_t(rank), world_.mail.now()));
    }
}

void Head::carry_out(const runtime::StartWorker& order) {
  to_node(order.life.rank, [life = order.life](Node& node) { node.start(life); });
}
void Head::carry_out(const runtime::KillWorker& order) {
  to_node(order.life.rank, [life = order.life](Node& node) { node.kill(life); });
}
void Head::carry_out(const runtime::Load& order) {
  to_worker(workers_[std::size_t(order.life.rank)], [](Process& process) { process.load(); });
}
void Head::carry_out(const runtime::Join& order) {
  for (const auto& door : workers_)
    to_worker(door, [epoch = order.epoch](Process& process) { process.join(epoch); });
}
void Head::carry_out(const runtime::AbortEpochs& order) {
  for (const auto& door : workers_)
    to_worker(door, [before = order.before](Process& process) { process.abort(before); });
}
void Head::carry_out(const runtime::Dismiss& order) {
  Door<Process>& door = workers_[std::size_t(order.rank)];
  expect(door.far, "a link that is not there was let go of");
  world_.links.send(door.link, End::host, [process = door.far] { process->take(process->quit); });
  door = {};
}

void Head::to_scheduler(std::uint64_t life, std::function<void(Scheduler&)> what) {
  world_.mail.post(scheduler_.mailbox, [this, life, what = std::move(what)] {
    if (scheduler_.cycle && scheduler_.life == life) what(scheduler_);
  });
}

void Head::carry_out(const runtime::StopEpoch& order) {
  to_scheduler(scheduler_.life, [this, order](Scheduler& scheduler) {
    const auto stopped = scheduler.cycle->stop_epoch(order.next, order.lost, order.how);
    if (stopped.quarantined)
      if (auto owner = scheduler.owners.extract(*stopped.quarantined))
        to_request(*owner.mapped(), [this, request = owner.mapped()] { quarantine(*request); });
    for (const SequenceId id : stopped.interrupted)
      if (auto owner = scheduler.owners.extract(id))
        to_request(*owner.mapped(), [this, request = owner.mapped(), life = scheduler.life] {
          if (!request->over && request->scheduler == life) submit(*request, true);
        });
    const runtime::EpochStopped answer{order.next, stopped.steps_committed, stopped.search_advanced};
    world_.mail.post(mailbox_, [this, answer] { hear(answer); });
  });
}

void Head::carry_out(const runtime::VoidBlocks& order) {
  Blocks& blocks = blocks_[order.group];
  world_.mail.post(blocks.mailbox, [&blocks, life = blocks.life, generation = order.generation] {
    if (blocks.pool && blocks.life == life) blocks.pool->reset(generation);
  });
}

void Head::carry_out(const runtime::MakeScheduler& order) {
  scheduler_.life = ++lives_;
  scheduler_.cycle = std::make_unique<runtime::StepCycle>(
      world_.limits, [this] { return runtime::make_policy(policy_); }, world_.data_parallel, order.epoch);
  scheduler_.owners.clear();
  for (Request& request : requests_)
    to_request(request, [this, &request, life = scheduler_.life] { use(request, life); });
}

void Head::carry_out(const runtime::MakeBlocks& order) {
  Blocks& blocks = blocks_[order.group];
  blocks.life = ++lives_;
  blocks.pool = std::make_unique<runtime::BlockPool>(world_.blocks, world_.limits.block_size,
                                                     world_.limits.prefix_caching, order.generation);
}

void Head::carry_out(const runtime::Serve& order) {
  for (const auto& door : workers_) expect(door.far, "an epoch is served without a link to every rank");
  std::vector<std::uint64_t> blocks;
  for (const Blocks& each : blocks_) blocks.push_back(each.life);
  to_scheduler(scheduler_.life, [this, order, blocks, workers = workers_](Scheduler& scheduler) {
    if (scheduler.cycle->epoch() != order.epoch) return;
    scheduler.blocks = blocks;
    scheduler.workers = workers;
    carry_out(scheduler.cycle->begin_epoch(order.epoch));
  });
}

void Head::carry_out(const runtime::GiveUp& order) {
  gave_up_ = order.why;
  for (Request& request : requests_) to_request(request, [this, &request] { finish(request, true); });
}

void Head::carry_out(const runtime::StepCycle::Work& work) {
  for (const runtime::BlockRequest& request : work.requests) ask(request);
  for (const runtime::StepPlan& each : work.plans) {
    const auto plan = std::make_shared<const runtime::StepPlan>(each);
    const auto first = scheduler_.workers.begin() + std::int32_t(plan->group) * world_.tensor_parallel;
    for (const auto& door : std::span(first, std::size_t(world_.tensor_parallel)))
      to_worker(door, [plan, life = scheduler_.life](Process& process) { process.run(plan, life); });
  }
}

void Head::ask(const runtime::BlockRequest& request) {
  Blocks& blocks = blocks_[request.group];
  world_.mail.post(blocks.mailbox, [this, &blocks, request, life = scheduler_.blocks[request.group],
                                    asked_by = scheduler_.life, epoch = scheduler_.cycle->epoch()] {
    if (!blocks.pool || blocks.life != life) return;
    const runtime::BlockReply reply = blocks.pool->reserve(request);
    blocks.pool->check();
    to_scheduler(asked_by, [this, reply, epoch](Scheduler& scheduler) {
      carry_out(scheduler.cycle->replied(reply, epoch));
    });
  });
}

void Head::result(std::uint64_t to, const runtime::StepResult& result) {
  to_scheduler(to, [this, result](Scheduler& scheduler) {
    const auto commit = scheduler.cycle->finished(result);
    expect(commit.result != runtime::StepCycle::Result::nonsense, "a result does not fit its step");
    for (const runtime::CommittedToken& token : commit.tokens) {
      const auto owner = scheduler.owners.find(token.sequence);
      if (owner == scheduler.owners.end()) continue;
      Request* request = owner->second;
      to_request(*request, [this, request, token, life = scheduler.life] {
        if (request->scheduler == life) take_token(*request, token);
      });
      if (token.finish != runtime::FinishReason::none) scheduler.owners.erase(owner);
    }
    carry_out(commit.work);
  });
}

void Head::to_request(Request& request, Mail::Deliver deliver) {
  world_.mail.post(request.mailbox, std::move(deliver));
}

void Head::request(runtime::Submission submission, std::int32_t stops_after) {
  Request& request = requests_.emplace_back();
  request.original = request.submission = std::move(submission);
  request.stops_after = stops_after;
  if (!gave_up_.empty()) return to_request(request, [this, &request] { finish(request, true); });
  to_request(request, [this, &request, life = scheduler_.life] { use(request, life); });
}

void Head::use(Request& request, std::uint64_t scheduler) {
  if (request.over || request.scheduler == scheduler) return;
  const bool again = request.scheduler != 0;
  request.scheduler = scheduler;
  submit(request, again);
}

void Head::submit(Request& request, bool again) {
  request.submission.resubmitted = again;
  to_scheduler(request.scheduler, [this, &request, submission = request.submission](Scheduler& scheduler) {
    const auto work = scheduler.cycle->submit(submission);
    expect(bool(work), "a request was refused: " + (work ? "" : work.error().message));
    scheduler.owners[submission.sequence] = &request;
    carry_out(*work);
  });
  if (request.paused) pause_in_scheduler(request);
}

void Head::take_token(Request& request, const runtime::CommittedToken& token) {
  if (request.over) return;  // computed past its end
  auto& tokens = request.submission.tokens;
  expect(token.output_position == tokens.size() - std::size_t(request.submission.prompt_tokens),
         "a token is missing, or came twice");
  tokens.push_back(token.sampled.token);
  request.output.tokens.push_back(token.sampled.token);
  request.output.finish = token.finish;
  if (token.finish != runtime::FinishReason::none) return finish(request, false);
  if (std::int32_t(request.output.tokens.size()) == request.stops_after) cancel(request);
}

void Head::finish(Request& request, bool failed) {
  if (std::exchange(request.over, true)) return;
  ++request.ends;
  request.failed = failed;
}

void Head::quarantine(Request& request) {
  request.quarantined = !request.over;
  finish(request, true);
}

void Head::cancel(Request& request) {
  if (request.over) return;
  request.cancelled = true;
  finish(request, false);
  if (request.scheduler == 0) return;
  to_scheduler(request.scheduler, [this, id = request.submission.sequence](Scheduler& scheduler) {
    scheduler.owners.erase(id);
    carry_out(scheduler.cycle->cancel(id));
  });
}

void Head::pause(Request& request) {
  if (request.over || std::exchange(request.paused, true) || request.scheduler == 0) return;
  pause_in_scheduler(request);
}

void Head::pause_in_scheduler(const Request& request) {
  to_scheduler(request.scheduler, [this, id = request.submission.sequence](Scheduler& scheduler) {
    carry_out(scheduler.cycle->pause(id));
  });
}

void Head::resume(Request& request) {
  if (request.over || !std::exchange(request.paused, false) || request.scheduler == 0) return;
  to_scheduler(request.scheduler, [this, id = request.submission.sequence](Scheduler& scheduler) {
    carry_out(scheduler.cycle->resume(id));
  });
}

// The supervisor hears of a death like of anything else.
void Head::crash_scheduler() {
  if (!scheduler_.cycle) return;
  scheduler_.cycle.reset();
  world_.mail.post(mailbox_, [this] {
    if (!scheduler_.cycle) obey(membership_.scheduler_died(world_.mail.now()));
  });
}

void Head::crash_blocks(GroupId group) {
  if (!blocks_[group].pool) return;
  blocks_[group].pool.reset();
  world_.mail.post(mailbox_, [this, group] {
    if (!blocks_[group].pool) obey(membership_.blocks_died(group, world_.mail.now()));
  });
}

bool Head::all_over() const {
  return std::ranges::all_of(requests_, &Request::over);
}

bool Head::settled() const {
  return scheduler_.cycle && scheduler_.cycle->scheduler().idle() &&
         std::ranges::all_of(blocks_, [](const Blocks& each) { return each.pool->usage().used == 0; });
}

void Head::check_at_rest() {
  for (const Request& request : requests_) {
    const std::string which = "request " + std::to_string(request.submission.sequence);
    expect(request.ends == 1, which + " ended " + std::to_string(request.ends) + " times");
    expect(request.submission.sequence != world_.killer || request.output.tokens.empty(),
           which + " kills, and was computed");
    if (request.failed) continue;
    runtime::lab::ToyOutput whole = runtime::lab::toy_output(request.original, world_.limits.max_model_len);
    if (request.cancelled) {
      whole.tokens.resize(std::min(whole.tokens.size(), request.output.tokens.size()));
      whole.finish = request.output.finish;
    }
    expect(request.output == whole, which + " got other tokens than it would have had alone");
  }
  if (!gave_up_.empty()) return;
  expect(scheduler_.cycle && scheduler_.cycle->scheduler().idle(),
         "the scheduler keeps a sequence that is over");
  for (const Blocks& blocks : blocks_) {
    blocks.pool->check();
    expect(blocks.pool->usage().used == 0, "blocks are held that nobody needs");
  }
}

}  // namespace troupe::simulation
