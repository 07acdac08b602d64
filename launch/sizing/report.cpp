#include "launch/sizing/report.hpp"

#include <cstdio>
#include <nlohmann/json.hpp>
#include <sstream>

namespace troupe::launch::sizing {
namespace {

using nlohmann::ordered_json;

// In units that a person reads; those of datasheets.
std::string amount(std::size_t bytes) {
  constexpr std::pair<double, const char*> units[] = {{1e9, "GB"}, {1e6, "MB"}, {1e3, "kB"}};
  char text[32];
  for (const auto& [size, unit] : units)
    if (double(bytes) >= size) {
      std::snprintf(text, sizeof text, "%.2f %s", double(bytes) / size, unit);
      return text;
    }
  return std::to_string(bytes) + " B";
}

std::string count(std::int64_t n, const char* thing) {
  return std::to_string(n) + " " + thing + (n == 1 ? "" : "s");
}

std::string machine(const Gpu& gpu, std::int32_t gpus) {
  const std::int32_t hosts = hosts_of(gpus);
  return std::to_string(gpus) + " x " + std::string(gpu.title) + " in " + count(hosts, "host");
}

std::string percent(double part) {
  char text[16];
  std::snprintf(text, sizeof text, "%.4g%%", 100 * part);
  return text;
}

std::string padded(std::string text, std::size_t width) {
  return std::string(width - std::min(width, text.size()), ' ') + text;
}

std::string line(const std::string& layout, const std::vector<std::string>& cells) {
  std::string text = layout + std::string(18 - std::min<std::size_t>(18, layout.size()), ' ');
  for (const std::string& cell : cells) text += padded(cell, 15);
  return text + "\n";
}

// offloads: with what stays in the host's memory.
std::string heading(bool offloads) {
  std::vector<std::string> cells{"weights/GPU", "workspace/GPU", "cache/GPU", "bytes/token", "sequences"};
  if (offloads) cells.insert(cells.begin() + 1, "on host/GPU");
  return line("layout", cells);
}

std::string line(const Report::Row& row, bool offloads) {
  const Layout& layout = row.layout;
  if (!layout.refusal.empty()) return line(flags_of(layout.plan), {"no: " + layout.refusal});
  std::vector<std::string> cells{amount(layout.memory.weights), amount(layout.memory.workspace),
                                 amount(row.left_for_cache), std::to_string(layout.cache_per_token),
                                 std::to_string(row.sequences)};
  if (offloads) cells.insert(cells.begin() + 1, amount(layout.memory.host_weights));
  return line(flags_of(layout.plan), cells);
}

std::string smallest_of(const Report& report) {
  if (report.smallest.empty())
    return "none: more than " + machine(*report.gpu, most_hosts * gpus_of_host) + ", or of another kind\n";
  std::string text;
  for (const Choice& choice : report.smallest)
    text += (text.empty() ? "" : std::string(16, ' ')) + machine(*choice.gpu, choice.gpus) + ": " +
            flags_of(choice.layout.plan) + ", " + count(choice.sequences, "sequence") + "\n";
  return text;
}

ordered_json json_of(const Layout& layout) {
  return {{"tensor_parallel_size", layout.plan.tensor_parallel},
          {"data_parallel_size", layout.plan.data_parallel},
          {"enable_expert_parallel", layout.plan.expert_parallel}};
}

}  // namespace

Report report_on(const model::Checkpoint& checkpoint, const Deployment& deployment, const Gpu& gpu,
                 std::int32_t hosts) {
  Sizing sizing(checkpoint, deployment);
  Report report{.model = checkpoint.name(),
                .architecture = checkpoint.config().architecture,
                .weight_bytes = checkpoint.total_bytes(deployment.limits.prediction),
                .context = deployment.limits.max_positions,
                .memory_utilization = deployment.memory_utilization,
                .host_weights = deployment.limits.host_weight_bytes,
                .overhead = deployment.overhead,
                .gpu = &gpu};
  std::optional<Choice> least;
  for (const Gpu& kind : known_gpus())
    if (const auto choice = sizing.smallest(kind)) {
      report.smallest.push_back(*choice);
      if (kind.name == gpu.name) least = choice;
    }
  if (hosts == 0) hosts = least ? hosts_of(least->gpus) : most_hosts;
  report.gpus = hosts * gpus_of_host;
  for (const Layout& layout : sizing.layouts(report.gpus))
    report.rows.push_back({layout, sizing.left_for_cache(layout, gpu), sizing.sequences(layout, gpu)});
  return report;
}

std::string text_of(const Report& report) {
  std::ostringstream text;
  text << "model           " << report.model << ", " << report.architecture << "\n"
       << "weights         " << amount(report.weight_bytes) << " as stored: " << report.weight_bytes
       << " bytes\n"
       << "sequences       of " << count(report.context, "token") << "\n"
       << "GPUs            " << machine(*report.gpu, report.gpus) << ", of each "
       << percent(report.memory_utilization) << " of " << amount(report.gpu->memory) << ", less "
       << amount(report.overhead) << " for CUDA, NCCL and graphs\n";
  if (report.host_weights > 0)
    text << "host memory     up to " << amount(report.host_weights) << " of each GPU's weights\n";
  text << "smallest        " << smallest_of(report) << "\n" << heading(report.host_weights > 0);
  for (const Report::Row& row : report.rows) text << line(row, report.host_weights > 0);
  return text.str();
}

ordered_json json_of(const Report& report) {
  ordered_json json{{"model", report.model},
                    {"architecture", report.architecture},
                    {"weight_bytes", report.weight_bytes},
                    {"context", report.context},
                    {"gpu", report.gpu->name},
                    {"gpu_memory_bytes", report.gpu->memory},
                    {"gpu_memory_utilization", report.memory_utilization},
                    {"gpu_overhead_bytes", report.overhead},
                    {"cpu_offload_bytes", report.host_weights},
                    {"nodes", hosts_of(report.gpus)},
                    {"gpus", report.gpus},
                    {"layouts", ordered_json::array()},
                    {"smallest", ordered_json::array()}};
  for (const Report::Row& row : report.rows) {
    ordered_json layout = json_of(row.layout);
    if (!row.layout.refusal.empty()) {
      layout["refusal"] = row.layout.refusal;
    } else {
      layout["weight_bytes"] = row.layout.memory.weights;
      layout["host_weight_bytes"] = row.layout.memory.host_weights;
      layout["workspace_bytes"] = row.layout.memory.workspace;
      layout["kv_cache_bytes"] = row.left_for_cache;
      layout["kv_bytes_per_token"] = row.layout.cache_per_token;
    }
    layout["sequences"] = row.sequences;
    json["layouts"].push_back(std::move(layout));
  }
  for (const Choice& choice : report.smallest) {
    ordered_json least{{"gpu", choice.gpu->name}, {"gpus", choice.gpus}, {"nodes", hosts_of(choice.gpus)}};
    least.update(json_of(choice.layout));
    least["sequences"] = choice.sequences;
    json["smallest"].push_back(std::move(least));
  }
  return json;
}

}  // namespace troupe::launch::sizing
