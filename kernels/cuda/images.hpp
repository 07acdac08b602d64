// The kernels that lie in this program: for each .cu file of this folder one image that the driver loads, with code
// for every architecture. None where the program was built without nvcc (TROUPE_CUDA in cmake/cuda.cmake, which
// also writes images.cpp). Any thread.
#pragma once

#include <span>
#include <string_view>

namespace troupe::kernels::cuda {

struct KernelImage {
  const char* subject;  // "norm", of norm.cu
  const void* data;     // as cuModuleLoadData takes it
};

std::span<const KernelImage> kernel_images();
std::string_view kernel_architectures();  // "80, 86, 89"; empty where there are no images

}  // namespace troupe::kernels::cuda
