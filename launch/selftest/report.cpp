#include "launch/selftest/report.hpp"

#include <algorithm>
#include <array>
#include <iomanip>
#include <nlohmann/json.hpp>
#include <sstream>

namespace troupe::launch {
namespace {

using nlohmann::json;

// What a device's links carry in one direction, in bytes per second.
struct Link {
  const char* name;
  double bytes_per_second;
};
constexpr std::array links{
    Link{"NVLink 4 (H100, H200), a GPU", 450e9},  // 900 GB/s in both directions: NVIDIA H100's data sheet
    Link{"NVLink 5 (B200), a GPU", 900e9},        // 1.8 TB/s in both: NVIDIA DGX B200's data sheet
    Link{"InfiniBand NDR, a port", 50e9},         // 400 Gb/s: NVIDIA ConnectX-7's data sheet
    Link{"InfiniBand HDR, a port", 25e9},         // 200 Gb/s
    Link{"100-gigabit Ethernet, all ranks of a host together", 12.5e9},
};

// Facts that have to agree.
constexpr std::array agreed{"build", "device", "gpu", "driver", "cuda", "nccl", "arithmetic"};

double microseconds(Duration time) {
  return std::chrono::duration<double, std::micro>(time).count();
}

// "0-3, 7"
std::string ranges(const std::vector<int>& ranks) {
  std::string text;
  for (std::size_t i = 0; i < ranks.size();) {
    std::size_t last = i;
    while (last + 1 < ranks.size() && ranks[last + 1] == ranks[last] + 1) ++last;
    text += (text.empty() ? "" : ", ") + std::to_string(ranks[i]);
    if (last > i) text += "-" + std::to_string(ranks[last]);
    i = last + 1;
  }
  return text;
}

void tell_times(std::ostream& out, const std::vector<RankReport>& reports) {
  out << std::left << std::setw(12) << "collective" << std::right << std::setw(12) << "bytes" << std::setw(12)
      << "best us" << std::setw(12) << "median us" << std::setw(10) << "GB/s"
      << "\n";
  std::size_t count = reports.front().times.size();
  for (const RankReport& each : reports) count = std::min(count, each.times.size());
  for (std::size_t i = 0; i < count; ++i) {
    const auto slowest = std::ranges::max_element(
        reports, {}, [&](const RankReport& report) { return report.times[i].median; });
    const transport::CollectiveTime& time = slowest->times[i];
    out << std::left << std::setw(12) << to_string(time.which) << std::right << std::setw(12) << time.bytes
        << std::fixed << std::setprecision(1) << std::setw(12) << microseconds(time.best) << std::setw(12)
        << microseconds(time.median) << std::setprecision(2) << std::setw(10) << time.bytes_per_second / 1e9
        << "\n";
  }
  out << "\nbytes: that each rank brings; GB/s: through a rank's link, in each direction, at the slowest rank. What "
         "links carry at most:\n";
  for (const Link& link : links)
    out << "  " << std::fixed << std::setw(7) << std::setprecision(1) << link.bytes_per_second / 1e9 << "  "
        << link.name << "\n";
  out << "A small all_reduce takes 10 to 30 us over NVLink, and about as much again between hosts over InfiniBand.\n";
}

}  // namespace

std::string to_text(const RankReport& report) {
  json times = json::array();
  for (const transport::CollectiveTime& each : report.times)
    times.push_back(
        {int(each.which), each.bytes, each.best.count(), each.median.count(), each.bytes_per_second});
  return json{{"rank", report.rank}, {"error", report.error},       {"facts", report.facts},
              {"times", times},      {"warnings", report.warnings}, {"over_tcp", report.over_tcp}}
      .dump();
}

RankReport rank_report(const std::string& text) {
  try {
    const json object = json::parse(text);
    RankReport report{.rank = object.at("rank"),
                      .error = object.at("error"),
                      .facts = object.at("facts"),
                      .warnings = object.at("warnings"),
                      .over_tcp = object.at("over_tcp")};
    for (const json& each : object.at("times"))
      report.times.push_back({Collective(each.at(0).get<int>()), each.at(1),
                              Duration(each.at(2).get<Duration::rep>()),
                              Duration(each.at(3).get<Duration::rep>()), each.at(4)});
    return report;
  } catch (const json::exception&) {
    throw Error("is no report of a rank", "troupe selftest");
  }
}

std::vector<std::string> differences(const std::vector<RankReport>& reports) {
  std::vector<std::string> all;
  for (const char* fact : agreed) {
    std::map<std::string, std::vector<int>> ranks_by_value;
    for (const RankReport& each : reports)
      if (const auto found = each.facts.find(fact); found != each.facts.end())
        ranks_by_value[found->second].push_back(each.rank);
    if (ranks_by_value.size() < 2) continue;
    std::string text = "ranks differ in " + std::string(fact) + ":";
    for (const auto& [value, ranks] : ranks_by_value)
      text +=
          (text.back() == ':' ? " " : "; ") + (value.empty() ? "none" : value) + " (" + ranges(ranks) + ")";
    all.push_back(std::move(text));
  }
  return all;
}

std::string tell(const std::vector<RankReport>& reports) {
  std::ostringstream out;
  out << reports.size() << (reports.size() == 1 ? " rank" : " ranks");
  for (const auto& [fact, value] : reports.front().facts)
    if (!value.empty()) out << ", " << fact << " " << value;
  out << "\n\n";
  tell_times(out, reports);
  std::map<std::string, std::vector<int>> warnings;
  std::vector<std::string> errors;
  for (const RankReport& each : reports) {
    for (const std::string& warning : each.warnings) warnings[warning].push_back(each.rank);
    if (!each.error.empty()) errors.push_back("rank " + std::to_string(each.rank) + ": " + each.error);
  }
  out << "\n";
  for (const std::string& difference : differences(reports)) out << "warning: " << difference << "\n";
  for (const auto& [warning, ranks] : warnings)
    out << "warning: ranks " << ranges(ranks) << ": " << warning << "\n";
  for (const std::string& error : errors) out << "error: " << error << "\n";
  if (errors.empty()) out << "All bytes are right.\n";
  return out.str();
}

}  // namespace troupe::launch
