# Libraries that the program is built from. What is missing is named with the package that has it.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(cereal REQUIRED)
find_package(hwy REQUIRED)
find_package(prometheus-cpp REQUIRED COMPONENTS core)
find_package(OpenSSL REQUIRED)
find_package(Boost 1.74 REQUIRED)
find_package(ICU REQUIRED COMPONENTS uc)
find_package(GTest REQUIRED)
find_package(rapidcheck REQUIRED)

pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
add_library(PCRE2::8 ALIAS PkgConfig::PCRE2)

pkg_check_modules(LIBEDIT IMPORTED_TARGET libedit)  # without it lines on a terminal are typed, and not edited

set(MPI_CXX_SKIP_MPICXX TRUE)  # the C interface is used
find_package(MPI REQUIRED COMPONENTS CXX)

# Debian ships no CMake config for CAF.
find_path(CAF_INCLUDE caf/all.hpp REQUIRED)
foreach(part core io)
  find_library(CAF_${part} caf_${part} REQUIRED)
  add_library(CAF::${part} UNKNOWN IMPORTED)
  set_target_properties(CAF::${part} PROPERTIES IMPORTED_LOCATION ${CAF_${part}} INTERFACE_INCLUDE_DIRECTORIES ${CAF_INCLUDE})
endforeach()
target_link_libraries(CAF::io INTERFACE CAF::core)
