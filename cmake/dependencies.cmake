# Libraries that the program is built from. What is missing is named with the package that has it.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(hwy REQUIRED)
find_package(prometheus-cpp REQUIRED COMPONENTS core)
find_package(OpenSSL REQUIRED)
find_package(Boost 1.74 REQUIRED)
find_package(Gloo REQUIRED)
find_package(ICU REQUIRED COMPONENTS uc)
find_package(GTest REQUIRED)
find_package(rapidcheck REQUIRED)

pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
add_library(PCRE2::8 ALIAS PkgConfig::PCRE2)

# Debian ships no CMake config for CAF.
find_path(CAF_INCLUDE caf/all.hpp REQUIRED)
find_library(CAF_CORE caf_core REQUIRED)
add_library(CAF::core UNKNOWN IMPORTED)
set_target_properties(CAF::core PROPERTIES IMPORTED_LOCATION ${CAF_CORE} INTERFACE_INCLUDE_DIRECTORIES ${CAF_INCLUDE})
