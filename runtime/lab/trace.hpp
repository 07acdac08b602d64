// Who asks for what, and when: requests one by one, in the order of their arrival, so that no simulation holds more of them
// than run. Not thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "runtime/base/service_levels.hpp"
#include "runtime/lab/content.hpp"

namespace troupe::runtime::lab {

// A part of a prompt: the first tokens of a content.
struct Passage {
  ContentId content = 0;
  std::int32_t tokens = 0;
};

// What somebody asks once the turn before is answered: its prompt is all that was said by then, and this.
struct LaterTurn {
  double thinks = 0;  // seconds, from the answer's end to the turn's arrival
  Passage says{};
  std::int32_t output_tokens = 0;
  ContentId answer = 0;
};

struct TraceRequest {
  double arrives = 0;  // seconds from the trace's begin
  std::vector<Passage> prompt{};
  std::int32_t output_tokens = 0;
  ContentId answer = 0;  // what it will be answered
  std::uint64_t caller = 0;
  std::int32_t priority = 0;
  ServiceLevels slo{};
  std::vector<LaterTurn> later{};  // of the conversation that it begins or goes on with, the last one first

  std::int64_t prompt_tokens() const {
    std::int64_t sum = 0;
    for (const Passage& each : prompt) sum += each.tokens;
    return sum;
  }

  // What follows its answer, which ended then; there must be something later.
  TraceRequest next_turn(double ended) && {
    const LaterTurn turn = later.back();
    later.pop_back();
    prompt.push_back({answer, output_tokens});
    prompt.push_back(turn.says);
    arrives = ended + turn.thinks;
    output_tokens = turn.output_tokens;
    answer = turn.answer;
    return std::move(*this);
  }
};

class Trace {
 public:
  virtual ~Trace() = default;
  // None: there are no more. Each has at least one token of prompt and of output. Throws Error, which names the line, for
  // a file that is not what it should be.
  virtual std::optional<TraceRequest> next() = 0;
  // Whether requests say which tokens they share. Where none does, a prefix cache finds nothing.
  virtual bool shares_prefixes() const { return false; }
};

constexpr std::int32_t most_trace_tokens = 1 << 24;  // of a prompt, or of an answer

// The first requests of a trace, so many at most, at so many times the speed, and from the start again, behind the last one's
// arrival, so often in all. A conversation's turns stand behind its first one, and think no faster. open: opens the trace once
// more.
class TraceWindow final : public Trace {
 public:
  using Open = std::function<std::unique_ptr<Trace>()>;
  TraceWindow(Open open, std::uint64_t requests, double speed, std::uint64_t rounds = 1)
      : open_(std::move(open)), trace_(open_()), left_(requests), speed_(speed), rounds_(rounds) {}

  std::optional<TraceRequest> next() override {
    if (left_ == 0) return std::nullopt;
    auto request = trace_->next();
    if (!request && --rounds_ > 0) {
      begins_ = last_;
      trace_ = open_();
      request = trace_->next();
    }
    if (!request) {
      left_ = 0;
      return std::nullopt;
    }
    --left_;
    auto& later = request->later;
    if (later.size() > left_) later.erase(later.begin(), later.end() - std::ptrdiff_t(left_));
    left_ -= later.size();
    last_ = begins_ + request->arrives / speed_;
    request->arrives = last_;
    return request;
  }
  bool shares_prefixes() const override { return trace_->shares_prefixes(); }

 private:
  Open open_;
  std::unique_ptr<Trace> trace_;
  std::uint64_t left_;
  double speed_;
  std::uint64_t rounds_;
  double begins_ = 0, last_ = 0;
};

}  // namespace troupe::runtime::lab
