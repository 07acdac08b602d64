#include "config/devices.hpp"

namespace troupe::config {

std::vector<std::string>& devices() {
  static std::vector<std::string> names{"cpu", "cuda"};
  return names;
}

}  // namespace troupe::config
