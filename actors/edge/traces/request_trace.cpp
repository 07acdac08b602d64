#include "actors/edge/traces/request_trace.hpp"

namespace troupe::actors::edge {
namespace {

using runtime::ChoiceTimes;

class Spans {
 public:
  Spans(const RequestTrace& request, TimePoint now, std::chrono::system_clock::time_point wall)
      : request_(request), now_(now), wall_(wall) {}

  void add_edge() {
    const RequestTrace& r = request_;
    Span span = made(r.context.span_id, r.context.parent_id, r.method + " " + r.route, r.began, r.ended);
    span.kind = Span::Kind::server;
    span.state = r.context.state;
    span.failed = r.status >= 500 || r.end == "failed";
    std::int64_t prompt = 0, output = 0;
    for (const ChoiceTimes& each : r.choices) prompt += each.prompt_tokens, output += each.output_tokens;
    span.attributes = {{"http.request.method", r.method},
                       {"http.route", r.route},
                       {"http.response.status_code", std::int64_t(r.status)},
                       {"gen_ai.request.model", r.model},
                       {"troupe.request_id", r.request_id},
                       {"troupe.end", r.end}};
    if (!r.generation_id.empty()) span.attributes.emplace_back("gen_ai.response.id", r.generation_id);
    if (!r.choices.empty()) {
      span.attributes.emplace_back("gen_ai.usage.input_tokens", prompt);
      span.attributes.emplace_back("gen_ai.usage.output_tokens", output);
    }
    spans_.push_back(std::move(span));
  }

  void add_choice(const ChoiceTimes& times) {
    const std::int64_t choice = times.choice;
    const TimePoint seated = times.arrived + times.queue, first = seated + times.prefill;
    add_part("queue", times.arrived, seated, choice);
    add_part("prefill", seated, first, choice)
        .attributes.emplace_back("troupe.prompt_tokens", times.prompt_tokens);
    Span& decode = add_part("decode", first, first + times.decode, choice);
    decode.attributes.emplace_back("troupe.output_tokens", times.output_tokens);
    const std::string decode_id = decode.span_id;
    for (const ChoiceTimes::Replay& each : times.replays)
      add_part("replay", each.lost, each.back, choice).links.push_back(decode_id);
  }

  std::vector<Span> take() { return std::move(spans_); }

 private:
  std::chrono::system_clock::time_point wall_at(TimePoint time) const {
    return wall_ - std::chrono::duration_cast<std::chrono::system_clock::duration>(now_ - time);
  }
  Span made(std::string id, std::string parent, std::string name, TimePoint begin, TimePoint end) const {
    Span span;
    span.trace_id = request_.context.trace_id;
    span.span_id = std::move(id);
    span.parent_id = std::move(parent);
    span.name = std::move(name);
    span.begin = wall_at(begin);
    span.end = wall_at(end);
    return span;
  }
  Span& add_part(const char* name, TimePoint begin, TimePoint end, std::int64_t choice) {
    spans_.push_back(made(random_span_id(), request_.context.span_id, name, begin, end));
    spans_.back().attributes.emplace_back("troupe.choice", choice);
    return spans_.back();
  }

  const RequestTrace& request_;
  const TimePoint now_;
  const std::chrono::system_clock::time_point wall_;
  std::vector<Span> spans_;
};

}  // namespace

std::vector<Span> spans_of(const RequestTrace& request, TimePoint now,
                           std::chrono::system_clock::time_point wall) {
  Spans spans(request, now, wall);
  spans.add_edge();
  for (const ChoiceTimes& each : request.choices) spans.add_choice(each);
  return spans.take();
}

}  // namespace troupe::actors::edge
