#include "tests/recovery/node.hpp"

namespace troupe::simulation {
namespace {

constexpr Duration between_attempts = milliseconds(50), after_refusal = milliseconds(200);

}  // namespace

Node::Node(World& world, HeadDoor& head, NodeDoor& supervisor, std::int32_t place)
    : world_(world), head_(head), supervisor_(supervisor), place_(place) {
  world_.mail.after(world_.random.between(microseconds(0), node_tick), [this] { watch(); });
}

void Node::connect() {
  if (dead_ || link_) return;
  if (!network_up_) return world_.mail.after(between_attempts, [this] { connect(); });
  auto opened = std::make_shared<LinkId>();
  const auto again = [this, opened] {
    if (link_ != *opened) return;
    link_.reset();
    world_.mail.after(between_attempts, [this] { connect(); });
  };
  *opened = world_.links.open([this, opened] { supervisor_.link_lost(*opened); }, again);
  link_ = *opened;
  runtime::NodeArrived news{place_, {}, "one"};
  for (const auto& [rank, process] : by_rank_) news.workers.push_back(process->life);
  world_.links.send(*link_, End::head, [this, opened, news, again] {
    const runtime::NodeWelcome welcome = supervisor_.arrived(*opened, *this, news);
    world_.links.send(*opened, End::host, [this, opened, welcome, again] {
      if (welcome.node >= 0) place_ = welcome.node;
      if (welcome.node < 0 &&
          link_ == *opened) {  // one that is not wanted ends, and somebody starts it again
        link_.reset();
        place_ = -1;
        while (!by_rank_.empty()) exits(*by_rank_.begin()->second, "refused");
        world_.mail.after(after_refusal, [this] { connect(); });
      }
    });
  });
}

void Node::start(runtime::WorkerLife life) {
  if (dead_) return;
  if (Process* before = process(life.rank)) {
    if (before->life.incarnation >= life.incarnation) return;  // told twice
    exits(*before, "a new life ends it");
  }
  Process& made = processes_.emplace_back(world_, head_, life);
  by_rank_[life.rank] = &made;
  made.quit = [this, &made] { exits(made, "told to end"); };
  made.network_up = network_up_;
  made.moved = world_.mail.now();
  if (world_.crashes_at_start > 0) {
    --world_.crashes_at_start;
    world_.mail.after(milliseconds(2), [this, &made] { exits(made, "crashed at its start"); });
  }
  world_.mail.after(world_.random.between(microseconds(100), milliseconds(10)), [&made] { made.connect(); });
}

void Node::kill(runtime::WorkerLife life) {
  Process* found = process(life.rank);
  if (found && found->life == life) exits(*found, "signal 9 (Killed)");
}

void Node::exits(Process& process, const char* how) {
  if (process.ended) return;
  const runtime::WorkerSeen last = process.seen();
  process.end();
  if (const auto found = by_rank_.find(process.life.rank);
      found != by_rank_.end() && found->second == &process)
    by_rank_.erase(found);  // who asks now who lives does not find it
  world_.mail.after(world_.random.between(microseconds(100), milliseconds(8)), [this, last, how] {
    if (dead_) return;
    tell(runtime::WorkerExited{last, how});
  });
}

void Node::die() {
  dead_ = true;
  for (const auto& [rank, process] : by_rank_) process->end();
  by_rank_.clear();
  if (link_) world_.links.cut(*link_);
}

void Node::cut_network() {
  network_up_ = false;
  if (link_) world_.links.cut(*link_);
  for (const auto& [rank, process] : by_rank_) {
    process->network_up = false;
    if (process->link) world_.links.cut(*process->link);
    if (process->activity == Activity::collective && world_.peers_notice) process->leave("a peer left");
  }
}

void Node::mend_network() {
  network_up_ = true;
  for (const auto& [rank, process] : by_rank_) process->network_up = true;
}

void Node::watch() {
  if (dead_) return;
  runtime::NodeTicks ticks;
  for (const auto& [rank, process] : by_rank_) {
    ticks.workers.push_back(process->seen());
    if (!process->stopped) {
      hung_[rank] = {};
      continue;
    }
    const Duration for_so_long = world_.mail.now() - process->stopped_at;
    if (for_so_long - hung_[rank] < hang_limit) continue;
    hung_[rank] = for_so_long;
    tell(runtime::WorkerHangs{process->seen(), runtime::Hang::stopped});
  }
  tell(ticks);
  world_.mail.after(node_tick, [this] { watch(); });
}

}  // namespace troupe::simulation
