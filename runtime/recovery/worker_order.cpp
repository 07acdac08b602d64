#include "runtime/recovery/worker_order.hpp"

#include <nlohmann/json.hpp>

#include "runtime/base/error.hpp"

namespace troupe::runtime {

std::string to_text(const WorkerOrder& order) {
  return nlohmann::json{{"rank", order.life.rank},      {"incarnation", order.life.incarnation},
                        {"host", order.host},           {"port", order.port},
                        {"threads", order.threads},     {"network", order.network},
                        {"log_level", order.log_level}, {"hang_limit_ns", order.hang_limit.count()}}
      .dump();
}

WorkerOrder worker_order(const std::string& text) {
  try {
    const auto json = nlohmann::json::parse(text);
    return {.life = {json.at("rank"), json.at("incarnation")},
            .host = json.at("host"),
            .port = json.at("port"),
            .threads = json.at("threads"),
            .network = json.at("network"),
            .log_level = json.at("log_level"),
            .hang_limit = Duration(json.at("hang_limit_ns").get<Duration::rep>())};
  } catch (const nlohmann::json::exception&) {
    throw Error("no order of a node was inherited", "troupe worker",
                "use troupe serve, which starts its workers itself");
  }
}

}  // namespace troupe::runtime
