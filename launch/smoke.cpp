#include <algorithm>
#include <cstdio>
#include <iostream>
#include <map>

#include "config/settings.hpp"
#include "launch/asked_server.hpp"
#include "launch/server_url.hpp"
#include "launch/smoke/checks.hpp"
#include "launch/stop_signals.hpp"

namespace troupe::launch {
namespace {

using smoke::Verdict;

constexpr int exit_of_poor_content = 3;

constexpr config::Page page{
    .command = "smoke",
    .summary = "checks that a server serves",
    .description =
        "Asks a server what 17 * 23 is, at temperature 0.6 and top_p 0.95, and looks whether it is healthy, answers, streams the "
        "same bytes, calls a tool and counts what it did: a line for each check. It works with any server of OpenAI's API.\n\n"
        "Checks of form say whether the server does what its API says: health, models, answer, stream, tools, metrics; with "
        "--deep also concurrency, cancellation and limits. Checks of content say whether the model makes sense: arithmetic, "
        "repetition, reasoning, arguments. A small model may be poor at these while all is well with the server.",
    .examples =
        "$ troupe smoke http://127.0.0.1:8000\n"
        "$ TROUPE_API_KEY=secret troupe smoke --deep http://node-a:8000\n"
        "$ troupe smoke --only health http://127.0.0.1:8000",
    .exit_status =
        "0 all is well; 1 a check of form failed, or nobody answers; 2 wrong flag, variable or URL; 3 the form is right, "
        "and a check of content failed."};

struct Options {
  std::string url;
  smoke::Plan plan;
  std::chrono::milliseconds patience{60'000};
};

config::Table options_table(Options& o) {
  return {
      server_url_setting(o.url),
      {.name = "deep",
       .target = &o.plan.deep,
       .help =
           "Also ask several things at once, leave in the middle of an answer, and ask for what cannot be had."},
      {.name = "only",
       .target = &o.plan.only,
       .argument = "CHECK",
       .help = "Run this check alone; may be given several times.",
       .unset = "all",
       .choices = smoke::check_names()},
      {.name = "model",
       .target = &o.plan.model,
       .argument = "NAME",
       .help = "As the server calls it.",
       .unset = "the first of the server's /v1/models"},
      server_timeout_setting(o.patience, "For an answer to arrive, and for what follows from it."),
  };
}

const char* word_for(Verdict verdict) {
  switch (verdict) {
    case Verdict::passed:
      return "ok";
    case Verdict::failed:
      return "FAILED";
    case Verdict::poor:
      return "poor";
    case Verdict::left_out:
      return "-";
  }
  return "";
}

void print(const smoke::CheckResult& result) {
  char line[64];
  std::snprintf(line, sizeof line, "%-8s%-14s%6.2f s  ", word_for(result.outcome.verdict),
                std::string(result.check).c_str(), milliseconds(result.took) / 1e3);
  std::cout << line << result.outcome.detail << std::endl;
}

}  // namespace

int smoke_test(const Arguments& arguments) {
  config::Settings settings;
  Options options;
  if (!read_with_key(page, options_table(options), settings, arguments)) return 0;
  expect_peers_to_leave();
  load::Asker asker(parse_api_url(options.url), key_headers(settings), options.patience);
  std::map<Verdict, int> count;
  const bool answered = smoke::run_checks(asker, options.plan, [&](const smoke::CheckResult& result) {
    ++count[result.outcome.verdict];
    print(result);
  });
  if (!answered || count[Verdict::failed] > 0) return 1;
  return count[Verdict::poor] > 0 ? exit_of_poor_content : 0;
}

}  // namespace troupe::launch
