# SPDX-License-Identifier: MIT
# iommucheck_add_fuzzer(NAME driver.c ... [INCLUDES folder ...]): the driver as a plug-in that guides
# a fuzzer (clang), and targets
#   NAME       the plug-in, ${CMAKE_BINARY_DIR}/fuzzers/NAME.so
#   fuzz_NAME  builds both and fuzzes for IOMMUCHECK_FUZZ_SECONDS (60); corpus and findings beside it
# For projects that have this tree as a subdirectory. By hand it is one line, docs/drivers.md.
set(IOMMUCHECK_FUZZ_SECONDS 60 CACHE STRING "Seconds that a target fuzz_NAME runs")

function(iommucheck_add_fuzzer name)
  cmake_parse_arguments(PARSE_ARGV 1 its "" "" "INCLUDES")
  if(NOT TARGET fuzz_driver)
    message(FATAL_ERROR "iommucheck_add_fuzzer(${name}): needs clang and a build without sanitizers")
  endif()
  set(place "${CMAKE_BINARY_DIR}/fuzzers")
  add_library(${name} MODULE EXCLUDE_FROM_ALL ${its_UNPARSED_ARGUMENTS})
  target_include_directories(${name} PRIVATE "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/../include" ${its_INCLUDES})
  target_compile_options(${name} PRIVATE -g -fsanitize=fuzzer-no-link)
  set_target_properties(${name} PROPERTIES PREFIX "" LIBRARY_OUTPUT_DIRECTORY "${place}")
  add_custom_target(fuzz_${name}
    COMMAND "${CMAKE_COMMAND}" -E make_directory "${place}/${name}-corpus"
    COMMAND fuzz_driver "--driver=$<TARGET_FILE:${name}>" "${place}/${name}-corpus"
      "-artifact_prefix=${place}/${name}-" "-max_total_time=${IOMMUCHECK_FUZZ_SECONDS}" -print_final_stats=1
    DEPENDS fuzz_driver ${name} USES_TERMINAL VERBATIM)
endfunction()
