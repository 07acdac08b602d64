# The kernels for NVIDIA GPUs: each .cu file of a folder becomes an image with code for every architecture, and the
# images lie in the program. The driver loads them, so nothing of CUDA is linked, and one program serves on machines
# with and without a GPU. The rest of kernels/cuda is plain C++ that every machine builds.
set(TROUPE_CUDA AUTO CACHE STRING "Kernels for NVIDIA GPUs: AUTO (built where nvcc is), ON or OFF")
set_property(CACHE TROUPE_CUDA PROPERTY STRINGS AUTO ON OFF)
# Ampere, Ada, Hopper, Blackwell; for newer ones the driver compiles the first one's intermediate code.
set(TROUPE_CUDA_ARCHITECTURES 80 86 89 90 100 120 CACHE STRING "GPUs that kernels are compiled for: compute capability times ten")
find_program(NVCC nvcc HINTS ENV CUDA_HOME ENV CUDA_PATH PATHS /usr/local/cuda/bin)
if(TROUPE_CUDA STREQUAL ON AND NOT NVCC)
  message(FATAL_ERROR "TROUPE_CUDA is ON and nvcc was not found: launch/packages.txt names what has it, or set CUDA_HOME")
endif()

# As the CPU's kernels: no contraction, and IEEE's division, square root and subnormal numbers (nvcc's defaults, said).
set(nvcc_flags -std=c++20 -O3 -fmad=false -ftz=false -prec-div=true -prec-sqrt=true --expt-relaxed-constexpr
               -Werror=all-warnings -I${PROJECT_SOURCE_DIR})
# Everything a thread has is in registers.
list(APPEND nvcc_flags -Xptxas=-warn-spills,-warn-lmem-usage,-Werror)
# One intermediate code, that of the oldest, is made to machine code for each: the compiler's long first half runs once.
list(GET TROUPE_CUDA_ARCHITECTURES 0 oldest)
list(TRANSFORM TROUPE_CUDA_ARCHITECTURES PREPEND sm_ OUTPUT_VARIABLE codes)
list(JOIN codes "," codes)
list(APPEND nvcc_flags "-gencode=arch=compute_${oldest},code=[${codes},compute_${oldest}]")

# troupe_kernel_images(TARGET FOLDER): the folder's kernels lie in the target, which tells of them in images.hpp's way.
function(troupe_kernel_images target folder)
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*.cu)
  set(built ${CMAKE_CURRENT_BINARY_DIR}/${folder})
  file(MAKE_DIRECTORY ${built})
  set(assembly "")
  set(table "")
  set(images)
  set(architectures "")
  if(NVCC AND NOT TROUPE_CUDA STREQUAL OFF)
    foreach(source IN LISTS sources)
      get_filename_component(subject ${source} NAME_WE)
      set(image ${built}/${subject}.fatbin)
      add_custom_command(OUTPUT ${image} DEPENDS ${source} DEPFILE ${image}.d VERBATIM
                         COMMAND ${NVCC} ${nvcc_flags} -MD -MF ${image}.d -MT ${image} -fatbin ${source} -o ${image}
                         COMMENT "Compiling ${folder}/${subject}.cu")
      string(APPEND assembly "asm(\".section .rodata\\n.balign 64\\ntroupe_image_${subject}: .incbin \\\"${image}\\\"\\n.previous\");\n"
                             "extern \"C\" const char troupe_image_${subject}[];\n")
      string(APPEND table "    {\"${subject}\", troupe_image_${subject}},\n")
      list(APPEND images ${image})
    endforeach()
    list(JOIN TROUPE_CUDA_ARCHITECTURES ", " architectures)
    message(STATUS "Kernels for NVIDIA GPUs: sm_${architectures}, by ${NVCC}")
  else()
    message(STATUS "No kernels for NVIDIA GPUs")
  endif()
  configure_file(${PROJECT_SOURCE_DIR}/cmake/images.cpp.in ${built}/images.cpp @ONLY)
  set_source_files_properties(${built}/images.cpp PROPERTIES OBJECT_DEPENDS "${images}")
  target_sources(${target} PRIVATE ${built}/images.cpp)
endfunction()
