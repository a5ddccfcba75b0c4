# SPDX-License-Identifier: MIT
# Precompiled headers: of the standard library and fmt, and of the test frameworks; none of this tree, so that a
# change of a header compiles what includes it and no more, and a cached object is right in every clone. Builds from
# nothing (IommucheckUnity.cmake) by clang have those of this tree in them that most files stand on, and what these make
# of templates: a third of the time of such a compile. g++ keeps nothing of templates, and would gain nothing. Compiled
# once for libraries (optimised or quick), for programs and for tests, because code for these cannot share one. Preset
# gcc does without: there every file has to name what it uses.
option(IOMMUCHECK_PRECOMPILED "Use precompiled headers" ON)

set(iommucheck_low_headers <algorithm> <array> <bit> <cstddef> <cstdint> <cstring> <deque> <expected>
    <filesystem> <fstream> <functional> <map> <memory> <optional> <ostream> <set> <span> <sstream> <string>
    <string_view> <tuple> <utility> <variant> <vector>)
set(iommucheck_high_headers ${iommucheck_low_headers} <fmt/format.h>)
set(iommucheck_low_tree "")
set(iommucheck_high_tree "")
if(IOMMUCHECK_UNITY AND IOMMUCHECK_PRECOMPILED AND CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  set(iommucheck_low_tree <spec/smmu/smmu.h>)
  set(iommucheck_high_tree <spec/smmu/smmu.h> <monitor/monitor.h>)
  # Nothing is said of a header that is precompiled: compiled as others are, with warnings.
  list(TRANSFORM iommucheck_high_tree PREPEND "#include " OUTPUT_VARIABLE lines)
  list(JOIN lines "\n" lines)
  set(tree "${CMAKE_BINARY_DIR}/precompiled/tree.cpp")
  file(CONFIGURE OUTPUT "${tree}" CONTENT "${lines}\n" @ONLY)
  add_library(iommucheck_precompiled_tree OBJECT "${tree}")
  target_link_libraries(iommucheck_precompiled_tree PRIVATE iommucheck_options)
endif()
set(iommucheck_test_frameworks <gmock/gmock.h> <gtest/gtest.h> <rapidcheck.h> <rapidcheck/gtest.h>)

set(iommucheck_low base trace spec impl process)

# What stands in the headers is known by content: no time, so that ccache knows the file again.
set(iommucheck_precompiled_flags $<$<CXX_COMPILER_ID:Clang>:SHELL:-Xclang -fno-pch-timestamp>)
# A plain -include, whose path ccache knows how to make relative; clang takes the .pch beside it.
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  set(CMAKE_CXX_COMPILE_OPTIONS_USE_PCH -include <PCH_HEADER>)
  set(CMAKE_CXX_COMPILE_OPTIONS_CREATE_PCH -x c++-header -include <PCH_HEADER>)
endif()

# iommucheck_use_precompiled(TARGET CARRIER): TARGET is compiled as CARRIER is, and reuses its headers.
function(iommucheck_use_precompiled target carrier)
  if(IOMMUCHECK_PRECOMPILED)
    target_precompile_headers(${target} REUSE_FROM ${carrier})
    target_compile_options(${target} PRIVATE ${iommucheck_precompiled_flags})
    # g++ takes them where the same is defined, whoever links what.
    target_compile_definitions(${target} PRIVATE $<TARGET_PROPERTY:fmt::fmt,INTERFACE_COMPILE_DEFINITIONS>)
  endif()
endfunction()

# iommucheck_precompiled(CARRIER HEADER...): what the others reuse the headers of.
function(iommucheck_precompiled carrier)
  if(IOMMUCHECK_PRECOMPILED)
    target_link_libraries(${carrier} PRIVATE iommucheck_options fmt::fmt)
    set_target_properties(${carrier} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/precompiled")
    target_precompile_headers(${carrier} PRIVATE ${ARGN})
    target_compile_options(${carrier} PRIVATE ${iommucheck_precompiled_flags})
  endif()
endfunction()

set(carrier "${CMAKE_CURRENT_LIST_DIR}/precompiled.cpp")
add_library(iommucheck_low_library OBJECT "${carrier}")
iommucheck_precompiled(iommucheck_low_library ${iommucheck_low_headers} ${iommucheck_low_tree})
add_library(iommucheck_high_library OBJECT "${carrier}")
iommucheck_precompiled(iommucheck_high_library ${iommucheck_high_headers} ${iommucheck_high_tree})
add_library(iommucheck_quick_library OBJECT "${carrier}")
target_link_libraries(iommucheck_quick_library PRIVATE iommucheck_test_options)
iommucheck_precompiled(iommucheck_quick_library ${iommucheck_high_headers} ${iommucheck_high_tree})
# For copies of headers of this tree.
add_library(iommucheck_treeless_library OBJECT "${carrier}")
target_link_libraries(iommucheck_treeless_library PRIVATE iommucheck_test_options)
iommucheck_precompiled(iommucheck_treeless_library ${iommucheck_high_headers})
add_executable(iommucheck_high_program "${carrier}")
target_link_libraries(iommucheck_high_program PRIVATE iommucheck_test_options)
iommucheck_precompiled(iommucheck_high_program ${iommucheck_high_headers} ${iommucheck_high_tree})
if(IOMMUCHECK_TESTS)
  foreach(level low high)
    add_executable(iommucheck_${level}_test "${carrier}")
    target_link_libraries(iommucheck_${level}_test PRIVATE iommucheck_test_options GTest::gtest GTest::gmock
                          rapidcheck rapidcheck_gtest)
    iommucheck_precompiled(iommucheck_${level}_test ${iommucheck_${level}_headers} ${iommucheck_test_frameworks}
                          ${iommucheck_${level}_tree})
  endforeach()
endif()
