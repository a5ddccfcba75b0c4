# SPDX-License-Identifier: MIT
# Every library that is not ours, found once. All are packages of Debian 12, listed in packages.txt;
# `./dev build` installs them.
#   fmt::fmt  Threads::Threads  ZLIB::ZLIB  zstd::libzstd_shared  nlohmann_json::nlohmann_json
#   CLI11::CLI11  iommucheck::z3 (proofs/ only)  iommucheck::dw (process/ only)  benchmark::benchmark (bench/ only)
#   GTest::gmock GTest::gtest_main rapidcheck rapidcheck_gtest (tests/ only)
macro(iommucheck_require package debian)
  find_package(${package} ${ARGN} QUIET)
  if(NOT ${package}_FOUND)
    message(FATAL_ERROR "${package} is missing: apt-get install ${debian} "
                        "(or ./dev build, which installs all of packages.txt)")
  endif()
endmacro()

set(THREADS_PREFER_PTHREAD_FLAG ON)
iommucheck_require(Threads libc6-dev)
iommucheck_require(fmt libfmt-dev 9 CONFIG)
iommucheck_require(ZLIB zlib1g-dev)
iommucheck_require(zstd libzstd-dev CONFIG)
iommucheck_require(nlohmann_json nlohmann-json3-dev 3.11 CONFIG)
iommucheck_require(CLI11 libcli11-dev 2.1 CONFIG)
iommucheck_require(benchmark libbenchmark-dev CONFIG)
if(IOMMUCHECK_TESTS)
  iommucheck_require(GTest "libgtest-dev libgmock-dev" CONFIG)
  iommucheck_require(rapidcheck librapidcheck-dev CONFIG)
endif()

# iommucheck_find(NAME HEADER DEBIAN): iommucheck::NAME, a library that comes without a CMake package.
macro(iommucheck_find name header debian)
  string(TOUPPER ${name} upper)
  find_path(IOMMUCHECK_${upper}_INCLUDE NAMES ${header})
  find_library(IOMMUCHECK_${upper}_LIBRARY NAMES ${name})
  if(NOT IOMMUCHECK_${upper}_INCLUDE OR NOT IOMMUCHECK_${upper}_LIBRARY)
    message(FATAL_ERROR "${name} is missing: apt-get install ${debian}")
  endif()
  add_library(iommucheck::${name} UNKNOWN IMPORTED)
  set_target_properties(iommucheck::${name} PROPERTIES
                        IMPORTED_LOCATION "${IOMMUCHECK_${upper}_LIBRARY}"
                        INTERFACE_INCLUDE_DIRECTORIES "${IOMMUCHECK_${upper}_INCLUDE}")
endmacro()
iommucheck_find(z3 z3++.h libz3-dev)
iommucheck_find(dw elfutils/libdwfl.h libdw-dev)

# What an engine of elsewhere runs is one file: libraries go into it. fmt, of which Debian has no archive, is compiled
# with what uses it, whatever the standard library is: then its archive is an empty one.
function(iommucheck_link_statically target archive)
  get_target_property(configurations ${target} IMPORTED_CONFIGURATIONS)
  foreach(configuration IN LISTS configurations)
    set_target_properties(${target} PROPERTIES IMPORTED_LOCATION_${configuration} "${archive}")
  endforeach()
  set_target_properties(${target} PROPERTIES IMPORTED_LOCATION "${archive}")
endfunction()
if(IOMMUCHECK_FUZZING_ENGINE)
  find_library(IOMMUCHECK_ZSTD_ARCHIVE NAMES libzstd.a REQUIRED)
  find_library(IOMMUCHECK_ZLIB_ARCHIVE NAMES libz.a REQUIRED)
  set(nothing "${CMAKE_BINARY_DIR}/libnothing.a")
  execute_process(COMMAND "${CMAKE_AR}" rcs "${nothing}")
  iommucheck_link_statically(fmt::fmt "${nothing}")
  iommucheck_link_statically(zstd::libzstd_shared "${IOMMUCHECK_ZSTD_ARCHIVE}")
  iommucheck_link_statically(ZLIB::ZLIB "${IOMMUCHECK_ZLIB_ARCHIVE}")
  # What an archive of libdw needs comes behind it.
  find_library(IOMMUCHECK_DW_ARCHIVE NAMES libdw.a REQUIRED)
  set(behind "")
  foreach(archive elf lzma bz2)
    find_library(IOMMUCHECK_${archive}_ARCHIVE NAMES lib${archive}.a REQUIRED)
    list(APPEND behind "${IOMMUCHECK_${archive}_ARCHIVE}")
  endforeach()
  list(APPEND behind "${IOMMUCHECK_ZSTD_ARCHIVE}")  # from elfutils 0.189 on, as Ubuntu 24.04 has it
  iommucheck_link_statically(iommucheck::dw "${IOMMUCHECK_DW_ARCHIVE}")
  set_target_properties(iommucheck::dw PROPERTIES
                        INTERFACE_LINK_LIBRARIES "${behind};${IOMMUCHECK_ZLIB_ARCHIVE};${CMAKE_DL_LIBS}")
  set_target_properties(fmt::fmt PROPERTIES INTERFACE_COMPILE_DEFINITIONS FMT_HEADER_ONLY=1)
endif()
