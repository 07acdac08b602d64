#include "actors/edge/scheduler_pages.hpp"

#include <array>

#include "actors/edge/request_fields.hpp"

namespace troupe::actors::edge {
namespace {

constexpr std::size_t most_options = 64;  // of a policy

Json policy_object(const runtime::PolicyInForce& policy) {
  Json options = Json::object();
  for (const auto& [key, value] : policy.options)
    std::visit([&](const auto& each) { options[key] = each; }, value);
  return {{"name", policy.name}, {"options", std::move(options)}};
}

Json shadow_object(const runtime::ScheduleView& view) {
  if (!view.shadow) return {};
  Json object = policy_object(*view.shadow);
  const runtime::ShadowStats& shadow = view.stats.shadow;
  object["steps"] = shadow.steps;
  object["different_steps"] = shadow.different_steps;
  object["different_sequences"] = shadow.different_sequences;
  object["failures"] = shadow.failures;
  return object;
}

Json limits_object(const runtime::SchedulerLimits& limits) {
  return {{"max_num_batched_tokens", limits.max_num_batched_tokens},
          {"max_num_seqs", limits.max_num_seqs},
          {"max_waiting", limits.max_waiting},
          {"max_waiting_tokens", limits.max_waiting_tokens},
          {"max_model_len", limits.max_model_len},
          {"max_steps_in_flight", limits.max_steps_in_flight},
          {"max_step_time_ms", limits.max_step_time.count()},
          {"block_size", limits.block_size}};
}

// used_blocks: those that sequences hold; what is only cached is free.
Json group_object(std::size_t group, const runtime::GroupStats& stats) {
  return {{"group", group},
          {"running", stats.running},
          {"waiting", stats.waiting},
          {"resting", stats.resting},
          {"total_blocks", stats.total_blocks},
          {"used_blocks", stats.total_blocks - stats.free_blocks},
          {"last_step",
           {{"sequences", stats.last_step_sequences},
            {"tokens", stats.last_step_tokens},
            {"token_budget", stats.last_step_budget}}},
          {"preemptions", stats.preemptions},
          {"policy_failures", stats.policy_failures}};
}

Reply scheduler_page(const PageRequest& request) {
  const runtime::ScheduleView view = request.service.schedule();
  Json groups = Json::array();
  for (std::size_t i = 0; i < view.stats.groups.size(); ++i)
    groups.push_back(group_object(i, view.stats.groups[i]));
  return json_reply(200, {{"policy", policy_object(view.policy)},
                          {"shadow_policy", shadow_object(view)},
                          {"steps", view.stats.steps},
                          {"running", view.stats.running},
                          {"waiting", view.stats.waiting},
                          {"limits", limits_object(view.limits)},
                          {"groups", std::move(groups)}});
}

// "KEY=VALUE", as on the command line; what the policy makes of them is its own affair.
void read_options(RequestFields& fields, std::size_t most_bytes, std::vector<std::string>& options) {
  const Json* object = fields.object("options");
  if (!object) return;
  if (object->size() > most_options)
    return fields.invalid("options", "There are more than " + std::to_string(most_options) + " options.");
  for (const auto& [key, value] : object->items()) {
    if (!value.is_number() && !value.is_string())
      return fields.invalid("options", "Each is a number or a string.", "invalid_type");
    const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
    if (key.empty() || key.find('=') != key.npos || key.size() > most_bytes || text.size() > most_bytes)
      return fields.invalid("options", "A name or a value is too long, or no name.");
    options.push_back(key + "=" + text);
  }
}

Expected<runtime::PolicyChoice> read_policy(const Json& body, const config::RequestLimits& limits) {
  RequestFields fields(body);
  runtime::PolicyChoice choice;
  if (const auto name = fields.text("policy", limits.name_bytes))
    choice.name = *name;
  else
    fields.missing("policy");
  read_options(fields, limits.name_bytes, choice.options);
  if (fields.refusal()) return tl::unexpected(*fields.refusal());
  return choice;
}

// 202 {} once the order is given, or why it is not.
Reply policy_page(const PageRequest& request) {
  const auto ordered =
      parse_body(request.body, request.settings.request)
          .and_then([&](const Json& body) { return read_policy(body, request.settings.request); })
          .and_then(
              [&](const runtime::PolicyChoice& choice) { return request.service.change_policy(choice); });
  return ordered ? json_reply(202, Json::object()) : refusal_reply(ordered.error());
}

}  // namespace

std::span<const Endpoint> scheduler_endpoints() {
  static constexpr std::array table{
      Endpoint{.path = "/v1/scheduler",
               .key = KeyClass::metrics,
               .watches = true,
               .page = scheduler_page,
               .about = "Queues, budgets and the policy, by attention group."},
      Endpoint{.path = "/v1/scheduler",
               .allow = put_only,
               .key = KeyClass::control,
               .page = policy_page,
               .about = "Another policy from the next step on.",
               .success = 202,
               .replica_control = true},
  };
  return table;
}

}  // namespace troupe::actors::edge
