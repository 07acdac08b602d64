#include "tests/recovery/process.hpp"

namespace troupe::simulation {
namespace {

constexpr Duration between_attempts = milliseconds(50), connect_timeout = seconds(3);

void remove(std::vector<Process*>& all, Process* one) {
  std::erase(all, one);
}

}  // namespace

void Process::take(Mail::Deliver deliver) {
  if (ended) return;
  stopped ? held.push_back(std::move(deliver)) : deliver();
}

void Process::connect() {
  if (ended || link) return;
  if (!network_up || stopped) return world.mail.after(between_attempts, [this] { connect(); });
  // Whichever end hears of its loss first: the other may still count on it.
  auto opened = std::make_shared<LinkId>();
  *opened = world.links.open([this, opened] { head.link_lost(*opened); },
                             [this, opened] {
                               take([this, opened] {
                                 if (link != *opened) return;
                                 link.reset();
                                 world.mail.after(between_attempts, [this] { connect(); });
                               });
                             });
  link = *opened;
  world.links.send(*link, End::head, [this, opened] {
    head.arrived(*opened, *this, {life, pid_t(100 + life.rank)});
  });
}

void Process::end() {
  if (ended) return;
  leave("a peer died");
  ended = true;
  if (link) world.links.cut(*link);
}

void Process::stop() {
  if (ended || stopped) return;
  stopped = true;
  stopped_at = world.mail.now();
}

void Process::resume() {
  if (ended || !stopped) return;
  stopped = false;
  moved = world.mail.now();
  for (auto& each : std::exchange(held, {})) take(std::move(each));
}

runtime::WorkerSeen Process::seen() const {
  const Duration silence = world.mail.now() - moved;
  const bool waits = activity == Activity::collective || activity == Activity::idle;
  Tick tick;
  tick.epoch = epoch;
  tick.step = last_step;
  tick.activity = activity;
  tick.collectives = activity == Activity::collective;
  return {life, pid_t(100 + life.rank), silence, waits && !stopped ? silence : Duration{}, tick};
}

void Process::load() {
  if (activity == Activity::collective || activity == Activity::joining) abort(epoch + 1);
  const auto answer = [this] {
    take([this] {
      if (activity == Activity::loading) enter(Activity::idle);
      if (!loaded && world.mail.now() < world.cannot_load_until)
        return tell(runtime::LoadFailed{life, "the disk is gone"});
      loaded = true;
      tell(runtime::ModelLoaded{life, "toy"});
    });
  };
  if (loaded) return answer();
  enter(Activity::loading);
  world.mail.after(world.random.between(microseconds(100), milliseconds(40)), answer);
}

void Process::join(Epoch wanted) {
  if (!loaded || epoch >= wanted) return;
  abort(wanted);
  epoch = wanted;
  serving = aborted = false;
  last_step = 0;
  using Why = runtime::JoinFailed::Why;
  if (world.mail.now() < world.no_room_until)
    return tell(runtime::JoinFailed{life, wanted, Why::no_experts, "no memory"});
  if (world.mail.now() < world.cannot_meet_until)
    return tell(runtime::JoinFailed{life, wanted, Why::not_met, "nobody can be reached"});
  enter(Activity::joining);
  auto& here = world.meetings[wanted];
  here.push_back(this);
  if (std::int32_t(here.size()) == world.ranks()) {
    // All are there: each notices it in its own time.
    for (Process* each : here)
      world.mail.after(world.random.between(microseconds(50), milliseconds(5)),
                       [each] { each->take([each] { each->met(); }); });
  } else {
    world.mail.after(connect_timeout, [this, wanted] {
      take([this, wanted] {
        if (epoch == wanted && activity == Activity::joining && !serving) leave("a rank is missing");
      });
    });
  }
}

void Process::met() {
  if (activity != Activity::joining || serving || aborted) return;
  const auto& here = world.meetings[epoch];
  if (std::int32_t(here.size()) < world.ranks()) return;  // one has gone again; it hears of that otherwise
  serving = true;
  enter(Activity::idle);
  tell(runtime::Joined{life, epoch});
}

void Process::abort(Epoch before) {
  if (epoch >= before || aborted) return;
  aborted = true;
  leave("the epoch was aborted");
  serving = false;
}

// Out of a meeting or a collective, whose end it does not see.
void Process::leave(const char* why) {
  if (activity == Activity::joining) {
    remove(world.meetings[epoch], this);
    enter(Activity::idle);
    if (!ended) tell(runtime::JoinFailed{life, epoch, runtime::JoinFailed::Why::not_met, why});
  } else if (activity == Activity::collective) {
    auto& here = world.collectives[{epoch, plan->step}];
    remove(here, this);
    // Once all have met in a step's last collective, each has stored what it computed: one of them may tell of it.
    if (world.complete.contains({epoch, plan->step}))
      kv.execute(*plan);
    else
      kv.break_off(*plan);
    plan.reset();
    next.clear();
    serving = false;
    enter(Activity::idle);
    tell(runtime::StepFailed{life, epoch, runtime::StepFailed::Why::peer, why});
    if (!world.peers_notice) return;
    for (Process* peer : here)
      world.mail.after(milliseconds(1), [peer, in = epoch] {
        peer->take([peer, in] {
          if (peer->epoch == in && peer->activity == Activity::collective) peer->leave("a peer left");
        });
      });
  }
}

void Process::run(std::shared_ptr<const runtime::StepPlan> wanted, std::uint64_t scheduler_life) {
  if (!serving || wanted->epoch != epoch || wanted->step <= last_step) return;
  scheduler = scheduler_life;
  if (plan) {
    next.push_back(std::move(wanted));
    return;
  }
  // If all of them lost it, nobody would wait and find it out.
  if (world.loses_step == this && world.lost_step != std::pair(wanted->epoch, wanted->step)) {
    world.loses_step = nullptr;
    world.lost_step = {wanted->epoch, wanted->step};
    return;
  }
  if (wanted->after != last_step) {  // as its table would say
    serving = false;
    next.clear();
    return tell(runtime::StepFailed{life, epoch, runtime::StepFailed::Why::plan, "an unknown step"});
  }
  plan = std::move(wanted);
  last_step = plan->step;
  enter(Activity::collective);
  if (is_killed_by(*plan)) return world.mail.after(milliseconds(1), [this] { take(quit); });
  auto& here = world.collectives[{epoch, plan->step}];
  here.push_back(this);
  if (std::int32_t(here.size()) < world.ranks()) return;
  world.complete.insert({epoch, plan->step});
  for (const Process* each : here)
    expect(each->serving && each->epoch == epoch, "ranks of two epochs in one step");
  for (Process* each : here)
    world.mail.after(world.random.between(milliseconds(1), milliseconds(8)),
                     [each, step = plan->step, in = epoch] {
                       each->take([each, step, in] {
                         if (each->plan && each->epoch == in && each->plan->step == step) each->finish_step();
                       });
                     });
}

// The row is of a prompt, so that no drafts are before it.
bool Process::is_killed_by(const runtime::StepPlan& wanted) {
  for (const runtime::Begin& begin : wanted.begin)
    if (begin.sequence == world.killer) rows_of_killer = begin.computed;
  for (const runtime::Extend& part : wanted.extend) {
    if (part.sequence != world.killer) continue;
    const std::int32_t before = std::exchange(rows_of_killer, rows_of_killer + part.rows);
    return before <= world.killing_row && world.killing_row < before + part.rows;
  }
  return false;
}

void Process::finish_step() {
  const runtime::StepResult result = kv.execute(*plan);
  plan.reset();
  enter(Activity::idle);
  if (life.rank % world.tensor_parallel == 0 && link)
    world.links.send(*link, End::head, [this, result, to = scheduler] { head.result(to, result); });
  while (!plan && !next.empty()) {
    auto following = std::move(next.front());
    next.pop_front();
    run(std::move(following), scheduler);
  }
}

}  // namespace troupe::simulation
