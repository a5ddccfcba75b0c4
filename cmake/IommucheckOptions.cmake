# SPDX-License-Identifier: MIT
# iommucheck_options: language, warnings, include path and sanitizers of every target here.
# iommucheck_fuzzer:  link it, and a target gets libFuzzer's main (where IOMMUCHECK_FUZZERS is ON).
include(CheckLinkerFlag)

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_SCAN_FOR_MODULES OFF)
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
# The same objects go into the command and into plug-ins.
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

set(iommucheck_is_clang FALSE)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  set(iommucheck_is_clang TRUE)
endif()

add_library(iommucheck_options INTERFACE)
target_compile_features(iommucheck_options INTERFACE cxx_std_23)
target_include_directories(iommucheck_options INTERFACE "${PROJECT_SOURCE_DIR}"
                                                        "${PROJECT_SOURCE_DIR}/include")
target_compile_options(iommucheck_options INTERFACE -Wall -Wextra -Wconversion -Wshadow -Werror)

if(iommucheck_is_clang)
  check_linker_flag(CXX -fuse-ld=lld IOMMUCHECK_HAS_LLD)
  if(IOMMUCHECK_HAS_LLD)
    target_link_options(iommucheck_options INTERFACE -fuse-ld=lld)
  endif()
else()
  # Position independent, yet inlined across functions, as clang does by itself.
  target_compile_options(iommucheck_options INTERFACE -fno-semantic-interposition)
  # Of 250 plug-ins of the museum and the tests' programs: a quarter of the time of the default linker.
  check_linker_flag(CXX -fuse-ld=gold IOMMUCHECK_HAS_GOLD)
  if(IOMMUCHECK_HAS_GOLD)
    target_link_options(iommucheck_options INTERFACE -fuse-ld=gold)
  endif()
endif()

if(IOMMUCHECK_SANITIZE AND IOMMUCHECK_TSAN)
  message(FATAL_ERROR "IOMMUCHECK_SANITIZE and IOMMUCHECK_TSAN exclude each other; choose one")
endif()

# The specification recounts its own state behind events: spec/smmu/consistent.cpp.
if(IOMMUCHECK_SANITIZE OR IOMMUCHECK_FUZZ)
  target_compile_definitions(iommucheck_options INTERFACE IOMMUCHECK_CONSISTENT)
endif()

# What tests, the command and the libraries that read and write files are compiled with. In tests the time goes into
# the specification, the driver and the monitor, and half of the time of a build from nothing into optimising what
# calls them: that is left out under sanitizers, and where IOMMUCHECK_QUICK_TESTS says so. In a release, which somebody
# waits for, they are optimised a little.
option(IOMMUCHECK_QUICK_TESTS "Tests, the command and what reads files with little optimisation" ${IOMMUCHECK_SANITIZE})
set(iommucheck_quick capi conform_cases explain fuzz import matrix mutation report scenario scenario_run)
# In which most of the time of all campaigns is spent.
set(iommucheck_hot spec monitor_core impl)
set(iommucheck_cool_options "")  # of what is neither hot nor quick
set(IOMMUCHECK_HOT_OPTIONS "" CACHE STRING "Options for these, which then use no precompiled headers")
add_library(iommucheck_test_options INTERFACE)
if(IOMMUCHECK_QUICK_TESTS AND CMAKE_BUILD_TYPE STREQUAL "Release")
  target_compile_options(iommucheck_test_options INTERFACE -O1 -fno-lto)
elseif(IOMMUCHECK_QUICK_TESTS)
  target_compile_options(iommucheck_test_options INTERFACE -O0)
endif()

# Of an inline function that several objects have, the linker keeps the first it meets. Libraries stand behind the
# objects of a program; where those are not optimised, the libraries would call their own inline functions as the
# program's objects have them, at half the speed. So there they stand in front, those that are optimised before all.
function(iommucheck_link_first program)
  if(NOT IOMMUCHECK_QUICK_TESTS)
    return()
  endif()
  set(optimised ${ARGN})
  list(REMOVE_ITEM optimised ${iommucheck_quick})
  set(libraries ${optimised} ${ARGN})
  list(REMOVE_DUPLICATES libraries)
  set(archives "")
  foreach(library IN LISTS libraries)
    list(APPEND archives "$<$<STREQUAL:$<TARGET_PROPERTY:iommucheck_${library},TYPE>,STATIC_LIBRARY>:$<TARGET_FILE:iommucheck_${library}>>")
  endforeach()
  target_link_options(${program} PRIVATE LINKER:--whole-archive ${archives} LINKER:--no-whole-archive)
endfunction()

