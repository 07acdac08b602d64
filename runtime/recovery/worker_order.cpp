#include "runtime/recovery/worker_order.hpp"

#include <nlohmann/json.hpp>

#include "runtime/base/error.hpp"

namespace troupe::runtime {

std::string to_text(const WorkerOrder& order) {
  return nlohmann::json{{"rank", order.rank},
                        {"incarnation", order.incarnation},
                        {"host", order.host},
                        {"port", order.port},
                        {"threads", order.threads},
                        {"network", order.network},
                        {"log_level", order.log_level},
                        {"hang_limit_ms", order.hang_limit_ms},
                        {"ranks_of_node", order.ranks_of_node},
                        {"spin", order.spin}}
      .dump();
}

WorkerOrder worker_order(const std::string& text) {
  try {
    const auto json = nlohmann::json::parse(text);
    return {json.at("rank"),          json.at("incarnation"), json.at("host"),      json.at("port"),
            json.at("threads"),       json.at("network"),     json.at("log_level"), json.at("hang_limit_ms"),
            json.at("ranks_of_node"), json.at("spin")};
  } catch (const nlohmann::json::exception&) {
    throw Error("no order of a node was inherited", "troupe worker",
                "use troupe serve, which starts its workers itself");
  }
}

}  // namespace troupe::runtime
