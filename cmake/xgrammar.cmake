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

# Built once, with one set of options, for all presets: a third of what a sanitized build would compile, and it is our own
# code that is examined there.
set(XGRAMMAR_BUILT ${XGRAMMAR_SOURCE}-built)
include(ExternalProject)
ExternalProject_Add(xgrammar_build SOURCE_DIR ${CMAKE_CURRENT_LIST_DIR}/xgrammar BINARY_DIR ${XGRAMMAR_BUILT} CMAKE_GENERATOR Ninja
                    CMAKE_ARGS -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER=${CMAKE_CXX_COMPILER} "-DCMAKE_CXX_COMPILER_LAUNCHER=$<$<BOOL:${CCACHE}>:${CCACHE}>"
                               -DXGRAMMAR_SOURCE=${XGRAMMAR_SOURCE} -DTROUPE_SOURCE=${PROJECT_SOURCE_DIR}
                    BUILD_ALWAYS ON INSTALL_COMMAND "" BUILD_BYPRODUCTS ${XGRAMMAR_BUILT}/libxgrammar.a)
add_library(xgrammar STATIC IMPORTED GLOBAL)
add_dependencies(xgrammar xgrammar_build)
set_target_properties(xgrammar PROPERTIES IMPORTED_LOCATION ${XGRAMMAR_BUILT}/libxgrammar.a)
include(${CMAKE_CURRENT_LIST_DIR}/xgrammar/interface.cmake)
xgrammar_interface(xgrammar INTERFACE)
