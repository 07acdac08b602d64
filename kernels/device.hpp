// The devices that a rank can compute on, and the way to their operations. Any thread.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

namespace troupe {
struct TickBoard;
}

namespace troupe::kernels {

class Ops;

// device: "cpu", "cuda", or a kind that the program has besides. A rank has one: of several GPUs of a host its process
// sees the one that is its own. threads: of the host, that compute or bring data to the device. ticks: see CpuOps; may be
// null. Throws Error when this machine or this build has no such device. Of a GPU, the calling thread and those that it
// begins later stay on the CPUs near it.
std::unique_ptr<Ops> make_ops(std::string_view device, int threads, TickBoard* ticks = nullptr);

using DeviceFactory = std::function<std::unique_ptr<Ops>(int threads, TickBoard* ticks)>;

// Makes a further kind of device known by its name; before main. Whoever reads --device is told in config/devices.hpp.
void register_device(std::string_view name, DeviceFactory make);

// Drills; ticks: as of ops.
// Lets a kernel fail, as by a fault of its own in the first layer, and throws the DeviceError that this is; the device is
// of no more use in this process. Not for the CPU, of which such a fault is the end.
[[noreturn]] void break_device(Ops& ops, TickBoard* ticks);
// Begins in the first layer what never ends, and waits for it.
[[noreturn]] void hang_device(Ops& ops, TickBoard* ticks);

}  // namespace troupe::kernels
