#include "transport/nccl/nccl_calls.hpp"

#include "tests/error_of.hpp"
#include "tests/kernels/cuda/same_call.hpp"
#include "tests/transport/nccl/emulated/nccl.hpp"

#if __has_include(<nccl.h>)
#include <nccl.h>
#endif

namespace troupe::transport {
namespace {

using testing::HasSubstr;

TEST(NcclCalls, AMissingLibraryIsNamed) {
  const std::string error = error_of([] { load_nccl_calls("libtroupe-no-such-nccl.so.2"); });
  EXPECT_THAT(error, HasSubstr("libtroupe-no-such-nccl.so.2"));
  EXPECT_THAT(error, HasSubstr("--gpu-communicator host"));
}

TEST(NcclCalls, AMissingFunctionIsNamed) {
  EXPECT_THAT(error_of([] { load_nccl_calls("libm.so.6"); }), HasSubstr("NCCL has no ncclGetVersion"));
}

TEST(NcclCalls, SayTheirVersionAndWhenItIsTooOld) {
  const auto said = [](int version) {
    const emulated::Nccl nccl({.version = version});
    std::string text;
    const std::string error = error_of([&] { text = nccl_version(nccl.calls()); });
    return text.empty() ? error : text;
  };
  EXPECT_EQ(said(22809), "2.28.9");
  EXPECT_EQ(said(21800), "2.18.0");
  EXPECT_THAT(said(21705), HasSubstr("this is NCCL 2.17.5"));
  EXPECT_THAT(said(2804), HasSubstr("install NCCL 2.18"));
}

TEST(NcclCalls, AMachineWithoutNcclHasNoVersion) {
  const bool there = error_of([] { nccl_calls(); }) == "no error";
  EXPECT_EQ(installed_nccl_version().empty(), !there);
}

#if __has_include(<nccl.h>)
using kernels::cuda::same_call;

#define TROUPE_COMPARE_CALL(name, symbol, ...) \
  static_assert(same_call<decltype(NcclCalls::name), decltype(&::symbol)>, #symbol);
TROUPE_NCCL_CALLS(TROUPE_COMPARE_CALL)
TROUPE_NCCL_TEXTS(TROUPE_COMPARE_CALL)
#undef TROUPE_COMPARE_CALL

TEST(NcclCalls, NumbersAreThoseOfTheHeader) {
  EXPECT_EQ(nccl_success, int(ncclSuccess));
  EXPECT_EQ(nccl_unhandled_cuda_error, int(ncclUnhandledCudaError));
  EXPECT_EQ(nccl_system_error, int(ncclSystemError));
  EXPECT_EQ(nccl_internal_error, int(ncclInternalError));
  EXPECT_EQ(nccl_invalid_argument, int(ncclInvalidArgument));
  EXPECT_EQ(nccl_invalid_usage, int(ncclInvalidUsage));
  EXPECT_EQ(nccl_remote_error, int(ncclRemoteError));
  EXPECT_EQ(nccl_in_progress, int(ncclInProgress));
  EXPECT_EQ(nccl_bytes, int(ncclInt8));
  EXPECT_EQ(sizeof(NcclUniqueId), std::size_t(NCCL_UNIQUE_ID_BYTES));
}

TEST(NcclCalls, TheConfigurationBeginsAsTheHeadersDoes) {
  const ncclConfig_t theirs = NCCL_CONFIG_INITIALIZER;
  const NcclConfig ours;
  EXPECT_EQ(offsetof(NcclConfig, magic), offsetof(ncclConfig_t, magic));
  EXPECT_EQ(offsetof(NcclConfig, version), offsetof(ncclConfig_t, version));
  EXPECT_EQ(offsetof(NcclConfig, blocking), offsetof(ncclConfig_t, blocking));
  EXPECT_LE(sizeof ours, sizeof theirs);
  EXPECT_EQ(ours.magic, theirs.magic);
  EXPECT_EQ(ours.version, unsigned(NCCL_VERSION(2, 14, 0)));
  EXPECT_EQ(ours.unset, NCCL_CONFIG_UNDEF_INT);
}
#endif

}  // namespace
}  // namespace troupe::transport