set(IOMMUCHECK_FUZZERS OFF)
add_library(iommucheck_fuzzer INTERFACE)
if(IOMMUCHECK_SANITIZE)
  set(sanitizers -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_compile_options(iommucheck_options INTERFACE ${sanitizers})
  target_link_options(iommucheck_options INTERFACE ${sanitizers})
  # A sanitized program has 236,000 words that hold addresses, and tests start the command a thousand times: at a fixed
  # place no start of it writes these anew.
  target_link_options(iommucheck_options INTERFACE $<$<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>:-no-pie>)
  if(iommucheck_is_clang)
    # Frames of functions that returned are not kept: a third of the time of a test, for a mistake that
    # clang-tidy and -Wall know most of. The fuzzing builds look for it.
    if(NOT IOMMUCHECK_FUZZ)
      target_compile_options(iommucheck_options INTERFACE -fsanitize-address-use-after-return=never)
      # What is inlined is watched at each of its places: a fifth of the time of a compile goes into the larger ones.
      set(iommucheck_cool_options "SHELL:-mllvm -inline-threshold=20")
    endif()
    # Undefined behaviour is looked for in what we write, not inside of the standard library and the test
    # frameworks: a fifth of the time of a compile.
    set(sanitizers_ignore "${PROJECT_SOURCE_DIR}/cmake/sanitizers.ignore")
    file(SHA256 "${sanitizers_ignore}" sanitizers_ignore_sum)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${sanitizers_ignore}")
    # ccache takes it for a word like others: as a relative path it is the same in every clone, and what is in it
    # counts by its sum.
    if(CMAKE_GENERATOR STREQUAL "Ninja")
      file(RELATIVE_PATH sanitizers_ignore "${CMAKE_BINARY_DIR}" "${sanitizers_ignore}")
    endif()
    target_compile_options(iommucheck_options INTERFACE "-fsanitize-ignorelist=${sanitizers_ignore}"
                           "-DIOMMUCHECK_SANITIZERS_IGNORE=${sanitizers_ignore_sum}")
  endif()
elseif(IOMMUCHECK_TSAN)
  target_compile_options(iommucheck_options INTERFACE -fsanitize=thread)
  target_link_options(iommucheck_options INTERFACE -fsanitize=thread)
endif()

# Not in the tree of the tests: a comparison that is told to nobody costs time all the same.
if(IOMMUCHECK_FUZZ AND iommucheck_is_clang)
  target_compile_options(iommucheck_options INTERFACE -fsanitize=fuzzer-no-link)
  target_link_options(iommucheck_fuzzer INTERFACE -fsanitize=fuzzer)
  set(IOMMUCHECK_FUZZERS ON)
endif()

# An engine from elsewhere (.clusterfuzzlite/): what it compiles with stands in the compiler's flags already, and its
# compiler may know warnings that ours does not.
if(IOMMUCHECK_FUZZING_ENGINE)
  separate_arguments(engine UNIX_COMMAND "${IOMMUCHECK_FUZZING_ENGINE}")
  target_link_libraries(iommucheck_fuzzer INTERFACE ${engine})
  target_compile_options(iommucheck_options INTERFACE -Wno-error)
  target_compile_definitions(iommucheck_options INTERFACE IOMMUCHECK_CONSISTENT)
  set(IOMMUCHECK_FUZZERS ON)
endif()

if(IOMMUCHECK_LTO AND CMAKE_BUILD_TYPE STREQUAL "Release" AND iommucheck_is_clang
   AND IOMMUCHECK_HAS_LLD AND NOT IOMMUCHECK_SANITIZE AND NOT IOMMUCHECK_TSAN)
  target_compile_options(iommucheck_options INTERFACE -flto=thin)
  # As with ccache, what another clone's link has compiled is this one's, too.
  set(lto_cache "${CMAKE_BINARY_DIR}/lto-cache")
  if(IOMMUCHECK_CCACHE AND DEFINED ENV{HOME})
    set(lto_cache "$ENV{HOME}/.cache/iommucheck/lto")
  endif()
  target_link_options(iommucheck_options INTERFACE -flto=thin "-Wl,--thinlto-cache-dir=${lto_cache}"
                      "-Wl,--thinlto-cache-policy=cache_size_bytes=1g")
endif()

# IOMMUCHECK_PROFILE: what the compiler knows of where the time goes. "write": programs write a profile
# when they run; a .profdata file is used. ./dev build pgo does both, one after the other.
set(IOMMUCHECK_PROFILE "" CACHE STRING "Profile of a release build: empty, write, or a .profdata file")
if(IOMMUCHECK_PROFILE AND NOT iommucheck_is_clang)
  message(FATAL_ERROR "IOMMUCHECK_PROFILE is for clang; with another compiler leave it empty")
elseif(IOMMUCHECK_PROFILE STREQUAL "write")
  set(profile "-fprofile-generate=${CMAKE_BINARY_DIR}/profile")
  target_compile_options(iommucheck_options INTERFACE ${profile})
  target_link_options(iommucheck_options INTERFACE ${profile})
elseif(IOMMUCHECK_PROFILE)
  if(NOT EXISTS "${IOMMUCHECK_PROFILE}")
    message(FATAL_ERROR "IOMMUCHECK_PROFILE: there is no ${IOMMUCHECK_PROFILE}; ./dev build pgo makes one")
  endif()
  # What was not run, or has changed since, is compiled as without.
  target_compile_options(iommucheck_options INTERFACE "-fprofile-use=${IOMMUCHECK_PROFILE}"
    -Wno-profile-instr-unprofiled -Wno-profile-instr-out-of-date -Wno-backend-plugin)
endif()
