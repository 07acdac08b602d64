#include "launch/doctor/report.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "config/manual.hpp"

namespace troupe::launch::doctor {
namespace {

const char* name_of(Severity severity) {
  switch (severity) {
    case Severity::critical:
      return "critical";
    case Severity::warning:
      return "warning";
    case Severity::note:
      return "note";
  }
  return "";
}

// "evidence  text", wrapped, each line indented.
void tell(std::ostream& out, const char* what, const std::string& text) {
  if (text.empty()) return;
  constexpr std::size_t indent = 14, width = 110;
  std::string lines = config::wrapped(text, indent, width);
  const std::string label = std::string(4, ' ') + what;
  lines.replace(0, label.size(), label);
  out << lines;
  if (!lines.ends_with('\n')) out << '\n';
}

}  // namespace

Findings worst_first(Findings findings) {
  std::ranges::stable_sort(findings, {}, &Finding::severity);
  return findings;
}

std::string text_of(const Findings& findings, const std::string& looked_at) {
  std::ostringstream out;
  for (const Finding& each : findings) {
    out << name_of(each.severity) << ": " << each.subject << ": " << each.symptom << "\n";
    tell(out, "evidence", each.evidence);
    tell(out, "remedy", each.remedy);
    if (!each.entry.empty()) tell(out, "see", "launch/playbook.md#" + each.entry);
    out << "\n";
  }
  out << "Looked at " << looked_at << ":";
  for (const Severity severity : {Severity::critical, Severity::warning, Severity::note})
    out << (severity == Severity::critical ? " " : ", ")
        << std::ranges::count(findings, severity, &Finding::severity) << " "
        << (severity == Severity::critical  ? "critical"
            : severity == Severity::warning ? "warnings"
                                            : "notes");
  out << ".\n";
  return out.str();
}

nlohmann::ordered_json json_of(const Findings& findings) {
  auto all = nlohmann::ordered_json::array();
  for (const Finding& each : findings) {
    all.push_back({{"severity", name_of(each.severity)},
                   {"subject", each.subject},
                   {"symptom", each.symptom},
                   {"evidence", each.evidence},
                   {"remedy", each.remedy}});
    if (!each.entry.empty()) all.back()["playbook"] = each.entry;
  }
  return all;
}

}  // namespace troupe::launch::doctor
