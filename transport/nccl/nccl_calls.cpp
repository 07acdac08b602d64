#include "transport/nccl/nccl_calls.hpp"

#include <dlfcn.h>

#include "runtime/base/error.hpp"

namespace troupe::transport {
namespace {

constexpr const char* nccl_library = "libnccl.so.2";
constexpr int least_version = 21800;  // 2.18
constexpr const char* remedy = "install NCCL 2.18 or later, or serve with --gpu-communicator host";

}  // namespace

NcclCalls load_nccl_calls(const std::string& library) {
  // Never closed: its functions stay in the table, and it has threads of its own.
  void* const loaded = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!loaded) throw Error("NCCL is not installed: " + std::string(dlerror()), library, remedy);
  NcclCalls calls;
  const auto find = [&]<class Call>(Call*& call, const char* symbol) {
    call = reinterpret_cast<Call*>(dlsym(loaded, symbol));
    if (!call) throw Error("NCCL has no " + std::string(symbol), library, remedy);
  };
#define TROUPE_FIND_CALL(name, symbol, ...) find(calls.name, #symbol);
  TROUPE_NCCL_CALLS(TROUPE_FIND_CALL)
  TROUPE_NCCL_TEXTS(TROUPE_FIND_CALL)
#undef TROUPE_FIND_CALL
  nccl_version(calls);
  return calls;
}

const NcclCalls& nccl_calls() {
  static const NcclCalls calls = load_nccl_calls(nccl_library);
  return calls;
}

std::string nccl_version(const NcclCalls& calls) {
  int version = 0;
  if (const NcclResult result = calls.version(&version); result != nccl_success)
    throw Error(describe(calls, result), "asking NCCL for its version");
  // Since 2.9 it is major * 10000 + minor * 100 + patch.
  const std::string text = std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
                           std::to_string(version % 100);
  if (version < least_version) throw Error("this is NCCL " + text, "NCCL", remedy);
  return text;
}

std::string describe(const NcclCalls& calls, NcclResult result) {
  const char* const text = calls.error_text(result);
  const char* const last = calls.last_error(nullptr);
  std::string all = "NCCL: ";
  all += text ? text : "error " + std::to_string(result);
  if (last && *last) all += std::string(": ") + last;
  return all;
}

std::string installed_nccl_version() {
  try {
    return nccl_version(nccl_calls());
  } catch (const Error&) {
    return "";
  }
}

}  // namespace troupe::transport
