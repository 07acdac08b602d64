#include "kernels/ops.hpp"

#include "runtime/base/error.hpp"

namespace troupe::kernels {

std::shared_ptr<void> Ops::adopt(FileDescriptor, std::size_t) {
  throw Error("its memory ends with its process", "device");
}

}  // namespace troupe::kernels
