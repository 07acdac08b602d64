# The kernels with their mutants in them, and the program that looks whether the kernels' tests notice each.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
set(mutants ${CMAKE_CURRENT_SOURCE_DIR}/kernels/cuda/mutants)
set(mutated ${CMAKE_CURRENT_BINARY_DIR}/mutants)
file(GLOB written RELATIVE ${PROJECT_SOURCE_DIR} CONFIGURE_DEPENDS
     ${PROJECT_SOURCE_DIR}/kernels/cuda/*.cu ${PROJECT_SOURCE_DIR}/kernels/cuda/exp.hpp ${PROJECT_SOURCE_DIR}/kernels/cuda/product_tile.hpp
     ${PROJECT_SOURCE_DIR}/kernels/cuda/scores.hpp)
list(TRANSFORM written PREPEND ${PROJECT_SOURCE_DIR}/ OUTPUT_VARIABLE from)
list(TRANSFORM written PREPEND ${mutated}/ OUTPUT_VARIABLE to)
add_custom_command(OUTPUT ${to} ${mutated}/mutants.inc DEPENDS ${from} ${mutants}/mutate.py VERBATIM
                   COMMAND ${Python3_EXECUTABLE} ${mutants}/mutate.py ${PROJECT_SOURCE_DIR} ${mutated} ${written}
                   COMMENT "Writing the kernels' mutants")

add_library(mutant_kernels OBJECT ${to})
target_include_directories(mutant_kernels BEFORE PRIVATE ${mutated})
target_link_libraries(mutant_kernels PUBLIC troupe_kernels)
list(FILTER to INCLUDE REGEX "\\.cu$")
set_source_files_properties(${to} PROPERTIES LANGUAGE CXX COMPILE_OPTIONS "${kernel_words};-include;${mutants}/mutant_words.hpp")

add_executable(kernel_mutants ${mutants}/main.cpp ${mutated}/mutants.inc $<TARGET_OBJECTS:tests_kernels> $<TARGET_OBJECTS:tests_kernels_cuda>
               $<TARGET_OBJECTS:emulated_machine> $<TARGET_OBJECTS:mutant_kernels>)
target_include_directories(kernel_mutants PRIVATE ${mutated})
target_link_libraries(kernel_mutants PRIVATE mirrored_ops GTest::gtest GTest::gmock rapidcheck)
add_test(NAME kernels_cuda.mutants COMMAND kernel_mutants)
set_tests_properties(kernels_cuda.mutants PROPERTIES TIMEOUT 300 RUN_SERIAL TRUE ENVIRONMENT "RC_PARAMS=seed=1 noshrink=1")
