#include "runtime/scheduling/step_wire.hpp"

#include "runtime/scheduling/packed.hpp"
#include "runtime/scheduling/step.hpp"

namespace troupe::runtime {
namespace {

template <class T>
std::string written(const std::vector<T>& list) {
  std::string bytes;
  bytes.reserve(16 * list.size() + 8);
  PackedWriter writer(bytes);
  writer(list);
  return bytes;
}

template <class T>
void read_or_clear(std::string_view bytes, std::vector<T>& out) {
  PackedReader reader(bytes);
  reader.read(out);
  if (!reader.ended_well()) out.clear();
}

}  // namespace

std::string packed(const std::vector<Extend>& parts) {
  return written(parts);
}

std::string packed(const std::vector<SequenceOutput>& outputs) {
  return written(outputs);
}

void unpack(std::string_view bytes, std::vector<Extend>& out) {
  read_or_clear(bytes, out);
}

void unpack(std::string_view bytes, std::vector<SequenceOutput>& out) {
  read_or_clear(bytes, out);
}

}  // namespace troupe::runtime
