#include "actors/edge/replica_pages.hpp"

#include <algorithm>
#include <array>

#include "actors/edge/request_fields.hpp"

namespace troupe::actors::edge {
namespace {

constexpr std::int64_t most_ranks = 1024;  // as the settings permit

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

Json device_object(const DeviceFault& fault) {
  const bool failed = fault.kind != DeviceFaultKind::none;
  if (!failed && fault.kernels.empty()) return {};  // it was at nothing
  return {{"error", failed ? Json(to_string(fault.kind)) : Json()}, {"kernels", fault.kernels}};
}

Json fault_object(const runtime::FaultView& fault) {
  const Tick& last = fault.last;
  return {{"rank", or_null(fault.rank)},
          {"kind", to_string(fault.kind)},
          {"step", last.step},
          {"layer", last.layer < 0 ? Json() : Json(last.layer)},
          {"collective", last.collective == Collective::none ? Json() : Json(to_string(last.collective))},
          {"device", device_object(last.device)},
          {"detected_ms", milliseconds(fault.detected)},
          {"recovered_ms", fault.recovered ? Json(milliseconds(*fault.recovered)) : Json()}};
}

Json or_null(const std::optional<runtime::FaultView>& fault) {
  return fault ? fault_object(*fault) : Json();
}

Json rank_object(const runtime::RankView& rank) {
  return {{"rank", rank.rank},
          {"node", rank.node},
          {"pid", rank.pid},
          {"state", to_string(rank.state)},
          {"step", rank.step},
          {"restarts", rank.restarts},
          {"loaded_bytes", rank.loaded_bytes},
          {"last_fault", or_null(rank.last_fault)}};
}

struct DrillName {
  std::string_view name;
  Drill::Kind kind;
};
constexpr std::array drill_names{
    DrillName{"crash_worker", Drill::Kind::crash_worker},
    DrillName{"crash_scheduler", Drill::Kind::crash_scheduler},
    DrillName{"crash_block_manager", Drill::Kind::crash_block_manager},
    DrillName{"crash_expert_shard", Drill::Kind::crash_expert_shard},
    DrillName{"stuck_kernel", Drill::Kind::stuck_kernel},
    DrillName{"lost_step", Drill::Kind::lost_step},
    DrillName{"device_error", Drill::Kind::device_error},
    DrillName{"corrupt_message", Drill::Kind::corrupt_message},
};

std::string drill_choices() {
  std::string text = "Expected one of";
  const char* separator = " ";
  for (const DrillName& each : drill_names) {
    text.append(separator).append("'").append(each.name).append("'");
    separator = ", ";
  }
  return text + ".";
}

Expected<Drill> read_drill(const Json& body, const config::RequestLimits& limits) {
  RequestFields fields(body);
  Drill drill;
  const auto kind = fields.text("kind", limits.name_bytes);
  if (!kind) fields.missing("kind");
  const auto known = std::ranges::find_if(drill_names, [&](const auto& each) { return each.name == kind; });
  if (known != drill_names.end())
    drill.kind = known->kind;
  else
    fields.invalid("kind", drill_choices());
  drill.rank = std::int32_t(fields.integer("rank", 0, most_ranks - 1).value_or(0));
  drill.group = GroupId(fields.integer("group", 0, most_ranks - 1).value_or(0));
  if (fields.refusal()) return tl::unexpected(*fields.refusal());
  return drill;
}

struct Placement {
  std::int32_t expert = 0;
  std::vector<std::int32_t> ranks;
};

void read_ranks(RequestFields& fields, std::vector<std::int32_t>& ranks) {
  const Json* array = fields.array("ranks", std::size_t(most_ranks));
  if (!array) return fields.missing("ranks");
  if (array->empty()) return fields.invalid("ranks", "An expert needs at least one rank.", "empty_array");
  for (const Json& each : *array) {
    if (!each.is_number_integer()) return fields.wrong_type("ranks", "an array of integers");
    if (!each.is_number_unsigned() || each.get<std::uint64_t>() >= std::uint64_t(most_ranks))
      return fields.invalid("ranks", "Expected ranks from 0 to " + std::to_string(most_ranks - 1) + ".");
    const auto rank = each.get<std::int32_t>();
    if (std::ranges::find(ranks, rank) != ranks.end())
      return fields.invalid("ranks", "Rank " + std::to_string(rank) + " is there twice.");
    ranks.push_back(rank);
  }
}

Expected<Placement> read_placement(const Json& body) {
  RequestFields fields(body);
  Placement placement;
  const auto expert = fields.integer("expert", 0, int32_max);
  if (!expert) fields.missing("expert");
  placement.expert = std::int32_t(expert.value_or(0));
  read_ranks(fields, placement.ranks);
  if (fields.refusal()) return tl::unexpected(*fields.refusal());
  return placement;
}

Reply replica_page(const PageRequest& request) {
  const runtime::ReplicaView view = request.service.replica();
  Json ranks = Json::array();
  for (const runtime::RankView& rank : view.ranks) ranks.push_back(rank_object(rank));
  return json_reply(200, {{"epoch", view.epoch},
                          {"state", to_string(view.state)},
                          {"ranks", std::move(ranks)},
                          {"last_fault", or_null(view.last_fault)}});
}

// 202 {} once the order is given, or why it is not.
Reply answer_order(const Expected<void>& ordered) {
  return ordered ? json_reply(202, Json::object()) : refusal_reply(ordered.error());
}

Reply drill_page(const PageRequest& request) {
  return answer_order(
      parse_body(request.body, request.settings.request)
          .and_then([&](const Json& body) { return read_drill(body, request.settings.request); })
          .and_then([&](const Drill& drill) { return request.service.drill(drill); }));
}

Reply placement_page(const PageRequest& request) {
  return answer_order(parse_body(request.body, request.settings.request)
                          .and_then([](const Json& body) { return read_placement(body); })
                          .and_then([&](const Placement& placement) {
                            return request.service.place_expert(placement.expert, placement.ranks);
                          }));
}

}  // namespace

std::span<const Endpoint> replica_endpoints() {
  static constexpr std::array table{
      Endpoint{.path = "/v1/replica",
               .key = KeyClass::metrics,
               .watches = true,
               .page = replica_page,
               .about = "The replica's ranks and its last fault."},
      Endpoint{.path = "/v1/replica/drill",
               .allow = post_only,
               .key = KeyClass::control,
               .page = drill_page,
               .about = "A fault, on purpose.",
               .success = 202,
               .replica_control = true},
      Endpoint{.path = "/v1/replica/placement",
               .allow = post_only,
               .key = KeyClass::control,
               .page = placement_page,
               .about = "Which ranks hold an expert.",
               .success = 202,
               .replica_control = true},
  };
  return table;
}

}  // namespace troupe::actors::edge
