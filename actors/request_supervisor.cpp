#include "actors/request_supervisor.hpp"

#include "runtime/base/log.hpp"

namespace troupe::actors {

RequestSupervisorHandle::behavior_type request_supervisor(
    RequestSupervisorHandle::stateful_pointer<RequestSupervisorState> self,
    std::shared_ptr<Metrics> metrics) {
  self->set_down_handler([self, metrics = std::move(metrics)](const caf::down_msg& down) {
    auto born = self->state.requests.extract(down.source);
    if (!born) return;
    if (!born.mapped().sink->fail({RefusalKind::internal, "The request failed inside the server.", "", ""}))
      return;
    metrics->choice_finished(runtime::ChoiceEnd::error);
    log_event(LogLevel::error, "request_died", {{"error", self->system().render(down.reason)}});
  });
  return {
      [self](const RequestBorn& born) {
        self->state.requests.emplace(born.request.address(), born);
        self->monitor(born.request);
        if (self->state.scheduler) self->send(born.request, *self->state.scheduler);
        if (self->state.gave_up) self->send(born.request, *self->state.gave_up);
      },
      [self](const NewScheduler& message) {
        self->state.scheduler = message;
        for (const auto& [address, born] : self->state.requests) self->send(born.request, message);
      },
      [self](const GiveUp& message) {
        self->state.gave_up = message;
        for (const auto& [address, born] : self->state.requests) self->send(born.request, message);
      },
      [self](const End&) {
        for (auto& [address, born] : self->state.requests) {
          born.sink->fail({RefusalKind::unavailable, "The server is shutting down.", "", ""});
          self->send(born.request, CancelRequest{});
          self->send_exit(born.request, caf::exit_reason::user_shutdown);
        }
        self->quit(caf::exit_reason::user_shutdown);
      },
  };
}

}  // namespace troupe::actors
