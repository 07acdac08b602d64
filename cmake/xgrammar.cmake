# xgrammar's C++ core, which holds answers to a grammar. Its source is a package of PyPI: pip brings what xgrammar.txt
# names and checks its hash, once for all presets; xgrammar.patch says what is changed in it.
file(STRINGS ${CMAKE_CURRENT_LIST_DIR}/xgrammar.txt pinned)
string(REGEX MATCH "==([0-9.]+) " matched "${pinned}")
set(version ${CMAKE_MATCH_1})
file(MD5 ${CMAKE_CURRENT_LIST_DIR}/xgrammar.patch changes)
string(SUBSTRING ${changes} 0 8 changes)
set(XGRAMMAR_SOURCE ${PROJECT_SOURCE_DIR}/build/xgrammar-${version}-${changes})
if(NOT EXISTS ${XGRAMMAR_SOURCE})
  find_package(Python3 REQUIRED COMPONENTS Interpreter)
  find_program(PATCH patch REQUIRED)
  message(STATUS "Fetching xgrammar ${version}")
  set(folder ${CMAKE_CURRENT_BINARY_DIR}/xgrammar)
  execute_process(COMMAND ${Python3_EXECUTABLE} -m pip download -q --no-deps --no-binary xgrammar -d ${folder}
                          --require-hashes -r ${CMAKE_CURRENT_LIST_DIR}/xgrammar.txt
                  RESULT_VARIABLE result ERROR_VARIABLE complaints)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "pip could not fetch xgrammar's source (Debian's python3-pip has pip):\n${complaints}")
  endif()
  file(ARCHIVE_EXTRACT INPUT ${folder}/xgrammar-${version}.tar.gz DESTINATION ${folder})
  execute_process(COMMAND ${PATCH} -p1 -i ${CMAKE_CURRENT_LIST_DIR}/xgrammar.patch WORKING_DIRECTORY ${folder}/xgrammar-${version}
                  COMMAND_ERROR_IS_FATAL ANY OUTPUT_QUIET)
  file(RENAME ${folder}/xgrammar-${version} ${XGRAMMAR_SOURCE})  # at once: it is there whole or not at all
endif()

# Not its own CMakeLists: that adds link-time optimisation, which lld cannot link, and warnings of its compilers.
file(GLOB sources ${XGRAMMAR_SOURCE}/cpp/*.cc ${XGRAMMAR_SOURCE}/cpp/converter_ext/*.cc ${XGRAMMAR_SOURCE}/cpp/support/*.cc)
add_library(xgrammar STATIC ${sources})
target_include_directories(xgrammar SYSTEM PUBLIC ${XGRAMMAR_SOURCE}/include ${XGRAMMAR_SOURCE}/cpp
                                                  ${XGRAMMAR_SOURCE}/3rdparty/picojson ${XGRAMMAR_SOURCE}/3rdparty/dlpack/include)
target_compile_features(xgrammar PUBLIC cxx_std_17)
set_target_properties(xgrammar PROPERTIES CXX_STANDARD 17 UNITY_BUILD OFF)
target_compile_options(xgrammar PRIVATE -w -include ${PROJECT_SOURCE_DIR}/model/grammar/engine_deadline.hpp)
if(TROUPE_SANITIZE)
  target_compile_options(xgrammar PRIVATE -fno-sanitize=all)  # our own code is what is examined
endif()
# What it has to say goes to model/grammar/engine_messages.cpp and not to the error stream.
target_compile_definitions(xgrammar PUBLIC XGRAMMAR_LOG_CUSTOMIZE=1 XGRAMMAR_ENABLE_CPPTRACE=0 XGRAMMAR_ENABLE_INTERNAL_CHECK=0)
