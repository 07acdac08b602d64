// The head's process of a simulated replica: the membership, the step cycle, the block pools and the requests that serve,
// with mailboxes between them in place of actors.
#pragma once

#include "runtime/scheduling/block_pool.hpp"
#include "runtime/scheduling/step_cycle.hpp"
#include "tests/recovery/node.hpp"

namespace troupe::simulation {

// As actors/request: owns what was produced, and submits it again.
struct Request {
  runtime::Submission original, submission;
  std::int32_t stops_after = 0;  // as if a stop string came; 0: never
  std::uint64_t scheduler = 0;   // that knows it
  bool paused = false, over = false;
  int ends = 0;  // that its client saw
  bool failed = false, cancelled = false, quarantined = false;
  runtime::lab::ToyOutput output;
  Mailbox mailbox;
};

class Head final : public HeadDoor, public NodeDoor {
 public:
  Head(World& world, const std::string& policy);
  void begin();

  // From hosts.
  void arrived(LinkId link, Process& from, const runtime::WorkerArrived& news) override;
  runtime::NodeWelcome arrived(LinkId link, Node& from, const runtime::NodeArrived& news) override;
  void told(const runtime::ModelLoaded& news) override { hear(news); }
  void told(const runtime::LoadFailed& news) override { hear(news); }
  void told(const runtime::Joined& news) override { hear(news); }
  void told(const runtime::JoinFailed& news) override { hear(news); }
  void told(const runtime::StepFailed& news) override { hear(news); }
  void told(const runtime::WorkerExited& news) override { hear(news); }
  void told(const runtime::WorkerHangs& news) override { hear(news); }
  void told(const runtime::NodeTicks& news) override { hear(news); }
  void result(std::uint64_t scheduler, const runtime::StepResult& result) override;
  void link_lost(LinkId link) override;

  // From clients and operators.
  void request(runtime::Submission submission, std::int32_t stops_after);
  void cancel(Request& request);
  void pause(Request& request);
  void resume(Request& request);
  void place(const runtime::PlaceExpert& order) { hear(order); }
  void crash_scheduler();
  void crash_blocks(GroupId group);

  std::deque<Request>& requests() { return requests_; }
  const std::deque<Request>& requests() const { return requests_; }
  bool all_over() const;
  bool settled() const;  // nobody waits for a step or holds a block
  const runtime::Membership& membership() const { return membership_; }
  const std::string& gave_up() const { return gave_up_; }
  // At the end: nothing is held that nobody needs.
  void check_at_rest();

 private:
  // A link, and who is at its other end.
  template <class Far>
  struct Door {
    LinkId link = 0;
    Far* far = nullptr;  // none: there is no link
  };

  struct Scheduler {
    std::uint64_t life = 0;
    std::unique_ptr<runtime::StepCycle> cycle;  // none while it is dead
    std::vector<std::uint64_t> blocks;          // lives, by group, of the epoch that began last
    std::vector<Door<Process>> workers;         // by rank
    std::map<SequenceId, Request*> owners;
    Mailbox mailbox;
  };
  struct Blocks {
    std::uint64_t life = 0;
    std::unique_ptr<runtime::BlockPool> pool;
    Mailbox mailbox;
  };
  template <class Event>
  void hear(const Event& event) {
    obey(membership_.on(event, world_.mail.now()));
  }
  void obey(const runtime::Orders& orders);
  void carry_out(const runtime::StartWorker& order);
  void carry_out(const runtime::KillWorker& order);
  void carry_out(const runtime::Load& order);
  void carry_out(const runtime::Join& order);
  void carry_out(const runtime::AbortEpochs& order);
  void carry_out(const runtime::Dismiss& order);
  void carry_out(const runtime::StopEpoch& order);
  void carry_out(const runtime::VoidBlocks& order);
  void carry_out(const runtime::MakeScheduler& order);
  void carry_out(const runtime::MakeBlocks& order);
  void carry_out(const runtime::Serve& order);
  void carry_out(const runtime::GiveUp& order);
  void carry_out(const runtime::TellFault&) {}
  void carry_out(const runtime::TellRecovery&) {}
  void carry_out(const runtime::TellRestart&) {}
  void carry_out(const runtime::TellStale&) {}
  template <class Deliver>
  void to_worker(const Door<Process>& door, Deliver deliver);
  template <class Deliver>
  void to_node(std::int32_t rank, Deliver deliver);

  void to_scheduler(std::uint64_t life, std::function<void(Scheduler&)> what);
  void to_request(Request& request, Mail::Deliver deliver);
  void carry_out(const runtime::StepCycle::Work& work);
  void ask(const runtime::BlockRequest& request);
  void submit(Request& request, bool again);
  void take_token(Request& request, const runtime::CommittedToken& token);
  void finish(Request& request, bool failed);
  void quarantine(Request& request);
  void pause_in_scheduler(const Request& request);
  void use(Request& request, std::uint64_t scheduler);

  World& world_;
  std::string policy_;
  runtime::Membership membership_;
  Mailbox mailbox_;  // of the supervisor
  Scheduler scheduler_;
  std::vector<Blocks> blocks_;          // by group
  std::vector<Door<Node>> nodes_;       // by place
  std::vector<Door<Process>> workers_;  // by rank
  std::deque<Request> requests_;
  std::uint64_t lives_ = 0;
  std::optional<TimePoint> wakes_at_;
  Epoch last_epoch_ = 0;
  std::string gave_up_;
};

}  // namespace troupe::simulation
