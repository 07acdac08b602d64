#include "tests/recovery/simulation.hpp"

#include "runtime/lab/content.hpp"

#include "tests/recovery/head.hpp"

namespace troupe::simulation {
namespace {

constexpr Duration longest_rest = seconds(300);  // from the last fault until all is well

class Life {
 public:
  explicit Life(std::uint64_t seed) : world_(seed), random_(world_.random) {
    if (const std::uint64_t drawn = runtime::lab::mixed(seed); drawn % 4 == 0)
      world_.killer = 1 + (drawn >> 8) % 2;
    draw_replica();
    head_.emplace(world_, std::array{"decode_first", "fcfs", "priority"}[std::size_t(random_.below(3))]);
  }

  Outcome live() {
    Outcome outcome;
    try {
      head_->begin();
      for (std::int32_t place = 0; place < world_.nodes; ++place) add_node(place == 0 ? 0 : -1);
      plan_requests();
      plan_faults(outcome.faults);
      for (; !at_rest(); ++outcome.mails) {
        expect(world_.mail.now() < last_fault_ + longest_rest,
               "it neither serves nor has given up: " + describe());
        expect(world_.mail.deliver_next(), "nothing happens any more");
      }
      head_->check_at_rest();
    } catch (const Broken& broken) {
      outcome.broken = broken.what();
    }
    outcome.gave_up = head_->gave_up();
    outcome.epochs = head_->membership().epoch();
    for (const auto& rank : head_->membership().view().ranks) outcome.restarts += rank.restarts;
    for (const Request& request : head_->requests()) {
      outcome.tokens += request.output.tokens.size();
      (request.submission.sequence == world_.killer ? outcome.guilty : outcome.innocent) +=
          request.quarantined;
    }
    outcome.had_killer = world_.killer > 0;
    return outcome;
  }

 private:
  void draw_replica() {
    world_.tensor_parallel = 1 << random_.below(3);
    world_.data_parallel = world_.tensor_parallel == 4 ? 1 : 1 << random_.below(2);
    world_.nodes = world_.ranks() > 1 && random_.one_in(2) ? 2 : 1;
    world_.limits.block_size = 4;
    world_.limits.max_model_len = 64;
    world_.limits.max_num_seqs = random_.between(1, 6);
    world_.limits.max_num_batched_tokens = random_.between(6, 40);
    world_.limits.prefix_caching = !random_.one_in(4);
    world_.limits.max_steps_in_flight = random_.one_in(4) ? 1 : 2;
    world_.limits.speculation = {DraftMethod::mtp, random_.between(0, 3), random_.one_in(2)};
    world_.blocks = random_.between(16, 40);
    world_.peers_notice = random_.one_in(2);
    world_.links.disturbed = random_.one_in(2) ? random_.between(20, 200) : 0;
  }

  void add_node(std::int32_t place) {
    Node& node = nodes_.emplace_back(world_, *head_, *head_, place);
    world_.mail.after(random_.between(microseconds(0), milliseconds(50)), [&node] { node.connect(); });
  }

  void plan_requests() {
    const std::int32_t count = random_.between(2, 8);
    const std::int32_t shared = random_.below(20);  // tokens that their prompts begin with
    for (std::int32_t i = 1; i <= count; ++i) {
      runtime::Submission submission;
      submission.sequence = submission.arrival = SequenceId(i);
      for (std::int32_t t = 0; t < shared; ++t) submission.tokens.push_back(t % 7);
      for (std::int32_t t = random_.between(1, 12); t > 0; --t)
        submission.tokens.push_back(random_.below(50));
      submission.prompt_tokens = std::int32_t(submission.tokens.size());
      if (submission.sequence == world_.killer) world_.killing_row = submission.prompt_tokens - 1;
      submission.max_output_tokens = random_.between(1, 30);
      submission.sampling.seed = random_.draw();
      submission.priority = random_.below(3);
      if (random_.one_in(3)) submission.stop_ids = {random_.below(50)};
      const std::int32_t stops_after = random_.one_in(4) ? random_.between(1, 10) : 0;
      at_some_time([this, submission, stops_after] {
        head_->request(submission, stops_after);
        Request& request = head_->requests().back();
        if (random_.one_in(8)) at_some_time([this, &request] { head_->cancel(request); });
        if (!random_.one_in(4)) return;
        at_some_time([this, &request] {
          head_->pause(request);
          world_.mail.after(random_.between(milliseconds(1), seconds(1)),
                            [this, &request] { head_->resume(request); });
        });
      });
    }
  }
  void at_some_time(Mail::Deliver what) {
    world_.mail.after(random_.between(microseconds(0), milliseconds(1500)), std::move(what));
  }

