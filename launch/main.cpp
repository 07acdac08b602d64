#include <cstdio>

#include "config/setting.hpp"
#include "launch/subcommands.hpp"
#include "runtime/base/file_descriptor.hpp"

int main(int count, char** arguments) {
  troupe::allow_most_files();
  try {
    return troupe::launch::run_subcommand({arguments + 1, arguments + count});
  } catch (const troupe::config::UsageError& error) {
    std::fprintf(stderr, "troupe: %s\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "troupe: %s\n", error.what());
    return 1;
  }
}
