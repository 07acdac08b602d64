#include "actors/request_supervisor.hpp"

#include <algorithm>

#include "runtime/base/log.hpp"

namespace troupe::actors {
namespace {

using Self = RequestSupervisorHandle::stateful_pointer<RequestSupervisorState>;

// An alarm that is set keeps its actor in memory, also once that has left.
constexpr std::chrono::seconds longest_alarm{1};

// For the first deadline, or to look again.
void set_alarm(Self self) {
  auto& state = self->state;
  if (state.deadlines.empty()) return;
  const TimePoint now = self->clock().now();
  const TimePoint first = std::clamp<TimePoint>(state.deadlines.begin()->first, now, now + longest_alarm);
  if (state.alarm && *state.alarm <= first) return;
  state.alarm = first;
  self->delayed_send(self, first - now, Due{});
}

void keep_time(Self self, const RequestBorn& born) {
  const TimePoint now = self->clock().now();
  for (const auto& [limit, time] : {std::pair(TimeLimit::request, born.times.request),
                                    {TimeLimit::queue, born.times.queue},
                                    {TimeLimit::first_token, born.times.first_token}})
    if (time.count() > 0)
      self->state.deadlines.emplace(now + time, RequestSupervisorState::Deadline{born.request.id(), limit});
  set_alarm(self);
}

void tell_the_late(Self self) {
  auto& [requests, scheduler, gave_up, deadlines, alarm] = self->state;
  alarm.reset();
  const auto to_come = deadlines.upper_bound(self->clock().now());
  for (auto each = deadlines.begin(); each != to_come; each = deadlines.erase(each)) {
    const auto found = requests.find(each->second.request);
    if (found != requests.end()) self->send(found->second.request, TimeIsUp{each->second.limit});
  }
  set_alarm(self);
}

}  // namespace

RequestSupervisorHandle::behavior_type request_supervisor(Self self, std::shared_ptr<Metrics> metrics) {
  self->set_down_handler([self, metrics = std::move(metrics)](const caf::down_msg& down) {
    auto born = self->state.requests.extract(down.source.id());
    if (!born) return;
    if (!born.mapped().sink->fail({RefusalKind::internal, "The request failed inside the server.", "", ""}))
      return;
    metrics->choice_finished(runtime::ChoiceEnd::error);
    log_event(LogLevel::error, "request_died", {{"error", self->system().render(down.reason)}});
  });
  return {
      [self](const RequestBorn& born) {
        self->state.requests.emplace(born.request.id(), born);
        self->monitor(born.request);
        if (self->state.scheduler) self->send(born.request, *self->state.scheduler);
        if (self->state.gave_up) self->send(born.request, *self->state.gave_up);
        keep_time(self, born);
      },
      [self](const NewScheduler& message) {
        self->state.scheduler = message;
        for (const auto& [id, born] : self->state.requests) self->send(born.request, message);
      },
      [self](const GiveUp& message) {
        self->state.gave_up = message;
        for (const auto& [id, born] : self->state.requests) self->send(born.request, message);
      },
      [self](const Due&) { tell_the_late(self); },
      [self](const End&) {
        for (auto& [id, born] : self->state.requests) {
          born.sink->fail({RefusalKind::unavailable, "The server is shutting down.", "", ""});
          self->send(born.request, CancelRequest{});
          self->send_exit(born.request, caf::exit_reason::user_shutdown);
        }
        self->quit(caf::exit_reason::user_shutdown);
      },
  };
}

}  // namespace troupe::actors
