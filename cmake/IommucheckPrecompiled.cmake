# SPDX-License-Identifier: MIT
# Precompiled headers: the standard library for libraries, and the test frameworks beside it for tests.
# Two, as code for a library and for a program cannot share one. Preset gcc does without: there every
# file has to name what it uses.
option(IOMMUCHECK_PRECOMPILED "Use precompiled headers" ON)

set(iommucheck_standard_headers <algorithm> <array> <bit> <cstddef> <cstdint> <cstring> <deque> <expected>
    <filesystem> <fstream> <functional> <map> <memory> <optional> <ostream> <set> <span> <sstream> <string>
    <string_view> <tuple> <utility> <variant> <vector>)

# iommucheck_use_precompiled(TARGET CARRIER): TARGET is compiled as CARRIER is, and reuses its headers.
function(iommucheck_use_precompiled target carrier)
  if(IOMMUCHECK_PRECOMPILED)
    target_precompile_headers(${target} REUSE_FROM ${carrier})
    # What stands in the headers is known by content: no time, so that ccache knows them again.
    target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:Clang>:SHELL:-Xclang -fno-pch-timestamp>)
  endif()
endfunction()

# iommucheck_precompiled(CARRIER HEADER...): what the others reuse the headers of.
function(iommucheck_precompiled carrier)
  if(IOMMUCHECK_PRECOMPILED)
    target_link_libraries(${carrier} PRIVATE iommucheck_options)
    target_precompile_headers(${carrier} PRIVATE ${ARGN})
    target_compile_options(${carrier} PRIVATE $<$<CXX_COMPILER_ID:Clang>:SHELL:-Xclang -fno-pch-timestamp>)
  endif()
endfunction()
