#include "runtime/base/build_id.hpp"

#include "runtime/base/digest.hpp"
#include "runtime/base/file.hpp"

namespace troupe {

const std::string& build_id() {
  constexpr std::size_t max_program_bytes = std::size_t{1} << 30;
  static const std::string id = digest(read_file("/proc/self/exe", max_program_bytes));
  return id;
}

}  // namespace troupe
