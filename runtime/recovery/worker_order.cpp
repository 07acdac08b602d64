#include "runtime/recovery/worker_order.hpp"

#include <array>
#include <nlohmann/json.hpp>

#include "runtime/base/error.hpp"

namespace troupe::runtime {
namespace {

// What mpirun sets for the node's process is none of a worker's business.
constexpr std::array launcher_variables{"OMPI_", "PMIX_", "PRTE_", "TROUPE_"};

}  // namespace

std::vector<std::string> environment_of_worker(const Variables& own) {
  std::vector<std::string> names;
  for (const auto& [name, value] : own) names.push_back(name + "=");
  std::vector<const char*> left_out(launcher_variables.begin(), launcher_variables.end());
  for (const std::string& name : names) left_out.push_back(name.c_str());
  std::vector<std::string> all = environment_without(left_out);
  for (std::size_t i = 0; i < own.size(); ++i) all.push_back(names[i] + own[i].second);
  return all;
}

std::string to_text(const WorkerOrder& order) {
  return nlohmann::json{{"rank", order.start.life.rank},
                        {"incarnation", order.start.life.incarnation},
                        {"ranks_of_node", order.start.ranks_of_node},
                        {"hang_limit_ns", order.start.hang_limit.count()},
                        {"host", order.host},
                        {"port", order.port},
                        {"threads", order.threads},
                        {"network", order.network},
                        {"log_level", order.log_level},
                        {"spin", order.spin},
                        {"keep_weights", order.keep_weights},
                        {"held", order.held}}
      .dump();
}

WorkerOrder worker_order(const std::string& text) {
  try {
    const auto json = nlohmann::json::parse(text);
    return {.start = {{json.at("rank"), json.at("incarnation")},
                      json.at("ranks_of_node"),
                      Duration(json.at("hang_limit_ns").get<Duration::rep>())},
            .host = json.at("host"),
            .port = json.at("port"),
            .threads = json.at("threads"),
            .network = json.at("network"),
            .log_level = json.at("log_level"),
            .spin = json.at("spin"),
            .keep_weights = json.at("keep_weights"),
            .held = json.at("held").get<std::vector<HeldPiece>>()};
  } catch (const nlohmann::json::exception&) {
    throw Error("no order of a node was inherited", "troupe worker",
                "use troupe serve, which starts its workers itself");
  }
}

}  // namespace troupe::runtime
