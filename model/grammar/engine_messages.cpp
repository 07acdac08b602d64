#include "model/grammar/engine_messages.hpp"

#include <support/logging.h>

#include <utility>

namespace troupe::model {
namespace {

thread_local EngineWarnings* innermost = nullptr;

}  // namespace

EngineWarnings::EngineWarnings() : outer_(std::exchange(innermost, this)) {}

EngineWarnings::~EngineWarnings() {
  innermost = outer_;
}

// Nobody listens where a matcher runs: what it would say there, it says by its return values too.
static void hear(const std::string& message) {
  if (innermost) innermost->add(message);
}

}  // namespace troupe::model

// The engine's own hooks (XGRAMMAR_LOG_CUSTOMIZE). They leave out the file and line that its messages begin with.
namespace xgrammar {

void LogFatalImpl(const std::string&, int, const std::string& message) {
  throw std::runtime_error(message);
}

void LogMessageImpl(const std::string&, int, int level, const std::string& message) {
  if (level == XGRAMMAR_LOG_LEVEL_WARNING) troupe::model::hear(message);
}

}  // namespace xgrammar
