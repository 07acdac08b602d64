# Every source file is formatted as .clang-format says.
file(GLOB_RECURSE sources ${SOURCE_DIR}/actors/*.[ch]pp ${SOURCE_DIR}/runtime/*.[ch]pp ${SOURCE_DIR}/model/*.[ch]pp
     ${SOURCE_DIR}/kernels/*.[ch]pp ${SOURCE_DIR}/transport/*.[ch]pp ${SOURCE_DIR}/config/*.[ch]pp
     ${SOURCE_DIR}/launch/*.[ch]pp ${SOURCE_DIR}/tests/*.[ch]pp ${SOURCE_DIR}/bench/*.[ch]pp
     ${SOURCE_DIR}/kernels/*.cu ${SOURCE_DIR}/tests/*.cu)
execute_process(COMMAND ${CLANG_FORMAT} --dry-run -Werror ${sources} RESULT_VARIABLE result ERROR_VARIABLE complaints)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "Run clang-format -i on these:\n${complaints}")
endif()
