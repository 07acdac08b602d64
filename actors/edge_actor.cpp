#include "actors/edge_actor.hpp"

#include "runtime/base/log.hpp"

namespace troupe::actors {

EdgeHandle::behavior_type edge_actor(EdgeHandle::stateful_pointer<EdgeActorState> self,
                                     std::shared_ptr<Metrics> metrics) {
  self->set_down_handler([self, metrics = std::move(metrics)](const caf::down_msg& down) {
    auto born = self->state.requests.extract(down.source);
    if (!born) return;
    if (!born.mapped().sink->fail({RefusalKind::internal, "The request failed inside the server.", "", ""}))
      return;
    metrics->choice_finished("error");
    log_event(LogLevel::error, "request_died", {{"error", self->system().render(down.reason)}});
  });
  return {
      [self](const RequestHandle& request, const std::shared_ptr<TerminalOnce>& sink) {
        self->state.requests.emplace(request.address(), EdgeActorState::Born{request, sink});
        self->monitor(request);
        if (self->state.scheduler) self->send(request, self->state.scheduler);
        if (self->state.gave_up) self->send(request, *self->state.gave_up);
      },
      [self](const SchedulerHandle& scheduler) {
        self->state.scheduler = scheduler;
        for (const auto& [address, born] : self->state.requests) self->send(born.request, scheduler);
      },
      [self](const GiveUp& message) {
        self->state.gave_up = message;
        for (const auto& [address, born] : self->state.requests) self->send(born.request, message);
      },
      [self](caf::ok_atom) {
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
