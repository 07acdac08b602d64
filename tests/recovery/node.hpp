// A simulated host: its node, which starts, watches and ends worker processes, and the network between it and the head.
#pragma once

#include "tests/recovery/process.hpp"

namespace troupe::simulation {

class Node;

struct NodeDoor {
  virtual ~NodeDoor() = default;
  virtual runtime::NodeWelcome arrived(LinkId link, Node& from, const runtime::NodeArrived& news) = 0;
  virtual void told(const runtime::WorkerExited& news) = 0;
  virtual void told(const runtime::WorkerHangs& news) = 0;
  virtual void told(const runtime::NodeTicks& news) = 0;
  virtual void link_lost(LinkId link) = 0;
};

class Node {
 public:
  // place: -1 if it does not know it.
  Node(World& world, HeadDoor& head, NodeDoor& supervisor, std::int32_t place);

  void connect();
  void die();  // with all its processes, and without a word
  void cut_network();
  void mend_network();
  bool is_dead() const { return dead_; }

  // From the head.
  void start(runtime::WorkerLife life);
  void kill(runtime::WorkerLife life);

  Process* process(std::int32_t rank) const {
    const auto found = by_rank_.find(rank);
    return found == by_rank_.end() ? nullptr : found->second;
  }
  void exits(Process& process, const char* how);
  const std::optional<LinkId>& link() const { return link_; }

 private:
  void watch();
  template <class News>
  void tell(const News& news) {
    if (link_) world_.links.send(*link_, End::head, [this, news] { supervisor_.told(news); });
  }

  World& world_;
  HeadDoor& head_;
  NodeDoor& supervisor_;
  std::int32_t place_;
  bool dead_ = false, network_up_ = true;
  std::optional<LinkId> link_;
  std::map<std::int32_t, Process*> by_rank_;  // that live
  std::map<std::int32_t, Duration> hung_;     // what was told of each
  std::deque<Process> processes_;             // all that ever lived here
};

}  // namespace troupe::simulation
