// What --device chooses from. A program that has further kinds of devices adds their names, and the kinds themselves to
// kernels/device.hpp's, before main; afterwards any thread reads.
#pragma once

#include <string>
#include <vector>

namespace troupe::config {

std::vector<std::string>& devices();

}  // namespace troupe::config
