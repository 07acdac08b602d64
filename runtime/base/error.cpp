#include "runtime/base/error.hpp"

#include <cstdio>
#include <cstdlib>

namespace troupe {
namespace {

std::string sentence(std::string_view what, std::string_view where, std::string_view remedy) {
  std::string text(where);
  if (!text.empty()) text += ": ";
  text += what;
  if (!remedy.empty()) text.append("; ").append(remedy);
  return text;
}

}  // namespace

Error::Error(std::string_view what, std::string_view where, std::string_view remedy)
    : std::runtime_error(sentence(what, where, remedy)) {}

void check_failed(std::string_view condition, std::string_view message, std::source_location at) {
  std::fprintf(stderr, "CHECK failed at %s:%u: %.*s %.*s\n", at.file_name(), at.line(), int(condition.size()),
               condition.data(), int(message.size()), message.data());
  std::abort();
}

}  // namespace troupe
