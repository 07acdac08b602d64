#include "runtime/recovery/worker_order.hpp"

#include <nlohmann/json.hpp>

#include "runtime/base/error.hpp"

namespace troupe::runtime {

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
                        {"spin", order.spin}}
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
            .spin = json.at("spin")};
  } catch (const nlohmann::json::exception&) {
    throw Error("no order of a node was inherited", "troupe worker",
                "use troupe serve, which starts its workers itself");
  }
}

}  // namespace troupe::runtime
