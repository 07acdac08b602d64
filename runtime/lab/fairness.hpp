// How differently callers were served while each of them had somebody waiting: the largest difference of service between two
// of them over any stretch of such time ("Fairness in Serving Large Language Models", OSDI 2024, definition of fairness).
// Owned by one thread.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

namespace troupe::runtime::lab {

constexpr std::size_t most_compared_callers = 16;  // those that came first

class Fairness {
 public:
  // Weights of tokens of prompts and answers, as policy vtc has them.
  explicit Fairness(double input_weight = 1, double output_weight = 2)
      : input_weight_(input_weight), output_weight_(output_weight) {}

  void waits(std::uint64_t caller);  // one more
  void admitted(std::uint64_t caller,
                std::int32_t prompt_tokens);  // one waits no more, and its prompt counts as served
  void gave_up(std::uint64_t caller);         // one waits no more
  void served(std::uint64_t caller);          // a token of an answer
  void look();                                // a step is over

  double largest_difference() const { return largest_; }  // weighted tokens

 private:
  struct Caller {
    double served = 0;
    std::int64_t waiting = 0;
  };
  struct Stretch {  // in which both have somebody waiting
    bool open = false;
    double least = 0, most = 0;  // of the difference
  };
  Caller* find(std::uint64_t caller);

  double input_weight_, output_weight_, largest_ = 0;
  std::map<std::uint64_t, std::size_t> places_;
  std::vector<Caller> callers_;     // by place
  std::vector<Stretch> stretches_;  // by place * most_compared_callers + place
};

}  // namespace troupe::runtime::lab
