// A simulated worker process: what actors/worker and actors/compute do, with the toy model behind it.
#pragma once

#include <deque>
#include <optional>

#include "runtime/lab/soak/toy_executor.hpp"
#include "tests/recovery/world.hpp"

namespace troupe::simulation {

// What a process says to the head, over its link.
struct HeadDoor {
  virtual ~HeadDoor() = default;
  virtual void arrived(LinkId link, Process& from, const runtime::WorkerArrived& news) = 0;
  virtual void told(const runtime::ModelLoaded& news) = 0;
  virtual void told(const runtime::LoadFailed& news) = 0;
  virtual void told(const runtime::Joined& news) = 0;
  virtual void told(const runtime::JoinFailed& news) = 0;
  virtual void told(const runtime::StepFailed& news) = 0;
  virtual void result(std::uint64_t scheduler, const runtime::StepResult& result) = 0;
  virtual void link_lost(LinkId link) = 0;
};

struct Process {
  Process(World& where, HeadDoor& to, runtime::WorkerLife which)
      : world(where),
        head(to),
        life(which),
        group(GroupId(which.rank / where.tensor_parallel)),
        kv(where.blocks, where.limits.block_size, group, where.limits.speculation.tokens, /*forces=*/true) {}

  // From its node.
  void connect();  // until it succeeds
  void end();      // as its node has seen
  void stop();     // SIGSTOP
  void resume();
  std::function<void()> quit;  // of its own will: its node sees it exit
  runtime::WorkerSeen seen() const;

  // From the head.
  void load();
  void join(Epoch wanted);
  void abort(Epoch before);
  void run(std::shared_ptr<const runtime::StepPlan> wanted, std::uint64_t scheduler_life);

  // Whatever comes to a stopped process waits.
  void take(Mail::Deliver deliver);
  void met();
  void finish_step();
  void leave(const char* why);  // what it waits in
  bool is_killed_by(const runtime::StepPlan& wanted);

  World& world;
  HeadDoor& head;
  const runtime::WorkerLife life;
  const GroupId group;
  bool network_up = true, ended = false, stopped = false;
  std::vector<Mail::Deliver> held;
  std::optional<LinkId> link;
  TimePoint moved{}, stopped_at{};
  Duration frozen{};  // of the silence: it was stopped

  bool loaded = false;
  Epoch epoch = 0;  // that it joins or serves
  bool aborted = false, serving = false;
  Activity activity = Activity::idle;
  StepId last_step = 0;
  std::shared_ptr<const runtime::StepPlan> plan;              // of the collective that it waits in
  std::deque<std::shared_ptr<const runtime::StepPlan>> next;  // that came before it was through with that
  std::uint64_t scheduler = 0;                                // whose plans they are
  std::int32_t rows_of_killer = 0;                            // that it was told to compute, of its sequence
  runtime::lab::ToyExecutor kv;

 private:
  template <class News>
  void tell(const News& news) {
    if (link) world.links.send(*link, End::head, [this, news] { head.told(news); });
  }
  void enter(Activity what) {
    activity = what;
    moved = world.mail.now();
  }
};

}  // namespace troupe::simulation
