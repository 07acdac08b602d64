// The parts of a step's messages that grow with its sequences, as bytes: what has to be written and read between two steps
// of every rank, so it is packed by hand (packed.hpp).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace troupe::runtime {

struct Extend;
struct SequenceOutput;

std::string packed(const std::vector<Extend>& parts);
std::string packed(const std::vector<SequenceOutput>& outputs);

// Of bytes that are no such list, out becomes empty: then the rows or the outputs are not as many as they must be, for
// which a rank refuses the plan and the scheduler the result.
void unpack(std::string_view bytes, std::vector<Extend>& out);
void unpack(std::string_view bytes, std::vector<SequenceOutput>& out);

}  // namespace troupe::runtime