  // Some strike while the one before is being mended.
  void plan_faults(int& count) {
    count = random_.between(0, 7);
    TimePoint at = world_.mail.now();
    for (int i = 0; i < count; ++i) {
      at += random_.one_in(2) ? random_.between(microseconds(0), milliseconds(30))
                              : random_.between(milliseconds(1), milliseconds(700));
      world_.mail.at(at, [this] { strike(); });
    }
    last_fault_ = at + seconds(4);  // when the last one is over by itself
  }

  Node* some_node() {
    Node& node = nodes_[std::size_t(random_.below(std::int32_t(nodes_.size())))];
    return node.is_dead() ? nullptr : &node;
  }
  Process* some_process() {
    const std::int32_t rank = random_.below(world_.ranks());
    for (Node& node : nodes_)
      if (Process* process = node.is_dead() ? nullptr : node.process(rank)) return process;
    return nullptr;
  }

  void strike() {
    switch (random_.below(16)) {
      case 0:
      case 1:
        if (Process* process = some_process()) process->quit();
        break;
      case 2:
        if (Process* process = some_process()) process->stop();  // until it is killed for it
        break;
      case 3:  // slow, but no hang
        if (Process* process = some_process()) {
          process->stop();
          world_.mail.after(random_.between(milliseconds(1), hang_limit - 2 * node_tick),
                            [process] { process->resume(); });
        }
        break;
      case 4:
      case 5:
        if (Process* process = some_process(); process && process->link) world_.links.cut(*process->link);
        break;
      case 6:  // whoever waits for it finds it out, so there must be somebody
        if (Process* process = some_process(); process && world_.ranks() > 1 && !world_.loses_step)
          world_.loses_step = process;
        break;
      case 7:
        head_->crash_scheduler();
        break;
      case 8:
        head_->crash_blocks(GroupId(random_.below(world_.data_parallel)));
        break;
      case 9:
        if (Node* node = some_node(); node && world_.nodes > 1 && node->link())
          world_.links.cut(*node->link());
        break;
      case 10:  // the first node lives with the head
        if (Node* node = some_node(); node && node != &nodes_.front()) {
          node->cut_network();
          world_.mail.after(random_.between(milliseconds(1), seconds(3)), [node] { node->mend_network(); });
        }
        break;
      case 11:
        if (Node* node = some_node(); node && node != &nodes_.front()) {
          node->die();
          world_.mail.after(random_.between(milliseconds(1), seconds(3)), [this] { add_node(-1); });
        }
        break;
      case 12:
        world_.cannot_meet_until = world_.mail.now() + random_.between(milliseconds(1), seconds(1));
        break;
      case 13:
        if (random_.one_in(2))
          world_.no_room_until = world_.mail.now() + random_.between(milliseconds(1), seconds(1));
        head_->place({random_.below(4), {random_.below(world_.ranks())}});
        break;
      case 14:
        world_.crashes_at_start = random_.between(1, 7);
        if (Process* process = some_process()) process->quit();
        break;
      case 15:
        if (head_->membership().has_served())
          world_.cannot_load_until = world_.mail.now() + random_.between(milliseconds(1), milliseconds(300));
        if (Process* process = some_process()) process->quit();
        break;
    }
  }

  bool at_rest() const {
    if (world_.mail.now() < last_fault_ || !head_->all_over()) return false;
    if (!head_->gave_up().empty()) return true;
    if (head_->membership().state() != runtime::ReplicaState::serving) {
      serves_since_ = {};
      return false;
    }
    // What is still under way may end it once more; and a slow rank's last step may be under way.
    if (serves_since_ == TimePoint{}) serves_since_ = world_.mail.now();
    return world_.mail.now() - serves_since_ > (head_->settled() ? milliseconds(1200) : seconds(10));
  }

  std::string describe() const {
    std::string text = to_string(head_->membership().state());
    for (const auto& rank : head_->membership().view().ranks)
      text += ", rank " + std::to_string(rank.rank) + " " + to_string(rank.state);
    for (const Request& request : head_->requests())
      text += request.over ? ""
                           : (request.paused ? ", paused" : "") + std::string(", request ") +
                                 std::to_string(request.submission.sequence) + " waits";
    for (const Node& node : nodes_)
      for (int r = 0; r < world_.ranks(); ++r)
        if (const Process* p = node.is_dead() ? nullptr : node.process(r))
          text += ", p" + std::to_string(r) + (p->stopped ? " stopped" : "") +
                  (p->serving ? " serving " : " not serving ") + std::to_string(p->epoch) + "/" +
                  std::to_string(p->last_step) + " " + to_string(p->activity);
    return text + " epoch " + std::to_string(head_->membership().epoch()) + " dp " +
           std::to_string(world_.data_parallel);
  }

  World world_;
  Random& random_;
  std::optional<Head> head_;
  std::deque<Node> nodes_;
  TimePoint last_fault_{};
  mutable TimePoint serves_since_{};
};

}  // namespace

Outcome simulate(std::uint64_t seed) {
  return Life(seed).live();
}

}  // namespace troupe::simulation
