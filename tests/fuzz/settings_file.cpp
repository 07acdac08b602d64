// A settings file, whose values are assigned.
#include "config/settings_file.hpp"
#include "config/settings.hpp"
#include "runtime/base/error.hpp"
#include "tests/fuzz/bytes.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace troupe::config;
  Settings settings, others;
  Table table = schema(settings);
  const Table known = schema(others);
  try {
    for (const Given& each :
         parse_settings_text(table, troupe::fuzz::text_of(data, size), "troupe.toml", known))
      assign(each);
    validate(settings);
  } catch (const troupe::Error&) {
  }
  return 0;
}
