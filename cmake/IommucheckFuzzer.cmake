# SPDX-License-Identifier: MIT
# iommucheck_add_fuzzer(NAME driver.c ... [INCLUDES folder ...]): the driver as a plug-in that guides
# a fuzzer (clang), and targets
#   NAME       the plug-in, ${CMAKE_BINARY_DIR}/fuzzers/NAME.so
#   fuzz_NAME  builds both and fuzzes for IOMMUCHECK_FUZZ_SECONDS (60); corpus and findings beside it
# For projects that have this tree as a subdirectory, and for those that find_package(iommucheck) where the fuzzer was
# installed with it. By hand it is one line, docs/ci.md.
set(IOMMUCHECK_FUZZ_SECONDS 60 CACHE STRING "Seconds that a target fuzz_NAME runs")

function(iommucheck_add_fuzzer name)
  cmake_parse_arguments(PARSE_ARGV 1 its "" "" "INCLUDES")
  if(TARGET fuzz_driver)
    set(fuzzer fuzz_driver)
  elseif(TARGET iommucheck::fuzz_driver)
    set(fuzzer iommucheck::fuzz_driver)
  else()
    message(FATAL_ERROR "iommucheck_add_fuzzer(${name}): there is no fuzz_driver, which clang builds, without sanitizers")
  endif()
  foreach(language C CXX)
    if(CMAKE_${language}_COMPILER AND NOT CMAKE_${language}_COMPILER_ID MATCHES "Clang")
      message(FATAL_ERROR "iommucheck_add_fuzzer(${name}): only clang's -fsanitize=fuzzer-no-link guides; "
                          "CMAKE_${language}_COMPILER is ${CMAKE_${language}_COMPILER}")
    endif()
  endforeach()
  set(place "${CMAKE_BINARY_DIR}/fuzzers")
  add_library(${name} MODULE EXCLUDE_FROM_ALL ${its_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE iommucheck::iommucheck_driver)
  target_include_directories(${name} PRIVATE ${its_INCLUDES})
  target_compile_options(${name} PRIVATE -g -fsanitize=fuzzer-no-link)
  set_target_properties(${name} PROPERTIES PREFIX "" LIBRARY_OUTPUT_DIRECTORY "${place}")
  add_custom_target(fuzz_${name}
    COMMAND "${CMAKE_COMMAND}" -E make_directory "${place}/${name}-corpus"
    COMMAND ${fuzzer} "--driver=$<TARGET_FILE:${name}>" "${place}/${name}-corpus"
      "-artifact_prefix=${place}/${name}-" "-max_total_time=${IOMMUCHECK_FUZZ_SECONDS}" -print_final_stats=1
    DEPENDS ${name} USES_TERMINAL VERBATIM)
  if(fuzzer STREQUAL "fuzz_driver")
    add_dependencies(fuzz_${name} fuzz_driver)
  endif()
endfunction()
