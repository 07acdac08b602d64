#include "launch/smoke/checks.hpp"

#include <algorithm>
#include <array>

#include "launch/server_answer.hpp"
#include "launch/smoke/content.hpp"
#include "launch/smoke/form_checks.hpp"

namespace troupe::launch::smoke {
namespace {

Outcome check_arithmetic(Session& session) {
  return judge_arithmetic(session.answer());
}

Outcome check_repetition(Session& session) {
  return judge_repetition(session.answer());
}

Outcome check_reasoning(Session& session) {
  const auto thinks = session.capable("thinking");
  if (!thinks.value_or(true)) return left_out("the model does not think");
  return judge_reasoning(session.thoughtful(), thinks);
}

Outcome check_arguments(Session& session) {
  if (!session.capable("tools").value_or(true))
    return left_out("the model's chat template does not print tools");
  return judge_arguments(session.tool_answer());
}

struct Check {
  std::string_view name;
  Outcome (*run)(Session&);
  bool deep = false;
};

constexpr std::array checks{
    Check{"health", check_health},
    Check{"models", check_models},
    Check{"answer", check_answer},
    Check{"arithmetic", check_arithmetic},
    Check{"repetition", check_repetition},
    Check{"reasoning", check_reasoning},
    Check{"stream", check_stream},
    Check{"tools", check_tools},
    Check{"arguments", check_arguments},
    Check{"metrics", check_metrics},
    Check{"concurrency", check_concurrency, true},
    Check{"cancellation", check_cancellation, true},
    Check{"limits", check_limits, true},
};

// Who is named runs, deep or not.
bool is_wanted(const Check& check, const Plan& plan) {
  if (plan.only.empty()) return plan.deep || !check.deep;
  return std::ranges::find(plan.only, check.name) != plan.only.end();
}

Outcome outcome_of(const Check& check, Session& session) {
  try {
    return check.run(session);
  } catch (const NothingToCheck& missing) {
    return left_out(one_line(missing.what()));
  } catch (const Error& error) {
    return failed(one_line(error.what()));
  }
}

}  // namespace

std::vector<std::string> check_names() {
  std::vector<std::string> names;
  for (const Check& each : checks) names.emplace_back(each.name);
  return names;
}

bool run_checks(load::Asker& asker, const Plan& plan, const std::function<void(const CheckResult&)>& tell) {
  try {
    asker.get("/health");
  } catch (const Error& nobody) {
    tell({"health", failed(one_line(nobody.what())), {}});
    return false;
  }
  Session session(asker, plan.model);
  for (const Check& each : checks) {
    if (!is_wanted(each, plan)) continue;
    const TimePoint begun = now();
    Outcome outcome = outcome_of(each, session);
    tell({each.name, std::move(outcome), now() - begun});
  }
  return true;
}

}  // namespace troupe::launch::smoke
